"""Discriminators: an image in, a map of logits out; positive means real.

Isola et al. 2017 (arXiv 1611.07004), section 3.2.2.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from txm2sem.errors import UserError
from txm2sem.networks.blocks import has_bias, normalisation
from txm2sem.options import ModelOptions


class PatchDiscriminator(nn.Module):
    """PatchGAN: each logit judges a patch, of 70 x 70 pixels with 3 layers; (N, C, H, W) to (N, 1, H', W').

    H' = H / 2 ** layers - 2 where that is whole.

    Args:
        options: `ndf` and `norm` are used.
        input_channels: C.
        layers: stride-2 convolutions, at least 1.
    """

    def __init__(self, options: ModelOptions, input_channels: int, layers: int) -> None:
        super().__init__()
        widths = [options.ndf * min(2**layer, 8) for layer in range(layers + 1)]
        modules: list[nn.Module] = [
            nn.Conv2d(input_channels, widths[0], kernel_size=4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
        ]
        for layer in range(1, layers + 1):
            modules += [
                nn.Conv2d(
                    widths[layer - 1],
                    widths[layer],
                    kernel_size=4,
                    stride=2 if layer < layers else 1,
                    padding=1,
                    bias=has_bias(options.norm),
                ),
                normalisation(options.norm, widths[layer]),
                nn.LeakyReLU(0.2),
            ]
        modules.append(nn.Conv2d(widths[-1], 1, kernel_size=4, padding=1))
        self.model = nn.Sequential(*modules)

    def forward(self, image: Tensor) -> Tensor:
        """Judge (N, C, H, W) by patches: logits (N, 1, H', W')."""
        logits: Tensor = self.model(image)
        return logits


class PixelDiscriminator(nn.Module):
    """Judges each pixel by itself; (N, C, H, W) to (N, 1, H, W).

    Args:
        options: `ndf` and `norm` are used.
        input_channels: C.
    """

    def __init__(self, options: ModelOptions, input_channels: int) -> None:
        super().__init__()
        bias, width = has_bias(options.norm), options.ndf
        self.net = nn.Sequential(
            nn.Conv2d(input_channels, width, kernel_size=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, kernel_size=1, bias=bias),
            normalisation(options.norm, 2 * width),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 1, kernel_size=1, bias=bias),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Judge (N, C, H, W) by pixels: logits (N, 1, H, W)."""
        logits: Tensor = self.net(image)
        return logits


DISCRIMINATORS: dict[str, Callable[[ModelOptions, int], nn.Module]] = {
    "basic": lambda options, channels: PatchDiscriminator(options, channels, layers=3),
    "n_layers": lambda options, channels: PatchDiscriminator(options, channels, layers=options.n_layers_D),
    "pixel": PixelDiscriminator,
}
"""Builder of each `--netD`, from the options and the number of input channels."""


def check_judged_size(options: ModelOptions, patch_size: int, option: str = "patch_size") -> None:
    """Check that the discriminator can judge patches of a size, which `option` has set.

    Raises:
        UserError: its last normalisation would have a single pixel.
    """
    smallest = 1 if options.netD == "pixel" else 3 * 2 ** (options.n_layers_D if options.netD == "n_layers" else 3)
    if patch_size < smallest:
        raise UserError(
            f"--{option} {patch_size}: expected at least {smallest} for --netD {options.netD}, found {patch_size}; "
            f"pass a larger --{option}, or --netD n_layers with fewer --n_layers_D, or --netD pixel"
        )


def build_discriminator(options: ModelOptions, input_channels: int) -> nn.Module:
    """Return the discriminator that the options name, with torch's default initialisation.

    Args:
        options: the options.
        input_channels: channels of all images that it sees together (the condition and the judged image).
    """
    return DISCRIMINATORS[options.netD](options, input_channels)
