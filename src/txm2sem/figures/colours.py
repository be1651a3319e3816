"""Classes in colours that all people tell apart."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.data.classes import CLASS_COLOURS, CLASSES, IGNORED, IGNORED_COLOUR

Classes = NDArray[np.int64]
Colours = NDArray[np.uint8]

IGNORED_COLOURS = (IGNORED_COLOUR, (130, 130, 130))
"""The stripes of ignored pixels in figures."""

RIGHT, WRONG = (255, 255, 255), (0, 0, 0)

STRIPE = 4
"""Width of a stripe across [pixels]."""


def colour_classes(labels: NDArray[np.integer[Any]]) -> Colours:
    """Return classes (H, W) in colours, uint8 (H, W, 3); ignored pixels striped."""
    colours = np.array([*CLASS_COLOURS, RIGHT], np.uint8)[np.minimum(labels, len(CLASSES))]
    return _stripe(colours, labels == IGNORED)


def colour_errors(prediction: Classes, target: Classes) -> Colours:
    """Return where classes (H, W) are right (white) and wrong (black), uint8 (H, W, 3); ignored pixels striped."""
    colours = np.array([WRONG, RIGHT], np.uint8)[(prediction == target).astype(np.int64)]
    return _stripe(colours, target == IGNORED)


def _stripe(colours: Colours, where: NDArray[np.bool_]) -> Colours:
    rows, columns = np.indices(where.shape)
    stripes = np.array(IGNORED_COLOURS, np.uint8)[(rows + columns) // STRIPE % 2]
    return np.where(where[..., None], stripes, colours)
