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
        values = F.relu6(self._bn0(self._conv_stem(_pad(images, 3, 2))))
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
        self.kernel, self.stride = kernel, stride
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
        values = F.relu6(self._bn0(self._expand_conv(features))) if self.expands else features
        values = F.relu6(self._bn1(self._depthwise_conv(_pad(values, self.kernel, self.stride))))
        values = self._bn2(self._project_conv(values))
        output: Tensor = values + features if self.has_shortcut else values
        return output


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


def _pad(values: Tensor, kernel: int, stride: int) -> Tensor:
    """Pad as TensorFlow, in which the weights were trained, does: the odd pixel at the bottom and right."""
    margins: list[int] = []
    for side in (values.shape[-1], values.shape[-2]):
        total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        margins += [total // 2, total - total // 2]
    return F.pad(values, margins)
