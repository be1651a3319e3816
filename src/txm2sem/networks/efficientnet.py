"""The trunk of EfficientNet-Lite0, a network for photographs, in whose features images are compared."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

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
        self._bn0 = _norm(32)
        blocks: list[nn.Module] = []
        self._ends = []
        channels = 32
        for layers, kernel, stride, expansion, width in STAGES:
            for layer in range(layers):
                blocks.append(_Block(channels, width, kernel, stride if layer == 0 else 1, expansion))
                channels = width
            self._ends.append(len(blocks) - 1)
        self._blocks = nn.ModuleList(blocks)

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
            self._bn0 = _norm(inner)
        self._depthwise_conv = nn.Conv2d(inner, inner, kernel, stride, groups=inner, bias=False)
        self._bn1 = _norm(inner)
        self._project_conv = nn.Conv2d(inner, width, 1, bias=False)
        self._bn2 = _norm(width)

    def forward(self, features: Tensor) -> Tensor:
        """Return features (N, width, h, w) of features (N, channels, H, W)."""
        values = F.relu6(self._bn0(self._expand_conv(features)), inplace=True) if self.expands else features
        values = F.relu6(self._bn1(_convolve(self._depthwise_conv, values)), inplace=True)
        values = self._bn2(self._project_conv(values))
        output: Tensor = values + features if self.has_shortcut else values
        return output


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


def _convolve(layer: nn.Conv2d, values: Tensor) -> Tensor:
    """Pad as TensorFlow, in which the weights were trained, does, the odd pixel at the bottom and right, and convolve.

    What is padded alike on all sides is left to the convolution: a padded copy takes longer than the convolution.
    """
    kernel, stride = layer.kernel_size[0], layer.stride[0]
    totals = [max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in values.shape[-2:]]
    if any(total % 2 for total in totals):
        (above, below), (left, right) = ((total // 2, total - total // 2) for total in totals)
        values, totals = F.pad(values, (left, right, above, below)), [0, 0]
    margins = tuple(total // 2 for total in totals)
    return F.conv2d(values, layer.weight, layer.bias, layer.stride, margins, layer.dilation, layer.groups)
