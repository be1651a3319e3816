"""A figure as pixels."""

from __future__ import annotations

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from txm2sem.figures.style import DPI


def raster(figure: Figure, dpi: int = DPI) -> NDArray[np.uint8]:
    """Return a figure as RGBA (H, W, 4).

    Printing would draw it once for the layout and once more for the file; drawing lays it out, too.
    """
    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    return np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
