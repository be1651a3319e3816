"""The parts of HTML pages: a frame, tables, curves, pictures, and viewers of images and volumes.

A page is one file that needs no network. What it shows is in it without scripts, too, and on paper; scripts only add
what can be moved. The elements are in `templates`, the styles and scripts in `static`.
"""

from txm2sem.pages.cards import Card
from txm2sem.pages.cuts import Layer, volume_viewer
from txm2sem.pages.frame import Html, fragment, page
from txm2sem.pages.pictures import COLOUR_MAPS, ColourMap, Scale, file_data, jpeg, png, with_scale_bar
from txm2sem.pages.plots import Line, Mark, Plot, curve_plots, how_condensed, plot
from txm2sem.pages.tables import Cell, Table, changed_options, interval_cell

__all__ = [
    "COLOUR_MAPS",
    "Card",
    "Cell",
    "ColourMap",
    "Html",
    "Layer",
    "Line",
    "Mark",
    "Plot",
    "Scale",
    "Table",
    "changed_options",
    "curve_plots",
    "file_data",
    "fragment",
    "how_condensed",
    "interval_cell",
    "jpeg",
    "page",
    "plot",
    "png",
    "volume_viewer",
    "with_scale_bar",
]
