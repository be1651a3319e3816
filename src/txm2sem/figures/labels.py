"""Pictures of classes: label images and the overview of a segmentation, in colours that all people tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray
from PIL import Image

from txm2sem.data.segmentation import CLASSES, IGNORED
from txm2sem.figures.overview import OverviewRow, draw_rows
from txm2sem.files import write_whole
from txm2sem.metrics import confusion_matrix, dice, mean_present

Classes = NDArray[np.int64]
Colours = NDArray[np.uint8]

CLASS_COLOURS = ((213, 213, 213), (0, 114, 178), (230, 159, 0))
"""Of each class, (red, green, blue), 0 to 255: light grey, and blue and orange of Okabe and Ito 2008
(https://jfly.uni-koeln.de/color/)."""

IGNORED_COLOURS = ((90, 90, 90), (130, 130, 130))
"""The stripes of ignored pixels in the overview; the first is their colour in label images."""

RIGHT, WRONG = (255, 255, 255), (0, 0, 0)

STRIPE = 4
"""Width of a stripe across [pixels]."""


@dataclass(frozen=True)
class LabelResult:
    """One segmented patch: 8-bit image and classes, (H, W); `target` has `IGNORED` pixels."""

    index: int
    image: NDArray[np.uint8]
    prediction: Classes
    target: Classes


def write_labels(path: Path, labels: NDArray[Any]) -> None:
    """Write classes (H, W) as PNG: pixel values are the numbers of the classes and `IGNORED`, shown by a palette.

    So they can be looked at, and read as they are: `numpy.asarray(PIL.Image.open(path))` gives the classes.

    Args:
        path: the file.
        labels: (H, W).

    Raises:
        UserError: the disk is full or the folder not writable.
    """
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(CLASSES)] = CLASS_COLOURS
    palette[IGNORED] = IGNORED_COLOURS[0]
    image = Image.fromarray(labels.astype(np.uint8))
    image.putpalette(palette.tobytes())
    write_whole(path, partial(image.save, format="PNG"))


def colour_classes(labels: Classes) -> Colours:
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


def draw_labels_overview(patches: Sequence[LabelResult], title: str, input_name: str) -> Figure:
    """Draw the patches in two blocks of rows, for a screen's shape: input, predicted and true classes, errors.

    Args:
        patches: what to draw.
        title: of the figure.
        input_name: what the input is.
    """
    rows = []
    for patch in patches:
        confusion = confusion_matrix(patch.prediction, patch.target, len(CLASSES), ignored=IGNORED)
        wrong = 1 - np.trace(confusion) / max(confusion.sum(), 1)
        label = f"patch {patch.index:03d}\nDice {mean_present(dice(confusion)):.3f}\n{wrong:.1%} wrong"
        classes = (colour_classes(patch.prediction), colour_classes(patch.target))
        rows.append(OverviewRow(label, (patch.image, *classes, colour_errors(patch.prediction, patch.target))))
    figure = draw_rows(rows, (f"{input_name} (input)", "predicted", "true", "errors"), title)
    keys = [Patch(facecolor=_share(colour), label=name) for name, colour in zip(CLASSES, CLASS_COLOURS, strict=True)]
    keys.append(
        Patch(
            facecolor=_share(IGNORED_COLOURS[1]),
            edgecolor=_share(IGNORED_COLOURS[0]),
            hatch="////",
            label="not counted",
        )
    )
    keys.append(Patch(facecolor=_share(WRONG), label="wrong"))
    figure.legend(handles=keys, loc="outside lower center", ncols=len(keys), fontsize=11, frameon=False)
    return figure


def _share(colour: tuple[int, int, int]) -> tuple[float, float, float]:
    red, green, blue = colour
    return red / 255, green / 255, blue / 255
