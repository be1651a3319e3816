"""How figures look: as wide as a column of a journal, with letters that can be read there."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from txm2sem.figures.shown import WIDTH

DPI = 300
"""Of figures as PNG: 1039 pixels in a row."""

SMALLEST = 6.0
"""Of all letters, at least [points]: what journals ask for."""

LETTERS_PER_INCH = 21
"""Letters of the smallest size, on average."""

STYLE: Any = {
    "font.size": SMALLEST,
    "figure.titlesize": 7.5,
    "axes.titlesize": 7,
    "axes.titlelocation": "left",
    "axes.titlepad": 3,
    "axes.labelsize": SMALLEST,
    "axes.labelpad": 2,
    "axes.linewidth": 0.6,
    "xtick.labelsize": SMALLEST,
    "ytick.labelsize": SMALLEST,
    **{f"{axis}tick.{length}": size for axis in "xy" for length, size in (("major.size", 2.0), ("major.width", 0.6))},
    **{f"{axis}tick.{length}": size for axis in "xy" for length, size in (("minor.size", 1.2), ("minor.width", 0.4))},
    **{f"{axis}tick.major.pad": 2 for axis in "xy"},
    "grid.alpha": 0.3,
    "grid.linewidth": 0.5,
    "legend.fontsize": SMALLEST,
    "legend.title_fontsize": SMALLEST,
    "legend.frameon": False,
    "legend.handlelength": 2.4,
    "lines.linewidth": 1.0,
    "lines.markersize": 3,
    "lines.scale_dashes": False,
    "figure.constrained_layout.h_pad": 0.03,
    "figure.constrained_layout.w_pad": 0.03,
    "figure.constrained_layout.hspace": 0.02,
    "figure.constrained_layout.wspace": 0.02,
}

Arguments = ParamSpec("Arguments")


@contextmanager
def style() -> Iterator[None]:
    """Let what is drawn meanwhile look like all figures."""
    with matplotlib.rc_context(STYLE):
        yield


def styled(draw: Callable[Arguments, Figure]) -> Callable[Arguments, Figure]:
    """Return a function that draws a figure in the style of all."""

    @wraps(draw)
    def drawn(*arguments: Arguments.args, **named: Arguments.kwargs) -> Figure:
        with style():
            return draw(*arguments, **named)

    return drawn


def column_figure(height: float, title: str = "") -> Figure:
    """Return an empty figure as wide as a column, for so much below its title [inches]."""
    lines = wrapped(title, WIDTH * 0.8)
    figure = Figure(figsize=(WIDTH, height + 0.13 * (lines.count("\n") + 1 if title else 0)), layout="constrained")
    if title:
        figure.suptitle(lines)
    return figure


def wrapped(text: str, width: float) -> str:
    """Return a text in lines that are no wider [inches]; words that are longer are broken."""
    return "\n".join(
        line
        for part in text.replace(" %", "\N{NO-BREAK SPACE}%").split("\n")
        for line in textwrap.wrap(part, max(int(width * LETTERS_PER_INCH), 4), break_on_hyphens=False) or [""]
    )


def legend_beside(axes: Axes, **options: Any) -> None:
    """Add a legend to the right of axes, where no data are."""
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), borderaxespad=0.4, **options)
