"""The refinement of `ResidualUnetGenerator`, computed with blocks of pixels as places, and their pixels as channels.

At full resolution it has few channels, which 8-bit integers gain little on: there, enlarging, padding and two
convolutions took more than half of the whole network's time. Enlarging and convolutions are linear. Together they are
convolutions of 3 x 3 blocks with many channels, which take half of that time although they multiply more. The result is
the same up to rounding, up to the borders.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from txm2sem.networks.residual_unet import FINE_CHANNELS, Refinement

REDUCTION = 4
"""Pixels of a block along each side. Where an image is enlarged by 2, its outermost rows differ, and what is said below
of its reflection is not so."""


class BlockwiseRefinement(nn.Module):
    """What a `Refinement` is, with its weights as they are now; inputs and output are the same.

    Args:
        refinement: it is left as it is; its reduction is `REDUCTION`.
    """

    def __init__(self, refinement: Refinement) -> None:
        super().__init__()
        first, activation, last = cast(tuple[nn.Conv2d, nn.Module, nn.Conv2d], tuple(refinement))
        # Between the convolutions pixels are the first of the channels, as `BlockReflection` wants them.
        enlarged = _of_blocks(first.weight[:, :FINE_CHANNELS], _shares_of_places(), "abocpqij")
        source = _of_blocks(first.weight[:, FINE_CHANNELS:], _shares_of_pixels(), "abocpqij")
        seen = _of_blocks(last.weight, _shares_of_pixels(), "oabpqcij")
        # The outermost two rows of an enlarged image are equal, so to reflect it is to repeat the outermost places.
        self.repeat = nn.ReplicationPad2d(1)
        self.reflect = nn.ReflectionPad2d(REDUCTION)
        self.first = _convolution(torch.cat([enlarged, source], dim=1), _bias(first).repeat(REDUCTION**2))
        self.activation = activation
        self.reflect_blocks = BlockReflection(FINE_CHANNELS)
        self.last = _convolution(seen, _bias(last).repeat_interleave(REDUCTION**2))
        self.shuffle = nn.PixelShuffle(REDUCTION)

    def forward(self, features: Tensor, source: Tensor) -> Tensor:
        """Refine, see `Refinement.forward`."""
        pixels = F.pixel_unshuffle(self.reflect(source), REDUCTION)
        blocks = self.activation(self.first(torch.cat([self.repeat(features), pixels], dim=1)))
        refined: Tensor = self.shuffle(self.last(self.reflect_blocks(blocks)))
        return refined


class BlockReflection(nn.Module):
    """Adds a block on each side, which has the image's pixels reflected, as `nn.ReflectionPad2d` does with pixels.

    Only the pixels next to the image are right, those that a kernel of 3 x 3 pixels reaches. They are the ones two
    pixels further inside; so channels, of blocks that are pixels first, are to be moved on by two of them.

    Args:
        channels: of a pixel.

    Attributes:
        moves: by how many channels, for each axis of (N, C, h, w).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.moves = {2: 2 * REDUCTION * channels, 3: 2 * channels}

    def forward(self, blocks: Tensor) -> Tensor:
        """Continue (N, C, h, w) to (N, C, h + 2, w + 2)."""
        for axis, move in self.moves.items():
            first, last = blocks.narrow(axis, 0, 1), blocks.narrow(axis, -1, 1)
            blocks = torch.cat([first.roll(move, 1), blocks, last.roll(-move, 1)], dim=axis)
        return blocks


def _of_blocks(weight: Tensor, shares: Tensor, order: str) -> Tensor:
    """Return a kernel of blocks that does what one of 3 x 3 pixels does.

    Args:
        weight: of pixels, (outputs o, inputs c, 3, 3).
        shares: along each axis, of the values of the blocks in what an element of `weight` sees when it makes a pixel:
            (blocks, values of a block, pixels of a block, elements).
        order: o, and the rows a and columns b of the pixels, which become the outputs, in their order; c, and the rows
            p and columns q of values, which become the inputs; the rows i and columns j of blocks.

    Returns:
        (outputs x pixels, inputs x values, 3, 3).
    """
    return torch.einsum(f"ocyx,ipay,jqbx->{order}", weight.detach(), shares, shares).flatten(3, 5).flatten(0, 2)


def _shares_of_pixels() -> Tensor:
    """Return the shares, see `_of_blocks`, of blocks that have the pixels themselves."""
    pixels = torch.eye(3 * REDUCTION)
    return _seen(pixels, REDUCTION).reshape(3, REDUCTION, REDUCTION, 3)


def _shares_of_places() -> Tensor:
    """Return those of blocks that have one value, from which pixels are interpolated."""
    # One place more on both sides, as those at the ends are not interpolated like others.
    pixels = F.interpolate(torch.eye(5)[None], scale_factor=REDUCTION, mode="linear", align_corners=False)[0]
    return _seen(pixels[1:-1], 2 * REDUCTION).reshape(3, 1, REDUCTION, 3)


def _seen(pixels: Tensor, first: int) -> Tensor:
    """Return what is seen of pixels (values, pixels) to make those of the block from `first` on; (values, block, 3)."""
    return pixels[:, first - 1 : first + REDUCTION + 1].unfold(1, 3, 1)


def _convolution(weight: Tensor, bias: Tensor) -> nn.Conv2d:
    convolution = nn.Conv2d(weight.shape[1], weight.shape[0], 3)
    convolution.weight, convolution.bias = nn.Parameter(weight), nn.Parameter(bias)
    return convolution


def _bias(layer: nn.Conv2d) -> Tensor:
    assert layer.bias is not None
    return layer.bias.detach()
