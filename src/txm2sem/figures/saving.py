"""Figures as files: pixels to look at, and vectors for a paper."""

from __future__ import annotations

from functools import partial
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from txm2sem.addresses import Place
from txm2sem.errors import printable
from txm2sem.figures.raster import raster
from txm2sem.figures.style import DPI, style
from txm2sem.files import write_whole
from txm2sem.options import FigureKind

VECTORS: Any = {
    # Journals take TrueType, and refuse the Type 3 fonts that are the default.
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "txm2sem",
    "image.composite_image": False,
}
"""How vectors are written: text stays text, and every picture has pixels of its own."""

UNDATED: dict[str, dict[str, Any]] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}
"""Equal figures are equal files."""


def save_figure(figure: Figure, path: Place, kind: FigureKind = "png") -> None:
    """Save a figure as PNG and, where another kind is asked for, as vectors beside it, each whole or not at all.

    Names of files in it may have any characters. Pictures in it (`interpolation="none"`) are in vectors as they are,
    pixel by pixel.

    Args:
        figure: what to save.
        path: of the PNG.
        kind: what is wanted; the file of vectors ends with it.

    Raises:
        UserError: the disk is full or the folder not writable.
    """
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        written = text.get_text()
        if "$" in written:
            text.set_parse_math(False)
        text.set_text(printable(written))
    with style():
        picture = Image.fromarray(raster(figure))
    write_whole(path, partial(picture.save, format="png", dpi=(DPI, DPI)))
    if kind != "png":
        with style(), matplotlib.rc_context(VECTORS):
            save = partial(figure.savefig, format=kind, dpi=DPI, metadata=UNDATED[kind])
            write_whole(path.with_name(f"{path.name.removesuffix('.png')}.{kind}"), save)
