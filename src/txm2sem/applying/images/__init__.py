"""Translate single images, with the model that comes along or a trained one."""

from txm2sem.applying.images.folder import ImageRun
from txm2sem.applying.images.translator import ImageTranslator

__all__ = ["ImageRun", "ImageTranslator"]
