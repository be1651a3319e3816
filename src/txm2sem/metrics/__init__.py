"""Scores: arrays in, numbers out."""

from txm2sem.metrics.bootstrap import LEVEL, RESAMPLES, Interval, Resampling, weighted_mean
from txm2sem.metrics.continuity import Continuity, ContinuitySums, adjacent_difference, autocorrelation
from txm2sem.metrics.image import MIN_REGION, Summary, ms_ssim, pearson, psnr, scales_of, similarity, ssim
from txm2sem.metrics.perceptual import feature_distance
from txm2sem.metrics.rock import (
    chord_lengths,
    euler_density,
    mean_chord_length,
    phase_fraction,
    quads,
    specific_perimeter,
    two_point_correlation,
)
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
    GRID_FREQUENCIES,
    REFERENCE_THRESHOLD,
    RESOLUTION_THRESHOLD,
    Spectrum,
    deviation_db,
    fourier_ring_correlation,
    grid_power,
    power_spectrum,
    resolution,
)

__all__ = [
    "GRID_FREQUENCIES",
    "LEVEL",
    "MIN_REGION",
    "REFERENCE_THRESHOLD",
    "RESAMPLES",
    "RESOLUTION_THRESHOLD",
    "Continuity",
    "ContinuitySums",
    "Interval",
    "Resampling",
    "SeamSums",
    "Spectrum",
    "Summary",
    "accuracy",
    "adjacent_difference",
    "autocorrelation",
    "chord_lengths",
    "class_summaries",
    "confusion_matrix",
    "deviation_db",
    "dice",
    "euler_density",
    "feature_distance",
    "fourier_ring_correlation",
    "grid_power",
    "iou",
    "mean_chord_length",
    "mean_present",
    "ms_ssim",
    "pearson",
    "phase_fraction",
    "pooled",
    "power_spectrum",
    "psnr",
    "quads",
    "resolution",
    "row_shares",
    "scales_of",
    "similarity",
    "specific_perimeter",
    "ssim",
    "two_point_correlation",
    "weighted_mean",
]
