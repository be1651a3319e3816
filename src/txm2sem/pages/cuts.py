"""Volumes in a page: cuts along xy, xz and yz through any of their voxels.

The voxels of a layer are one picture of all its slices, side by side in rows, which a script takes apart. Without
scripts, and on paper, the cuts through the middle are there.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from txm2sem.pages.pictures import Bytes, ColourMap, jpeg, scale

AXES = "zyx"
CUTS = (("x", "y", "z"), ("x", "z", "y"), ("y", "z", "x"))
"""The axes of each cut: across, down, and the one that it is perpendicular to."""

BLOCK = 8
"""JPEG codes blocks of so many rows and columns: slices begin with one, lest they show in each other [pixels]."""


@dataclass(frozen=True)
class Layer:
    """One volume of several of the same voxels.

    Attributes:
        title: what it is.
        voxels: (z, y, x), 0 (black) to 255 (white), or to be coloured.
        colours: its colours; None: grey.
        low, high: what 0 and 255 are, in words; empty for grey.
    """

    title: str
    voxels: Bytes
    colours: ColourMap | None = None
    low: str = ""
    high: str = ""


def volume_viewer(
    name: str,
    layers: Sequence[Layer],
    first: tuple[int, int, int] = (0, 0, 0),
    step: int = 1,
    voxel_size: tuple[float, float, float] | None = None,
) -> str:
    """Return the cuts through layers of one shape, with what moves them.

    Args:
        name: of the viewer, unique in the page.
        layers: all of one shape (z, y, x); the first one is shown first.
        first: position of the first voxel in its stack, (z, y, x).
        step: voxels of the stack from one shown here to the next.
        voxel_size: (z, y, x) [nm]; None: not known, cubes.
    """
    shape = layers[0].voxels.shape
    columns = math.ceil(math.sqrt(shape[0]))
    settings = {
        "shape": shape,
        "columns": columns,
        "stride": [_padded(side) for side in shape[1:]],
        "first": first,
        "step": step,
    }
    sprites = "\n".join(
        f'<img hidden class="sprite" alt="" src="{jpeg(sprite(layer.voxels, columns), 80)}" '
        f'data-stops="{" ".join(layer.colours.stops) if layer.colours else ""}">'
        for layer in layers
    )
    return (
        f'<div class="volume" data-settings="{escape(json.dumps(settings))}">\n'
        f"{_controls(name, layers, shape, first, step)}\n{_views(shape, voxel_size or (1, 1, 1))}\n"
        f"{_stills(layers, voxel_size or (1, 1, 1), first, step)}\n{sprites}\n</div>"
    )


def sprite(voxels: Bytes, columns: int) -> Bytes:
    """Return all slices of a volume (z, y, x) in one image, `columns` in a row, each from a JPEG block on."""
    depth, height, width = voxels.shape
    rows, cell = -(-depth // columns), (_padded(height), _padded(width))
    padded = np.pad(voxels, ((0, rows * columns - depth), (0, cell[0] - height), (0, cell[1] - width)), mode="edge")
    return padded.reshape(rows, columns, *cell).swapaxes(1, 2).reshape(rows * cell[0], columns * cell[1])


def middle_cut(voxels: Bytes, through: str) -> Bytes:
    """Return the cut through the middle of a volume (z, y, x) that is perpendicular to an axis, (down, across)."""
    axis = AXES.index(through)
    cut: Bytes = voxels.take(voxels.shape[axis] // 2, axis)
    return cut


def _flat(size: Mapping[str, float]) -> str:
    """Return the class of views whose cuts along z are so flat that they have room above each other."""
    return " flat" if size["z"] < 0.6 * min(size["x"], size["y"]) else ""


def _padded(side: int) -> int:
    return -(-side // BLOCK) * BLOCK


def _controls(
    name: str, layers: Sequence[Layer], shape: tuple[int, ...], first: tuple[int, int, int], step: int
) -> str:
    choices = "".join(
        f'<label><input type="radio" name="{escape(name)}" value="{number}"{" checked" if number == 0 else ""}> '
        f"{escape(layer.title)}{scale(layer.colours, layer.low, layer.high) if layer.colours else ''}</label>"
        for number, layer in enumerate(layers)
    )
    sliders = "".join(
        f'<label>{axis} <input type="range" data-axis="{axis}" min="0" max="{length - 1}" value="{length // 2}"> '
        f"<output>{start + step * (length // 2)}</output></label>"
        for axis, length, start in zip(AXES, shape, first, strict=True)
    )
    return (
        f'<div class="controls"><fieldset><legend>Show</legend>{choices}</fieldset>\n'
        f'<fieldset class="axes"><legend>Cut at</legend>{sliders}</fieldset></div>'
    )


def _views(shape: tuple[int, ...], voxel_size: tuple[float, float, float]) -> str:
    pixels = dict(zip(AXES, shape, strict=True))
    size = {axis: pixels[axis] * step for axis, step in zip(AXES, voxel_size, strict=True)}
    figures = "".join(
        f'<figure data-cut="{across}{down}{through}" style="flex: {size[across]:g} 1 0">'
        f'<div class="cut" style="aspect-ratio: {size[across]:g} / {size[down]:g}">'
        f'<canvas role="img" aria-label="cut {across}{down}" width="{pixels[across]}" height="{pixels[down]}"></canvas>'
        f'<i class="across"></i><i class="down"></i></div>'
        f"<figcaption>{across}{down} at {through} = <output></output></figcaption></figure>"
        for across, down, through in CUTS
    )
    return f'<div class="controls views{_flat(size)}">{figures}</div>'


def _stills(
    layers: Sequence[Layer], voxel_size: tuple[float, float, float], first: tuple[int, int, int], step: int
) -> str:
    rows = []
    shape = layers[0].voxels.shape
    middle = {axis: start + step * (length // 2) for axis, start, length in zip(AXES, first, shape, strict=True)}
    size = {axis: length * unit for axis, length, unit in zip(AXES, shape, voxel_size, strict=True)}
    for layer in layers:
        figures = []
        for across, down, through in CUTS:
            pixels = middle_cut(layer.voxels, through)
            data = layer.colours.png(pixels, 0, 255) if layer.colours else jpeg(pixels)
            ends = f" ({layer.low} to {layer.high})" if layer.colours else ""
            words = escape(f"{layer.title}{ends}, {across}{down} at {through} = {middle[through]}")
            ratio = f"aspect-ratio: {size[across]:g} / {size[down]:g}"
            figures.append(
                f'<figure style="flex: {size[across]:g} 1 0"><img src="{data}" alt="{words}" style="{ratio}">'
                f"<figcaption>{words}</figcaption></figure>"
            )
        rows.append(f'<div class="views{_flat(size)}">' + "".join(figures) + "</div>")
    return '<div class="stills">\n' + "\n".join(rows) + "\n</div>"
