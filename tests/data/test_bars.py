"""Data bars are told from rock, charge and what was not imaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from data_roots import draw_bar
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from txm2sem.data import AlignedSlices
from txm2sem.data.bars import DataBar, check_bars, find_bar, without_bar
from txm2sem.errors import UserError
from txm2sem.options import DataOptions


def rock(seed: int, side: int = 256) -> NDArray[np.uint8]:
    field = gaussian_filter(np.random.default_rng(seed).standard_normal((side, side)), 3)
    image: NDArray[np.uint8] = np.clip(120 + 40 * field / field.std(), 1, 254).astype(np.uint8)
    return image


@pytest.mark.parametrize(("ground", "ink"), [(0, 255), (255, 0), (30, 220)])
@pytest.mark.parametrize("rows", [16, 24, 40])
def test_a_bar_below_or_above_is_found_with_its_rows(rows: int, ground: int, ink: int) -> None:
    image = rock(1)
    image[-rows:] = draw_bar(rows, image.shape[1], ground, ink)
    found = find_bar(image)
    assert found == DataBar(rows, "bottom")
    assert find_bar(image[::-1]) == DataBar(rows, "top")
    assert not without_bar(image, found)[-rows:].any()
    np.testing.assert_array_equal(without_bar(image, found)[:-rows], image[:-rows])
    wide = image.astype(np.uint16) * 200
    assert find_bar(wide) == DataBar(rows, "bottom")


def _padded(image: NDArray[np.uint8]) -> None:
    image[-24:] = 0


def _saturated(image: NDArray[np.uint8]) -> None:
    image[-24:] = 255


def _charged(image: NDArray[np.uint8]) -> None:
    image[-40:, 60:140] = 255


def _framed(image: NDArray[np.uint8]) -> None:
    image[:20] = image[-20:] = 0
    image[:, :20] = image[:, -20:] = 0


def _hot(image: NDArray[np.uint8]) -> None:
    image[-24:] = 0
    image[-24:][np.random.default_rng(3).random((24, image.shape[1])) < 0.01] = 255


@pytest.mark.parametrize("change", [lambda image: None, _padded, _saturated, _charged, _framed, _hot])
def test_rock_charge_and_what_was_not_imaged_are_no_bar(change: Callable[[NDArray[Any]], None]) -> None:
    for seed in range(5):
        image = rock(seed)
        change(image)
        assert find_bar(image) is None


def test_real_slices_have_none(shale: Path) -> None:
    paths = sorted(shale.glob("*/sem/*.tif"))
    assert paths
    assert not any(find_bar(tifffile.imread(path)) for path in paths)


def _write(folder: Path, with_bar: set[int]) -> AlignedSlices:
    for number in range(3):
        sem = rock(number, 128)
        if number in with_bar:
            sem[-20:] = draw_bar(20, 128, 0, 255, number)
        for name, image in (("txm", rock(number + 10, 128)), ("sem", sem)):
            path = folder / "train" / name / f"{number:03d}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(path, image, photometric="minisblack")
    return AlignedSlices.open(folder, "train", DataOptions())


def test_slices_that_all_have_a_bar_are_not_learned_from(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the last 20 rows"):
        check_bars(_write(tmp_path, {0, 1, 2}))


def test_one_slice_with_a_bar_is_named(tmp_path: Path) -> None:
    (note,) = check_bars(_write(tmp_path, {1}))
    assert "the last 20 rows of slice 1" in note
    assert check_bars(_write(tmp_path, set())) == []
