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

__all__ = [
    "Continuity",
    "ContinuitySums",
    "SeamSums",
    "Summary",
    "accuracy",
    "adjacent_difference",
    "autocorrelation",
    "class_summaries",
    "confusion_matrix",
    "dice",
    "iou",
    "mean_present",
    "pooled",
    "psnr",
    "row_shares",
    "ssim",
]
