"""The picture of how far a standard deviation is right: its size, its intervals, and the order it puts errors in."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from txm2sem.figures.style import column_figure, legend_beside, styled
from txm2sem.metrics import Reliability
from txm2sem.palette import colour_of, style_of

MARKERS = ("o", "s")


@styled
def draw_calibration(splits: Mapping[str, Reliability], title: str) -> Figure:
    """Draw how standard deviations compare with errors, on the split that they were calibrated on and the tested one.

    Args:
        splits: by name.
        title: of the picture.
    """
    figure = column_figure(5.0, title)
    curve, intervals, order = figure.subplots(3, 1, height_ratios=(1.15, 1, 1))
    for (name, found), marker in zip(splits.items(), MARKERS, strict=False):
        colour = colour_of(style_of(name))
        points = found.curve
        curve.plot(points.raw, points.rms_error, marker, color=colour, fillstyle="none", label=f"{name}, raw")
        curve.plot(points.calibrated, points.rms_error, f"{marker}-", color=colour, label=f"{name}, calibrated")
        rest = found.sparsification
        order.plot(rest.removed, rest.rms_error, color=colour, label=f"{name}: area {rest.area:.3f}")
        order.plot(rest.removed, rest.best, color=colour, linestyle=":", label=f"{name}, largest\nerrors first")
    _finish_curve(curve)
    _draw_intervals(intervals, splits)
    order.axhline(1, color="black", linewidth=0.8)
    order.set_title("(c) error of the rest")
    order.set_xlabel("share left out, largest standard deviation first")
    order.set_ylabel("RMS error [of that of all]")
    order.set_ylim(bottom=0)
    for axes in (curve, order):
        axes.grid()
        legend_beside(axes)
    return figure


def _finish_curve(axes: Axes) -> None:
    largest = 1.03 * max(*axes.get_xlim(), *axes.get_ylim())
    axes.plot((0, largest), (0, largest), color="black", linewidth=0.8)
    axes.set_xlim(0, largest)
    axes.set_ylim(0, largest)
    axes.set_aspect("equal")
    axes.set_title("(a) size")
    axes.set_xlabel("predicted standard deviation [grey levels]")
    axes.set_ylabel("RMS error [grey levels]")


def _draw_intervals(axes: Axes, splits: Mapping[str, Reliability]) -> None:
    width = 0.2
    bars = [(name, kind) for name in splits for kind in ("raw", "calibrated")]
    for place, (name, kind) in enumerate(bars):
        heights = [100 * splits[name].coverage[kind][level] for level in ("68", "95")]
        lefts = [group + (place - 1.5) * width for group in range(2)]
        colour = colour_of(style_of(name))
        drawn = axes.bar(
            lefts,
            heights,
            width * 0.9,
            edgecolor=colour,
            color=colour if kind == "calibrated" else "none",
            label=f"{name}, {kind}",
        )
        axes.bar_label(drawn, fmt="%.0f", padding=1, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.3})
    for group, wanted in enumerate((68.3, 95)):
        axes.plot((group - 0.45, group + 0.45), (wanted, wanted), color="black", linewidth=1)
    axes.set_xticks(range(2), ["68 %", "95 %"])
    axes.set_ylim(0, 112)
    axes.set_title("(b) pixels within the intervals [%]")
    legend_beside(axes)
