"""Similarity of a predicted image and the true one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

SSIM_WINDOW = 7
"""Side of the window of the structural similarity [pixels]."""


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


def psnr(prediction: NDArray[np.uint8], target: NDArray[np.uint8], valid: NDArray[np.bool_] | None = None) -> float:
    """Return the peak signal-to-noise ratio 10 log10(255² / MSE) of two 8-bit images (H, W) [dB].

    Infinite for equal images.

    Args:
        prediction: (H, W).
        target: (H, W).
        valid: pixels that count (H, W); all where absent. Not a number where none counts.
    """
    if valid is not None:
        prediction, target = prediction[valid], target[valid]
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(peak_signal_noise_ratio(target, prediction, data_range=255)) if target.size else float("nan")


def ssim(prediction: NDArray[np.uint8], target: NDArray[np.uint8], valid: NDArray[np.bool_] | None = None) -> float:
    """Return the structural similarity of two 8-bit images (H, W), in [-1, 1], 1 for equal images.

    Wang et al. 2004, https://doi.org/10.1109/TIP.2003.819861, with scikit-image's defaults (7 x 7 uniform window,
    sample covariance), as the published numbers were computed.

    Args:
        prediction: (H, W).
        target: (H, W).
        valid: pixels that count (H, W); then the mean is taken over the windows that lie in them whole. Not a number
            where there is none.
    """
    if valid is None:
        return float(structural_similarity(target, prediction, data_range=255))
    _, similarity = structural_similarity(target, prediction, data_range=255, full=True)
    windows = binary_erosion(valid, np.ones((SSIM_WINDOW, SSIM_WINDOW)), border_value=0)
    return float(similarity[windows].mean()) if windows.any() else float("nan")
