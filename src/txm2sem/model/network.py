"""What happens around a generator, wherever one is applied: in training, in tests, to images and volumes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from txm2sem.data.transforms import downsample, keep_empty
from txm2sem.devices import move_images
from txm2sem.networks import Chain
from txm2sem.options import GeneratorOptions


def generator_input(source: Tensor, options: GeneratorOptions, device: torch.device) -> Tensor:
    """Return what the generator sees of a source (N, C, H, W): the same, downsampled for super-resolution."""
    return move_images(downsample(source, options.downsample_factor), device)


def finished(output: Tensor, source: Tensor, options: GeneratorOptions) -> Tensor:
    """Return what a generator's output (N, C, H, W) stands for, the prediction first: see `--keep_empty`."""
    return keep_empty(output, source, options.level_of_zero) if options.keep_empty else output


def apply_generator(
    generator: Callable[[Tensor], Tensor], source: Tensor, options: GeneratorOptions, device: torch.device
) -> Tensor:
    """Return what a generator makes of a source (N, C, H, W), (N, output_nc, H, W), on the source's device."""
    output = generator(generator_input(source, options, device)).to(source.device)
    return finished(output, source, options)


def padded_shape(shape: tuple[int, int], chain: Chain) -> tuple[int, int]:
    """Return the next larger sides that generators take: multiples, and at least their smallest [pixels]."""
    rows, columns = (chain.whole(max(side, chain.smallest_side)) for side in shape)
    return rows, columns


def continued(image: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Continue images (..., rows, columns) by reflection, downwards and to the right, to (..., *shape)."""
    missing = [(0, wanted - side) for wanted, side in zip(shape, image.shape[-2:], strict=True)]
    if not any(after for _, after in missing):
        return image
    return np.pad(image, [(0, 0)] * (image.ndim - 2) + missing, "reflect")
