"""Small generators for few slices: U-Nets of residual blocks, from a quarter or half of the resolution down."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from txm2sem.networks.blocks import normalisation, output_bound
from txm2sem.options import GeneratorOptions, NormName

FINE_CHANNELS = 8
"""Channels of the features at full resolution."""

DROPPED = 0.2
"""Share of the channels that dropout takes out of a block."""


class ScaledBlock(nn.Module):
    """x + s F(x) with two 3 x 3 convolutions in F; (N, C, H, W) to the same.

    s starts small, so that a deep network starts as a shallow one and needs no normalisation (SkipInit; De & Smith
    2020, arXiv 2002.10444, where it starts at 0).
    """

    def __init__(self, channels: int, norm: NormName, dropout: bool) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            normalisation(norm, channels),
            nn.SiLU(),
            _convolution(channels, channels),
            nn.SiLU(),
            nn.Dropout2d(DROPPED) if dropout else nn.Identity(),
            _convolution(channels, channels),
        )
        self.scale = nn.Parameter(torch.tensor(0.1))

    def forward(self, features: Tensor) -> Tensor:
        """Add the block's convolutions to the features."""
        added: Tensor = features + self.scale * self.residual(features)
        return added


class NormedBlock(nn.Module):
    """SiLU(x + F(x)) with two 3 x 3 convolutions in F, each with its normalisation; (N, C, H, W) to the same.

    He et al. 2016 (arXiv 1512.03385). Normalised weights learn at a rate that the network's depth does not limit; those
    of batch norm fold into the convolutions where predictions are made.
    """

    def __init__(self, channels: int, norm: NormName, dropout: bool) -> None:
        super().__init__()
        bias = norm == "none"
        self.residual = nn.Sequential(
            _convolution(channels, channels, bias=bias),
            normalisation(norm, channels),
            nn.SiLU(),
            nn.Dropout2d(DROPPED) if dropout else nn.Identity(),
            _convolution(channels, channels, bias=bias),
            normalisation(norm, channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Add the block's convolutions to the features."""
        added: Tensor = F.silu(features + self.residual(features))
        return added


class ResidualUnetGenerator(nn.Module):
    """R by R pixels become one place, levels of residual blocks with skip connections, then a few channels beside the
    image itself at full resolution; output in (-1, 1) where it is bounded.

    A TXM resolves several pixels, so the first step (the pixel shuffle of Shi et al. 2016, arXiv 1609.05158, backwards)
    loses little and makes the others R * R times cheaper; a place sees R times as far for that. Then a U-Net
    (Ronneberger et al. 2015, arXiv 1505.04597) that halves by the mean of 2 x 2 places. All enlarging is linear
    interpolation before a convolution, which leaves no checkerboard (Odena et al. 2016,
    https://doi.org/10.23915/distill.00003). H and W are multiples of 16, and at least 32, with the numbers of
    `GENERATORS`.

    Args:
        options: widths, normalisation, dropout.
        bounded: whether the output is an image.
        reduction: R, pixels along each side that become the channels of one place.
        levels: resolutions on which the network works, each half of the one before, with twice the channels.
        dropped: how many of these have dropout, the coarsest.
        block: makes the residual blocks, from channels, normalisation and whether there is dropout.
    """

    def __init__(
        self,
        options: GeneratorOptions,
        *,
        bounded: bool = True,
        reduction: int = 4,
        levels: int = 3,
        dropped: int = 3,
        block: Callable[[int, NormName, bool], nn.Module] = ScaledBlock,
    ) -> None:
        super().__init__()
        widths = [options.ngf * 2**level for level in range(levels)]
        drops = [not options.no_dropout and level >= levels - dropped for level in range(levels)]
        sizes = list(zip(widths, drops, strict=True))
        self.reduction = reduction
        self.enter = _convolution(options.input_nc * reduction**2, options.ngf)
        self.encode = nn.ModuleList(block(width, options.norm, dropout) for width, dropout in sizes)
        self.widen = nn.ModuleList(nn.Conv2d(width, wider, 1) for width, wider in pairwise(widths))
        self.narrow = nn.ModuleList(nn.Conv2d(wider, width, 1) for width, wider in pairwise(widths))
        self.decode = nn.ModuleList(block(width, options.norm, dropout) for width, dropout in sizes[:-1])
        self.leave = nn.Conv2d(options.ngf, FINE_CHANNELS, 1)
        self.refine = Refinement(options.input_nc, options.output_nc, reduction)
        self.bound = output_bound(bounded)

    def forward(self, source: Tensor) -> Tensor:
        """Translate (N, input_nc, H, W) to (N, output_nc, H, W)."""
        features = self.encode[0](self.enter(F.pixel_unshuffle(source, self.reduction)))
        skipped = []
        for widen, block in zip(self.widen, self.encode[1:], strict=True):
            skipped.append(features)
            features = block(widen(F.avg_pool2d(features, 2)))
        for narrow, block in zip(reversed(self.narrow), reversed(self.decode), strict=True):
            features = block(skipped.pop() + _enlarge(narrow(features), 2))
        prediction: Tensor = self.bound(self.refine(self.leave(F.silu(features)), source))
        return prediction


class Refinement(nn.Sequential):
    """Two convolutions at full resolution. `networks.blockwise` computes the same in another way.

    Args:
        channels: of the source.
        out_channels: of the prediction.
        reduction: R, pixels along each side of a place of the features.
    """

    def __init__(self, channels: int, out_channels: int, reduction: int) -> None:
        super().__init__(
            _convolution(FINE_CHANNELS + channels, FINE_CHANNELS), nn.SiLU(), _convolution(FINE_CHANNELS, out_channels)
        )
        self.reduction = reduction

    def forward(self, features: Tensor, source: Tensor) -> Tensor:  # type: ignore[override]  # it has two inputs
        """Make a prediction (N, out_channels, H, W), not bounded.

        Args:
            features: (N, `FINE_CHANNELS`, H / R, W / R).
            source: (N, channels, H, W).
        """
        first, activation, last = self
        prediction: Tensor = last(activation(first(torch.cat([_enlarge(features, self.reduction), source], dim=1))))
        return prediction


def _enlarge(features: Tensor, factor: int) -> Tensor:
    return F.interpolate(features, scale_factor=factor, mode="bilinear", align_corners=False)


def _convolution(channels: int, out_channels: int, *, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(channels, out_channels, kernel_size=3, padding=1, padding_mode="reflect", bias=bias)
