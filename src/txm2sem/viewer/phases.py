"""Phases as layers of labels, with colours and names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap

NAME = "phase"
"""What names are called where the viewer shows what lies under the pointer."""

NOT_IMAGED = "not imaged"
"""What labels of this program call the number of voxels where nothing was imaged."""

Meanings = Mapping[int, tuple[str, tuple[int, int, int] | None]]


def labels_layer(data: Any, name: str, meanings: Meanings, place: Mapping[str, Any]) -> Labels:
    """Return a layer of labels.

    Args:
        data: numbers of phases.
        name: of the layer.
        meanings: name and colour, (red, green, blue) of 0 to 255, of each number, as far as they are known.
        place: where it lies.
    """
    layer = Labels(data, name=name, opacity=0.6, **place)
    colours = {number: colour for number, (_, colour) in meanings.items() if colour is not None}
    if colours:
        of_others: dict[int | None, Any] = {None: np.zeros(4)}
        of_known = {number: np.array([*colour, 255]) / 255 for number, colour in colours.items()}
        layer.colormap = DirectLabelColormap(color_dict=of_others | of_known)
    name_phases(layer, {number: text for number, (text, _) in meanings.items() if text})
    return layer


def name_phases(layer: Labels, names: Mapping[int, str]) -> None:
    """Name the numbers of a layer of labels."""
    layer.features = pd.DataFrame({"index": list(names), NAME: list(names.values())})


def names_of(layer: Labels) -> dict[int, str]:
    """Return the names of the numbers of a layer of labels, as far as it has any."""
    features = layer.features
    if "index" not in features or NAME not in features:
        return {}
    return {int(number): str(name) for number, name in zip(features["index"], features[NAME], strict=True)}
