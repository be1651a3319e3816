"""How much of a slice is of a phase, by models that have not seen it, over how much is true."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from txm2sem.figures.front import MARKERS
from txm2sem.figures.style import column_figure, styled
from txm2sem.palette import TRUTH_COLOUR, colour_of


@dataclass(frozen=True)
class PhaseFraction:
    """How much of all tested pixels is of a phase, 0 to 1.

    Attributes:
        value: by the model: the mean of its draws, or what its probabilities expect, or by thresholds on it.
        low: the least of the interval of draws; not a number where there are none.
        high: the most of it.
        truth: by the masks, or by the same thresholds on the SEM where those are on the prediction, or on draws.
    """

    value: float
    low: float
    high: float
    truth: float

    @property
    def excess(self) -> float:
        """How much more there is by the model than in truth [% of the area]."""
        return 100 * (self.value - self.truth)


@styled
def draw_fractions(models: Mapping[str, Mapping[str, Mapping[str, PhaseFraction]]], title: str) -> Figure:
    """Draw fractions of each phase by models over the true ones, a point a slice.

    Args:
        models: by name: phases by name, slices by number.
        title: of the picture.
    """
    phases = list(dict.fromkeys(phase for found in models.values() for phase in found))
    rows_of_legend = (len(models) + 2) // 2
    figure = column_figure(2.15 + 0.13 * rows_of_legend, title)
    cells = figure.subplots(1, len(phases), squeeze=False)[0]
    for axes, phase in zip(cells, phases, strict=True):
        for number, (model, found) in enumerate(models.items()):
            _draw_slices(axes, found.get(phase, {}), number, model)
        _finish(axes, phase.replace("_", " "))
    cells[0].set_ylabel("by the model [% of the area]")
    every = [one for found in models.values() for slices in found.values() for one in slices.values()]
    bars = "bars: intervals of the draws" if any(isfinite(one.low) for one in every) else ""
    figure.legend(*cells[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, title=bars)
    return figure


def _draw_slices(axes: Axes, slices: Mapping[str, PhaseFraction], number: int, label: str) -> None:
    true, colour = [100 * one.truth for one in slices.values()], colour_of(number)
    found = [100 * one.value for one in slices.values()]
    axes.plot(true, found, MARKERS[number % len(MARKERS)], color=colour, label=label)
    # Not error bars: where few draws have most of a phase, their mean is outside of their interval.
    low, high = ([100 * getattr(one, end) for one in slices.values()] for end in ("low", "high"))
    axes.vlines(true, low, high, color=colour, linewidth=0.6)


def _finish(axes: Axes, phase: str) -> None:
    """Let both axes have the same limits, so that a model that is right is on the diagonal."""
    largest = 1.03 * max(1.0, axes.get_xlim()[1], axes.get_ylim()[1])
    axes.plot((0, largest), (0, largest), color=TRUTH_COLOUR, linestyle=":", label="as in the SEM")
    axes.set(xlim=(0, largest), ylim=(0, largest), aspect="equal", title=phase, xlabel="by the SEM [% of the area]")
    axes.grid()
