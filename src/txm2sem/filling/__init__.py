"""Fill charged regions of a SEM slice: by kriging, by a trained network, or by Telea inpainting for comparison."""

from txm2sem.filling.kriging import krige
from txm2sem.filling.network import fill
from txm2sem.filling.telea import telea

__all__ = ["fill", "krige", "telea"]
