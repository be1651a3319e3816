"""Small volumes of phases, and measurements of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from txm2sem.applying.volume.draws import DrawChannels
from txm2sem.data import GreyRange, OutputGrey
from txm2sem.data.writers import Description, build_pyramid, create_image, open_array, write_ome_tiff
from txm2sem.files import read_json
from txm2sem.measuring import run as running
from txm2sem.runs import MeasurePaths

SHAPE = (40, 34, 70)

QUICK = {"diffusion_side": 0, "longest": 12, "voxel_size": 32}


def phases(shape: tuple[int, int, int] = SHAPE, seed: int = 0) -> NDArray[np.uint8]:
    """Return labels of a random medium: 1 is a fifth of it, 2 a tenth, 0 the rest."""
    field = gaussian_filter(np.random.default_rng(seed).standard_normal(shape, np.float32), 2)
    low, high = np.quantile(field, (0.2, 0.9))
    return np.where(field < low, 1, np.where(field > high, 2, 0)).astype(np.uint8)


def write(labels: NDArray[Any], name: str = "labels.tif") -> Path:
    tifffile.imwrite(name, labels, photometric="minisblack")
    return Path(name)


def write_draws(draws: NDArray[np.uint8], name: str = "drawn.ome.zarr") -> None:
    """Write draws (draws, z, y, x) as `txm2sem volume --draws` does, to OME-Zarr or OME-TIFF, in voxels of 32 nm."""
    grey = OutputGrey(np.dtype(np.uint8), GreyRange(0, 255), GreyRange(0, 255))
    channels = DrawChannels(grey, len(draws))
    mean, spread = (found.round().astype(np.uint8) for found in (draws.mean(axis=0), draws.std(axis=0)))
    voxels = np.stack([mean, spread, *draws])
    size = (32.0, 32.0, 32.0)
    said = Description("it", size, (0.0, 0.0, 0.0), (0.0, 255.0), {}, channels.descriptions)
    if name.endswith(".tif"):
        write_ome_tiff(Path(name), voxels.shape, voxels.dtype, voxels.reshape(-1, *voxels.shape[2:]), said)
        return
    create_image(Path(name), voxels.shape, voxels.dtype, 8)
    open_array(Path(name), 0)[:, :, :, :] = voxels
    build_pyramid(Path(name), 8, said, lambda voxels: None)


def document(folder: str) -> dict[str, Any]:
    return read_json(MeasurePaths(Path(folder)).document, "")


def in_small_boxes(monkeypatch: pytest.MonkeyPatch, side: int = 16) -> None:
    """Let volumes be cut into boxes that are smaller than memory asks for."""
    monkeypatch.setattr(running, "side_for", lambda wanted: (side,) * 3)
