"""The parts of HTML pages: a frame, tables, curves, pictures, and viewers of images and volumes.

A page is one file that needs no network. What it shows is in it without scripts, too, and on paper; scripts only add
what can be moved. The styles and scripts are in `static`.
"""

from txm2sem.pages.cuts import Layer, volume_viewer
from txm2sem.pages.frame import page, section
from txm2sem.pages.pictures import COLOUR_MAPS, ColourMap, figure, file_data, jpeg, png, scale, swatch
from txm2sem.pages.plots import Line, Mark, legend, plot
from txm2sem.pages.tables import Html, facts, interval_cell, table
from txm2sem.pages.wipe import Picture, WipeCard, gallery

__all__ = [
    "COLOUR_MAPS",
    "ColourMap",
    "Html",
    "Layer",
    "Line",
    "Mark",
    "Picture",
    "WipeCard",
    "facts",
    "figure",
    "file_data",
    "gallery",
    "interval_cell",
    "jpeg",
    "legend",
    "page",
    "plot",
    "png",
    "scale",
    "section",
    "swatch",
    "table",
    "volume_viewer",
]
