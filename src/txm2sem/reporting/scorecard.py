"""The scores of a test in a page: similarity with intervals, regions, curves, and the rock; or means over patches."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from txm2sem.data.classes import CLASSES
from txm2sem.figures.of_pages import Figures, Illustrated, draw_plots
from txm2sem.metrics import REFERENCE_THRESHOLD, RESOLUTION_THRESHOLD, Interval
from txm2sem.pages import Cell, Line, Mark, Plot, Table, fragment, interval_cell, plot
from txm2sem.palette import style_of
from txm2sem.quantities import Ruler
from txm2sem.reporting.record import TestRecord, number_of
from txm2sem.scoring.names import PHASES, REGION_NAMES, SIMILARITY_COLUMNS, TRUTH, resolution_column, rock_columns
from txm2sem.scoring.table import interval_text, number_text

COLUMNS = {**SIMILARITY_COLUMNS, "perceptual": ("perceptual distance", 3)}
"""Heading and digits of each measure of similarity."""


@dataclass(frozen=True)
class EvaluationTable:
    """Means over patches by kind of prediction, the model's first.

    Attributes:
        head: of the columns.
        rows: for each kind its means and standard errors.
    """

    head: list[str]
    rows: dict[str, list[tuple[float, float]]]


def scores_html(tested: TestRecord) -> Illustrated:
    """Return the scorecard of a test; means over patches, and `eval_metrics.txt`, where the model has none."""
    scores = tested.card
    if not scores:
        tables = [means_table(found.head, found.rows, 1) for found in evaluation_tables(tested.scores)]
        probabilities = tested.scores.get("probabilities")
        lines, plots = _reliability(probabilities) if probabilities else ([], [])
        html = fragment(
            "run.html",
            "means",
            tables=[*tables, *(_probabilities(probabilities) if probabilities else [])],
            lines=lines,
            plots=plots,
            texts=tested.scores.get("notes", []),
            written=tested.evaluation,
        )
        return Illustrated(html, _figures(plots))
    about = f"{scores['images']} images of {scores['height_px']} × {scores['width_px']} pixels from {scores['slices']} "
    about += f"slices of split {scores['split']}, the {100 * scores['valid_share']:.1f} % of their pixels that count"
    if scores.get("interval"):
        about += "; brackets: 95 % interval over slices"
    lines, plots = _curves(scores)
    html = fragment(
        "run.html",
        "scorecard",
        about=about,
        similarity=similarity_table({kind: regions["all"] for kind, regions in scores["similarity"].items()}),
        lines=lines,
        plots=plots,
        tables=[*(_rock(scores, phase) for phase in PHASES if scores["rock"]), *_regions(scores), _spectra(scores)],
        texts=scores["notes"],
    )
    return Illustrated(html, _figures(plots))


def _figures(plots: Sequence[Plot]) -> Figures:
    return {"scores": partial(draw_plots, plots)} if plots else {}


def evaluation_tables(scores: Mapping[str, Any]) -> list[EvaluationTable]:
    """Return the tables of means of a document of scores; none where it has none."""
    means = scores.get("means", {"tables": []})
    return [
        EvaluationTable(list(map(_heading, table.values())), _rows(means["rows"], table)) for table in means["tables"]
    ]


def means_table(head: list[str], rows: Mapping[str, list[tuple[float, float]]], marked: int) -> Table:
    """Return means and standard errors, see `EvaluationTable`, as a table whose first rows are marked."""
    lines = [[kind, *(f"{mean:.4g} ± {error:.2g}" for mean, error in means)] for kind, means in rows.items()]
    return Table("Mean ± standard error over patches", ["", *head], lines, marked)


def _probabilities(found: Mapping[str, Any]) -> list[Table]:
    """Return how far the probabilities of classes are right, and the fractions that they expect beside the true ones.

    Calibrated ones come first, where there are any.
    """
    tested = dict(reversed(found["tested"].items()))
    errors = [
        [
            kind,
            number_text(one["bits_per_pixel"], 3),
            *(number_text(error, 4) for error in (one["calibration_error"], *one["class_calibration_errors"])),
        ]
        for kind, one in tested.items()
    ]
    shares = {f"expected, {kind}": one["expected_shares"] for kind, one in tested.items()}
    shares["true"] = found["tested"]["raw"]["true_shares"]
    shares |= {"mean of the training slices": found["training_shares"]} if found["training_shares"] else {}
    fractions = [[kind, *(number_text(100 * share, 2) for share in values)] for kind, values in shares.items()]
    if found["calibration"]:
        spreads = [f"± {number_text(100 * error, 2)}" for error in found["calibration"]["fraction_error"]]
        fractions.append(["standard deviation of the expected, from the calibration", *spreads])
    head = ["", "bits per pixel ↓", "calibration error ↓", *(f"of {name} ↓" for name in CLASSES)]
    return [
        Table("Probabilities beside the true classes; ↓ lower is better", head, errors, marked=1),
        Table("Fractions [%]: mean probability, and truth", ["", *CLASSES], fractions, marked=1),
    ]


def _reliability(found: Mapping[str, Any]) -> tuple[list[Line], list[Plot]]:
    """Return what belongs to the legend, and a drawing for each class of how often it is true."""
    right = Line("right", np.array([0.0, 1.0]), np.array([0.0, 1.0]), style=-1)
    kinds = {kind: one["curves"] for kind, one in reversed(found["tested"].items())}
    drawings, lines = [], [right]
    for number, name in enumerate(CLASSES):
        lines = [right]
        for kind, curves in kinds.items():
            curve = curves[number]
            lines.append(Line(kind, np.array(curve["predicted"]), np.array(curve["true"]), style=style_of(kind)))
        label = f"how often pixels are of {name}, by the probability of it"
        ends = (0.0, 1.0)
        title = f"{name}: share that is true"
        drawings.append(
            plot(title, [line for line in lines if line.x.size], label, "probability", x_range=ends, y_range=ends)
        )
    return lines, drawings


def similarity_table(rows: Mapping[str, Mapping[str, Any]], marked: int = 1) -> Table:
    """Return the similarity to the truth of kinds of prediction, each with its intervals by measure."""
    columns = {name: column for name, column in COLUMNS.items() if any(name in row for row in rows.values())}
    spans = {name: _span([interval_of(row[name]) for row in rows.values() if name in row]) for name in columns}
    lines: list[list[str | Cell]] = []
    for kind, row in rows.items():
        cells = [interval_of(row[name]) if name in row else None for name in columns]
        lines.append(
            [kind, *(_cell(cell, columns[name][1], spans[name]) for name, cell in zip(columns, cells, strict=True))]
        )
    better = [heading + (" ↓" if name == "perceptual" else " ↑") for name, (heading, _) in columns.items()]
    return Table("Similarity to the truth; ↑ higher is better, ↓ lower is better", ["", *better], lines, marked)


def interval_of(found: Mapping[str, Any]) -> Interval:
    """Return an interval of `scores.json`."""
    return Interval(*(number_of(found, key) for key in ("value", "low", "high")))


def _cell(found: Interval | None, digits: int, span: tuple[float, float]) -> str | Cell:
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


def _curves(scores: Mapping[str, Any]) -> tuple[list[Line], list[Plot]]:
    """Return what belongs to the legend, and the drawings."""
    curves = scores["curves"]
    kinds = list(scores["similarity"])
    size = scores.get("pixel_size_nm")
    per_length = Ruler.frequencies(size)
    distance = Ruler.lengths(size, max(curves["lags_px"], default=0))
    frequencies = per_length(np.array(curves["frequencies_per_px"], float))
    lags = distance(np.array(curves["lags_px"], float))
    across = per_length.label("frequency")
    power = _lines(curves["power"], kinds, frequencies, lambda values: values.max() > 1e-6)
    drawings = []
    if power:  # flat images have none
        floor = min((float(line.y.min()) for line in power if line.style < 0), default=0.0) / 1000
        top = 2 * max(float(line.y.max()) for line in power)
        ends = (max(floor, 1e-6), top)
        label = "power spectra by frequency"
        drawings.append(plot("power spectrum", power, label, across, log=True, y_range=ends))
    frc = _lines(curves["frc"], kinds, frequencies, lambda values: np.abs(values).max() > 0)
    if frc:
        title, label = "ring correlation with the truth", "Fourier ring correlation with the truth by frequency"
        marks = [Mark(REFERENCE_THRESHOLD, "1/2"), Mark(RESOLUTION_THRESHOLD, "1/7")]
        drawings.append(plot(title, frc, label, across, y_range=(-0.1, 1.0), marks=marks))
    for phase in curves["s2"]:
        lines = _lines(curves["s2"][phase], kinds, lags, lambda values: True)
        name = f"two-point correlation, {REGION_NAMES[phase]}"
        drawings.append(plot(name, lines, f"{name}, by distance", distance.label("distance")))
    return power, drawings


def _lines(
    curves: Mapping[str, list[float | None]], kinds: list[str], at: Any, shown: Callable[[Any], bool]
) -> list[Line]:
    """Return the curves of truth and predictions; those without anything to see, such as constants, are left out."""
    styles = {kind: style_of(kind) for kind in (TRUTH, *kinds)}
    lines = []
    for kind, style in styles.items():
        values = np.array(curves.get(kind, []), float)
        known = np.isfinite(values)
        if known.any() and shown(values[known]):
            lines.append(Line(kind, at[known], values[known], style=style))
    return lines


def _rock(scores: Mapping[str, Any], phase: str) -> Table:
    kinds = list(scores["rock"])
    model = kinds[0]
    others = [kind for kind in kinds[1:] if kind.startswith(("linear fit", "raw"))]
    rows = []
    for name, (heading, factor, digits) in rock_columns(scores.get("pixel_size_nm")).items():
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
    return Table(f"Rock: {REGION_NAMES[phase]}", head, rows)


def _regions(scores: Mapping[str, Any]) -> list[Table]:
    first = next(iter(scores["similarity"].values()))
    regions = [region for region in first if region != "all"]
    if not regions:
        return []
    columns = [(name, region) for name in ("psnr", "pearson") for region in regions]
    head = ["", *(f"{SIMILARITY_COLUMNS[name][0]} {REGION_NAMES[region]}" for name, region in columns)]
    rows = [
        [kind, *(number_text(number_of(found[region][name], "value"), 2) for name, region in columns)]
        for kind, found in scores["similarity"].items()
    ]
    return [Table("Regions", head, rows, marked=1)]


def _spectra(scores: Mapping[str, Any]) -> Table:
    resolved, factor, digits = resolution_column(scores.get("pixel_size_nm"))
    head = ["", "power off by [dB]", "most", f"{resolved} (FRC 1/2)", "(FRC 1/7)"]
    head += ["grid of 2 [dB]", "grid of 4 [dB]"]
    rows = []
    for kind, grids in scores["grid"].items():
        found = scores["spectrum"].get(kind, {})
        names = {"spectrum_mean_db": (1.0, 1, False), "spectrum_largest_db": (1.0, 1, True)}
        names |= dict.fromkeys(("resolution_half_px", "resolution_seventh_px"), (factor, digits, False))
        cells = [
            number_text(times * number_of(found[name], "value"), behind, signed=signed) if found else ""
            for name, (times, behind, signed) in names.items()
        ]
        largest = (
            max((value for value in grid.values() if value is not None), default=math.nan) for grid in grids.values()
        )
        rows.append([kind, *cells, *(number_text(value, 1, signed=True) for value in largest)])
    return Table("Spectra, resolution, and traces of upsampling grids", head, rows, marked=1)


def _scaled(found: Interval, factor: float) -> Interval:
    return Interval(factor * found.value, factor * found.low, factor * found.high)


def _heading(column: Mapping[str, str]) -> str:
    return column["name"] if column["unit"] == "1" else f"{column['name']} [{column['unit']}]"


def _rows(rows: Mapping[str, Any], keys: Iterable[str]) -> dict[str, list[tuple[float, float]]]:
    return {
        kind: [(number_of(row[key], "mean"), number_of(row[key], "standard_error")) for key in keys]
        for kind, row in rows.items()
    }
