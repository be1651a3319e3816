"""Tiny data roots for tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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


def write_neighbours(root: Path) -> dict[int, int]:
    """Give the slices of a data root a place in a volume, and return the z of each by its number.

    The slices are numbered through all splits. `test/txm_full_stack` has slice n at z = 3 n + 1 and a random one below
    and above each. `slice_positions.csv` says so.
    """
    images: list[NDArray[Any]] = []
    for split in ("train", "val", "test"):
        first = len(images)
        for path in sorted((root / split).glob("*/*.tif"), reverse=True):
            path.rename(path.with_name(f"{first + int(path.stem):03d}.tif"))
        images += [tifffile.imread(path) for path in sorted((root / split / "txm").iterdir())]
    rng = np.random.default_rng(0)
    stack = [grey(rng.random(images[0].shape), str(images[0].dtype)) for _ in range(3 * len(images))]
    stack[1::3] = images
    write_stack(root / "test" / "txm_full_stack", stack)
    positions = {number: 3 * number + 1 for number in range(len(images))}
    write_positions(root / "slice_positions.csv", positions)
    return positions


def write_positions(table: Path, positions: Mapping[int, int]) -> None:
    """Write where aligned slices lie in the full stack, z by number."""
    table.write_text("".join(["number,z\n", *(f"{number},{z}\n" for number, z in positions.items())]))


def write_stack(folder: Path, stack: Iterable[NDArray[Any]]) -> None:
    """Write slices (z, y, x) as 000.tif, 001.tif, ..."""
    for number, image in enumerate(stack):
        write_slice(folder / f"{number:03d}.tif", image)


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


def draw_bar(rows: int, columns: int, ground: int, ink: int, seed: int = 0) -> NDArray[np.uint8]:
    """Return rows of a bar: letters as blocks of strokes, and a scale bar, on an even ground."""
    drawn = np.full((rows, columns), ground, np.uint8)
    rng, middle = np.random.default_rng(seed), slice(rows // 4, rows // 4 + rows // 2)
    for column in range(8, columns // 2, 10):
        letter = np.repeat(rng.random((rows // 2, 2)) < 0.7, 3, axis=1)
        drawn[middle, column : column + 6][letter] = ink
    drawn[rows // 2 - 1 : rows // 2 + 1, columns * 3 // 5 : columns * 4 // 5] = ink
    return drawn


def write_bars(folder: Path) -> None:
    """Give all slices of a folder a data bar of 20 rows."""
    for number, path in enumerate(sorted(folder.iterdir())):
        image = tifffile.imread(path)
        image[-20:] = draw_bar(20, image.shape[1], 0, 255, number)
        write_slice(path, image)
