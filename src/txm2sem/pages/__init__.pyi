from .cards import Card as Card
from .cuts import Layer as Layer, volume_viewer as volume_viewer
from .frame import Html as Html, fragment as fragment, identity as identity, page as page
from .pictures import (
    COLOUR_MAPS as COLOUR_MAPS,
    ColourMap as ColourMap,
    Scale as Scale,
    file_data as file_data,
    jpeg as jpeg,
    png as png,
    with_scale_bar as with_scale_bar,
)
from .plots import (
    Line as Line,
    Mark as Mark,
    Plot as Plot,
    curve_plots as curve_plots,
    how_condensed as how_condensed,
    plot as plot,
)
from .tables import Cell as Cell, Table as Table, changed_options as changed_options, interval_cell as interval_cell
