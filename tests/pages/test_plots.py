"""Levels that are marked in curves: within the drawing, and with words that can be read."""

from __future__ import annotations

import numpy as np

from txm2sem.course import Curve
from txm2sem.pages import Plot, curve_plots
from txm2sem.pages.plots import BOTTOM, HEIGHT, MOST_LETTERS, TOP

CURVE = Curve(
    "PSNR", *(np.array(values) for values in ([0.0, 1.0, 2.0], [10.0, 14.0, 15.0], [9, 13, 14], [11, 15, 16]))
)


def drawn(levels: dict[str, float]) -> Plot:
    """Return the drawing of scores beside levels, of which one is that of another score."""
    trivial = {kind: {"PSNR": level, "SSIM": 0.5} for kind, level in levels.items()}
    (found,) = curve_plots([CURVE], 2.0, trivial)
    return found


def heights(plot: Plot) -> list[float]:
    return [float(path.split()[1].partition("H")[0]) for path, _ in plot.marks]


def test_levels_are_in_the_drawing_wherever_the_curve_is() -> None:
    plot = drawn({"constant": 2.0, "linear fit": 30.0, "raw TXM": 13.0})
    assert [words[-1] for _, words in plot.marks] == ["linear fit 30", "raw TXM 13", "constant 2"]
    assert heights(plot) == sorted(heights(plot))
    assert all(TOP + 8 < height <= HEIGHT - BOTTOM for height in heights(plot))
    assert plot.label.endswith("without a model constant 2 dB, linear fit 30 dB, raw TXM 13 dB")


def test_words_that_would_lie_upon_each_other_stand_side_by_side() -> None:
    plot = drawn({"blurred linear fit (sigma 2)": 15.1, "linear fit": 15.0, "constant": 10.0})
    assert [words[-1] for _, words in plot.marks] == ["blurred linear fit 15.1, linear fit 15", "", "constant 10"]


def test_words_without_room_leave_out_the_numbers() -> None:
    plot = drawn({"blurred linear fit (sigma 2)": 15.1, "linear fit": 15.01, "constant": 15.02})
    words = plot.marks[0][1][-1]
    assert words == "blurred linear fit, constant, linear fit"
    assert len(words) <= MOST_LETTERS


def test_a_curve_without_levels_has_none() -> None:
    (plot,) = curve_plots([CURVE], 2.0)
    assert not plot.marks
    assert "without a model" not in plot.label
