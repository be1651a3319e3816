from .kriging import krige as krige
from .network import fill as fill
from .inpainting import telea as telea
