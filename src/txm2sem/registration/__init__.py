"""Register a SEM image to a TXM image of the same rock, or find it in a volume, and say whether to believe it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
