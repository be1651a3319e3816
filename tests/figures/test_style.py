"""Figures fit into a column of a journal: their width, their letters, what is cropped, and what is enlarged."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from txm2sem.checking.figures import draw_resolution
from txm2sem.checking.resolution import Resolution
from txm2sem.figures.cuts import Cuts, draw_cuts
from txm2sem.figures.fractions import PhaseFraction, draw_fractions
from txm2sem.figures.front import FrontPoint, draw_front
from txm2sem.figures.labels import LabelResult, class_patches, draw_labels_overview
from txm2sem.figures.overview import OverviewRow, busiest, draw_rows
from txm2sem.figures.planes import draw_planes
from txm2sem.figures.probabilities import draw_probabilities
from txm2sem.figures.scores import draw_scores
from txm2sem.figures.shown import imaged_box
from txm2sem.figures.style import wrapped
from txm2sem.figures.trust import TrustRow, draw_trust
from txm2sem.metrics import Continuity, Interval, ProbabilityCounts, Spectrum
from txm2sem.scoring.card import scorecard

LEAST_PICTURE = 0.35
"""Width of a picture, at least [inches]."""

RNG = np.random.default_rng(0)
GREY = RNG.integers(1, 255, (3, 48, 48), np.uint8)
VOLUME = RNG.integers(1, 255, (9, 20, 30), np.uint8)
FLAT = Spectrum(np.array([0.1, 0.3, 0.5]), np.array([4.0, 2.0, 1.0]))
LONG = "a name of a run that is much longer than a column is wide, on a split of a data root with such a name, too"


def scores() -> Figure:
    kinds = {f"model {LONG[:40]}": GREY, "blurred linear fit (sigma 1)": 255 - GREY, "raw TXM": GREY // 2}
    return draw_scores(scorecard(kinds, GREY), LONG)


def cuts() -> Figure:
    through = Cuts.through(VOLUME.__getitem__, VOLUME.shape, (0, 0, 0))
    names = ("TXM (input)", "prediction", "SEM (truth)")
    return draw_cuts(dict.fromkeys(names, through), dict.fromkeys(names, Continuity.of(VOLUME, 4)), LONG)


def classes() -> Figure:
    through = Cuts.through(VOLUME.__getitem__, VOLUME.shape, (0, 0, 0))
    return draw_cuts(dict.fromkeys(("TXM", "classes"), through), {}, LONG, keys=class_patches("not imaged"))


def resolution() -> Figure:
    return draw_resolution(Resolution(FLAT, FLAT, FLAT, 3.0, 4.0, {}, 2), [], 32.0)


def front() -> Figure:
    def point(name: str, across: float) -> FrontPoint:
        up = {"PSNR [dB]": Interval(20 + across, 19, 24), "SSIM": Interval(0.5, 0.4, 0.6)}
        return FrontPoint(name, "1e-3", Interval(across, across - 0.1, across + 0.1), up, frozenset(up))

    return draw_front([point("feedforward", 1.0), point("srgan", 2.0)], 1.5, LONG)


def fractions() -> Figure:
    drawn = {str(number): PhaseFraction(0.02 * number, 0.01 * number, 0.03 * number, 0.2) for number in range(14)}
    drawn["14"] = PhaseFraction(0.1, 0.0, 0.05, 0.1)  # a mean outside of the interval of the draws
    expected = {number: PhaseFraction(one.value, math.nan, math.nan, one.truth) for number, one in drawn.items()}
    phases = ("low_density", "high_density")
    return draw_fractions(
        {name: dict.fromkeys(phases, drawn) for name in ("a", "b")} | {LONG[:40]: {phases[1]: expected}}, LONG
    )


def planes() -> Figure:
    corners = np.array([[2.0, 0, 0], [2, 0, 20], [4, 8, 20], [4, 8, 0]])
    images = {axis: np.ones((4, 4), np.float32) for axis in "zyx"}
    return draw_planes(images, (9, 20, 30), (3.0, 4.0, 5.0), {"007": corners}, (32.0, 32.0, 32.0))


def rows() -> Figure:
    row = OverviewRow("patch 000\n12.34 dB\nSSIM 0.123", [GREY[0]] * 6)
    columns = (
        "TXM (input)",
        "prediction",
        "SEM (truth)",
        "|prediction\n- SEM|",
        "standard\ndeviation",
        "contra-\ndiction",
    )
    return draw_rows([row, row], columns, LONG, 32.0)


def trust() -> Figure:
    levels = GREY[0].astype(np.float32)
    seen = {"txm": GREY[0], "prediction": GREY[1], "sem": GREY[2], "spread": levels, "contradiction": levels}
    row = TrustRow(index=0, usable=GREY[0] > 9, is_novel=True, **seen)
    return draw_trust([row] * 4, SimpleNamespace(threshold=100.0), LONG, 32.0)  # type: ignore[arg-type]


def labels() -> Figure:
    classes = RNG.integers(0, 3, GREY[0].shape)
    return draw_labels_overview([LabelResult(0, GREY[0], classes, classes)] * 2, LONG, "predicted SEM", None)


def probabilities() -> Figure:
    counts = ProbabilityCounts(3)
    guessed = RNG.dirichlet(np.ones(3), 500).T.astype(np.float32)
    counts.add(guessed, guessed.argmax(axis=0))
    found = counts.reliability()
    return draw_probabilities({"raw": found, "calibrated": found}, found, [0.2, 0.3, 0.5], LONG)


@pytest.mark.parametrize(
    "draw", [scores, cuts, classes, resolution, front, fractions, planes, rows, trust, labels, probabilities]
)
def test_a_figure_is_read_in_a_column(draw: Callable[[], Figure]) -> None:
    figure = draw()
    assert figure.get_size_inches()[0] == pytest.approx(88 / 25.4)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    renderer = canvas.get_renderer()  # type: ignore[no-untyped-call]
    shown = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text() and text.get_visible()]
    assert all(6 <= float(text.get_fontsize()) <= 7.5 for text in shown)
    page = Bbox.from_bounds(-2, -2, figure.bbox.width + 4, figure.bbox.height + 4)
    titles = [text for text in shown if text.get_text() and text in figure.texts]
    for text in (figure.get_suptitle() and figure._suptitle, *titles):  # type: ignore[attr-defined]
        if isinstance(text, Text):
            box = text.get_window_extent(renderer)
            assert page.x0 <= box.x0 <= box.x1 <= page.x1, text.get_text()
    for key in (key for part in (figure, *figure.subfigs) for key in part.legends):
        box = key.get_window_extent(renderer)
        assert page.x0 <= box.x0 <= box.x1 <= page.x1
    for axes in figure.axes:
        assert not axes.images or axes.get_window_extent(renderer).width > LEAST_PICTURE * figure.dpi
        beside = sorted(label.get_window_extent(renderer).intervaly.tolist() for label in axes.get_yticklabels())
        assert all(top <= bottom for (_, top), (bottom, _) in pairwise(beside)), axes.get_title(loc="left")
        legend = axes.get_legend()
        if legend is not None:
            inside = Bbox.intersection(legend.get_window_extent(renderer), axes.get_window_extent(renderer))
            assert inside is None or inside.width * inside.height < 4


def test_long_words_are_broken_and_lines_kept() -> None:
    assert wrapped("one two\nthree", 10) == "one two\nthree"
    assert max(map(len, wrapped("x" * 90 + " y", 1).split("\n"))) <= 21


def test_what_was_not_imaged_is_cropped() -> None:
    seen = np.zeros((40, 60), np.uint8)
    seen[10:30, 5:45] = 7
    other = np.zeros_like(seen)
    other[8, 50] = 1
    assert imaged_box([seen]) == (slice(10, 30), slice(5, 45))
    assert imaged_box([seen, other]) == (slice(8, 30), slice(5, 51))
    assert imaged_box([np.zeros_like(seen)]) == imaged_box([]) == (slice(None), slice(None))
    coloured = np.zeros((40, 60, 4))
    figure = draw_rows([OverviewRow("a", [seen, coloured], [seen])], ("TXM", "error"), "t")
    assert [axes.images[0].get_array().shape[:2] for axes in figure.axes] == [(20, 40), (20, 40)]  # type: ignore[union-attr]


def test_cuts_are_cropped_where_they_lie() -> None:
    volume = np.zeros((6, 20, 30), np.uint8)
    volume[:, 4:16, 6:26] = 9
    through = Cuts.through(volume.__getitem__, volume.shape, (0, 100, 200))
    xy, xz, yz = draw_cuts({"TXM (input)": through}, {}, "t").axes
    assert xy.images[0].get_extent() == pytest.approx([205.5, 225.5, 115.5, 103.5])
    assert xz.images[0].get_extent()[:2] == pytest.approx([205.5, 225.5])
    assert yz.images[0].get_extent()[:2] == pytest.approx([103.5, 115.5])


def test_pictures_with_more_pixels_than_are_printed_are_enlarged_where_most_is_to_be_seen() -> None:
    large = np.full((500, 500), 100, np.uint8)
    large[300:320, 40:60] = RNG.integers(1, 255, (20, 20))
    rows = [OverviewRow(f"patch {number}", [large, large], [large]) for number in range(5)]
    figure = draw_rows(rows, ("TXM", "SEM"), "t", 10.0)
    shapes = [axes.images[0].get_array().shape for axes in figure.axes]  # type: ignore[union-attr]
    side = shapes[2][0]
    assert shapes == [(500, 500), (500, 500), (side, side), (side, side)] * 3
    frame = next(patch for patch in figure.axes[1].patches if isinstance(patch, Rectangle))
    left, top = (place + 0.5 for place in frame.get_xy())
    assert left <= 40
    assert left + side >= 60
    assert top <= 300
    assert top + side >= 320
    part = np.asarray(figure.axes[2].images[0].get_array())
    assert np.array_equal(part, large[int(top) :, int(left) :][:side, :side])
    small = draw_rows([OverviewRow("a", [GREY[0]])], ("TXM",), "t")
    assert not any(isinstance(patch, Rectangle) for patch in small.axes[0].patches)


def test_a_border_to_what_was_not_imaged_is_not_enlarged() -> None:
    image = np.zeros((100, 100), np.uint8)
    image[:, 30:] = RNG.integers(90, 110, (100, 70))
    image[70:80, 80:90] += 20
    rows, columns = busiest(image, 20)
    assert columns.start >= 30
    assert (rows.start <= 79, rows.stop > 70) == (True, True)
