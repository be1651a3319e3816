"""Where not to believe a prediction: its uncertainty, contradictions to the TXM, places unlike those of training."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
