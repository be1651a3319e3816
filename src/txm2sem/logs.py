"""The course of a training run, read from its logs and never recomputed: losses and validation scores by epoch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from txm2sem.errors import UserError
from txm2sem.files import own_file, write_text
from txm2sem.runs import RunPaths

# Bounded, lest a line of a damaged log takes hours.
LOSS_LINE = re.compile(r"\(epoch: (\d{1,9}), iters: (\d{1,12})[^)]*\) (.*)")
SCORE_LINE = re.compile(r"\(epoch: (\d{1,9})\) (.*)")
NUMBER = r"[-+]?(?:\d{1,40}(?:\.\d{0,40})?(?:e[-+]?\d{1,4})?|nan|inf)"
LOSS = re.compile(rf"(\S{{1,100}}): ({NUMBER})(?=\s|$)")
SCORE = re.compile(rf"([^=,]{{1,100}})=({NUMBER})(?:±({NUMBER}))?")

LONGEST_LINE = 2**14
"""Characters of a line that are read at once; no log has nearly as long ones."""

LARGEST = 1e100
"""Numbers beyond this cannot be drawn, as what is not finite."""


@dataclass(frozen=True)
class Curve:
    """One loss or score over the training.

    Attributes:
        name: as the logs name it.
        epochs: where, (N,), ascending; 1.5 is the middle of the second epoch.
        values: (N,); may hold values that are not finite.
        low: lower end of the band around the values, (N,).
        high: upper end of it, (N,).
    """

    name: str
    epochs: NDArray[np.float64]
    values: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def finite(self) -> Curve:
        """Return the curve without the places that are not finite."""
        # Comparisons with what is not a number are False.
        kept = (np.abs(self.values) < LARGEST) & (self.low > -LARGEST) & (self.high < LARGEST)
        return Curve(self.name, self.epochs[kept], self.values[kept], self.low[kept], self.high[kept])


def read_losses(path: Path, patches_per_epoch: int) -> list[Curve]:
    """Return the loss curves in a `loss_log.txt`, also one of the original code; none where there is no file.

    Where a run was resumed before its last lines, the later of two lines of the same place counts. Lines that are
    something else, such as one that was cut off, are passed over.

    Raises:
        UserError: the file cannot be read.
    """
    rows: dict[tuple[int, int], dict[str, float]] = {}
    for match in map(LOSS_LINE.match, _lines(path)):
        if match:
            terms = {name: float(value) for name, value in LOSS.findall(match[3])}
            rows[int(match[1]), int(match[2])] = terms
    places = sorted(rows)
    curves = []
    for name in dict.fromkeys(name for place in places for name in rows[place]):
        having = [place for place in places if name in rows[place]]
        epochs = np.array([epoch - 1 + patch / max(1, patches_per_epoch) for epoch, patch in having])
        values = np.array([rows[place][name] for place in having])
        curves.append(Curve(name, epochs, values, values, values))
    return curves


def read_scores(path: Path) -> list[Curve]:
    """Return the curves of a `NAME_metrics.txt`, their bands one standard error wide; none where there is no file.

    Raises:
        UserError: the file cannot be read.
    """
    rows: dict[int, dict[str, tuple[float, float]]] = {}
    for match in map(SCORE_LINE.match, _lines(path)):
        if match:
            scores = {name.strip(): (float(mean), float(error or 0)) for name, mean, error in SCORE.findall(match[2])}
            rows[int(match[1])] = scores
    curves = []
    for name in dict.fromkeys(name for epoch in sorted(rows) for name in rows[epoch]):
        epochs = [epoch for epoch in sorted(rows) if name in rows[epoch]]
        means, errors = np.array([rows[epoch][name] for epoch in epochs]).T
        curves.append(Curve(name, np.array(epochs, np.float64), means, means - errors, means + errors))
    return curves


def cut_logs(paths: RunPaths, epoch: int, patch: int, validated: int) -> None:
    """Take out of a run's logs what is trained again once it is resumed.

    Args:
        paths: the run.
        epoch: number of the epoch under way.
        patch: patches seen of it.
        validated: number of the epoch that the next validation is of.

    Raises:
        UserError: the disk is full or the folder not writable.
    """
    _cut(paths.loss_log, LOSS_LINE, lambda match: (int(match[1]), int(match[2])) <= (epoch, patch))
    _cut(paths.metrics_log, SCORE_LINE, lambda match: int(match[1]) < validated)


def _cut(path: Path, line: re.Pattern[str], keeps: Callable[[re.Match[str]], bool]) -> None:
    """Leave the lines that are whole and, where they are of that form, are to be kept."""
    if path.exists():
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        kept = [
            text for text in lines if text.endswith("\n") and not ((match := line.match(text)) and not keeps(match))
        ]
        if kept != lines:
            write_text(path, "".join(kept))


def condense(curve: Curve, most: int = 100) -> Curve:
    """Return means of equal numbers of neighbouring values, with a band from the smallest to the largest.

    Values that are not finite are left out. Short curves, of fewer than 80 values, come back whole.

    Args:
        curve: the curve.
        most: points to leave.
    """
    curve = curve.finite()
    epochs, values = curve.epochs, curve.values
    if len(values) < 80:
        return curve
    # Four values or more in each part: the loss of one patch says little.
    parts = np.array_split(np.arange(len(values)), min(most, len(values) // 4))
    return Curve(
        curve.name,
        np.array([epochs[part].mean() for part in parts]),
        np.array([values[part].mean() for part in parts]),
        np.array([values[part].min() for part in parts]),
        np.array([values[part].max() for part in parts]),
    )


def _lines(path: Path) -> Iterator[str]:
    if not path.exists():
        return
    path = own_file(path, path.parent)
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            yield from iter(lambda: file.readline(LONGEST_LINE), "")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; permit reading it, or move it away") from error
