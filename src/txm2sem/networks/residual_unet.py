"""A small generator for few slices: a U-Net of residual blocks at a quarter of the resolution."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from txm2sem.networks.blocks import normalisation, output_bound
from txm2sem.options import GeneratorOptions, NormName

REDUCTION = 4
"""Pixels, along each side, that become the channels of one place."""

LEVELS = 3
"""Resolutions on which the network works, each half of the one before."""

FINE_CHANNELS = 8
"""Channels of the features at full resolution."""

DROPPED = 0.2
"""Share of the channels that dropout takes out of a block."""


class ResidualUnetGenerator(nn.Module):
    """Four by four pixels become one place, levels of residual blocks with skip connections, then a few channels beside
    the image itself at full resolution; output in (-1, 1) where it is bounded.

    A TXM resolves several pixels, so the first step (the pixel shuffle of Shi et al. 2016, arXiv 1609.05158, backwards)
    loses little and makes the others 16 times cheaper; a place sees four times as far for that. Then a U-Net
    (Ronneberger et al. 2015, arXiv 1505.04597) that halves by the mean of 2 x 2 places. All enlarging is linear
    interpolation before a convolution, which leaves no checkerboard (Odena et al. 2016,
    https://doi.org/10.23915/distill.00003). H and W are multiples of 16, and at least 32.
    """

    def __init__(self, options: GeneratorOptions, *, bounded: bool = True) -> None:
        super().__init__()
        widths = [options.ngf * 2**level for level in range(LEVELS)]
        norm, dropout = options.norm, not options.no_dropout
        self.enter = _convolution(options.input_nc * REDUCTION**2, options.ngf)
        self.encode = nn.ModuleList(_Block(width, norm, dropout) for width in widths)
        self.widen = nn.ModuleList(nn.Conv2d(width, 2 * width, 1) for width in widths[:-1])
        self.narrow = nn.ModuleList(nn.Conv2d(2 * width, width, 1) for width in widths[:-1])
        self.decode = nn.ModuleList(_Block(width, norm, dropout) for width in widths[:-1])
        self.leave = nn.Conv2d(options.ngf, FINE_CHANNELS, 1)
        self.refine = Refinement(options.input_nc, options.output_nc)
        self.bound = output_bound(bounded)

    def forward(self, source: Tensor) -> Tensor:
        """Translate (N, input_nc, H, W) to (N, output_nc, H, W)."""
        features = self.encode[0](self.enter(F.pixel_unshuffle(source, REDUCTION)))
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
    """

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__(
            _convolution(FINE_CHANNELS + channels, FINE_CHANNELS), nn.SiLU(), _convolution(FINE_CHANNELS, out_channels)
        )

    def forward(self, features: Tensor, source: Tensor) -> Tensor:  # type: ignore[override]  # it has two inputs
        """Make a prediction (N, out_channels, H, W), not bounded.

        Args:
            features: (N, `FINE_CHANNELS`, H / 4, W / 4).
            source: (N, channels, H, W).
        """
        first, activation, last = self
        prediction: Tensor = last(activation(first(torch.cat([_enlarge(features, REDUCTION), source], dim=1))))
        return prediction


class _Block(nn.Module):
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


def _enlarge(features: Tensor, factor: int) -> Tensor:
    return F.interpolate(features, scale_factor=factor, mode="bilinear", align_corners=False)


def _convolution(channels: int, out_channels: int) -> nn.Conv2d:
    return nn.Conv2d(channels, out_channels, kernel_size=3, padding=1, padding_mode="reflect")
