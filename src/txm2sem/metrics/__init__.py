"""Scores: arrays in, numbers out."""

from txm2sem.metrics.continuity import Continuity, ContinuitySums, adjacent_difference, autocorrelation
from txm2sem.metrics.image import Summary, psnr, ssim
from txm2sem.metrics.overlap import CommonArea, Sketch, common_area, likely_shifts, refine_shift
from txm2sem.metrics.registration import Agreement, Displacement, Edges, edges
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
from txm2sem.metrics.spectra import (
    Spectrum,
    fourier_ring_correlation,
    noise_floor_frequency,
    power_spectrum,
    resolution,
)

__all__ = [
    "Agreement",
    "CommonArea",
    "Continuity",
    "ContinuitySums",
    "Displacement",
    "Edges",
    "SeamSums",
    "Sketch",
    "Spectrum",
    "Summary",
    "accuracy",
    "adjacent_difference",
    "autocorrelation",
    "class_summaries",
    "common_area",
    "confusion_matrix",
    "dice",
    "edges",
    "fourier_ring_correlation",
    "iou",
    "likely_shifts",
    "mean_present",
    "noise_floor_frequency",
    "pooled",
    "power_spectrum",
    "psnr",
    "refine_shift",
    "resolution",
    "row_shares",
    "ssim",
]
