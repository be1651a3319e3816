"""A generator of samples: the small U-Net, which makes another image from each draw of noise."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor, nn

from txm2sem.networks.residual_unet import ResidualUnetGenerator
from txm2sem.noise import CHANNELS
from txm2sem.options import GeneratorOptions


class SampledUnetGenerator(nn.Module):
    """`ResidualUnetGenerator` on the TXM and the channels of `txm2sem.noise.noise`; in (-1, 1) where it is bounded.

    What the TXM does not tell is made from the noise: with a loss that compares draws (`objectives.crps_loss`), so that
    they differ from each other as much as the SEM does from them.
    """

    def __init__(self, options: GeneratorOptions, *, bounded: bool = True) -> None:
        super().__init__()
        # Another name than in `TexturedUnetGenerator`: weights without options are told apart by it.
        self.draw = ResidualUnetGenerator(
            dataclasses.replace(options, input_nc=options.input_nc + CHANNELS), bounded=bounded
        )

    def forward(self, source: Tensor, noise: Tensor | None = None) -> Tensor:
        """Translate (N, input_nc, H, W) and noise (N, `CHANNELS`, H, W) to (N, output_nc, H, W).

        Without noise, which is then 0 everywhere, the image is none of the draws; shapes and costs are theirs.
        """
        if noise is None:
            noise = source.new_zeros(len(source), CHANNELS, *source.shape[-2:])
        prediction: Tensor = self.draw(torch.cat([source, noise], dim=1))
        return prediction
