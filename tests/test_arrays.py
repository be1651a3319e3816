"""Arrays that Python callers pass: what they mean, or an error in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
import zarr
from numpy.typing import NDArray

import txm2sem
from txm2sem.arrays import mask_array, plain_array
from txm2sem.data.readers import open_volume
from txm2sem.errors import UserError
from txm2sem.filling import krige, telea
from txm2sem.metrics import (
    autocorrelation,
    chord_lengths,
    gaussian_over,
    mean_chord_length,
    ms_ssim,
    pearson,
    phase_fraction,
    psnr,
    quads,
    ssim,
    texture,
    two_point_correlation,
)

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(1, 255, (64, 48), np.uint8)
OTHER = RNG.integers(1, 255, (64, 48), np.uint8)
MASK = RNG.random((64, 48)) < 0.5
MASKS = {
    "0/1": MASK.astype(np.uint8),
    "0/255": MASK.astype(np.uint8) * np.uint8(255),
    "16 bits": MASK.astype(np.uint16) * np.uint16(3),
    "float": np.where(MASK, 0.5, 0.0),
    "signed": np.where(MASK, 1, -1),
    "torch": torch.from_numpy(MASK),
    "big-endian": MASK.astype(">u2"),
}


@pytest.mark.parametrize("kind", MASKS)
def test_a_mask_is_what_is_above_0(kind: str) -> None:
    np.testing.assert_array_equal(mask_array(MASKS[kind], MASK.shape), MASK)


@pytest.mark.parametrize(
    "mask",
    [
        MASK[:-1],
        MASK.astype(complex),
        np.where(MASK, np.nan, 0),
        np.full(MASK.shape, "a"),
    ],
    ids=["shape", "complex", "nan", "text"],
)
def test_what_is_no_mask_is_refused(mask: Any) -> None:
    with pytest.raises(UserError, match="the mask"):
        mask_array(mask, MASK.shape)


@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize(
    "score",
    [
        lambda valid: psnr(IMAGE, OTHER, valid),
        lambda valid: ssim(IMAGE, OTHER, valid),
        lambda valid: ms_ssim(IMAGE, OTHER, valid),
        lambda valid: pearson(IMAGE, OTHER, valid),
        lambda valid: gaussian_over(IMAGE, valid, 2.0)[0],
        lambda valid: texture(IMAGE.astype(np.float32), valid),
        lambda phase: phase_fraction(phase, MASK.T.reshape(MASK.shape)),
        lambda valid: phase_fraction(MASK.T.reshape(MASK.shape), valid),
        lambda phase: two_point_correlation(phase, MASK.T.reshape(MASK.shape), 5),
        lambda phase: chord_lengths(phase, MASK | ~MASK, 1),
        lambda phase: mean_chord_length(phase, MASK | ~MASK, 0),
        lambda phase: quads(phase, MASK.T.reshape(MASK.shape)),
        lambda inside: autocorrelation(np.stack([IMAGE, OTHER]), 1, 1, np.stack([inside, inside])),
        lambda mask: krige(IMAGE, mask),
        lambda mask: krige(IMAGE, mask, OTHER),
        lambda mask: telea(IMAGE, mask),
    ],
    ids=[
        *("psnr", "ssim", "ms_ssim", "pearson", "gaussian_over", "texture", "phase", "valid", "two_point", "chords"),
        *("mean_chord", "quads", "autocorrelation", "krige", "krige with TXM", "telea"),
    ],
)
def test_what_takes_masks_takes_any_kind(kind: str, score: Any) -> None:
    np.testing.assert_array_equal(score(MASKS[kind]), score(MASK))


def arrays_of_others(volume: NDArray[Any], folder: Path) -> dict[str, Any]:
    file = h5py.File(folder / "a.h5", "w")
    return {
        "zarr": zarr.create_array(folder / "a.zarr", data=volume),
        "h5py": file.create_dataset("chunks", data=volume, chunks=(1, 2, 2)),
        "h5py in one piece": file.create_dataset("whole", data=volume),
        "torch": torch.from_numpy(volume).requires_grad_(volume.dtype.kind == "f"),
    }


@pytest.mark.parametrize("dtype", ["uint8", "float32", "bool"])
def test_arrays_of_other_libraries_are_what_they_hold(tmp_path: Path, dtype: str) -> None:
    volume = RNG.integers(0, 2, (2, 3, 4)).astype(dtype)
    for kind, array in arrays_of_others(volume, tmp_path).items():
        found = plain_array(array, "it")
        assert (type(found), found.dtype) == (np.ndarray, volume.dtype), kind
        np.testing.assert_array_equal(found, volume)
        np.testing.assert_array_equal(mask_array(array, volume.shape), volume > 0)


def test_what_is_not_stored_in_full_is_refused(tmp_path: Path) -> None:
    """It would be read as 0."""
    sparse = zarr.create_array(tmp_path / "a.zarr", shape=(4, 4), chunks=(2, 2), dtype="uint8")
    sparse[:2] = 1
    file = h5py.File(tmp_path / "a.h5", "w")
    written = file.create_dataset("data", (4, 4), "uint8", chunks=(2, 2))
    written[:2] = 1
    arrays: list[Any] = [sparse, written]
    for array in arrays:
        with pytest.raises(UserError, match="2 of its chunks are absent"):
            txm2sem.load().predict(array)
        np.testing.assert_array_equal(plain_array(array[...], "it")[:, 0], [1, 1, 0, 0])


@pytest.mark.parametrize(
    "array",
    [
        *([[1, 2], [3, 4]], "a.tif", 3, None, np.uint8(3), np.array([["a"]], object)),
        *(np.ma.masked_array(IMAGE, MASK), np.ma.array(MASK)),
    ],
    ids=["list", "path", "number", "none", "scalar", "objects", "masked", "unmasked"],
)
def test_what_is_no_array_is_refused_in_words(array: Any) -> None:
    for take in (open_volume, txm2sem.load().predict):
        with pytest.raises(UserError, match=r"expected|has voxels"):
            take(array)
    with pytest.raises(UserError, match="the mask"):
        mask_array(array, IMAGE.shape)


@pytest.mark.parametrize(
    "array",
    [
        np.ones((2, 3, 4, 5), np.uint8),
        np.ones(4, np.uint8),
        np.ones((0, 4), np.uint8),
        np.ones((3, 4), np.int64),
        np.ones((3, 4), complex),
        np.ones((3, 4), object),
        np.full((3, 4), np.nan, np.float32),
        np.full((3, 4), np.inf),
        np.zeros((3, 4), [("a", "u1")]),
    ],
    ids=["volumes", "line", "empty", "int64", "complex", "object", "nan", "inf", "fields"],
)
def test_images_that_are_none_are_refused(array: Any) -> None:
    with pytest.raises(UserError, match="txm"):
        txm2sem.load().predict(array)
    if array.dtype != np.int64:
        with pytest.raises(UserError, match="sem"):
            krige(array, np.zeros(array.shape, bool))


def test_images_of_different_sizes_are_refused() -> None:
    with pytest.raises(UserError, match="txm is"):
        krige(IMAGE, MASK, OTHER[:-1])


def test_other_byte_orders_are_turned() -> None:
    turned = plain_array(IMAGE.astype(">u2"), "it")
    assert turned.dtype.isnative
    np.testing.assert_array_equal(turned, IMAGE)
