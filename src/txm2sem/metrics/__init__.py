"""Scores: arrays in, numbers out."""

from txm2sem.metrics.image import Summary, psnr, ssim

__all__ = ["Summary", "psnr", "ssim"]
