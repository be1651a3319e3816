"""Pure functions on image tensors, (C, H, W) or (N, C, H, W)."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def random_horizontal_flip(images: tuple[Tensor, ...], rng: np.random.Generator) -> tuple[Tensor, ...]:
    """Mirror all images left to right, or none of them, with equal chances; takes one draw of `rng`."""
    return tuple(image.flip(-1) for image in images) if rng.random() < 0.5 else images


def downsample(source: Tensor, factor: int) -> Tensor:
    """Return every `factor`-th row and column, the first included: nearest-neighbour downsampling, which aliases.

    The original code does so, and its networks are trained on it. (Nearest-neighbour resizing of other libraries,
    PIL's for one, takes the pixel at the centre instead.)

    Args:
        source: (..., H, W), sides multiples of `factor`.
        factor: 1 returns the source itself.
    """
    return source[..., ::factor, ::factor].contiguous() if factor > 1 else source


def to_multiple_of_4(image: Tensor) -> Tensor:
    """Resize an image so that its sides are multiples of 4, as `--preprocess none` of the original code does.

    Bicubic, and only where needed. Each side goes to the nearest multiple; one just between two goes to the multiple of
    8 (130 to 128, 134 to 136).

    Args:
        image: (C, H, W) or (N, C, H, W), any range; the result may overshoot it a little.
    """
    height, width = (max(round(side / 4), 1) * 4 for side in image.shape[-2:])
    if (height, width) == tuple(image.shape[-2:]):
        return image
    batch = image if image.ndim == 4 else image[None]
    # With antialiasing, torch uses the same cubic as PIL, with which the original code resizes.
    resized = F.interpolate(batch, (height, width), mode="bicubic", align_corners=False, antialias=True)
    return resized if image.ndim == 4 else torch.squeeze(resized, 0)
