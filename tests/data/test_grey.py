from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from data_roots import write_data_root, write_slice
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from txm2sem.data import (
    AlignedSlices,
    GreyRange,
    TiffStack,
    check_grey_values,
    find_empty_level,
    measure_range,
    resolve_ranges,
    to_uint8,
)
from txm2sem.data.grey import find_mark
from txm2sem.errors import UserError
from txm2sem.options import DataOptions

LEVELS_8 = np.arange(256, dtype=np.uint8)
LEVELS_16 = np.arange(65536, dtype=np.uint16)
FINITE = st.floats(-1e6, 1e6, width=32)


def test_8_bits_become_what_the_original_code_makes_of_them() -> None:
    image = GreyRange(0, 255).normalise(LEVELS_8)
    expected = ((torch.from_numpy(LEVELS_8).float() / 255) - 0.5) / 0.5
    assert image.dtype == np.float32
    np.testing.assert_array_equal(image, expected.numpy())
    assert (image[0], image[-1]) == (-1, 1)


def test_8_bits_come_back() -> None:
    image = GreyRange(0, 255).normalise(LEVELS_8)
    np.testing.assert_array_equal(to_uint8(image), LEVELS_8)
    np.testing.assert_array_equal(to_uint8(torch.from_numpy(image)), LEVELS_8)


def test_16_bits_are_not_clipped() -> None:
    grey = GreyRange(1000, 30000)
    image = grey.normalise(LEVELS_16)
    assert image[0] < -1
    assert image[-1] > 1
    assert np.unique(image).size == LEVELS_16.size
    np.testing.assert_array_equal(np.rint(grey.denormalise(image)), LEVELS_16)


@given(low=FINITE, high=FINITE, value=FINITE)
def test_denormalise_undoes_normalise(low: float, high: float, value: float) -> None:
    assume(high - low > 1e-2)
    grey = GreyRange(low, high)
    back = grey.denormalise(grey.normalise(np.array([value], np.float32)))
    scale = max(abs(low), abs(high), abs(value))
    assert abs(float(back[0]) - value) <= 1e-5 * scale + 1e-5 * (high - low)


def test_to_uint8_rounds_and_clips() -> None:
    image = np.array([-9, -1, 2 * 99.6 / 255 - 1, 2 * 99.4 / 255 - 1, 1, 1.1], np.float32)
    assert to_uint8(image).tolist() == [0, 0, 100, 99, 255, 255]


def test_to_uint8_takes_tensors_of_any_shape_and_dtype_that_require_gradients() -> None:
    image = torch.zeros(2, 1, 3, 4, dtype=torch.bfloat16, requires_grad=True)
    assert to_uint8(image).shape == (2, 1, 3, 4)
    assert to_uint8(image).dtype == np.uint8


@given(low=FINITE, high=FINITE)
def test_text_of_a_range_reads_back(low: float, high: float) -> None:
    assume(low < high)
    grey = GreyRange(low, high)
    assert GreyRange.parse(str(grey)) == grey


def test_parse() -> None:
    assert GreyRange.parse("0,65535") == GreyRange(0, 65535)
    assert GreyRange.parse(" -1.5, 2e3 ") == GreyRange(-1.5, 2000)
    assert str(GreyRange(0, 255)) == "0,255"


@pytest.mark.parametrize("text", ["", "auto", "5", "1,2,3", "a,b", "5,5", "9,3", "0,inf", "nan,1"])
def test_bad_ranges(text: str) -> None:
    with pytest.raises(UserError) as caught:
        GreyRange.parse(text, "--txm_range")
    assert f"--txm_range {text}: expected two numbers LOW,HIGH" in str(caught.value)


def test_range_of_black_above_white() -> None:
    with pytest.raises(UserError, match="LOW below HIGH"):
        GreyRange(3, 2)


# -- measuring ------------------------------------------------------------------------------------------------------


def open_train(root: Path) -> AlignedSlices:
    return AlignedSlices.open(root, "train", DataOptions())


def test_range_of_8_bits_is_all_of_them(tmp_path: Path) -> None:
    slices = open_train(write_data_root(tmp_path, splits=("train",)))
    assert measure_range(slices, "txm") == measure_range(slices, "sem") == GreyRange(0, 255)


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32", "float64"])
def test_measured_range_leaves_out_empty_charged_and_rare_pixels(tmp_path: Path, dtype: str) -> None:
    root = write_data_root(tmp_path, slices=1, size=(100, 100), dtype=dtype, splits=("train",))
    image = np.random.default_rng(0).uniform(1000, 2000, (100, 100)).astype(dtype)
    image[:20] = 0
    image[30, :5] = 30000  # hot pixels: 5 of 7000
    charge = np.zeros((100, 100), np.uint8)
    charge[90:] = 1
    image[90:] = 32000
    write_slice(root / "train" / "sem" / "000.tif", image)
    write_slice(root / "train" / "charge" / "000.tif", charge)
    grey = measure_range(open_train(root), "sem")
    valid = image[20:90]
    assert (grey.low, grey.high) == pytest.approx(np.percentile(valid, (0.1, 99.9)))
    assert 1000 <= grey.low < 1010
    assert 1990 < grey.high <= 2000


