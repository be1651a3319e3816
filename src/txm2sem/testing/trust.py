"""Where the predictions of a test can be believed: written for people, for programs and to look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from torch import Tensor

from txm2sem.data import EvaluationPatches, to_uint8
from txm2sem.errors import listed
from txm2sem.figures.calibration import draw_calibration
from txm2sem.figures.saving import save_figure
from txm2sem.figures.shown import rows_to_show
from txm2sem.figures.trust import TrustRow, draw_trust
from txm2sem.files import json_text, write_text, write_whole
from txm2sem.metrics import Reliability, SpreadCounts
from txm2sem.options import TestCommand
from txm2sem.progress import progress_bar
from txm2sem.runs import RunPaths
from txm2sem.trust import Judgement, Trust
from txm2sem.trust.fitting import absolute_errors, pair_of, usable
from txm2sem.trust.guard import FALSE_ALARMS
from txm2sem.trust.novelty import FALSE_FLAGS
from txm2sem.trust.stored import REPORT_FORMAT

LITTLE_SORTED = 0.05
"""Share of the way to the order of errors below which an uncertainty says nothing of where they are large."""


@dataclass
class TrustCounts:
    """What is found on the tested images.

    Attributes:
        counted: usable pixels by standard deviation and error.
        contradicting: pixels whose prediction contradicts the TXM.
        alarms: pixels whose true SEM does.
        error_there: sum of the absolute errors in `contradicting` [grey levels].
        error_in_all: sum of all absolute errors [grey levels].
        distances: largest distance of each image's tiles from those of training.
        errors: mean absolute error of each image [grey levels].
    """

    counted: SpreadCounts = field(default_factory=SpreadCounts)
    contradicting: int = 0
    alarms: int = 0
    error_there: float = 0.0
    error_in_all: float = 0.0
    distances: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)

    def add(self, trust: Trust, patch: dict[str, Tensor], prediction: NDArray[np.float32], judged: Judgement) -> None:
        """Add an image."""
        guard, valid = trust.model.guard, usable(patch)
        error = absolute_errors(prediction, patch)
        self.counted.add(judged.raw[valid], error[valid])
        there = guard.contradicts(judged.contradiction) & valid
        self.contradicting += int(there.sum())
        self.alarms += int((guard.contradicts(guard.scores(pair_of(patch))) & valid).sum())
        self.error_there += float(error[there].sum())
        self.error_in_all += float(error[valid].sum())
        self.distances.append(float(judged.novelty.max()))
        self.errors.append(float(error[valid].mean()) if valid.any() else 0.0)

    def guard_values(self, pixels: int) -> dict[str, float | None]:
        """Return what the guard has found in all usable pixels."""
        elsewhere = pixels - self.contradicting
        return {
            "contradicting_share": self.contradicting / pixels,
            "contradicting_share_of_true_sem": self.alarms / pixels,
            "mean_absolute_error_there": self.error_there / self.contradicting if self.contradicting else None,
            "mean_absolute_error_elsewhere": (self.error_in_all - self.error_there) / elsewhere if elsewhere else None,
        }


def write_trust(
    command: TestCommand,
    paths: RunPaths,
    trust: Trust | None,
    patches: EvaluationPatches,
    about: Mapping[str, Any],
    pixel_size: float | None,
) -> tuple[list[str], list[Path]]:
    """Judge the predictions of all images, and write what is found into the run's results.

    Args:
        command: the options of the test.
        paths: of the run.
        trust: what judges; None: nothing is written.
        patches: the images.
        about: what was tested: `model`, `epoch`, `split`.
        pixel_size: side of a pixel [nm]; None: not known.

    Returns:
        Lines for the console, and the figures.
    """
    if trust is None:
        return [], []
    found, suffix = TrustCounts(), "_fullslice" if command.test.full_slice else ""
    for index in progress_bar(range(len(patches)), desc="judging", unit="patch"):
        patch = patches[index]
        prediction, variance = (
            item[0, 0].numpy() for item in trust.sampler(patch["source"][None], _entropy(command, index))
        )
        judged = trust.model.judge(pair_of(patch).txm, prediction, variance, usable(patch))
        found.add(trust, patch, prediction, judged)
        write_numbers(paths.numbers(f"uncertainty{suffix}", index), judged.spread)
        write_numbers(paths.numbers(f"contradiction{suffix}", index), judged.contradiction)
    tested = Reliability.of(found.counted, trust.model.calibration)
    threshold = trust.model.novelty.threshold
    flagged = [index for index, distance in enumerate(found.distances) if distance > threshold]
    sentences = _sentences(trust, found, tested, flagged)
    content = _content(trust, found, tested, flagged) | {"in_words": sentences, "notes": list(trust.notes)}
    write_text(paths.trust_report, json_text({"format": REPORT_FORMAT, **about, "images": len(patches), **content}))
    title = f"{about['model']} (epoch {about['epoch']}) on split {about['split']}"
    save_figure(
        draw_calibration({"validation": trust.model.validation, about["split"]: tested}, title),
        paths.calibration_figure,
        command.figure.figures,
    )
    ranks = np.argsort(found.errors)
    chosen = [int(ranks[place]) for place in rows_to_show(len(ranks))]
    rows = [_row(paths, trust, patches, index, suffix, index in flagged) for index in chosen]
    save_figure(draw_trust(rows, trust.model.guard, title, pixel_size), paths.trust_figure, command.figure.figures)
    lines = _lines(sentences, trust.notes)
    return lines, [paths.trust_figure, paths.calibration_figure]


def write_numbers(path: Path, numbers: NDArray[np.float32]) -> None:
    """Write float32 numbers (H, W) as a TIFF file, whole or not at all."""
    write_whole(path, lambda buffer: tifffile.imwrite(buffer, numbers, photometric="minisblack", compression="zlib"))


def _entropy(command: TestCommand, index: int) -> tuple[int, int]:
    return command.run.seed, index


def _content(trust: Trust, found: TrustCounts, tested: Reliability, flagged: list[int]) -> dict[str, Any]:
    model, sampler = trust.model, trust.sampler
    guard = model.guard
    return {
        "uncertainty": {
            "method": sampler.method,
            "samples": sampler.samples,
            "unit": "grey levels of 255",
            "calibration": model.calibration,
            "validation": model.validation,
            "tested": tested,
        },
        "guard": {
            "unit": "standard deviations of what the true SEM of the validation split leaves",
            "explained_variance": guard.explained_variance,
            "smoothing_px": guard.smoothing,
            "threshold": guard.threshold,
            "false_alarm_rate": FALSE_ALARMS,
            "noticed_share_of_planted": guard.noticed,
            "validation": {"contradicting_share": model.contradicting},
            "tested": found.guard_values(tested.pixels),
        },
        "novelty": {
            "unit": "Mahalanobis distance of a tile's texture from those of training",
            "tile_px": model.novelty.tile,
            "threshold": model.novelty.threshold,
            "false_flag_rate": FALSE_FLAGS,
            "distances": found.distances,
            "flagged": flagged,
        },
    }


def _row(
    paths: RunPaths, trust: Trust, patches: EvaluationPatches, index: int, suffix: str, is_novel: bool
) -> TrustRow:
    patch = patches[index]
    pair = pair_of(patch)
    return TrustRow(
        index=index,
        txm=to_uint8(pair.txm),
        prediction=to_uint8(trust.sampler.predictor.any_size(patch["source"][None])[0, 0]),
        sem=to_uint8(pair.sem),
        spread=tifffile.imread(paths.numbers(f"uncertainty{suffix}", index)),
        contradiction=tifffile.imread(paths.numbers(f"contradiction{suffix}", index)),
        usable=usable(patch),
        is_novel=is_novel,
    )


def order_text(use: float) -> str:
    """Say how far pixels are put in the order of their errors: 0 as by chance, 1 wholly; below 0 worse than chance."""
    if use < LITTLE_SORTED:
        return "it does not tell large errors from small ones here"
    return f"it sorts them {100 * use:.0f} % of the way from chance to the order of their errors"


def _sentences(trust: Trust, found: TrustCounts, tested: Reliability, flagged: list[int]) -> dict[str, list[str]]:
    """Return what was found, in words, by what has found it."""
    model, values = trust.model, found.guard_values(tested.pixels)
    coverage, order = tested.coverage["calibrated"], tested.sparsification
    use = 1 - order.area / order.area_of_constant if order.area_of_constant else 0.0
    there, elsewhere = values["mean_absolute_error_there"], values["mean_absolute_error_elsewhere"]
    errors = (
        f"; the mean absolute error is {there:.1f} grey levels there, {elsewhere:.1f} elsewhere"
        if there and elsewhere
        else ""
    )
    count = len(found.distances)
    names = f": {listed([f'{index:03d}' for index in flagged])}" if flagged else ""
    return {
        "uncertainty": [
            f"standard deviation {tested.mean_spread:.1f} levels, error {tested.rms_error:.1f} (root mean squares)",
            f"intervals of 68 and 95 % hold {100 * coverage['68']:.1f} and {100 * coverage['95']:.1f} % of the pixels; "
            f"{order_text(use)}",
        ],
        "guard": [
            f"{100 * found.contradicting / tested.pixels:.1f} % of the pixels contradict the TXM ("
            f"{100 * found.alarms / tested.pixels:.1f} % would with the true SEM){errors}",
            f"it explains {100 * model.guard.explained_variance:.0f} % of the TXM's variance, and notices "
            f"{100 * model.guard.noticed:.0f} % of wrong SEM planted there",
        ],
        "novelty": [f"{len(flagged)} of {count} images are unlike those of training{names}"],
    }


def _lines(sentences: Mapping[str, Sequence[str]], notes: Iterable[str]) -> list[str]:
    said = [
        f"{f'{name}:' if place == 0 else '':<12} {sentence}"
        for name, those in sentences.items()
        for place, sentence in enumerate(those)
    ]
    return ["", "where not to believe it", *said, *(f"note: {note}" for note in notes)]
