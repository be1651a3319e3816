"""The scorecard as a picture: similarity with intervals, spectra, ring correlation, two-point correlation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from txm2sem.metrics import REFERENCE_THRESHOLD, RESOLUTION_THRESHOLD
from txm2sem.quantities import Ruler
from txm2sem.scoring.card import Scores
from txm2sem.scoring.measuring import longest_lag
from txm2sem.scoring.names import PHASES, REGION_NAMES, SIMILARITY_COLUMNS, TRUTH

COLOURS = ("#D55E00", "#0072B2", "#999999", "#009E73", "#CC79A7")
"""Of the model and the trivial predictions (Okabe & Ito 2008, for any colour vision); the truth is black."""

STYLES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)))


def draw_scores(scores: Scores, title: str) -> Figure:
    """Draw the scores of a model and of the trivial predictions."""
    figure = Figure(figsize=(14, 7.6), layout="constrained")
    figure.suptitle(title, fontsize=13)
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=(0.8, 1))[:, 0]
    _draw_similarity(above, scores)
    has_phases = scores.card.phases is not None
    cells = below.subplots(1, 2 + len(PHASES) * has_phases)
    _draw_power(cells[0], scores)
    _draw_correlation(cells[1], scores)
    for cell, phase in zip(cells[2:], PHASES, strict=False):
        _draw_two_point(cell, scores, phase)
    drawn = {label: line for cell in cells for line, label in zip(*cell.get_legend_handles_labels(), strict=True)}
    labels = [name for name in (TRUTH, *scores.kinds) if name in drawn]
    below.legend(
        [drawn[name] for name in labels],
        labels,
        loc="outside lower center",
        ncols=len(labels),
        fontsize=10,
        frameon=False,
    )
    for letter, cell in zip("abcdefghi", figure.axes, strict=False):
        cell.set_title(f"({letter}) {cell.get_title()}", fontsize=10, loc="left")
        cell.set_title("", loc="center")
    return figure


def _draw_similarity(figure: SubFigure, scores: Scores) -> None:
    columns = {name: heading for name, (heading, _) in SIMILARITY_COLUMNS.items()}
    if scores.card.perceptual is not None:
        columns["perceptual"] = "perceptual distance"
    cells = figure.subplots(1, len(columns), sharey=True)
    found = [scores.similarity(kind)["all"] for kind in scores.kinds]
    for cell, (name, heading) in zip(cells, columns.items(), strict=True):
        for row, intervals in enumerate(found):
            value, low, high = vars(intervals[name]).values()
            if not math.isfinite(value):
                continue
            if math.isfinite(low):
                cell.plot((low, high), (row, row), color=COLOURS[row % len(COLOURS)], linewidth=2.5)
            cell.plot(value, row, "o", color=COLOURS[row % len(COLOURS)], markersize=7)
        cell.set_title(heading)
        better = "lower" if name == "perceptual" else "higher"
        cell.set_xlabel(f"{better} is better", fontsize=9)
        cell.grid(axis="x", alpha=0.3)
        cell.margins(x=0.12)
        cell.xaxis.set_major_locator(MaxNLocator(4))
        cell.tick_params(labelsize=9)
    cells[0].set_yticks(range(len(scores.kinds)), scores.kinds)
    cells[0].set_ylim(len(scores.kinds) - 0.5, -0.5)


def _draw_power(axes: Axes, scores: Scores) -> None:
    size = scores.card.pixel_size
    per_length, area = Ruler.frequencies(size), Ruler.areas(size)
    truth = area(scores.curve(TRUTH, "power"))
    axes.plot(per_length(scores.frequencies), truth, color="black", linewidth=2, label=TRUTH)
    _draw_kinds(axes, scores, "power", per_length(scores.frequencies), truth.max() * 1e-8, area.per_pixel)
    axes.set_yscale("log")
    axes.set_ylim(bottom=truth.min() / 1000)
    axes.set_title("power spectrum")
    axes.set_xlabel(per_length.label("spatial frequency"), fontsize=9)
    axes.set_ylabel(f"power [grey levels² {area.unit}]", fontsize=9)


def _draw_correlation(axes: Axes, scores: Scores) -> None:
    per_length = Ruler.frequencies(scores.card.pixel_size)
    _draw_kinds(axes, scores, "frc", per_length(scores.frequencies), 0)
    for threshold, name in ((REFERENCE_THRESHOLD, "1/2"), (RESOLUTION_THRESHOLD, "1/7")):
        axes.axhline(threshold, color="black", linewidth=0.7)
        axes.text(per_length(0.5), threshold + 0.01, name, fontsize=8, ha="right")
    axes.set_ylim(-0.15, 1.02)
    axes.set_title("Fourier ring correlation with the truth")
    axes.set_xlabel(per_length.label("spatial frequency"), fontsize=9)


def _draw_two_point(axes: Axes, scores: Scores, phase: str) -> None:
    longest = longest_lag(scores.card.shape)
    distance = Ruler.lengths(scores.card.pixel_size, longest)
    lags = distance(np.arange(longest + 1.0))
    axes.plot(lags, scores.curve(TRUTH, f"s2_{phase}"), color="black", linewidth=2)
    _draw_kinds(axes, scores, f"s2_{phase}", lags, -1)
    axes.set_ylim(bottom=0)
    axes.set_title(f"two-point correlation, {REGION_NAMES[phase]}")
    axes.set_xlabel(distance.label("distance"), fontsize=9)
    axes.set_ylabel("S₂", fontsize=9)


def _draw_kinds(axes: Axes, scores: Scores, name: str, at: NDArray[Any], above: float, factor: float = 1.0) -> None:
    """Draw a curve of each kind of prediction that somewhere is above a value; a constant has neither power nor FRC."""
    for kind, colour, style in zip(scores.kinds, COLOURS, STYLES, strict=False):
        curve = factor * scores.curve(kind, name)
        if np.abs(curve).max() > above:
            width = 2.2 if kind == scores.kinds[0] else 1.4
            axes.plot(at, curve, color=colour, linestyle=style, linewidth=width, label=kind)
    axes.grid(alpha=0.3)
    axes.tick_params(labelsize=9)
