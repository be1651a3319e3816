"""Predict FIB-SEM images from transmission X-ray microscopy (TXM), learned from a few aligned slices."""

from importlib.metadata import version

__version__ = version("txm2sem")
