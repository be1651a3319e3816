"""How far a generator sees: what a tile needs around it, so that its centre is as the whole image would give it."""

from __future__ import annotations

import dataclasses
import math
from functools import cache

import torch

from txm2sem.networks.generators import build_generator, size_multiple, smallest_side
from txm2sem.options import GeneratorOptions

SHORTEST, LONGEST = 2**9, 2**14
"""Lengths of the strips in which the field is looked for [pixels]: a gap in it, as a dilated convolution has, must be
less than half the shortest; what does not end in the longest counts as everything."""

NARROWEST = 32
"""Their width at least [pixels]."""


@cache
def receptive_field(options: GeneratorOptions) -> int:
    """Return the halo that a tile needs on each side [pixels of full resolution], a multiple of `size_multiple`.

    Of a tile whose borders are multiples of `size_multiple`, all but a margin of this width is what the network makes
    of the whole image, up to rounding; where the tile ends with the image, that side needs none. It holds with frozen
    statistics of the normalisation. With those of the image itself, which instance norm always takes, every pixel
    depends on all.

    It is computed from the network, by the gradient: with weights that are all positive nothing cancels, so that the
    gradient of some outputs is not zero at just those inputs that they depend on. (Araujo et al. 2019, Computing
    Receptive Fields of Convolutional Neural Networks, https://doi.org/10.23915/distill.00021, count it instead.) The
    image is a strip, once in each direction, as a network that sees far would take long with a square one.

    Args:
        options: the model. Widths, normalisation and dropout make no difference.

    Raises:
        UserError: the downsample factor is not one of the generator's.
        ValueError: the generator sees everything, as far as one can tell.
    """
    multiple = size_multiple(options)
    # Asked for within inference, it needs gradients all the same.
    with torch.inference_mode(False), torch.enable_grad():
        reach = max(_reach(options, axis) for axis in (2, 3))
    return math.ceil(reach / multiple) * multiple


def _reach(options: GeneratorOptions, axis: int) -> int:
    """Return how far an aligned block of outputs sees beyond itself along an axis of (N, C, H, W) [pixels]."""
    # The weights are replaced, so building must not draw from the caller's randomness.
    with torch.random.fork_rng(devices=[]):
        generator = build_generator(
            dataclasses.replace(options, ngf=1, norm="none", no_dropout=True), bounded=False
        ).double()
    with torch.no_grad():
        for weight in generator.parameters():
            weight.fill_(1 / weight.numel())
    factor, block = options.downsample_factor, size_multiple(options)
    width = math.ceil(max(smallest_side(options), NARROWEST) / block) * block
    length = math.ceil(SHORTEST / block) * block
    while length <= LONGEST:
        start = length // 2 // block * block
        height_and_width = (length, width) if axis == 2 else (width, length)
        image = torch.ones(1, options.input_nc, *height_and_width, dtype=torch.float64, requires_grad=True)
        # As `data.transforms.downsample` does.
        output = generator(image[..., ::factor, ::factor])
        (gradient,) = torch.autograd.grad(output.narrow(axis, start, block).sum(), image)
        seen = gradient.amax((0, 1, 5 - axis)).nonzero()
        first, last = int(seen.min()), int(seen.max())
        # Where the whole field is in the image, padding takes no part in it.
        if first >= block and last < length - block:
            return max(start - first, last - (start + block - 1))
        length *= 2
    raise ValueError(f"expected a field of a few thousand pixels, found that {options.netG} sees {LONGEST} and more")
