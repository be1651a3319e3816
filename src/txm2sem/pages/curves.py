"""The course of a training run, drawn: losses and validation scores by epoch."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from txm2sem.course import Curve, condense
from txm2sem.pages.plots import Line, plot

ABOUT_SCORES = "Mean over the validation patches; the band is ± one standard error."


def curve_figures(curves: Iterable[Curve], end: float, note: str) -> str:
    """Return a drawing of each curve, from epoch 0 to `end`, and a note below them."""
    drawn = [curve for curve in curves if len(curve.values)]
    if not drawn:
        return "<p>Nothing yet.</p>"
    figures = "\n".join(_figure(curve, end) for curve in drawn)
    return f'<div class="curves">\n{figures}\n</div>\n<p class="note">{note}</p>'


def _figure(curve: Curve, end: float) -> str:
    unit = " dB" if curve.name.startswith("PSNR") else ""
    first, last, smallest, largest = (
        f"{value:.4g}{unit}" for value in (curve.values[0], curve.values[-1], curve.values.min(), curve.values.max())
    )
    label = f"{curve.name} by epoch: first {first}, smallest {smallest}, largest {largest}, latest {last}"
    caption = f"<figcaption><b>{escape(curve.name)}</b> latest {last}</figcaption>"
    line = Line(curve.name, curve.epochs, curve.values, curve.low, curve.high)
    return f"<figure>\n{caption}\n{plot([line], label, 'epochs', x_range=(0.0, end))}\n</figure>"


def how_condensed(losses: list[Curve]) -> str:
    """Say how many lines of the log a point of a condensed curve is the mean of."""
    lines = max((len(curve.values) for curve in losses), default=0)
    points = max((len(condense(curve).values) for curve in losses), default=0)
    if points == lines:
        return "Each point is one line of loss_log.txt."
    return (
        f"Each point is the mean of about {lines / points:.0f} lines of loss_log.txt; the band spans their smallest to "
        "largest value and may leave the frame."
    )
