"""The parts of HTML pages: a frame, tables, curves, pictures, and viewers of images and volumes.

A page is one file that needs no network. What it shows is in it without scripts, too, and on paper; scripts only add
what can be moved. The elements are in `templates`, the styles and scripts in `static`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
