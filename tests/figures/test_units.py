"""Figures have lengths where the size of pixels is known, and count pixels where it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from matplotlib.figure import Figure
from matplotlib.text import Text

from txm2sem.checking.figures import draw_resolution
from txm2sem.checking.resolution import Resolution
from txm2sem.data.pixel_side import common_side, voxel_sides
from txm2sem.data.stacks import TiffStack
from txm2sem.figures.cuts import Cuts, draw_cuts
from txm2sem.figures.overview import OverviewRow, draw_rows
from txm2sem.figures.scores import draw_scores
from txm2sem.metrics import Continuity, Spectrum
from txm2sem.quantities import Ruler, bar_length, displacement_text
from txm2sem.scoring.card import Scorecard

FLAT = Spectrum(np.array([0.1, 0.3, 0.5]), np.array([4.0, 2.0, 1.0]))


def words(figure: Figure) -> str:
    found = figure.findobj(Text)
    return " | ".join(text.get_text() for text in found if isinstance(text, Text))


@pytest.mark.parametrize(
    ("ruler", "unit", "value"),
    [
        (Ruler.lengths(None, 100), "pixels", 10.0),
        (Ruler.lengths(32, 31), "nm", 320.0),
        (Ruler.lengths(32, 32), "µm", 0.32),
        (Ruler.areas(None), "pixels", 10.0),
        (Ruler.areas(100), "µm²", 0.1),
        (Ruler.frequencies(None), "1/pixels", 10.0),
        (Ruler.frequencies(50), "1/µm", 200.0),
    ],
)
def test_rulers(ruler: Ruler, unit: str, value: float) -> None:
    assert ruler.label("a") == f"a [{unit}]"
    assert ruler(10.0) == pytest.approx(value)


def test_axes_whose_voxels_are_known_have_one_unit() -> None:
    sizes = {"z": None, "y": 20.0, "x": 40.0}
    rulers = Ruler.along(sizes, {"z": 9, "y": 10, "x": 30}, {"z": "slices", "y": "pixels", "x": "pixels"})
    assert {axis: (ruler.unit, ruler.per_pixel) for axis, ruler in rulers.items()} == {
        "z": ("slices", 1.0),
        "y": ("µm", 0.02),
        "x": ("µm", 0.04),
    }


def test_bars_are_round_lengths() -> None:
    assert bar_length(60, 32) == (1000 / 32, "1 µm")
    assert bar_length(60, None) == (50, "50 pixels")
    assert displacement_text(2, 32) == "64 nm"


@pytest.mark.parametrize("size", [None, 40.0])
def test_scores_are_drawn_over_lengths(size: float | None) -> None:
    rng = np.random.default_rng(0)
    card = Scorecard(pixel_size=size)
    truth = rng.integers(0, 255, (32, 32), np.uint8)
    card.add(0, {"model": np.flipud(truth).copy()}, truth)
    scores = card.summary()
    figure = draw_scores(scores, "a title")
    power = next(axes for axes in figure.axes if "power" in axes.get_ylabel())
    last = float(np.asarray(power.lines[0].get_xdata())[-1])
    assert last == pytest.approx(float(scores.frequencies[-1]) * (1 if size is None else 25))
    assert ("pixel" in words(figure)) == (size is None)


VOLUME = np.random.default_rng(0).integers(0, 255, (6, 8, 10), np.uint8)


@pytest.mark.parametrize(
    ("size", "labels", "lag"),
    [
        ((None, None, None), ["x [pixels]", "y [pixels]", "z [slices]"], ("lag [voxels]", 3.0)),
        ((None, 50.0, 50.0), ["x [nm]", "y [nm]", "z [slices]"], ("lag [voxels]", 3.0)),
        ((200.0, 50.0, 50.0), ["x [µm]", "y [µm]", "z [µm]"], ("lag [nm]", 600.0)),
    ],
)
def test_cuts_have_lengths_along_the_axes_that_are_known(
    size: tuple[float | None, float | None, float | None], labels: list[str], lag: tuple[str, float]
) -> None:
    cuts = Cuts.through(VOLUME.__getitem__, VOLUME.shape, (100, 0, 0))
    figure = draw_cuts({"TXM (input)": cuts}, {"TXM (input)": Continuity.of(VOLUME, 3)}, "t", size)
    xy, xz, _, curves = figure.axes
    assert [xy.get_xlabel(), xy.get_ylabel(), xz.get_ylabel()] == labels
    step = size[2] or 1
    step = step / 1000 if "µm" in labels[0] else step
    assert xy.images[0].get_extent() == pytest.approx([-0.5 * step, 9.5 * step, 7.5 * step, -0.5 * step])
    assert curves.get_xlabel() in (lag[0], lag[0].replace("nm", "µm"))
    along_z = np.asarray(curves.lines[0].get_xdata())
    assert along_z[-1] * (1000 if "µm" in curves.get_xlabel() else 1) == pytest.approx(lag[1] if size[0] else 3)
    assert ("pixel" in words(figure)) == (size[1] is None)


@pytest.mark.parametrize(("size", "last"), [(None, 0.5), (20.0, 25.0)])
def test_the_spectra_of_a_check(size: float | None, last: float) -> None:
    figure = draw_resolution(Resolution(FLAT, FLAT, FLAT, 3.0, 4.0, {}, 2), [], size)
    assert [axes.get_xlim()[1] for axes in figure.axes] == [last, last]
    assert ("pixel" in words(figure)) == (size is None)


@pytest.mark.parametrize(("size", "label"), [(None, "10 pixels"), (100.0, "1 µm")])
def test_every_row_of_pictures_has_a_scale_bar(size: float | None, label: str) -> None:
    picture = np.zeros((40, 40), np.uint8)
    figure = draw_rows([OverviewRow(f"{row}", [picture] * 2) for row in range(3)], ("a", "b"), "t", size)
    assert words(figure).split(" | ").count(label) == 3


def image(path: Path, side: float | None, said: str | None = None) -> Path:
    unit = "NONE" if side is None else "CENTIMETER"
    per_unit = 1.0 if side is None else 1e7 / side
    size: dict[str, Any] = {"resolution": (per_unit, per_unit), "resolutionunit": unit}
    tifffile.imwrite(path, np.ones((4, 4), np.uint8), metadata=None, description=said, **size)
    return path


def test_images_of_one_place_have_the_pixels_that_their_files_say(tmp_path: Path) -> None:
    silent, fine = image(tmp_path / "0.tif", None), image(tmp_path / "1.tif", 32)
    rounded, coarse = image(tmp_path / "2.tif", 32.2), image(tmp_path / "3.tif", 64)
    printed = image(tmp_path / "4.tif", 2.54e7 / 300)
    assert common_side([silent]) == (None, "")
    assert common_side([silent, printed]) == (None, "")
    side, note = common_side([silent, fine, rounded])
    assert side == pytest.approx(32)
    assert not note
    side, note = common_side([fine, coarse])
    assert side is None
    assert str(coarse) in note
    known = tmp_path / "known"
    known.mkdir()
    image(known / "0.tif", 32)
    z, y, x = voxel_sides(TiffStack(known))
    assert z is None
    assert (y, x) == pytest.approx((32, 32))
    image(known / "0.tif", 32, "ImageJ=1.54f\nunit=um\nspacing=0.05\n")
    assert voxel_sides(TiffStack(known)) == pytest.approx((50, 32, 32))
