"""Pictures of phases over the grey values of the image that they are of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from txm2sem.data.classes import IGNORED_COLOUR
from txm2sem.figures.scale import add_scale_bar
from txm2sem.figures.shown import WIDTH, imaged_box, step_of
from txm2sem.figures.style import SMALLEST, column_figure, styled, wrapped
from txm2sem.pages import with_scale_bar

LONGEST = 900
"""Pixels of the longer side of a picture, at most."""

SHORTEST = 500
"""Pixels of smaller pictures are shown as squares, as large as fit into this."""

STRENGTH = 0.45
"""Share of a phase's colour over the image; that of the phase with the number 0 is left out."""


Colours = Mapping[int, tuple[int, int, int]]
"""Of phases, by their numbers, 0 to 255."""


@dataclass(frozen=True)
class PhaseCut:
    """A section through a volume.

    Attributes:
        labels: phase of each pixel, (rows, columns).
        valid: where something was imaged.
        grey: the image; None where there is none.
        pixel_size: (down, across).
    """

    labels: NDArray[np.uint8]
    valid: NDArray[np.bool_]
    grey: NDArray[Any] | None
    pixel_size: tuple[float, float]


def draw_phases(cut: PhaseCut, colours: Colours, unit: str) -> NDArray[np.uint8]:
    """Return a section in colours, (H, W, 3), with a scale bar, true to scale, cropped to what was imaged.

    Over an image phases are tints, and the phase 0 is none; without one they are plain colours.

    Args:
        cut: the section.
        colours: of the phases, 0 to 255.
        unit: of the pixel size, see `with_scale_bar`.
    """
    picture = _coloured(cut, colours)
    rows, columns = (side * size for side, size in zip(picture.shape[:2], cut.pixel_size, strict=True))
    finest = min(cut.pixel_size)
    pixels = max(rows, columns) / finest
    scale = LONGEST / pixels if pixels > LONGEST else float(max(SHORTEST // math.ceil(pixels), 1))
    size = (max(round(columns / finest * scale), 1), max(round(rows / finest * scale), 1))
    shown = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST)
    return with_scale_bar(np.rint(shown).astype(np.uint8), columns / size[0], unit)


@styled
def draw_phase_cuts(
    cuts: Mapping[str, PhaseCut], phases: Mapping[str, int], colours: Colours, unit: str, title: str
) -> Figure:
    """Draw sections beside each other, as `draw_phases` colours them, each with a scale bar.

    Args:
        cuts: the sections, at least one, by their headings.
        phases: number of each phase by its name, for the legend.
        colours: of the phases, 0 to 255.
        unit: of the pixel size: `nm`, or another where it is not known.
        title: of the figure.
    """
    sides = [np.multiply(cut.labels.shape, cut.pixel_size) for cut in cuts.values()]
    height = max(WIDTH / len(cuts) * min(float(side[0] / side[1]), 2.0) for side in sides)
    figure = column_figure(height + 0.4, title)
    cells = figure.subplots(1, len(cuts), squeeze=False)[0]
    for axes, (heading, cut) in zip(cells, cuts.items(), strict=True):
        step = step_of(cut.labels.shape)
        picture = np.rint(_coloured(cut, colours)[::step, ::step]).astype(np.uint8)
        down, across = cut.pixel_size
        axes.imshow(picture, interpolation="none", aspect=down / across)
        axes.set_axis_off()
        axes.set_title(wrapped(heading, 0.9 * WIDTH / len(cuts)), fontsize=SMALLEST)
        add_scale_bar(axes, picture.shape, step * across if unit == "nm" else None)
    plain = any(cut.grey is None for cut in cuts.values())
    shown = {name: np.divide(colours[label], 255) for name, label in phases.items() if plain or label}
    handles = [Patch(color=tuple(colour)) for colour in shown.values()]
    figure.legend(handles, list(shown), loc="outside lower center", ncols=3)
    return figure


def _coloured(cut: PhaseCut, colours: Colours) -> NDArray[np.floating[Any]]:
    """Return a section in colours, (rows, columns, 3) from 0 to 255, cropped to what was imaged."""
    box = imaged_box([cut.valid])
    labels, valid = cut.labels[box], cut.valid[box]
    table = np.zeros((256, 3), np.float32)
    for label, colour in colours.items():
        table[label] = colour
    picture: NDArray[np.floating[Any]] = table[labels]
    if cut.grey is not None:
        stretched = _stretched(cut.grey[box], valid)[..., None]
        tint = np.where(labels == 0, np.float32(0), np.float32(STRENGTH))[..., None]
        picture = tint * picture + (1 - tint) * stretched
    picture[~valid] = IGNORED_COLOUR
    return picture


def _stretched(grey: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return grey values from 0 to 255, between the percentiles 0.5 and 99.5 of what was imaged."""
    inside = grey[valid]
    low, high = np.percentile(inside, (0.5, 99.5)).tolist() if inside.size else (0.0, 1.0)
    scaled = np.clip((grey.astype(np.float32) - low) / max(high - low, 1e-12), 0, 1)
    return np.asarray(255 * scaled, np.float32)
