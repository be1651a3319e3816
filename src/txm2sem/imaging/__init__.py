"""Real slices imaged anew: `image_slices` writes a data root with what the phantom's TXM sees of those of a SEM."""

from txm2sem.imaging.run import image_slices

__all__ = ["image_slices"]
