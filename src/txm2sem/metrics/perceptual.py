"""How differently a network for photographs sees two images."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def feature_distance(one: Sequence[Tensor], other: Sequence[Tensor], valid: Tensor) -> Tensor:
    """Return the distance of two batches of images in a network's features, (N,), in [0, 4], 0 for equal ones.

    Zhang et al. 2018, https://arxiv.org/abs/1801.03924, equation 1, without calibrated weights: at each place the
    features of a stage are scaled to unit length over the channels; the squared length of their difference is averaged
    over places, and then over stages. (The paper's weights were fitted to what people see in photographs, for other
    networks.)

    Args:
        one: features of each stage, (N, C, h, w), of different sizes.
        other: the same of the other images.
        valid: pixels of the images that count, (N, 1, H, W) float, 0 or 1. A place counts by the share of its pixels
            that do. Not a number where none does.
    """
    distances = []
    for first, second in zip(one, other, strict=True):
        difference = (F.normalize(first, dim=1, eps=1e-10) - F.normalize(second, dim=1, eps=1e-10)).square().sum(1)
        share = F.interpolate(valid, difference.shape[-2:], mode="area")[:, 0]
        distances.append((difference * share).sum((1, 2)) / share.sum((1, 2)))
    return torch.stack(distances).mean(0)