def test_measuring_reads_few_slices_and_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slices = open_train(write_data_root(tmp_path, slices=40, size=(64, 64), dtype="uint16", splits=("train",)))
    monkeypatch.setattr("txm2sem.data.grey._MEASURED_PIXELS", 1024)
    seen: list[tuple[int, slice]] = []
    read = TiffStack.read

    def spy(stack: TiffStack, index: int, rows: slice, columns: slice) -> NDArray[Any]:
        if stack is slices.txm:
            seen.append((index, rows))
        return read(stack, index, rows, columns)

    monkeypatch.setattr(TiffStack, "read", spy)
    measure_range(slices, "txm")
    assert len({index for index, _ in seen}) == len(seen) == 16
    assert {seen[0][0], seen[-1][0]} == {0, 39}
    assert {rows.step for _, rows in seen} == {4}


@pytest.mark.parametrize(("value", "found"), [(700, "all are 700"), (0, "there are no such pixels")])
def test_constant_data(tmp_path: Path, value: int, found: str) -> None:
    root = write_data_root(tmp_path, slices=1, dtype="uint16", splits=("train",))
    charge = np.zeros((96, 96), np.uint8)
    charge[0, 0] = 1
    image = np.full((96, 96), value, np.uint16)
    image[0, 0] = 5
    write_slice(root / "train" / "txm" / "000.tif", image)
    write_slice(root / "train" / "charge" / "000.tif", charge)
    with pytest.raises(UserError) as caught:
        measure_range(open_train(root), "txm")
    text = str(caught.value)
    assert str(root / "train" / "txm") in text
    assert found in text
    assert "--txm_range LOW,HIGH" in text


@pytest.mark.parametrize(
    ("dtype", "mark"),
    [
        ("float32", -9999),
        ("float32", -999),
        ("float64", -1e10),
        ("float32", 1e10),
        ("int16", -32768),
        ("uint16", 65535),
    ],
)
@pytest.mark.parametrize("share", [0.002, 0.3, 0.9])
def test_a_mark_of_what_was_not_imaged_is_no_grey_value(dtype: str, mark: float, share: float) -> None:
    rng = np.random.default_rng(0)
    values = rng.uniform(50, 250, 20000).astype(dtype)
    assert find_mark(values) is None
    assert find_mark(values, GreyRange(50, 250)) is None
    values[rng.random(values.size) < share] = mark
    assert find_mark(values) == mark
    assert find_mark(values, GreyRange(50, 250)) == mark


@pytest.mark.parametrize("bright", [255, 600])
def test_what_saturates_or_is_rare_is_no_mark(bright: int) -> None:
    values = np.random.default_rng(0).uniform(60, 120, 20000).astype(np.float32)
    values[:1000] = bright
    assert find_mark(values) is None
    values[:10] = -9999
    assert find_mark(values) is None


@pytest.mark.parametrize("values", [[], [5], [5, -9999], [5, 5, 5, 9]])
def test_too_few_values_to_tell_a_mark(values: list[float]) -> None:
    assert find_mark(np.array(values)) is None


def test_a_range_is_not_measured_on_marks(tmp_path: Path) -> None:
    root = write_data_root(tmp_path, slices=2, dtype="float32", splits=("train",))
    for path in (root / "train" / "txm").iterdir():
        image = tifffile.imread(path)
        if path.name == "001.tif":
            image[:10, :10] = -9999
        write_slice(path, image)
    with pytest.raises(UserError, match=r"the value -9999, first in 001\.tif.*pass --txm_range LOW,HIGH"):
        measure_range(open_train(root), "txm")
    for path in (root / "train" / "txm").iterdir():
        write_slice(path, tifffile.imread(path), extratags=[(42113, 2, 0, "-9999", True)])
    assert measure_range(open_train(root), "txm").low > 0


def test_a_model_does_not_see_marks() -> None:
    values = np.random.default_rng(0).uniform(50, 250, 20000).astype(np.float32)
    check_grey_values(values, GreyRange(0, 255), "txm", "here")
    values[:3000] = -9999
    with pytest.raises(UserError, match=r"here has the value -9999 in 15\.0% of its pixels"):
        check_grey_values(values, GreyRange(0, 255), "txm", "here")


def test_resolved_ranges_are_numbers_and_stay(tmp_path: Path) -> None:
    slices = open_train(write_data_root(tmp_path, dtype="uint16", splits=("train",)))
    options = resolve_ranges(DataOptions(sem_range="100,200"), slices)
    assert GreyRange.parse(options.txm_range) == measure_range(slices, "txm")
    assert options.sem_range == "100,200"
    assert resolve_ranges(options, slices) == options
    with pytest.raises(UserError, match=re.escape("--sem_range 7: expected two numbers")):
        resolve_ranges(DataOptions(sem_range="7"), slices)


@pytest.mark.parametrize(
    ("options", "level"),
    [
        ({"txm_range": "0,255"}, "auto"),
        ({"txm_range": "1000,3000"}, "-2"),
        ({"txm_range": "-1,3"}, "-0.5"),
        ({"txm_range": "1000,3000", "gamma": 0.8}, "auto"),
        ({"txm_range": "1000,3000", "hist_eq": 0.01}, "auto"),
        ({"txm_range": "1000,3000", "sem_range": "50,150", "direction": "BtoA", "gamma": 0.8}, "-2"),
        ({"txm_range": "1000,3000", "sem_range": "100,150", "direction": "BtoA"}, "-5"),
    ],
)
def test_the_level_of_0_is_where_the_range_has_it_and_unknown_where_contrast_is_changed(
    options: dict[str, Any], level: str
) -> None:
    assert find_empty_level(DataOptions(**options)) == level


def test_another_level_of_0_than_that_of_the_range_is_refused() -> None:
    options = DataOptions(txm_range="1000,3000")
    assert find_empty_level(options, "-2") == "-2"
    with pytest.raises(UserError, match="expected -2, as --txm_range 1000,3000"):
        find_empty_level(options, "-1")
