"""Fill charged regions of a SEM slice: by kriging, by a trained network, or by Telea inpainting for comparison."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
