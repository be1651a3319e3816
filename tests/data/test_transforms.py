from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import gaussian_filter

from txm2sem.data import downsample, random_horizontal_flip, to_multiple_of_4, to_uint8


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


@pytest.mark.parametrize(("side", "multiple"), [(1, 4), (127, 128), (128, 128), (129, 128), (130, 128), (134, 136)])
def test_sides_become_multiples_of_4(side: int, multiple: int) -> None:
    assert to_multiple_of_4(torch.rand(1, side, 8)).shape == (1, multiple, 8)
    assert to_multiple_of_4(torch.rand(2, 1, 8, side)).shape == (2, 1, 8, multiple)


def test_sides_that_are_multiples_of_4_leave_the_image_alone() -> None:
    image = torch.rand(1, 8, 12)
    assert to_multiple_of_4(image) is image


@pytest.mark.parametrize("size", [(61, 75), (66, 70), (63, 62)])
def test_resizing_is_that_of_pil(size: tuple[int, int]) -> None:
    noise = gaussian_filter(np.random.default_rng(0).standard_normal(size), 1.0)
    image = np.rint(255 * (noise - noise.min()) / np.ptp(noise)).astype(np.uint8)
    resized = to_multiple_of_4(torch.from_numpy(image / np.float32(127.5) - 1)[None])
    expected = np.asarray(Image.fromarray(image).resize((resized.shape[2], resized.shape[1]), Image.Resampling.BICUBIC))
    difference = np.abs(to_uint8(resized)[0].astype(int) - expected)
    assert difference.max() <= 1  # PIL rounds between its two passes
