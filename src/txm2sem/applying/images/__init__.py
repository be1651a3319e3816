"""Translate single images, with the model that comes along or a trained one."""

from txm2sem.applying.images.folder import ImageRun
from txm2sem.applying.images.translator import ImageTranslator, translate_image

__all__ = ["ImageRun", "ImageTranslator", "translate_image"]
