"""The course of a training run: losses and validation scores by epoch, never recomputed.

A line of JSON each is written to the run's `course.jsonl`, from which everything is drawn. `loss_log.txt` and
`NAME_metrics.txt`, which say the same as the original code does, are for people and are not read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.errors import UserError
from txm2sem.files import append_line, json_values, own_file, write_text
from txm2sem.metrics import Summary
from txm2sem.runs import RunPaths

LONGEST_LINE = 2**14
"""Characters of a line that are read at once; none is nearly as long."""

LARGEST = 1e100
"""Numbers beyond this cannot be drawn, as what is not finite."""

LATEST = 10**9
"""Epochs and patches beyond this are damage."""


@dataclass(frozen=True)
class Curve:
    """One loss or score over the training.

    Attributes:
        name: of it.
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


@dataclass(frozen=True)
class Course:
    """What a run has written of its training.

    Attributes:
        losses: a curve each; values may be not finite.
        scores: of validation; their bands are one standard error wide.
        trivial: scores of predictions without a model on the same patches, by name of the prediction and of the score;
            those that are not finite are left out.
    """

    losses: list[Curve] = field(default_factory=list)
    scores: list[Curve] = field(default_factory=list)
    trivial: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path, patches_per_epoch: int) -> Course:
        """Return the curves in a `course.jsonl`; none where there is no file.

        Where a run was resumed before its last lines, the later of two lines of the same place counts. Lines that are
        something else, such as one that was cut off, are passed over.

        Raises:
            UserError: the file cannot be read.
        """
        losses: dict[float, Mapping[str, Summary]] = {}
        scores: dict[float, Mapping[str, Summary]] = {}
        trivial: Mapping[str, Mapping[str, float]] = {}
        for line in _lines(path):
            entry = _Entry.read(line)
            if entry is None:
                trivial = _read_trivial(line) or trivial
            elif entry.patch is None:
                scores[float(entry.epoch)] = entry.values
            else:
                losses[entry.epoch - 1 + entry.patch / max(1, patches_per_epoch)] = entry.values
        return cls(_curves(losses), [curve.finite() for curve in _curves(scores)], trivial)

    @property
    def end(self) -> float:
        """The last epoch that there is something of; 0: there is nothing."""
        return float(max((curve.epochs[-1] for curve in [*self.losses, *self.scores] if len(curve.epochs)), default=0))


def append_losses(paths: RunPaths, epoch: int, patch: int, losses: Mapping[str, float]) -> str:
    """Write the losses at a place of a run, and return its line in `loss_log.txt`.

    Args:
        paths: the run.
        epoch: number of the epoch, from 1.
        patch: patches seen of it.
        losses: by term.

    Raises:
        UserError: the disk is full or the folder not writable.
    """
    terms = " ".join(f"{name}: {value:.3f}" for name, value in losses.items())
    return _append(paths, _Entry(epoch, patch, {name: Summary(value, 0.0) for name, value in losses.items()}), terms)


def append_scores(paths: RunPaths, epoch: int, scores: Mapping[str, Summary]) -> None:
    """Write the scores of a validation, of epoch 0 or one that has ended.

    Raises:
        UserError: the disk is full or the folder not writable.
    """
    _append(paths, _Entry(epoch, None, scores), ", ".join(f"{name}={summary}" for name, summary in scores.items()))


def append_trivial(paths: RunPaths, means: Mapping[str, Mapping[str, float]]) -> None:
    """Write the mean scores of predictions without a model, by name of the prediction and of the score.

    Raises:
        UserError: the disk is full or the folder not writable.
    """
    append_line(paths.course, json.dumps(json_values({"trivial": means}), allow_nan=False))


