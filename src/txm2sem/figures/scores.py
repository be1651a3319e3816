"""The scorecard as a picture: similarity with intervals, spectra, ring correlation, two-point correlation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from txm2sem.figures.style import column_figure, styled, wrapped
from txm2sem.metrics import REFERENCE_THRESHOLD, RESOLUTION_THRESHOLD
from txm2sem.palette import colour_of, dashes_of, style_of
from txm2sem.quantities import Ruler
from txm2sem.scoring.card import Scores
from txm2sem.scoring.measuring import longest_lag
from txm2sem.scoring.names import PHASES, REGION_NAMES, SIMILARITY_COLUMNS, TRUTH

PANELS = 3
"""Measures of similarity beside each other."""

NAME_INCHES = 0.8
"""For the names of kinds of prediction beside them."""

KEY_INCHES = 1.4
"""Width of a name below curves."""


@styled
def draw_scores(scores: Scores, title: str) -> Figure:
    """Draw the scores of a model and of the trivial predictions."""
    has_phases = scores.card.phases is not None
    columns = {name: heading for name, (heading, _) in SIMILARITY_COLUMNS.items()}
    if scores.card.perceptual is not None:
        columns["perceptual"] = "perceptual distance"
    names = {kind: wrapped(kind, NAME_INCHES) for kind in scores.kinds}
    lines = max(name.count("\n") + 1 for name in names.values())
    similarity = -(-len(columns) // PANELS) * (0.42 + (0.02 + 0.1 * lines) * len(names))
    curves = 1.6 * (1 + has_phases)
    figure = column_figure(similarity + curves + 0.4, title)
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=(similarity, curves + 0.4))[:, 0]
    _draw_similarity(above, scores, columns, names)
    cells = below.subplots(1 + has_phases, 2, squeeze=False).ravel()
    _draw_power(cells[0], scores)
    _draw_correlation(cells[1], scores)
    for cell, phase in zip(cells[2:], PHASES, strict=False):
        _draw_two_point(cell, scores, phase)
    drawn = {label: line for cell in cells for line, label in zip(*cell.get_legend_handles_labels(), strict=True)}
    labels = [name for name in (TRUTH, *scores.kinds) if name in drawn]
    keys = [wrapped(name, KEY_INCHES) for name in labels]
    below.legend([drawn[name] for name in labels], keys, loc="outside lower center", ncols=2)
    for letter, cell in zip("abcdefghi", figure.axes, strict=False):
        cell.set_title(f"({letter}) {cell.get_title(loc='left')}")
    return figure


def _draw_similarity(figure: SubFigure, scores: Scores, columns: Mapping[str, str], names: Mapping[str, str]) -> None:
    rows = -(-len(columns) // PANELS)
    grid = figure.subplots(rows, PANELS, sharey=True, squeeze=False)
    found = [scores.similarity(kind)["all"] for kind in scores.kinds]
    for cell in grid.ravel()[len(columns) :]:
        cell.remove()
    for cell, (name, heading) in zip(grid.ravel(), columns.items(), strict=False):
        for row, (kind, intervals) in enumerate(zip(scores.kinds, found, strict=True)):
            colour = colour_of(style_of(kind))
            value, low, high = vars(intervals[name]).values()
            if not math.isfinite(value):
                continue
            if math.isfinite(low):
                cell.plot((low, high), (row, row), color=colour, linewidth=1.5)
            cell.plot(value, row, "o", color=colour, markersize=3.5)
        cell.set_title(heading)
        better = "lower" if name == "perceptual" else "higher"
        cell.set_xlabel(f"{better} is better")
        cell.grid(axis="x")
        cell.margins(x=0.15)
        cell.xaxis.set_major_locator(MaxNLocator(3))
    grid[0, 0].set_yticks(range(len(names)), names.values())
    grid[0, 0].set_ylim(len(names) - 0.5, -0.5)


def _draw_power(axes: Axes, scores: Scores) -> None:
    size = scores.card.pixel_size
    per_length, area = Ruler.frequencies(size), Ruler.areas(size)
    truth = area(scores.curve(TRUTH, "power"))
    axes.plot(per_length(scores.frequencies), truth, color="black", linewidth=1.4, label=TRUTH)
    _draw_kinds(axes, scores, "power", per_length(scores.frequencies), truth.max() * 1e-8, area.per_pixel)
    axes.set_yscale("log")
    axes.set_ylim(bottom=truth.min() / 1000)
    axes.set_title("power spectrum")
    axes.set_xlabel(per_length.label("spatial frequency"))
    axes.set_ylabel(f"power [grey levels² {area.unit}]")


def _draw_correlation(axes: Axes, scores: Scores) -> None:
    per_length = Ruler.frequencies(scores.card.pixel_size)
    _draw_kinds(axes, scores, "frc", per_length(scores.frequencies), 0)
    for threshold, name in ((REFERENCE_THRESHOLD, "1/2"), (RESOLUTION_THRESHOLD, "1/7")):
        axes.axhline(threshold, color="black", linewidth=0.5)
        axes.text(per_length(0.5), threshold + 0.01, name, ha="right")
    axes.set_ylim(-0.15, 1.02)
    axes.set_title("Fourier ring correlation")
    axes.set_ylabel("correlation with the truth")
    axes.set_xlabel(per_length.label("spatial frequency"))


def _draw_two_point(axes: Axes, scores: Scores, phase: str) -> None:
    longest = longest_lag(scores.card.shape)
    distance = Ruler.lengths(scores.card.pixel_size, longest)
    lags = distance(np.arange(longest + 1.0))
    axes.plot(lags, scores.curve(TRUTH, f"s2_{phase}"), color="black", linewidth=1.4)
    _draw_kinds(axes, scores, f"s2_{phase}", lags, -1)
    axes.set_ylim(bottom=0)
    axes.set_title(f"{REGION_NAMES[phase]}")
    axes.set_xlabel(distance.label("distance"))
    axes.set_ylabel("two-point correlation")


def _draw_kinds(axes: Axes, scores: Scores, name: str, at: NDArray[Any], above: float, factor: float = 1.0) -> None:
    """Draw a curve of each kind of prediction that somewhere is above a value; a constant has neither power nor FRC."""
    for kind in scores.kinds:
        style = style_of(kind)
        curve = factor * scores.curve(kind, name)
        if np.abs(curve).max() > above:
            width = 1.4 if kind == scores.kinds[0] else 1.0
            axes.plot(at, curve, color=colour_of(style), linestyle=dashes_of(style), linewidth=width, label=kind)
    axes.grid()
