"""Tiny data roots for tests."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter


def write_data_root(
    path: Path,
    *,
    slices: int = 2,
    size: tuple[int, int] = (96, 96),
    dtype: str = "uint8",
    splits: Iterable[str] = ("train", "val", "test"),
    masks: bool = True,
    seed: int = 0,
) -> Path:
    """Write aligned slices 000.tif, 001.tif ... of correlated TXM and SEM textures, and return `path`.

    No image pixel is 0. 1.6 % of every slice is charged (white in the SEM), so patches of any size are usable.
    """
    rng = np.random.default_rng(seed)
    rows, columns = size
    for split in splits:
        for number in range(slices):
            rock = _texture(rng, size, 2.0)
            txm = 0.6 * gaussian_filter(1 - rock, 1.5) + 0.4 * _texture(rng, size, 4.0)
            sem = 0.8 * rock + 0.2 * _texture(rng, size, 0.5)
            charge = np.zeros(size, np.uint8)
            row, column = rng.integers(0, rows - rows // 8 + 1), rng.integers(0, columns - columns // 8 + 1)
            charge[row : row + rows // 8, column : column + columns // 8] = 255
            sem[charge > 0] = 1.0
            images = {"txm": grey(txm, dtype), "sem": grey(sem, dtype)}
            if masks:
                low, high = (sem < 0.35) & (charge == 0), (sem > 0.65) & (charge == 0)
                images |= {"charge": charge, "lowdensity": low * np.uint8(255), "highdensity": high * np.uint8(255)}
            for folder, image in images.items():
                write_slice(path / split / folder / f"{number:03d}.tif", image)
    return path


def write_slice(path: Path, image: NDArray[Any], **options: Any) -> Path:
    """Write one TIFF file, making its folder; `options` are those of tifffile.imwrite."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, image, **({"photometric": "minisblack"} | options))
    return path


def grey(image: NDArray[Any], dtype: str) -> NDArray[Any]:
    """Return an image in [0, 1] with grey values that use a dtype's range, without 0."""
    if np.issubdtype(dtype, np.floating):
        return (0.05 + 0.9 * image).astype(dtype)
    return np.rint((0.05 + 0.9 * image) * np.iinfo(dtype).max).astype(dtype)


def _texture(rng: np.random.Generator, size: tuple[int, int], sigma: float) -> NDArray[np.float64]:
    noise: NDArray[np.float64] = gaussian_filter(rng.standard_normal(size), sigma, mode="wrap")
    noise -= noise.min()
    noise /= noise.max()
    return noise
