"""The scorecard in a page: similarity with intervals, regions, curves, and the rock."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from html import escape
from typing import Any

import numpy as np

from txm2sem.metrics import REFERENCE_THRESHOLD, RESOLUTION_THRESHOLD, Interval
from txm2sem.pages import Line, Mark, interval_cell, legend, plot, table
from txm2sem.reporting.evaluation import evaluation_tables
from txm2sem.reporting.record import TestRecord, number_of
from txm2sem.scoring.measuring import TRUTH
from txm2sem.scoring.phases import PHASES
from txm2sem.scoring.table import REGION_NAMES, ROCK, SIMILARITY, interval_text, number_text

COLUMNS = {**SIMILARITY, "perceptual": ("perceptual distance", 3)}
"""Heading and digits of each measure of similarity."""


def scorecard_html(tested: TestRecord) -> str:
    """Return the scorecard of a test; means over patches where the model has none."""
    scores = tested.card
    if not scores:
        return evaluation_html(tested)
    about = f"{scores['images']} images of {scores['height_px']} × {scores['width_px']} pixels from {scores['slices']} "
    about += f"slices of split {scores['split']}, the {100 * scores['valid_share']:.1f} % of their pixels that count"
    if scores.get("interval"):
        about += "; brackets: 95 % interval over slices"
    parts = [
        f'<p class="note">{escape(about)}.</p>',
        similarity_table({kind: regions["all"] for kind, regions in scores["similarity"].items()}),
        _curves(scores),
        *(_rock(scores, phase) for phase in PHASES if scores["rock"]),
        _regions(scores),
        _spectra(scores),
        notes_list(scores["notes"]),
    ]
    return "\n".join(part for part in parts if part)


def evaluation_html(tested: TestRecord) -> str:
    """Return the means and notes of a test, and `eval_metrics.txt` to be opened."""
    parts = []
    for found in evaluation_tables(tested.scores):
        rows = [[kind, *(f"{mean:.4g} ± {error:.2g}" for mean, error in means)] for kind, means in found.rows.items()]
        parts.append(table("Mean ± standard error over patches", ["", *found.head], rows, marked=1))
    written = f'<pre tabindex="0">{escape(tested.evaluation)}</pre>'
    whole = f"<details>\n<summary>All that the test has written</summary>\n{written}\n</details>"
    return "\n".join([*parts, notes_list(tested.scores.get("notes", [])), whole])


def similarity_table(rows: Mapping[str, Mapping[str, Any]], marked: int = 1) -> str:
    """Return the similarity to the truth of kinds of prediction, each with its intervals by measure."""
    columns = {name: column for name, column in COLUMNS.items() if any(name in row for row in rows.values())}
    spans = {name: _span([interval_of(row[name]) for row in rows.values() if name in row]) for name in columns}
    lines = []
    for kind, row in rows.items():
        cells = [interval_of(row[name]) if name in row else None for name in columns]
        lines.append(
            [kind, *(_cell(cell, columns[name][1], spans[name]) for name, cell in zip(columns, cells, strict=True))]
        )
    better = [heading + (" ↓" if name == "perceptual" else " ↑") for name, (heading, _) in columns.items()]
    return table("Similarity to the truth; ↑ higher is better, ↓ lower is better", ["", *better], lines, marked=marked)


def interval_of(found: Mapping[str, Any]) -> Interval:
    """Return an interval of `scores.json`."""
    return Interval(*(number_of(found, key) for key in ("value", "low", "high")))


def notes_list(notes: list[str]) -> str:
    """Return what one must know to read the numbers."""
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f'<ul class="note">{items}</ul>' if items else ""


def _cell(found: Interval | None, digits: int, span: tuple[float, float]) -> str:
    if found is None or math.isnan(found.value):
        return "–"
    bounds = f"[{number_text(found.low, digits)}, {number_text(found.high, digits)}]"
    known = math.isfinite(found.low)
    return interval_cell(
        number_text(found.value, digits), bounds if known else "", found.value, found.low, found.high, span
    )


def _span(found: list[Interval]) -> tuple[float, float]:
    ends = [end for one in found for end in (one.value, one.low, one.high) if math.isfinite(end)]
    return (min(ends), max(ends)) if ends else (0.0, 0.0)


def _curves(scores: Mapping[str, Any]) -> str:
    curves = scores["curves"]
    kinds = list(scores["similarity"])
    frequencies, lags = np.array(curves["frequencies_per_px"], float), np.array(curves["lags_px"], float)
    power = _lines(curves["power"], kinds, frequencies, lambda values: values.max() > 1e-6)
    drawings = {}
    if power:  # flat images have none
        floor = min((float(line.y.min()) for line in power if line.style < 0), default=0.0) / 1000
        top = 2 * max(float(line.y.max()) for line in power)
        drawings["power spectrum"] = plot(
            power, "power spectra by frequency", "frequency [1 / pixels]", log=True, y_range=(max(floor, 1e-6), top)
        )
    frc = _lines(curves["frc"], kinds, frequencies, lambda values: np.abs(values).max() > 0)
    if frc:
        drawings["ring correlation with the truth"] = plot(
            frc,
            "Fourier ring correlation with the truth by frequency",
            "frequency [1 / pixels]",
            y_range=(-0.1, 1.0),
            marks=[Mark(REFERENCE_THRESHOLD, "1/2"), Mark(RESOLUTION_THRESHOLD, "1/7")],
        )
    for phase in curves["s2"]:
        lines = _lines(curves["s2"][phase], kinds, lags, lambda values: True)
        name = f"two-point correlation, {REGION_NAMES[phase]}"
        drawings[name] = plot(lines, f"{name}, by distance", "distance [pixels]")
    figures = "\n".join(
        f"<figure>\n<figcaption><b>{escape(name)}</b></figcaption>\n{svg}\n</figure>" for name, svg in drawings.items()
    )
    return f'{legend(power)}\n<div class="curves">\n{figures}\n</div>'


def _lines(
    curves: Mapping[str, list[float | None]], kinds: list[str], at: Any, shown: Callable[[Any], bool]
) -> list[Line]:
    """Return the curves of truth and predictions; those without anything to see, such as constants, are left out."""
    styles = {TRUTH: -1} | {kind: number for number, kind in enumerate(kinds)}
    lines = []
    for kind, style in styles.items():
        values = np.array(curves.get(kind, []), float)
        known = np.isfinite(values)
        if known.any() and shown(values[known]):
            lines.append(Line(kind, at[known], values[known], style=style))
    return lines


def _rock(scores: Mapping[str, Any], phase: str) -> str:
    kinds = list(scores["rock"])
    model = kinds[0]
    others = [kind for kind in kinds[1:] if kind.startswith(("linear fit", "raw"))]
    rows = []
    for name, (heading, factor, digits) in ROCK.items():
        found = scores["rock"][model][phase][name]
        true, predicted = (
            number_text(factor * number_of(found[key], "value"), digits) for key in ("true", "predicted")
        )
        errors = [_scaled(interval_of(scores["rock"][kind][phase][name]["error"]), factor) for kind in (model, *others)]
        cells = [interval_text(errors[0], digits, signed=True)]
        cells += [number_text(error.value, digits, signed=True) for error in errors[1:]]
        rows.append([heading, true, predicted, *cells])
    errors = [interval_of(scores["rock"][kind][phase]["s2_error"]) for kind in (model, *others)]
    cells = [number_text(100 * error.value, 3) for error in errors]
    rows.append(["two-point correlation: mean |error| [%]", "", "", *cells])
    head = ["", "true", "predicted", "error", *(f"error of {kind}" for kind in others)]
    return table(f"Rock: {REGION_NAMES[phase]}", head, rows)


def _regions(scores: Mapping[str, Any]) -> str:
    first = next(iter(scores["similarity"].values()))
    regions = [region for region in first if region != "all"]
    if not regions:
        return ""
    columns = [(name, region) for name in ("psnr", "pearson") for region in regions]
    head = ["", *(f"{SIMILARITY[name][0]} {REGION_NAMES[region]}" for name, region in columns)]
    rows = [
        [kind, *(number_text(number_of(found[region][name], "value"), 2) for name, region in columns)]
        for kind, found in scores["similarity"].items()
    ]
    return table("Regions", head, rows, marked=1)


def _spectra(scores: Mapping[str, Any]) -> str:
    head = ["", "power off by [dB]", "most", "resolved to [pixels] (FRC 1/2)", "(FRC 1/7)"]
    head += ["grid of 2 [dB]", "grid of 4 [dB]"]
    rows = []
    for kind, grids in scores["grid"].items():
        found = scores["spectrum"].get(kind, {})
        names = (("spectrum_mean_db", False), ("spectrum_largest_db", True)), (
            ("resolution_half_px", False), ("resolution_seventh_px", False),
        )  # fmt: skip
        cells = [
            number_text(number_of(found[name], "value"), 1, signed=signed) if found else ""
            for group in names
            for name, signed in group
        ]
        largest = (
            max((value for value in grid.values() if value is not None), default=math.nan) for grid in grids.values()
        )
        rows.append([kind, *cells, *(number_text(value, 1, signed=True) for value in largest)])
    return table("Spectra, resolution, and traces of upsampling grids", head, rows, marked=1)


def _scaled(found: Interval, factor: float) -> Interval:
    return Interval(factor * found.value, factor * found.low, factor * found.high)
