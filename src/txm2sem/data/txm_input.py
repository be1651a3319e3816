"""From grey values of the TXM to what a network sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from txm2sem.data.grey import GreyRange
from txm2sem.data.transforms import adjust_contrast
from txm2sem.options import ContrastOptions


@dataclass(frozen=True)
class TxmInput:
    """How a model sees the TXM: the same for patches, whole slices and volumes.

    Attributes:
        grey: grey values that are black and white.
        gamma, hist_eq: contrast, see `adjust_contrast`.
        patch_size: side of the patches of the training [pixels]; images of any size are equalised over regions as large
            as in those.
    """

    grey: GreyRange
    gamma: float
    hist_eq: float
    patch_size: int

    @classmethod
    def of(cls, options: ContrastOptions, grey: GreyRange) -> TxmInput:
        """Return that of a model with these options, in which `--txm_range` may still be open."""
        return cls(grey, options.gamma, options.hist_eq, options.patch_size)

    def __call__(self, txm: NDArray[Any]) -> Tensor:
        """Return grey values (..., rows, columns) as the network sees them: float32, about [-1, 1]."""
        return self.contrasted(torch.from_numpy(self.grey.normalise(txm)))

    def contrasted(self, image: Tensor) -> Tensor:
        """Return an image (..., rows, columns) in [-1, 1] as the network sees it."""
        flat = image.reshape(-1, *image.shape[-2:])
        return adjust_contrast(flat, self.gamma, self.hist_eq, max(self.patch_size // 8, 1)).reshape(image.shape)
