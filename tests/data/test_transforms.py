from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import DTypeLike
from PIL import Image
from scipy.ndimage import binary_dilation, binary_erosion, gaussian_filter

from txm2sem.data import (
    GreyRange,
    downsample,
    find_empty_level,
    keep_empty,
    random_contrast,
    random_horizontal_flip,
    random_quarter_turns,
    size_option,
    to_uint8,
)
from txm2sem.data.transforms import EMPTY_SIDE, adjust_contrast, empty_areas, preprocess
from txm2sem.errors import UserError
from txm2sem.options import DataOptions, Preprocessing


@given(seed=st.integers(0, 1000), channels=st.integers(1, 3), batched=st.booleans())
def test_flip_is_one_decision_for_all_images(seed: int, channels: int, batched: bool) -> None:
    shape = (2, channels, 4, 5) if batched else (channels, 4, 5)
    images = torch.rand(shape), torch.rand(shape)
    flipped = random_horizontal_flip(images, np.random.default_rng(seed))
    decision = np.random.default_rng(seed).random() < 0.5
    for before, after in zip(images, flipped, strict=True):
        assert torch.equal(after, before[..., torch.arange(4, -1, -1)] if decision else before)
    again = random_horizontal_flip(flipped, np.random.default_rng(seed))
    assert all(torch.equal(before, after) for before, after in zip(images, again, strict=True))


def test_quarter_turns_are_the_same_for_all_images_and_as_frequent() -> None:
    rng = np.random.default_rng(0)
    images = torch.arange(6.0).reshape(1, 2, 3), torch.arange(6.0).reshape(1, 2, 3) + 7
    counts = [0, 0, 0, 0]
    for _ in range(400):
        one, other = random_quarter_turns(images, rng)
        assert torch.equal(one + 7, other)
        counts[next(turns for turns in range(4) if torch.equal(one, images[0].rot90(turns, (1, 2))))] += 1
    assert min(counts) > 70


