from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from data_roots import write_data_root, write_slice
from hypothesis import given, settings
from hypothesis import strategies as st

from txm2sem.data import (
    AlignedSlices,
    PatchLocation,
    draw_training_location,
    evaluation_locations,
    grid_locations,
    patch_shares,
)
from txm2sem.errors import UserError
from txm2sem.options import DataOptions

ROWS, COLUMNS = 64, 80


def open_train(root: Path) -> AlignedSlices:
    return AlignedSlices.open(root, "train", DataOptions())


@pytest.fixture(scope="module", params=["uint8", "uint16"])
def slices(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AlignedSlices:
    """Slices with an empty corner in the SEM, an empty edge in the TXM and a charged band."""
    root = write_data_root(tmp_path_factory.mktemp("root"), slices=3, size=(ROWS, COLUMNS), dtype=request.param)
    for number in range(3):
        for folder, window in {"sem": np.s_[:20, :20], "txm": np.s_[:, 70:]}.items():
            path = root / "train" / folder / f"{number:03d}.tif"
            image = tifffile.imread(path)
            image[window] = 0
            write_slice(path, image)
        charge = np.zeros((ROWS, COLUMNS), np.uint8)
        charge[40:44] = 255
        write_slice(root / "train" / "charge" / f"{number:03d}.tif", charge)
    return open_train(root)


def assert_inside_and_usable(slices: AlignedSlices, location: PatchLocation) -> None:
    """Check the rules on whole slices, read without the code under test."""
    index, rows, columns = location.to_slices()
    assert 0 <= index < 3
    assert 0 <= rows.start < rows.stop <= ROWS
    assert 0 <= columns.start < columns.stop <= COLUMNS
    sem, txm, charge = (
        tifffile.imread(slices.folder / name / f"{index:03d}.tif")[rows, columns] for name in ("sem", "txm", "charge")
    )
    assert sem.shape == (location.size, location.size)
    assert (charge == 0).mean() > 0.95
    assert ((charge == 0) & (sem > 0) & (txm > 0)).mean() > 0.75


@settings(max_examples=60)
@given(size=st.integers(1, 36), seed=st.integers(0, 2**32 - 1))
def test_training_patches_are_inside_and_usable(slices: AlignedSlices, size: int, seed: int) -> None:
    location = draw_training_location(slices, size, np.random.default_rng(seed))
    assert_inside_and_usable(slices, location)
    assert location == draw_training_location(slices, size, np.random.default_rng(seed))


@settings(max_examples=20)
@given(size=st.integers(1, 36))
def test_evaluation_patches_are_inside_and_usable(slices: AlignedSlices, size: int) -> None:
    locations = evaluation_locations(slices, size, 5)
    for location in locations:
        assert_inside_and_usable(slices, location)
    assert locations[:2] == evaluation_locations(slices, size, 2)


def test_location_to_slices() -> None:
    assert PatchLocation(2, row=5, column=7, size=4).to_slices() == (2, slice(5, 9), slice(7, 11))


def test_training_patches_are_uniform_to_the_last_row_and_column(tmp_path: Path) -> None:
    slices = open_train(write_data_root(tmp_path, slices=2, size=(6, 7), masks=False))
    rng = np.random.default_rng(0)
    drawn = [draw_training_location(slices, 4, rng) for _ in range(2400)]
    counts = np.zeros((2, 3, 4))
    for location in drawn:
        counts[location.slice_index, location.row, location.column] += 1
    assert counts.min() > 60  # 100 are expected, with a standard deviation of 10
    assert counts.max() < 140


def test_patch_as_large_as_the_slice(tmp_path: Path) -> None:
    slices = open_train(write_data_root(tmp_path, slices=2, size=(32, 32)))
    assert {(a.row, a.column) for a in evaluation_locations(slices, 32, 5)} == {(0, 0)}
    location = draw_training_location(slices, 32, np.random.default_rng(0))
    assert (location.row, location.column) == (0, 0)


def test_one_pixel_of_play_is_used_in_training_only(tmp_path: Path) -> None:
    slices = open_train(write_data_root(tmp_path, slices=1, size=(33, 33)))
    rng = np.random.default_rng(0)
    assert {a.row for a in evaluation_locations(slices, 32, 20)} == {0}
    assert {draw_training_location(slices, 32, rng).row for _ in range(20)} == {0, 1}


@pytest.mark.parametrize(("dtype", "value"), [("uint8", 16), ("uint16", 256)])
def test_only_the_evaluation_of_8_bits_wraps_around(tmp_path: Path, dtype: str, value: int) -> None:
    root = write_data_root(tmp_path, slices=1, size=(16, 16), dtype=dtype, splits=("train",), masks=False)
    for folder in ("txm", "sem"):  # the product is one more than the dtype holds
        write_slice(root / "train" / folder / "000.tif", np.full((16, 16), value, dtype))
    slices = open_train(root)
    draw_training_location(slices, 8, np.random.default_rng(0), max_tries=1)
    assert patch_shares(slices, PatchLocation(0, 0, 0, 8)).usable == 1
    if dtype == "uint8":
        assert patch_shares(slices, PatchLocation(0, 0, 0, 8), wrapped_product=True).usable == 0
        with pytest.raises(UserError, match="no usable patch"):
            evaluation_locations(slices, 8, 1, max_tries=20)
    else:
        assert len(evaluation_locations(slices, 8, 1, max_tries=1)) == 1


def half_empty(tmp_path: Path) -> AlignedSlices:
    root = write_data_root(tmp_path, slices=1, size=(32, 32), splits=("train",), masks=False)
    checkers = (np.indices((32, 32)).sum(axis=0) % 2).astype(np.uint8) * 199
    write_slice(root / "train" / "sem" / "000.tif", checkers)
    return open_train(root)


def test_search_without_success_ends(tmp_path: Path) -> None:
    slices = half_empty(tmp_path)
    for search in (
        lambda: draw_training_location(slices, 16, np.random.default_rng(0), max_tries=50),
        lambda: evaluation_locations(slices, 16, 1, max_tries=50),
    ):
        with pytest.raises(UserError) as caught:
            search()
        text = str(caught.value)
        assert "no usable patch of 16 x 16 pixels" in text
        assert str(slices.folder) in text
        assert "after 50 tries" in text
        assert "more than 95% of its pixels uncharged and more than 75%" in text
        assert "at most 100.0% and 50.0%" in text
        assert "smaller --patch_size" in text


def test_charged_slices_have_no_usable_patch(tmp_path: Path) -> None:
    root = write_data_root(tmp_path, slices=1, size=(32, 32), splits=("train",))
    charge = (np.indices((32, 32))[0] % 16 == 0) * np.uint8(1)  # 1 / 16 of every patch: uncharged is 93.75 %
    write_slice(root / "train" / "charge" / "000.tif", charge)
    with pytest.raises(UserError, match=r"found at most 93\.8% and"):
        evaluation_locations(open_train(root), 16, 1, max_tries=50)


@pytest.mark.parametrize("size", [97, 0])
def test_patch_that_does_not_fit(tmp_path: Path, size: int) -> None:
    slices = open_train(write_data_root(tmp_path, size=(100, 96), splits=("train",)))
    for search in (
        lambda: draw_training_location(slices, size, np.random.default_rng(0)),
        lambda: evaluation_locations(slices, size, 1),
    ):
        with pytest.raises(UserError) as caught:
            search()
        text = str(caught.value)
        assert f"--patch_size {size} does not fit" in text
        assert f"{slices.txm.paths[0]}, which is 100 x 96 pixels" in text
        assert "from 1 to 96" in text


def test_shares_count_charged_pixels_and_pixels_empty_in_either_image(slices: AlignedSlices) -> None:
    def shares(row: int, column: int) -> tuple[float, float]:
        found = patch_shares(slices, PatchLocation(1, row, column, 20))
        return found.uncharged, found.usable

    assert shares(10, 30) == (1, 1)
    assert shares(10, 10) == (1, 0.75)  # a quarter is empty in the SEM
    assert shares(10, 60) == (1, 0.5)  # half is empty in the TXM
    assert shares(30, 30) == (0.8, 0)  # 4 of 20 rows are charged, too many to look at the images


@given(size=st.integers(1, 64), most=st.integers(1, 400))
def test_patches_side_by_side_lie_in_all_slices_and_never_upon_another(
    slices: AlignedSlices, size: int, most: int
) -> None:
    covered = np.zeros((3, ROWS, COLUMNS), int)
    locations = grid_locations(slices, size, most)
    for location in locations:
        covered[location.to_slices()] += 1
    assert len(locations) == min(most, 3 * (ROWS // size) * (COLUMNS // size))
    assert covered.sum() == len(locations) * size**2
    assert covered.max() == 1
    if most >= 3:
        assert covered.any(axis=(1, 2)).all()
