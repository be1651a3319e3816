"""Volumes in a page: cuts along xy, xz and yz through any of their voxels.

The voxels of a layer are one picture of all its slices, side by side in rows, which a script takes apart. Without
scripts, and on paper, the cuts through the middle are there.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from txm2sem.pages.frame import Html, fragment
from txm2sem.pages.pictures import Bytes, ColourMap, jpeg

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


@dataclass(frozen=True)
class Cut:
    """How the cuts along two axes look: these, what they are perpendicular to, their pixels, and their proportions."""

    across: str
    down: str
    through: str
    columns: int
    rows: int
    width: str
    height: str


def volume_viewer(
    name: str,
    layers: Sequence[Layer],
    first: tuple[int, int, int] = (0, 0, 0),
    step: int = 1,
    voxel_size: tuple[float, float, float] | None = None,
) -> Html:
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
    stride = [_padded(side) for side in shape[1:]]
    settings = {"shape": shape, "columns": columns, "stride": stride, "first": first, "step": step}
    sliders = [
        {"axis": axis, "last": length - 1, "middle": length // 2, "place": start + step * (length // 2)}
        for axis, length, start in zip(AXES, shape, first, strict=True)
    ]
    places = {slider["axis"]: slider["place"] for slider in sliders}
    pixels = dict(zip(AXES, shape, strict=True))
    size = {axis: pixels[axis] * unit for axis, unit in zip(AXES, voxel_size or (1, 1, 1), strict=True)}
    cuts = [
        Cut(across, down, through, pixels[across], pixels[down], f"{size[across]:g}", f"{size[down]:g}")
        for across, down, through in CUTS
    ]
    return fragment(
        "cuts.html",
        "viewer",
        name=name,
        settings=json.dumps(settings),
        layers=[(layer, jpeg(sprite(layer.voxels, columns), 80)) for layer in layers],
        sliders=sliders,
        cuts=cuts,
        # Where cuts along z are that flat, they have room above each other.
        flat=size["z"] < 0.6 * min(size["x"], size["y"]),
        stills=[[_still(layer, cut, places[cut.through]) for cut in cuts] for layer in layers],
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


def _padded(side: int) -> int:
    return -(-side // BLOCK) * BLOCK


def _still(layer: Layer, cut: Cut, place: object) -> tuple[Cut, str, str]:
    """Return a cut through the middle as data, and the words that say what it is."""
    pixels = middle_cut(layer.voxels, cut.through)
    data = layer.colours.png(pixels, 0, 255) if layer.colours else jpeg(pixels)
    ends = f" ({layer.low} to {layer.high})" if layer.colours else ""
    return cut, data, f"{layer.title}{ends}, {cut.across}{cut.down} at {cut.through} = {place}"
