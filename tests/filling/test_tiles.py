"""Tiles of a repaired slice: everything is covered, joins are smooth, and no tile is predicted in vain."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor

from txm2sem.data.pixels import to_dtype
from txm2sem.filling import fill
from txm2sem.filling.charge import dilated, find_charge
from txm2sem.filling.tiles import tile_starts, tile_weights
from txm2sem.model import Predictor
from txm2sem.options import DataOptions


@dataclass
class Fake:
    """Predicts the mean of each tile's TXM."""

    shapes: list[tuple[int, ...]] = field(default_factory=list)

    def __call__(self, source: Tensor) -> Tensor:
        self.shapes.append(tuple(source.shape))
        return source[:, :1].mean(dim=(2, 3), keepdim=True).expand(-1, 1, *source.shape[2:])


def predictor(fake: Fake) -> Predictor:
    """Return a fake in a predictor's clothes."""
    return cast(Predictor, fake)


@pytest.mark.parametrize(("length", "size"), [(32, 32), (33, 32), (75, 32), (128, 32), (100, 7), (5, 1)])
def test_tiles_cover_a_side_and_overlap_by_half(length: int, size: int) -> None:
    starts = tile_starts(length, size)
    assert starts[0] == 0
    assert starts[-1] == length - size
    assert all(0 < after - before <= max(size // 2, 1) for before, after in pairwise(starts))


def test_weights_add_up_at_half_overlap_and_are_above_zero() -> None:
    weights = tile_weights((16, 16))
    assert weights.min() > 0
    np.testing.assert_allclose(weights[:8, :8] + weights[8:, :8] + weights[:8, 8:] + weights[8:, 8:], 1)


def test_every_charged_pixel_is_filled_and_only_tiles_with_charge_are_predicted() -> None:
    fake = Fake()
    txm = np.full((75, 101), 0.25, np.float32)
    mask = np.zeros(txm.shape, bool)
    mask[-1], mask[:, -1] = True, True
    filled = fill(predictor(fake), txm, np.zeros_like(txm), mask, options=DataOptions(patch_size=32), tiles_at_once=3)
    np.testing.assert_allclose(filled[mask], 0.25, atol=1e-6)
    assert all(shape[1:] == (3, 32, 32) and shape[0] <= 3 for shape in fake.shapes)
    rows, columns = (len(tile_starts(side, 32)) for side in txm.shape)
    assert sum(shape[0] for shape in fake.shapes) == rows + columns - 1
    assert not fill(predictor(fake), txm, txm, ~mask & mask, options=DataOptions(patch_size=32)).any()


def test_tiles_blend_without_a_step() -> None:
    ramp = np.tile(np.linspace(-1, 1, 96, dtype=np.float32), (32, 1))
    filled = fill(
        predictor(Fake()), ramp, np.zeros_like(ramp), np.ones(ramp.shape, bool), options=DataOptions(patch_size=32)
    )
    # Each tile is flat and differs from the next by 0.34; a hard join would be a step of that or half of it.
    assert np.abs(np.diff(filled[16])).max() < 0.04
    assert filled[16, -1] - filled[16, 0] > 1


def test_without_txm_the_channel_is_zero() -> None:
    fake, sem = Fake(), np.full((32, 32), 0.5, np.float32)
    filled = fill(predictor(fake), None, sem, np.ones(sem.shape, bool), options=DataOptions(patch_size=32))
    assert not filled.any()


def test_grey_values_are_rounded_and_clipped_for_integers_only() -> None:
    grey = np.array([-3.2, 0.6, 254.4, 300.0], np.float32)
    assert to_dtype(grey, np.dtype("uint8")).tolist() == [0, 1, 254, 255]
    assert to_dtype(grey, np.dtype("int16")).tolist() == [-3, 1, 254, 300]
    np.testing.assert_array_equal(to_dtype(grey, np.dtype("float64")), grey)


def test_saturated_pixels_that_touch_at_corners_are_one_region() -> None:
    sem = np.where(np.eye(20) > 0, 4095, 7).astype(np.uint16)
    found = find_charge(sem, 4095, min_area=20)
    assert found.sum() == 20
    assert not find_charge(sem, 4095, min_area=21).any()
    assert dilated(found, 1).sum() == 20 + 2 * 19
    np.testing.assert_array_equal(dilated(found, 0), found)
    assert not dilated(~found & found, 3).any()


def test_the_network_sees_the_charge_painted_white() -> None:
    seen: list[Tensor] = []

    class Spy(Fake):
        def __call__(self, source: Tensor) -> Tensor:
            seen.append(source)
            return super().__call__(source)

    sem, mask = np.full((32, 32), 0.3, np.float32), np.zeros((32, 32), bool)
    mask[4:9] = True
    fill(predictor(Spy()), sem, sem, mask, options=DataOptions(patch_size=32))
    (source,) = seen
    assert torch.equal(source[0, 2] > 0, torch.from_numpy(mask))
    assert (source[0, 1][torch.from_numpy(mask)] == 1).all()
