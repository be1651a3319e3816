"""Repair charged SEM images: by kriging, by a trained network, or by Telea inpainting for comparison."""

from txm2sem.inference.repair.folder import FolderRepair, RepairedSlice
from txm2sem.inference.repair.kriging import krige
from txm2sem.inference.repair.network import fill
from txm2sem.inference.repair.telea import telea

__all__ = ["FolderRepair", "RepairedSlice", "fill", "krige", "telea"]
