"""The classes of segmentation: their numbers, names and colours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from txm2sem.palette import COLOURS, rgb

CLASSES = ("neither", "low density", "high density")
"""Name of each class, in the order of their numbers 0, 1, 2."""

IGNORED = 255
"""In place of a class: charged, or not imaged (0 in SEM or TXM). Such pixels count in no loss and no score."""

CLASS_COLOURS = ((213, 213, 213), rgb(COLOURS[0]), (230, 159, 0))
"""Of each class, (red, green, blue), 0 to 255: light grey, and blue and orange of Okabe and Ito 2008
(https://jfly.uni-koeln.de/color/)."""

IGNORED_COLOUR = (90, 90, 90)
"""Of `IGNORED` pixels."""

LABEL_COLOURS = {**dict(enumerate(CLASS_COLOURS)), IGNORED: IGNORED_COLOUR}
"""Of each value of label images."""

MEANING = f"{', '.join(f'{number} {name}' for number, name in enumerate(CLASSES))}, {IGNORED} not imaged"
"""What the values of predicted labels mean, for people."""


def likeliest(probabilities: NDArray[np.float32], imaged: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return the likeliest class of each pixel, `IGNORED` where nothing was imaged, (...).

    Args:
        probabilities: of the classes, (classes, ...).
        imaged: where something was imaged, (...).
    """
    return np.where(imaged, probabilities.argmax(axis=0), IGNORED).astype(np.uint8)


def classes_of_masks(low: NDArray[np.bool_], high: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return 1 in the mask of low and 2 in that of high density, 0 elsewhere, (H, W).

    A pixel in both masks is of high density: grains of pyrite lie inside organic matter, around which masks are often
    drawn as one region.
    """
    return np.where(high, 2, np.where(low, 1, 0)).astype(np.int64)
