"""What the networks are made of, and the initialisation of their weights."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from txm2sem.options import InitName, NormName


def normalisation(norm: NormName, channels: int) -> nn.Module:
    """Return the layer for `norm`; "none" is an identity, so that layers keep their index in the state dict."""
    layers: dict[NormName, Callable[[int], nn.Module]] = {
        "batch": nn.BatchNorm2d,
        "instance": nn.InstanceNorm2d,
        "none": nn.Identity,
    }
    return layers[norm](channels)


def has_bias(norm: NormName) -> bool:
    """Tell whether the convolutions next to a norm layer have a bias.

    With batch norm it would be redundant; with "none" it is absent too, because checkpoints of the original
    code do not have it.
    """
    return norm == "instance"


def output_bound(bounded: bool) -> nn.Module:
    """Return the last layer of a generator: a tanh for images, an identity for logits."""
    return nn.Tanh() if bounded else nn.Identity()


class HalfDropout(nn.Dropout):
    """`nn.Dropout(0.5)`, which on the CPU takes each decision from one random bit instead of a number of its own."""

    def __init__(self) -> None:
        super().__init__(0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Set about half of the elements to 0 and double the others, while training; then all shapes are taken."""
        if not self.training or x.device.type != "cpu":
            return super().forward(x)
        count = x.numel()
        words = torch.empty(-(-count // 64), dtype=torch.int64).random_(-(2**63), None)
        bits = words.view(torch.uint8)[:, None] & (1 << torch.arange(8, dtype=torch.uint8))
        kept = (bits != 0).flatten()[:count].view(x.shape)
        return x * kept.to(x.dtype).mul_(2)


class ResidualBlock(nn.Module):
    """x + F(x) with two reflection-padded 3 x 3 convolutions in F; (N, C, H, W) to the same, H and W at least 2.

    He et al. 2016 (arXiv 1512.03385), without an activation after the sum.

    Args:
        channels: C.
        norm: normalisation after each convolution.
        dropout: put dropout of one half between the convolutions; it shifts the keys of those after it.
        activation: makes the activation between the convolutions.
    """

    def __init__(self, channels: int, norm: NormName, dropout: bool, activation: Callable[[], nn.Module]) -> None:
        super().__init__()
        bias = has_bias(norm)
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, kernel_size=3, bias=bias),
            normalisation(norm, channels),
            activation(),
            *([HalfDropout()] if dropout else []),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, kernel_size=3, bias=bias),
            normalisation(norm, channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Add the block's convolutions to `x`."""
        residual: Tensor = self.conv_block(x)
        return x + residual


class SkipConnection(nn.Module):
    """[x, F(x)] along the channels, where F is the given layers in sequence; (N, C, H, W) to (N, C + C_F, H, W)."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Concatenate `x` and what the layers make of it."""
        return torch.cat([x, self.model(x)], dim=1)


@torch.no_grad()
def initialise(
    network: nn.Module,
    init_type: InitName = "normal",
    init_gain: float = 0.02,
    generator: torch.Generator | None = None,
) -> None:
    """Draw the weights of every convolution and batch norm layer of `network` anew, in place.

    Biases become zero, batch norm weights normal(1, init_gain). Everything else keeps its values.

    Args:
        network: the network.
        init_type: "normal" (mean 0, standard deviation `init_gain`), "xavier" (Glorot & Bengio 2010, normal),
            "kaiming" (He et al. 2015, normal over the fan-in; takes no gain) or "orthogonal" (Saxe et al. 2014).
        init_gain: scaling factor.
        generator: source of the randomness; torch's global one if absent.
    """
    draws: dict[InitName, Callable[[Tensor], Tensor]] = {
        "normal": partial(nn.init.normal_, std=init_gain, generator=generator),
        "xavier": partial(nn.init.xavier_normal_, gain=init_gain, generator=generator),
        "kaiming": partial(nn.init.kaiming_normal_, generator=generator),
        "orthogonal": partial(nn.init.orthogonal_, gain=init_gain, generator=generator),
    }
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            draws[init_type](module.weight)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, mean=1.0, std=init_gain, generator=generator)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
