"""Similarity of a predicted image and the true one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity


@dataclass(frozen=True)
class Summary:
    """Mean and standard error of a score over patches (the error is 0 for a single patch)."""

    mean: float
    standard_error: float

    @classmethod
    def of(cls, values: NDArray[np.float64] | list[float]) -> Summary:
        """Summarise values, with the population's standard deviation over sqrt(n) as the original code does."""
        array = np.asarray(values, dtype=np.float64)
        return cls(float(array.mean()), float(array.std() / np.sqrt(array.size)))

    def __str__(self) -> str:
        return f"{self.mean}±{self.standard_error}"


def psnr(prediction: NDArray[np.uint8], target: NDArray[np.uint8]) -> float:
    """Return the peak signal-to-noise ratio 10 log10(255² / MSE) of two 8-bit images (H, W) [dB].

    Infinite for equal images.
    """
    with np.errstate(divide="ignore"):
        return float(peak_signal_noise_ratio(target, prediction, data_range=255))


def ssim(prediction: NDArray[np.uint8], target: NDArray[np.uint8]) -> float:
    """Return the structural similarity of two 8-bit images (H, W), in [-1, 1], 1 for equal images.

    Wang et al. 2004, https://doi.org/10.1109/TIP.2003.819861, with scikit-image's defaults (7 x 7 uniform window,
    sample covariance), as the published numbers were computed.
    """
    return float(structural_similarity(target, prediction, data_range=255))
