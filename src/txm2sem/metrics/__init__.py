"""Scores: arrays in, numbers out."""

from txm2sem.metrics.bootstrap import LEVEL, RESAMPLES, Interval, Resampling, weighted_mean
from txm2sem.metrics.calibration import (
    CalibrationCurve,
    Reliability,
    Sparsification,
    SpreadCounts,
    VarianceCalibration,
)
from txm2sem.metrics.continuity import Continuity, ContinuitySums, adjacent_difference, autocorrelation
from txm2sem.metrics.degradation import TERMS, RidgeSums, degradation_terms
from txm2sem.metrics.image import MIN_REGION, Summary, ms_ssim, pearson, psnr, scales_of, similarity, ssim
from txm2sem.metrics.masked import gaussian, gaussian_over
from txm2sem.metrics.outliers import Normality
from txm2sem.metrics.overlap import CommonArea, Sketch, common_area, likely_shifts, refine_shift
from txm2sem.metrics.perceptual import feature_distance
from txm2sem.metrics.registration import Agreement, Displacement, Edges, edges
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
    compare_spectra,
    deviation_db,
    fourier_ring_correlation,
    grid_power,
    noise_floor_frequency,
    power_spectrum,
    resolution,
)
from txm2sem.metrics.texture import FEATURES, texture

__all__ = [
    "FEATURES",
    "GRID_FREQUENCIES",
    "LEVEL",
    "MIN_REGION",
    "REFERENCE_THRESHOLD",
    "RESAMPLES",
    "RESOLUTION_THRESHOLD",
    "TERMS",
    "Agreement",
    "CalibrationCurve",
    "CommonArea",
    "Continuity",
    "ContinuitySums",
    "Displacement",
    "Edges",
    "Interval",
    "Normality",
    "Reliability",
    "Resampling",
    "RidgeSums",
    "SeamSums",
    "Sketch",
    "Sparsification",
    "Spectrum",
    "SpreadCounts",
    "Summary",
    "VarianceCalibration",
    "accuracy",
    "adjacent_difference",
    "autocorrelation",
    "chord_lengths",
    "class_summaries",
    "common_area",
    "compare_spectra",
    "confusion_matrix",
    "degradation_terms",
    "deviation_db",
    "dice",
    "edges",
    "euler_density",
    "feature_distance",
    "fourier_ring_correlation",
    "gaussian",
    "gaussian_over",
    "grid_power",
    "iou",
    "likely_shifts",
    "mean_chord_length",
    "mean_present",
    "ms_ssim",
    "noise_floor_frequency",
    "pearson",
    "phase_fraction",
    "pooled",
    "power_spectrum",
    "psnr",
    "quads",
    "refine_shift",
    "resolution",
    "row_shares",
    "scales_of",
    "similarity",
    "specific_perimeter",
    "ssim",
    "texture",
    "two_point_correlation",
    "weighted_mean",
]
