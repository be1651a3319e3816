"""Scores: arrays in, numbers out."""

from txm2sem.metrics.continuity import Continuity, ContinuitySums, adjacent_difference, autocorrelation
from txm2sem.metrics.image import Summary, psnr, ssim
from txm2sem.metrics.seams import SeamSums
from txm2sem.metrics.segmentation import (
    accuracy,
    class_summaries,
    confusion_matrix,
    dice,
    iou,
    mean_present,
    pooled,
    row_shares,
)
from txm2sem.metrics.spectra import Spectrum, fourier_ring_correlation, power_spectrum, resolution

__all__ = [
    "Continuity",
    "ContinuitySums",
    "SeamSums",
    "Spectrum",
    "Summary",
    "accuracy",
    "adjacent_difference",
    "autocorrelation",
    "class_summaries",
    "confusion_matrix",
    "dice",
    "fourier_ring_correlation",
    "iou",
    "mean_present",
    "pooled",
    "power_spectrum",
    "psnr",
    "resolution",
    "row_shares",
    "ssim",
]
