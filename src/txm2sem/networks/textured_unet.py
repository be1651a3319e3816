"""A generator of texture: the small U-Net, which also sees grain that is drawn from the TXM itself."""

from __future__ import annotations

import dataclasses
import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from txm2sem.networks.convolutions import is_exported
from txm2sem.networks.residual_unet import ResidualUnetGenerator
from txm2sem.options import GeneratorOptions

GRAIN_REACH = 1
"""How far around a pixel its grain depends on the TXM [pixels]. `receptive_field` cannot see that, as there is no
gradient, but rounds up by more."""

STEPS = 2**15
"""Grey values from mid-grey to white that grain tells apart."""

MULTIPLIER = 0x5851F42D4C957F2D
"""Of the linear congruential generator of Knuth's MMIX: odd, with well-mixed products modulo 2^64."""


class TexturedUnetGenerator(nn.Module):
    """`ResidualUnetGenerator` on the TXM and a channel of grain; output in (-1, 1) where it is bounded.

    A network without a source of noise can only amplify that of its input. Here it has one, white and equally strong
    everywhere (see `grain`), to make the noise and texture of a SEM from: with any loss that asks for them.
    """

    def __init__(self, options: GeneratorOptions, *, bounded: bool = True) -> None:
        super().__init__()
        self.translate = ResidualUnetGenerator(
            dataclasses.replace(options, input_nc=options.input_nc + 1), bounded=bounded
        )

    def forward(self, source: Tensor) -> Tensor:
        """Translate (N, input_nc, H, W) to (N, output_nc, H, W)."""
        prediction: Tensor = self.translate(torch.cat([source, grain(source)], dim=1))
        return prediction


@torch.no_grad()
def grain(images: Tensor) -> Tensor:
    """Return white noise that belongs to images (N, C, H, W), uniform in [-1, 1), (N, 1, H, W).

    Each value is a hash of 3 x 3 pixels of all channels (continued by reflection). The noise of two places is
    independent unless all of these are equal there, but one place always has the same: in every tile that it lies in,
    in every run, on every machine, without a seed. Where images are constant, so is their grain.
    """
    rows, columns = images.shape[-2:]
    levels = torch.round(F.pad(images.float(), (GRAIN_REACH,) * 4, mode="reflect") * STEPS).long()
    state = torch.zeros_like(levels[:, :1, :rows, :columns])
    side = range(2 * GRAIN_REACH + 1)
    for row, column, channel in itertools.product(side, side, range(images.shape[1])):
        seen = levels[:, channel, None, row : row + rows, column : column + columns]
        state = _xor(state, seen) * MULTIPLIER
        # Products move digits upwards only.
        state = _xor(state, _shifted(state, 32))
    return _shifted(state * MULTIPLIER, 40).to(images.dtype) / 2**23


def _xor(one: Tensor, other: Tensor) -> Tensor:
    """Return `one ^ other`, which the graphs of other programs have no word for."""
    return one + other - 2 * (one & other) if is_exported() else one ^ other


def _shifted(numbers: Tensor, digits: int) -> Tensor:
    """Return `numbers >> digits`, see `_xor`."""
    if not is_exported():
        return numbers >> digits
    return torch.div(numbers - (numbers & (2**digits - 1)), 2**digits, rounding_mode="trunc")