def cut_course(paths: RunPaths, epoch: int, patch: int, validated: int) -> None:
    """Take out of what a run has written what is trained again once it is resumed, and lines that were cut off.

    Args:
        paths: the run.
        epoch: number of the epoch under way.
        patch: patches seen of it.
        validated: number of the epoch that the next validation is of.

    Raises:
        UserError: the disk is full or the folder not writable.
    """
    gone = set()

    def is_kept(line: str) -> bool:
        entry = _Entry.read(line)
        if entry is None:
            return bool(_read_trivial(line))
        if entry.epoch < validated if entry.patch is None else (entry.epoch, entry.patch) <= (epoch, patch):
            return True
        gone.add(entry.head)
        return False

    _keep(paths.course, is_kept)
    for path in (paths.loss_log, paths.metrics_log):
        _keep(path, lambda line: line.partition(") ")[0] not in gone)


@dataclass(frozen=True)
class _Entry:
    """One line: the losses after some patches of an epoch or, with `patch` None, the scores of its validation."""

    epoch: int
    patch: int | None
    values: Mapping[str, Summary]

    @property
    def head(self) -> str:
        """How the line in the file for people begins."""
        return f"(epoch: {self.epoch}" if self.patch is None else f"(epoch: {self.epoch}, iters: {self.patch}"

    def write(self) -> str:
        """Return the entry as a line of JSON."""
        if self.patch is None:
            content: dict[str, Any] = {"epoch": self.epoch, "scores": self.values}
        else:
            losses = {name: summary.mean for name, summary in self.values.items()}
            content = {"epoch": self.epoch, "patch": self.patch, "losses": losses}
        return json.dumps(json_values(content), allow_nan=False)

    @classmethod
    def read(cls, line: str) -> _Entry | None:
        """Return what a line says; None: it is damaged, or something else."""
        try:
            content = json.loads(line)
            epoch, patch = _count(content["epoch"]), content.get("patch")
            if patch is not None:
                losses = content["losses"].items()
                return cls(epoch, _count(patch), {name: Summary(_number(value), 0.0) for name, value in losses})
            scores = content["scores"].items()
            return cls(
                epoch,
                None,
                {name: Summary(_number(score["mean"]), _number(score["standard_error"])) for name, score in scores},
            )
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            return None


def _read_trivial(line: str) -> dict[str, dict[str, float]]:
    """Return what a line says of predictions without a model; nothing: it is damaged, or something else."""
    try:
        found = {
            str(kind): {str(name): _number(score) for name, score in scores.items()}
            for kind, scores in json.loads(line)["trivial"].items()
        }
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return {}
    return {
        kind: {name: score for name, score in scores.items() if math.isfinite(score)} for kind, scores in found.items()
    }


def _count(value: Any) -> int:
    if not isinstance(value, int) or not 0 <= value <= LATEST:
        raise ValueError(f"expected a count, found {value}")
    return int(value)


def _number(value: Any) -> float:
    """Return a number; NaN for null, which stands for what is not finite, and for what cannot be drawn."""
    if value is not None and not isinstance(value, int | float):
        raise TypeError(f"expected a number, found {value}")
    return float(value) if value is not None and abs(value) < LARGEST else float("nan")


def _append(paths: RunPaths, entry: _Entry, text: str) -> str:
    line = f"{entry.head}) {text}"
    append_line(paths.course, entry.write())
    append_line(paths.metrics_log if entry.patch is None else paths.loss_log, line)
    return line


def _curves(rows: Mapping[float, Mapping[str, Summary]]) -> list[Curve]:
    places = sorted(rows)
    curves = []
    for name in dict.fromkeys(name for place in places for name in rows[place]):
        having = [place for place in places if name in rows[place]]
        means = np.array([rows[place][name].mean for place in having])
        errors = np.array([rows[place][name].standard_error for place in having])
        curves.append(Curve(name, np.array(having), means, means - errors, means + errors))
    return curves


def _keep(path: Path, is_kept: Callable[[str], bool]) -> None:
    """Leave the lines of a file that are whole and to be kept."""
    lines = list(_lines(path))
    kept = [line for line in lines if line.endswith("\n") and is_kept(line)]
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
