"""The images that a test writes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from txm2sem.files import write_whole
from txm2sem.runs import RunPaths


def write_images(paths: RunPaths, index: int, images: Mapping[str, NDArray[Any]], aspect_ratio: float = 1.0) -> None:
    """Write images (H, W) of one patch as PNG, by folder, stretched to `aspect_ratio`; masks become 0 and 255."""
    for folder, pixels in images.items():
        write_png(paths.image(folder, index), stretch(pixels, aspect_ratio))


def stretch(pixels: NDArray[Any], aspect_ratio: float) -> NDArray[Any]:
    """Return an image (H, W) with pixels of height : width `aspect_ratio` made square ones.

    The image grows along one axis and keeps the other: (H * aspect_ratio, W) above 1, (H, W / aspect_ratio) below; at 1
    it is returned as it is. 8-bit images are resized by bicubic interpolation, as in the original code; boolean masks,
    and classes in 32 bits, stay what they are.
    """
    if aspect_ratio == 1:
        return pixels
    height, width = pixels.shape
    size = (width, round(height * aspect_ratio)) if aspect_ratio > 1 else (round(width / aspect_ratio), height)
    method = Image.Resampling.BICUBIC if pixels.dtype == np.uint8 else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(pixels).resize(size, method))


def write_png(path: Path, pixels: NDArray[Any]) -> None:
    """Write an 8-bit image (H, W), or a boolean mask as 0 and 255, as PNG, whole or not at all."""
    grey = pixels.astype(np.uint8) * 255 if pixels.dtype == np.bool_ else pixels
    write_whole(path, partial(Image.fromarray(grey).save, format="PNG"))
