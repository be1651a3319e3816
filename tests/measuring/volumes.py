"""Small volumes of phases, and measurements of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

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


def document(folder: str) -> dict[str, Any]:
    return read_json(MeasurePaths(Path(folder)).document, "")


def in_small_boxes(monkeypatch: pytest.MonkeyPatch, side: int = 16) -> None:
    """Let volumes be cut into boxes that are smaller than memory asks for."""
    monkeypatch.setattr(running, "side_for", lambda wanted: (side,) * 3)