@given(st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_varied_contrast_is_a_line_that_makes_nothing_black_and_leaves_black_alone(most: float, seed: int) -> None:
    grey = torch.tensor([[-1.5, -1.0, -0.999, -0.4, 0.0, 0.4, 1.0, 1.2]])
    varied = random_contrast(grey, most, np.random.default_rng(seed))[0]
    assert torch.equal(varied[:2], grey[0, :2])
    assert varied[2:].min() > -1
    slopes = (varied[4:].diff() / grey[0, 4:].diff()).tolist()
    assert slopes == pytest.approx([slopes[0]] * 3, rel=1e-4)
    assert 1 / (1 + most) <= slopes[0] * 1.0001
    assert slopes[0] <= (1 + most) * 1.0001
    assert abs(varied[4]) <= most / 2


def test_areas_that_are_not_imaged_stay_black_and_dark_pixels_do_not() -> None:
    source = torch.full((1, 3, 20, 30), 0.2)
    source[:, 1, :, 22:] = -1.0
    source[:, 1, 2:8, 2:8] = -1.0
    source[:, 0] = -1.0
    output = torch.rand(1, 2, 20, 30)
    kept = keep_empty(output, source)
    assert (kept[:, 0, :, 22:] == -1).all()
    # A square of 6 x 6 pixels is smaller than what counts as an area.
    assert torch.equal(kept[:, 0, :, :22], output[:, 0, :, :22])
    assert torch.equal(kept[:, 1], output[:, 1])


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("grey", [GreyRange(22501, 27000), GreyRange(-40, 900), GreyRange(38218.1, 39840.5)])
def test_dark_rock_below_the_range_is_no_area_without_images_where_the_level_of_0_is_known(
    dtype: DTypeLike, grey: GreyRange
) -> None:
    txm = np.full((20, 40), 24000).astype(dtype)
    txm[:, 10:20] = 1
    txm[:, 20:30] = 0
    if np.dtype(dtype).kind != "u":
        txm[:, :10] = -100
    level = float(find_empty_level(DataOptions(txm_range=str(grey))))
    output = torch.rand(1, 1, 20, 40)
    kept = keep_empty(output, torch.from_numpy(grey.normalise(txm))[None, None], level)
    assert (kept[..., 20:30] == -1).all()
    kept[..., 20:30] = output[..., 20:30]
    assert torch.equal(kept, output)


@pytest.mark.parametrize("share", [0.3, 0.9, 0.99, 1.0])
def test_empty_areas_are_those_of_a_morphological_opening(share: float) -> None:
    black = np.random.default_rng(0).random((2, 40, 23)) < share
    square = np.ones((EMPTY_SIDE, EMPTY_SIDE))
    opened = [binary_dilation(binary_erosion(image, square, border_value=1), square) for image in black]
    areas = empty_areas(torch.from_numpy(black)[:, None])[:, 0].numpy()
    assert np.array_equal(areas, opened)
    assert areas.any() == (share > 0.3)


def test_flips_are_as_frequent_as_not() -> None:
    rng = np.random.default_rng(0)
    image = torch.tensor([[[0.0, 1.0]]])
    flips = sum(float(random_horizontal_flip((image,), rng)[0][0, 0, 0]) for _ in range(1000))
    assert 430 < flips < 570


@pytest.mark.parametrize("factor", [2, 4])
def test_downsampling_takes_the_first_of_each_block(factor: int) -> None:
    image = torch.arange(64.0).reshape(1, 1, 8, 8)
    small = downsample(image, factor)
    assert small.shape == (1, 1, 8 // factor, 8 // factor)
    assert small[0, 0, 1, 1] == image[0, 0, factor, factor]
    assert torch.equal(small, F.interpolate(image, scale_factor=1 / factor, mode="nearest"))
    assert torch.equal(downsample(image[0], factor), small[0])
    assert small.is_contiguous()


def test_downsampling_by_1_returns_the_source() -> None:
    image = torch.rand(1, 8, 8)
    assert downsample(image, 1) is image


def patch(side: int) -> dict[str, torch.Tensor]:
    """Return an image and a mask of a square patch."""
    image = torch.from_numpy(gaussian_filter(np.random.default_rng(0).random((1, side, side)), (0, 1, 1)))
    return {"source": image.float() * 2 - 1, "charge": image > 0.5}


@pytest.mark.parametrize(("side", "multiple"), [(1, 4), (127, 128), (128, 128), (129, 128), (130, 128), (134, 136)])
def test_sides_become_multiples_of_4(side: int, multiple: int) -> None:
    resized = preprocess(patch(side), DataOptions(patch_size=side), None)
    assert all(image.shape == (1, multiple, multiple) for image in resized.values())
    assert resized["charge"].dtype == torch.bool


def test_sides_that_are_multiples_of_4_leave_the_images_alone() -> None:
    images = patch(12)
    assert all(image is images[name] for name, image in preprocess(images, DataOptions(), None).items())


@pytest.mark.parametrize("side", [61, 66, 63])
def test_resizing_is_that_of_pil(side: int) -> None:
    image = to_uint8(patch(side)["source"])
    resized = preprocess({"source": torch.from_numpy(image / np.float32(127.5) - 1)}, DataOptions(), None)["source"]
    size = (resized.shape[2], resized.shape[1])
    expected = np.asarray(Image.fromarray(image[0]).resize(size, Image.Resampling.BICUBIC))
    difference = np.abs(to_uint8(resized)[0].astype(int) - expected)
    assert difference.max() <= 1  # PIL rounds between its two passes


@pytest.mark.parametrize(
    ("mode", "side", "decides"),
    [
        ("none", 40, "patch_size"),
        ("resize_and_crop", 24, "crop_size"),
        ("crop", 24, "crop_size"),
        ("scale_width", 30, "load_size"),
        ("scale_width_and_crop", 24, "crop_size"),
    ],
)
def test_each_preprocessing_makes_its_size(mode: Preprocessing, side: int, decides: str) -> None:
    options = DataOptions(patch_size=40, preprocess=mode, load_size=30, crop_size=24)
    done = preprocess(patch(40), options, np.random.default_rng(0))
    assert all(image.shape == (1, side, side) for image in done.values())
    assert size_option(options) == decides
    assert getattr(options, decides) == side


def test_crops_are_random_in_training_and_central_in_evaluation_and_alike_in_all_images() -> None:
    options = DataOptions(patch_size=40, preprocess="crop", crop_size=20)
    images = patch(40)
    images["target"] = images["source"] + 1
    central = preprocess(images, options, None)
    assert torch.equal(central["source"], images["source"][:, 10:30, 10:30])
    drawn = [preprocess(images, options, np.random.default_rng(seed)) for seed in range(5)]
    assert len({float(crop["source"].sum()) for crop in drawn}) > 1
    assert all(torch.equal(crop["target"], crop["source"] + 1) for crop in drawn)


def test_a_crop_larger_than_its_source_is_refused() -> None:
    with pytest.raises(UserError, match="--crop_size 50: expected at most --load_size 30"):
        DataOptions(preprocess="resize_and_crop", load_size=30, crop_size=50)


def test_contrast_is_left_alone_by_default() -> None:
    image = patch(16)["source"]
    assert adjust_contrast(image, 1.0, 0.0, 8) is image


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_gamma_is_a_power_of_the_grey_values(gamma: float) -> None:
    image = torch.tensor([[[-1.0, 0.0, 1.0]]])
    assert torch.allclose(adjust_contrast(image, gamma, 0.0, 8), torch.tensor([[[-1.0, 0.5**gamma * 2 - 1, 1.0]]]))


def test_equalisation_widens_a_narrow_range() -> None:
    image = patch(64)["source"] * 0.1
    equalised = adjust_contrast(image, 1.0, 0.05, 8)
    assert equalised.shape == image.shape
    assert equalised.dtype == torch.float32
    assert equalised.std() > 2 * image.std()
    assert equalised.min() >= -1
    assert equalised.max() <= 1
