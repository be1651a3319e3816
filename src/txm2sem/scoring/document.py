"""The scorecard for programs (JSON) and spreadsheets (CSV); docs/scores.md lists the keys."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

from txm2sem.files import json_values
from txm2sem.metrics import LEVEL, RESAMPLES, scales_of
from txm2sem.scoring.card import Scores
from txm2sem.scoring.means import Means
from txm2sem.scoring.measuring import Measured, longest_lag
from txm2sem.scoring.names import FORMAT, PHASES, ROCK, TRUTH

UNITS = {
    "psnr": "dB",
    "ssim": "1",
    "ms_ssim": "1",
    "pearson": "1",
    "perceptual": "1",
    "spectrum_mean_db": "dB",
    "spectrum_largest_db": "dB",
    "resolution_half_px": "pixels",
    "resolution_seventh_px": "pixels",
    "fraction": "1",
    "chord_rows_px": "pixels",
    "chord_columns_px": "pixels",
    "perimeter_per_px": "1 / pixels",
    "euler_per_px2": "1 / pixels^2",
    "s2_error": "1",
    "grid": "dB",
}


def means_document(means: Means, about: Mapping[str, Any], notes: Sequence[str], **more: Any) -> dict[str, Any]:
    """Return the scores of a test without a scorecard, as plain values.

    Args:
        means: the scores.
        about: what was tested, by key.
        notes: what one must know to read the numbers.
        more: further values by key.
    """
    return plain({"format": FORMAT, **about, "means": means.to_plain(), **more, "notes": list(notes)})


def scores_document(
    scores: Scores, about: Mapping[str, Any], notes: Sequence[str], means: Means | None = None
) -> dict[str, Any]:
    """Return the scorecard as plain values; None stands where a number is not defined.

    Args:
        scores: the scores.
        about: what was tested, by key.
        notes: what one must know to read the numbers.
        means: the scores of `eval_metrics.txt`, which may be over other pixels.
    """
    card = scores.card
    height, width = card.shape
    kinds = [*scores.kinds, TRUTH]
    phases = {} if card.phases is None else vars(card.phases)
    content = {
        "format": FORMAT,
        **about,
        **({} if means is None else {"means": means.to_plain()}),
        "images": len(card.measured),
        "slices": scores.slices,
        "height_px": height,
        "width_px": width,
        "pixel_size_nm": card.pixel_size,
        "valid_share": scores.valid_share,
        "ms_ssim_scales": scales_of(card.shape),
        "displacements_px": {
            f"{number}": [found.rows, found.columns] for number, found in scores.displacements.items()
        },
        "interval": {"level": LEVEL, "resamples": RESAMPLES, "over": "slices"} if scores.has_intervals else None,
        "units": UNITS,
        "phases": phases,
        "similarity": {kind: scores.similarity(kind) for kind in scores.kinds},
        "spectrum": {kind: scores.spectrum(kind) for kind in scores.kinds},
        "rock": {kind: _rock(scores, kind) for kind in scores.kinds} if phases else {},
        "grid": {kind: scores.grid(kind) for kind in kinds},
        "curves": {
            "frequencies_per_px": scores.frequencies,
            "power": {kind: scores.curve(kind, "power") for kind in kinds},
            "frc": {kind: scores.curve(kind, "frc") for kind in scores.kinds},
            "lags_px": list(range(longest_lag(card.shape) + 1)),
            "s2": {phase: {kind: scores.curve(kind, f"s2_{phase}") for kind in kinds} for phase in PHASES}
            if phases
            else {},
            "chords": {
                phase: {kind: scores.curves(kind, f"chords_{phase}").sum(axis=0) for kind in kinds} for phase in PHASES
            }
            if phases
            else {},
        },
        "by_image": {"slice": card.slices, "values": {kind: _by_image(card.measured, kind) for kind in kinds}},
        "notes": list(notes),
    }
    return plain(content)


def scores_csv(document: Mapping[str, Any]) -> str:
    """Return the scores of single images in a scorecard as a table; empty where not defined.

    There is a row per image and kind of prediction, and one of the truth.

    Args:
        document: as `scores_document` returns it.
    """
    slices, values = document["by_image"]["slice"], document["by_image"]["values"]
    columns = dict.fromkeys(column for found in values.values() for column in found)
    buffer = io.StringIO()
    table = csv.writer(buffer, lineterminator="\n")
    table.writerow(["image", "slice", "kind", *columns])
    for index, number in enumerate(slices):
        for kind, found in values.items():
            row = (found[column][index] if column in found else None for column in columns)
            table.writerow([index, number, kind, *("" if value is None else f"{value:.6g}" for value in row)])
    return buffer.getvalue()


def plain(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as they are read from JSON."""
    found: dict[str, Any] = json_values(content)
    return found


def _by_image(measured: Sequence[Mapping[str, Measured]], kind: str) -> dict[str, list[float]]:
    """Return the measures of one kind in each image, NaN where one is not defined."""
    columns = dict.fromkeys(column for image in measured for column in image[kind].values)
    return {column: [image[kind].values.get(column, math.nan) for image in measured] for column in columns}


def _rock(scores: Scores, kind: str) -> dict[str, Any]:
    measures = scores.rock(kind)
    return {
        phase: {
            **{name: vars(measures[phase][name]) for name in ROCK},
            "s2_error": scores.s2_error(kind, phase),
        }
        for phase in PHASES
    }
