"""Pictures of phases over the grey values of the image that they are of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from txm2sem.data.classes import IGNORED_COLOUR
from txm2sem.figures.shown import imaged_box
from txm2sem.pages import with_scale_bar

LONGEST = 900
"""Pixels of the longer side of a picture, at most."""

SHORTEST = 500
"""Pixels of smaller pictures are shown as squares, as large as fit into this."""

STRENGTH = 0.45
"""Share of a phase's colour over the image; that of the phase with the number 0 is left out."""


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


def draw_phases(cut: PhaseCut, colours: Mapping[int, tuple[int, int, int]], unit: str) -> NDArray[np.uint8]:
    """Return a section in colours, (H, W, 3), with a scale bar, true to scale, cropped to what was imaged.

    Over an image phases are tints, and the phase 0 is none; without one they are plain colours.

    Args:
        cut: the section.
        colours: of the phases, 0 to 255.
        unit: of the pixel size, see `with_scale_bar`.
    """
    box = imaged_box([cut.valid])
    cut = PhaseCut(cut.labels[box], cut.valid[box], None if cut.grey is None else cut.grey[box], cut.pixel_size)
    table = np.zeros((256, 3), np.float32)
    for label, colour in colours.items():
        table[label] = colour
    picture: NDArray[np.floating[Any]] = table[cut.labels]
    if cut.grey is not None:
        stretched = _stretched(cut.grey, cut.valid)[..., None]
        tint = np.where(cut.labels == 0, np.float32(0), np.float32(STRENGTH))[..., None]
        picture = tint * picture + (1 - tint) * stretched
    picture[~cut.valid] = IGNORED_COLOUR
    rows, columns = (side * size for side, size in zip(cut.labels.shape, cut.pixel_size, strict=True))
    finest = min(cut.pixel_size)
    pixels = max(rows, columns) / finest
    scale = LONGEST / pixels if pixels > LONGEST else float(max(SHORTEST // math.ceil(pixels), 1))
    size = (max(round(columns / finest * scale), 1), max(round(rows / finest * scale), 1))
    shown = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST)
    return with_scale_bar(np.rint(shown).astype(np.uint8), columns / size[0], unit)


def _stretched(grey: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return grey values from 0 to 255, between the percentiles 0.5 and 99.5 of what was imaged."""
    inside = grey[valid]
    low, high = np.percentile(inside, (0.5, 99.5)).tolist() if inside.size else (0.0, 1.0)
    scaled = np.clip((grey.astype(np.float32) - low) / max(high - low, 1e-12), 0, 1)
    return np.asarray(255 * scaled, np.float32)
