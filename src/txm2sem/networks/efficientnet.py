"""The trunk of EfficientNet-Lite0, a network for photographs, in whose features images are compared."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

STAGES = (
    # (layers, kernel size, stride of the first layer, factor of expansion, channels)
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
)
"""The first five of the network's seven stages: 1/2, 1/4, 1/8 and twice 1/16 of the image's resolution. The last two,
whose places are as large as a small patch, are left out, like the classifier."""


class EfficientNetLite0(nn.Module):
    """Features of EfficientNet-Lite0 (Tan & Le 2019, https://arxiv.org/abs/1905.11946; Lite: without gates, ReLU6).

    Keys of the state dict are those of the PyTorch port `efficientnet-lite-pytorch`.
    """

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = nn.Conv2d(3, 32, 3, stride=2, bias=False)
        self._bn0: nn.Module = _norm(32)
        blocks: list[nn.Module] = []
        self._ends = []
        channels = 32
        for layers, kernel, stride, expansion, width in STAGES:
            for layer in range(layers):
                blocks.append(_Block(channels, width, kernel, stride if layer == 0 else 1, expansion))
                channels = width
            self._ends.append(len(blocks) - 1)
        self._blocks = nn.ModuleList(blocks)

    def fold(self) -> None:
        """Put each normalisation into the weights of the convolution before it, a third of the work.

        The features stay what they are in evaluation mode, up to rounding; the keys of the state dict do not.
        """
        self._conv_stem, self._bn0 = _folded(self._conv_stem, self._bn0)
        for block in self._blocks:
            block.fold()  # type: ignore[operator]

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the features of each of the `STAGES`, (N, C, h, w).

        Args:
            images: (N, 3, H, W) in [-1, 1], of at least 16 x 16 pixels.
        """
        values = F.relu6(self._bn0(_convolve(self._conv_stem, images)), inplace=True)
        features = []
        for index, block in enumerate(self._blocks):
            values = block(values)
            if index in self._ends:
                features.append(values)
        return features


class _Block(nn.Module):
    """Expand, convolve each channel, project; with a shortcut where the shape stays."""

    def __init__(self, channels: int, width: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = channels * expansion
        self.expands = expansion > 1
        self.has_shortcut = stride == 1 and channels == width
        if self.expands:
            self._expand_conv = nn.Conv2d(channels, inner, 1, bias=False)
            self._bn0: nn.Module = _norm(inner)
        self._depthwise_conv = nn.Conv2d(inner, inner, kernel, stride, groups=inner, bias=False)
        self._bn1: nn.Module = _norm(inner)
        self._project_conv = nn.Conv2d(inner, width, 1, bias=False)
        self._bn2: nn.Module = _norm(width)

    def fold(self) -> None:
        """As `EfficientNetLite0.fold`."""
        if self.expands:
            self._expand_conv, self._bn0 = _folded(self._expand_conv, self._bn0)
        self._depthwise_conv, self._bn1 = _folded(self._depthwise_conv, self._bn1)
        self._project_conv, self._bn2 = _folded(self._project_conv, self._bn2)

    def forward(self, features: Tensor) -> Tensor:
        """Return features (N, width, h, w) of features (N, channels, H, W)."""
        values = features
        if self.expands:
            values = F.relu6(self._bn0(_project(self._expand_conv, values)), inplace=True)
        values = F.relu6(self._bn1(_convolve(self._depthwise_conv, values)), inplace=True)
        values = self._bn2(_project(self._project_conv, values))
        output: Tensor = values + features if self.has_shortcut else values
        return output


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


def _folded(layer: nn.Conv2d, norm: nn.Module) -> tuple[nn.Conv2d, nn.Module]:
    """Return a convolution that does what it and a normalisation behind it do, and what takes the place of that."""
    assert isinstance(norm, nn.BatchNorm2d)
    return fuse_conv_bn_eval(layer, norm), nn.Identity()


def _convolve(layer: nn.Conv2d, values: Tensor) -> Tensor:
    """Pad as TensorFlow, in which the weights were trained, does, the odd pixel at the bottom and right, and convolve.

    Padding is left to the convolution: a padded copy takes longer than that. It pads alike on both sides, so where a
    pixel more belongs at the bottom or right, the kernel begins with zeros for the one at the top or left.
    """
    kernel, stride = layer.kernel_size[0], layer.stride[0]
    totals = [max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in values.shape[-2:]]
    weight = F.pad(layer.weight, (totals[1] % 2, 0, totals[0] % 2, 0))
    margins = tuple(-(-total // 2) for total in totals)
    return F.conv2d(values, weight, layer.bias, layer.stride, margins, layer.dilation, layer.groups)


def _project(layer: nn.Conv2d, values: Tensor) -> Tensor:
    """Convolve with a kernel of one pixel: a product with each pixel's channels, which lie side by side."""
    return F.linear(values.movedim(1, -1), layer.weight.flatten(1), layer.bias).movedim(-1, 1)
