"""Generators: TXM in, SEM out, grey values in [-1, 1].

Every generator maps (N, input_nc, H, W) to (N, output_nc, f H, f W), where f is the downsample factor.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn

from txm2sem.errors import UserError
from txm2sem.networks.blocks import (
    HalfDropout,
    ResidualBlock,
    SkipConnection,
    has_bias,
    normalisation,
    output_bound,
)
from txm2sem.networks.convolutions import FewChannelsConv2d, StridedConv2d, StridedConvTranspose2d
from txm2sem.networks.residual_unet import NormedBlock, ResidualUnetGenerator
from txm2sem.networks.sampled_unet import SampledUnetGenerator
from txm2sem.networks.textured_unet import TexturedUnetGenerator
from txm2sem.noise import CHANNELS
from txm2sem.options import GeneratorOptions


class ResnetGenerator(nn.Module):
    """Two halvings, residual blocks, two doublings; output in (-1, 1) where it is bounded.

    Johnson et al. 2016 (arXiv 1603.08155), as in CycleGAN (arXiv 1703.10593). H and W are multiples of 4, and at
    least 8.
    """

    def __init__(self, options: GeneratorOptions, blocks: int, *, bounded: bool = True) -> None:
        super().__init__()
        norm, bias, width = options.norm, has_bias(options.norm), options.ngf
        layers: list[nn.Module] = [
            nn.ReflectionPad2d(3),
            nn.Conv2d(options.input_nc, width, kernel_size=7, bias=bias),
            normalisation(norm, width),
            nn.ReLU(),
        ]
        for channels in (width, 2 * width):
            layers += [
                nn.Conv2d(channels, 2 * channels, kernel_size=3, stride=2, padding=1, bias=bias),
                normalisation(norm, 2 * channels),
                nn.ReLU(),
            ]
        layers += [ResidualBlock(4 * width, norm, not options.no_dropout, nn.ReLU) for _ in range(blocks)]
        for channels in (2 * width, width):
            layers += [
                nn.ConvTranspose2d(
                    2 * channels, channels, kernel_size=3, stride=2, padding=1, output_padding=1, bias=bias
                ),
                normalisation(norm, channels),
                nn.ReLU(),
            ]
        layers += [
            nn.ReflectionPad2d(3),
            FewChannelsConv2d(width, options.output_nc, kernel_size=7),
            output_bound(bounded),
        ]
        self.model = nn.Sequential(*layers)

    def forward(self, source: Tensor) -> Tensor:
        """Translate (N, input_nc, H, W) to (N, output_nc, H, W)."""
        prediction: Tensor = self.model(source)
        return prediction


class SuperResolutionResnetGenerator(nn.Module):
    """Residual blocks at constant width, then log2(f) pixel shuffles; output in (-1, 1) where it is bounded.

    SRResNet of Ledig et al. 2017 (arXiv 1609.04802), for a downsample factor f that is a power of 2. H and W are
    at least 5.
    """

    def __init__(self, options: GeneratorOptions, blocks: int, *, bounded: bool = True) -> None:
        super().__init__()
        norm, bias, width = options.norm, has_bias(options.norm), options.ngf
        self.premodel = nn.Sequential(
            nn.ReflectionPad2d(4), nn.Conv2d(options.input_nc, width, kernel_size=9, bias=bias), nn.PReLU()
        )
        self.model = nn.Sequential(
            *[ResidualBlock(width, norm, not options.no_dropout, nn.PReLU) for _ in range(blocks)],
            nn.ReflectionPad2d(1),
            nn.Conv2d(width, width, kernel_size=3, bias=bias),
            normalisation(norm, width),
        )
        doublings = options.downsample_factor.bit_length() - 1
        upsampling: list[nn.Module] = []
        for _ in range(doublings):
            upsampling += [
                nn.Conv2d(width, 4 * width, kernel_size=3, padding=1, bias=bias),
                nn.PixelShuffle(2),
                nn.PReLU(),
            ]
        upsampling += [
            nn.ReflectionPad2d(3),
            FewChannelsConv2d(width, options.output_nc, kernel_size=7),
            output_bound(bounded),
        ]
        self.upsample = nn.Sequential(*upsampling)

    def forward(self, source: Tensor) -> Tensor:
        """Translate (N, input_nc, H, W) to (N, output_nc, f H, f W)."""
        features = self.premodel(source)
        prediction: Tensor = self.upsample(features + self.model(features))
        return prediction


class UnetGenerator(nn.Module):
    """Stride-2 convolutions down to one pixel and back, with a skip connection at each size; output in (-1, 1)
    where it is bounded.

    Ronneberger et al. 2015 (arXiv 1505.04597), as in pix2pix (Isola et al. 2017, arXiv 1611.07004). H and W are
    multiples of 2 ** levels.
    """

    def __init__(self, options: GeneratorOptions, levels: int, *, bounded: bool = True) -> None:
        super().__init__()
        norm, bias = options.norm, has_bias(options.norm)
        widths = [options.ngf * min(2**level, 8) for level in range(levels)]

        def halve(channels: int, out_channels: int) -> nn.Module:
            return StridedConv2d(channels, out_channels, kernel_size=4, stride=2, padding=1, bias=bias)

        def double(channels: int, out_channels: int, bias: bool = bias) -> nn.Module:
            return StridedConvTranspose2d(channels, out_channels, kernel_size=4, stride=2, padding=1, bias=bias)

        # From the inside out. The original code's activations work in place, so that its skips carry x after
        # the leaky ReLU; the ReLU that follows each skip makes that equal to x itself.
        outer, inner = widths[-2:]
        block = SkipConnection(
            nn.LeakyReLU(0.2), halve(outer, inner), nn.ReLU(), double(inner, outer), normalisation(norm, outer)
        )
        for outer, inner in reversed(list(pairwise(widths[:-1]))):
            dropout = not options.no_dropout and outer == inner
            block = SkipConnection(
                nn.LeakyReLU(0.2),
                halve(outer, inner),
                normalisation(norm, inner),
                block,
                nn.ReLU(),
                double(2 * inner, outer),
                normalisation(norm, outer),
                *([HalfDropout()] if dropout else []),
            )
        outermost = nn.Sequential(
            halve(options.input_nc, options.ngf),
            block,
            nn.ReLU(),
            double(2 * options.ngf, options.output_nc, bias=True),
            output_bound(bounded),
        )
        self.model = nn.Sequential(OrderedDict(model=outermost))

    def forward(self, source: Tensor) -> Tensor:
        """Translate (N, input_nc, H, W) to (N, output_nc, H, W)."""
        prediction: Tensor = self.model(source)
        return prediction


class LinearFilter(nn.Module):
    """One 15 x 15 convolution; the output is never bounded."""

    def __init__(self, options: GeneratorOptions, *, bounded: bool = False) -> None:
        super().__init__()
        self.filter = nn.Conv2d(options.input_nc, options.output_nc, kernel_size=15, padding=7)

    def forward(self, source: Tensor) -> Tensor:
        """Filter (N, input_nc, H, W) to (N, output_nc, H, W)."""
        prediction: Tensor = self.filter(source)
        return prediction


class GammaFilter(LinearFilter):
    """A learned power of the grey values, sign(x) |x| ** gamma, then one 15 x 15 convolution; never bounded.

    On x >= 0 this is the original code's x ** gamma, which is not a number on x < 0.
    """

    LINEAR_BELOW = 1e-6
    """Where |x| is smaller, the power is replaced by its secant, so that gradients stay finite at 0."""

    def __init__(self, options: GeneratorOptions, *, bounded: bool = False) -> None:
        super().__init__(options)
        self.gamma = nn.Parameter(torch.ones(1))

    def forward(self, source: Tensor) -> Tensor:
        """Filter (N, input_nc, H, W) to (N, output_nc, H, W)."""
        return super().forward(source * source.abs().clamp_min(self.LINEAR_BELOW) ** (self.gamma - 1))


@dataclass(frozen=True)
class GeneratorBuilder:
    """Builds one architecture from the options; says which images it takes.

    Args:
        construct: makes the network, from the options and whether its output is `bounded`.
        input_multiple: the sides of the network's input must be multiples of this [pixels].
        smallest_input: and at least this, for its reflections at the border [pixels].
        factors: the downsample factors that it can undo.
        pixels: of an image's channel that are channels of the first convolution's input.
        own_channels: that the network makes itself, beside those of the image.
    """

    construct: Callable[..., nn.Module]
    input_multiple: int = 1
    smallest_input: int = 1
    factors: tuple[int, ...] = (1,)
    pixels: int = 1
    own_channels: int = 0

    def check_factor(self, options: GeneratorOptions) -> None:
        """Check that the architecture can undo the downsampling.

        Raises:
            UserError: it has no such factor.
        """
        if options.downsample_factor not in self.factors:
            expected = " or ".join(map(str, self.factors))
            others = [name for name, builder in GENERATORS.items() if options.downsample_factor in builder.factors]
            raise UserError(
                f"--netG {options.netG}: expected --downsample_factor {expected}, found {options.downsample_factor}; "
                f"pass --downsample_factor {expected}"
                + (f", or --netG with one of {', '.join(others)}" if others else "")
            )


GENERATORS: dict[str, GeneratorBuilder] = {
    "resnet_9blocks": GeneratorBuilder(partial(ResnetGenerator, blocks=9), input_multiple=4, smallest_input=8),
    "resnet_6blocks": GeneratorBuilder(partial(ResnetGenerator, blocks=6), input_multiple=4, smallest_input=8),
    "sr_resnet_9blocks": GeneratorBuilder(
        partial(SuperResolutionResnetGenerator, blocks=9), smallest_input=5, factors=(2, 4)
    ),
    "sr_resnet_6blocks": GeneratorBuilder(
        partial(SuperResolutionResnetGenerator, blocks=6), smallest_input=5, factors=(2, 4)
    ),
    "unet_256": GeneratorBuilder(partial(UnetGenerator, levels=8), input_multiple=256),
    "unet_128": GeneratorBuilder(partial(UnetGenerator, levels=7), input_multiple=128),
    "residual_unet": GeneratorBuilder(ResidualUnetGenerator, input_multiple=16, smallest_input=32, pixels=4**2),
    "fine_unet": GeneratorBuilder(
        partial(ResidualUnetGenerator, reduction=2, levels=4, dropped=1, block=NormedBlock),
        input_multiple=16,
        smallest_input=32,
        pixels=2**2,
    ),
    "textured_unet": GeneratorBuilder(
        TexturedUnetGenerator,
        input_multiple=16,
        smallest_input=32,
        pixels=4**2,
        own_channels=1,
    ),
    "sampled_unet": GeneratorBuilder(
        SampledUnetGenerator,
        input_multiple=16,
        smallest_input=32,
        pixels=4**2,
        own_channels=CHANNELS,
    ),
    "linearfilt": GeneratorBuilder(LinearFilter),
    "gammafilt": GeneratorBuilder(GammaFilter),
}
"""Builder of each `--netG`."""


def build_generator(options: GeneratorOptions, *, bounded: bool = True) -> nn.Module:
    """Return the generator that the options name, with torch's default initialisation.

    Args:
        options: the options.
        bounded: the output is an image, in (-1, 1) by a tanh; otherwise it is logits. The state dict is the same.

    Raises:
        UserError: the downsample factor is not one of the generator's.
    """
    builder = GENERATORS[options.netG]
    builder.check_factor(options)
    return builder.construct(options, bounded=bounded)


def size_multiple(options: GeneratorOptions) -> int:
    """Return what the sides of the generator's output must be multiples of [pixels].

    The output has the full resolution. The input's sides are 1 / downsample_factor of it.
    """
    return GENERATORS[options.netG].input_multiple * options.downsample_factor


def smallest_side(options: GeneratorOptions) -> int:
    """Return what the sides of the generator's output must be at least [pixels of full resolution]."""
    return GENERATORS[options.netG].smallest_input * options.downsample_factor


def check_patch_size(options: GeneratorOptions, patch_size: int, option: str = "patch_size") -> None:
    """Check that a generator can make patches of a size, which `option` has set.

    Raises:
        UserError: it cannot, or it cannot undo the downsampling at all.
    """
    GENERATORS[options.netG].check_factor(options)
    multiple = size_multiple(options)
    smallest = smallest_side(options)
    if patch_size < smallest and patch_size % multiple == 0:
        raise UserError(
            f"--{option} {patch_size}: expected at least {smallest} for --netG {options.netG}, found {patch_size}; "
            f"pass a larger --{option}"
        )
    if patch_size % multiple:
        nearest = max(round(patch_size / multiple), 1) * multiple
        factor = f" with --downsample_factor {options.downsample_factor}" if options.downsample_factor > 1 else ""
        raise UserError(
            f"--{option} {patch_size}: expected a multiple of {multiple} for --netG {options.netG}{factor}, found "
            f"{patch_size}; pass --{option} {nearest}, or another --netG"
        )
