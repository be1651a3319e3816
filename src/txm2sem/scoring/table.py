"""The scorecard on the console."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from txm2sem.metrics import Interval
from txm2sem.scoring.names import PHASES, REGION_NAMES, SIMILARITY_COLUMNS, TRUTH, resolution_column, rock_columns

if TYPE_CHECKING:  # pages about runs that are done take words from here, and compute nothing
    from txm2sem.scoring.card import RockMeasure, Scores

Row = Sequence[str]


def scores_table(scores: Scores) -> str:
    """Return the scorecard as aligned tables; – stands where a number is not defined."""
    parts = [_similarity(scores), _regions(scores), _spectra(scores)]
    if scores.card.phases is not None:
        parts += [_phase(scores, phase) for phase in PHASES]
    return "\n\n".join(part for part in parts if part)


def _similarity(scores: Scores) -> str:
    found = {kind: scores.similarity(kind)["all"] for kind in scores.kinds}
    columns = dict(SIMILARITY_COLUMNS)
    if scores.card.perceptual is not None:
        columns["perceptual"] = ("perceptual", 3)
    rows = [["", *(heading for heading, _ in columns.values())]]
    rows += [
        [kind, *(interval_text(intervals[name], digits) for name, (_, digits) in columns.items())]
        for kind, intervals in found.items()
    ]
    return aligned(rows)


def _regions(scores: Scores) -> str:
    regions = scores.regions[1:]
    if not regions:
        return ""
    found = {kind: scores.similarity(kind) for kind in scores.kinds}
    rows = [["", *(f"{REGION_NAMES[region]}" for region in regions), *(REGION_NAMES[region] for region in regions)]]
    for kind, intervals in found.items():
        cells = [number_text(intervals[region][name].value, 2) for name in ("psnr", "pearson") for region in regions]
        rows.append([kind, *cells])
    rows[0][1:] = [
        f"{heading}: {name}" if place == 0 else name
        for heading, names in (("PSNR [dB]", rows[0][1:4]), ("correlation", rows[0][4:]))
        for place, name in enumerate(names)
    ]
    return aligned(rows)


def _spectra(scores: Scores) -> str:
    resolved, factor, digits = resolution_column(scores.card.pixel_size)
    headings = ("power off by [dB]", "most", f"{resolved} (FRC 1/2)", "(FRC 1/7)", "grid of 2 [dB]", "of 4")
    rows: list[Row] = [["", *headings]]
    for kind in (*scores.kinds, TRUTH):
        cells = ["", "", "", ""]
        if kind != TRUTH:
            found = scores.spectrum(kind)
            cells = [
                number_text(found["spectrum_mean_db"].value, 1),
                number_text(found["spectrum_largest_db"].value, 1, signed=True),
                number_text(factor * found["resolution_half_px"].value, digits),
                number_text(factor * found["resolution_seventh_px"].value, digits),
            ]
        grids = [number_text(max(values.values()), 1, signed=True) for values in scores.grid(kind).values()]
        rows.append([kind, *cells, *grids])
    return aligned(rows)


def _phase(scores: Scores, phase: str) -> str:
    model = scores.kinds[0]
    others = [kind for kind in scores.kinds[1:] if kind.startswith(("linear fit", "raw", "one draw"))]
    rows: list[Row] = [[REGION_NAMES[phase], "true", "predicted", "error", *(f"error of {kind}" for kind in others)]]
    measures = {kind: scores.rock(kind)[phase] for kind in (model, *others)}
    for name, (heading, factor, digits) in rock_columns(scores.card.pixel_size).items():
        found = measures[model][name]
        cells = [number_text(factor * value.value, digits) for value in (found.true, found.predicted)]
        cells.append(interval_text(_scaled(found, factor), digits, signed=True))
        cells += [number_text(factor * measures[kind][name].error.value, digits, signed=True) for kind in others]
        rows.append([heading, *cells])
    errors = [scores.s2_error(kind, phase) for kind in (model, *others)]
    rows.append(
        [
            "two-point correlation: mean |error| [%]",
            "",
            "",
            *(number_text(100 * error.value, 3) for error in errors),
        ]
    )
    return aligned(rows)


def _scaled(found: RockMeasure, factor: float) -> Interval:
    error = found.error
    return Interval(factor * error.value, factor * error.low, factor * error.high)


def interval_text(found: Interval, digits: int, *, signed: bool = False) -> str:
    """Return a number with its interval, for people."""
    value = number_text(found.value, digits, signed=signed)
    if not math.isfinite(found.low):
        return value
    return (
        f"{value} [{number_text(found.low, digits, signed=signed)}, {number_text(found.high, digits, signed=signed)}]"
    )


def number_text(value: float, digits: int, *, signed: bool = False) -> str:
    """Return a number for people: – where it is not defined, none where it is infinite."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "none" if value > 0 else "–"
    # No minus before what rounds to zero.
    value = round(value, digits) + 0.0
    return f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"


def better_text(better: Mapping[str, Any]) -> str:
    """Say what is better than a model, as `PhaseCalibration.better` names it."""
    return (
        f"without this model it goes better on the validation split: {better['name']} have a mean Dice of "
        f"{better['mean_dice']:.3f}, the model {better['mean_dice_of_model']:.3f}"
    )


def aligned(rows: Sequence[Row]) -> str:
    """Return rows of cells as lines, the first cell to the left and the others to the right of their columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
