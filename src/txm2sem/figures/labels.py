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

from txm2sem.data.classes import CLASS_COLOURS, CLASSES, IGNORED, LABEL_COLOURS
from txm2sem.data.tiff import colour_table
from txm2sem.figures.colours import IGNORED_COLOURS, WRONG, Classes, colour_classes, colour_errors
from txm2sem.figures.overview import OverviewRow, draw_rows
from txm2sem.figures.style import styled
from txm2sem.files import write_whole
from txm2sem.metrics import confusion_matrix, dice, mean_present

KEYS_INCHES = 0.35
"""Of what says what colours mean, in two lines."""


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
    image = Image.fromarray(labels.astype(np.uint8))
    image.putpalette((colour_table(LABEL_COLOURS).T >> 8).astype(np.uint8).tobytes())
    write_whole(path, partial(image.save, format="PNG"))


@styled
def draw_labels_overview(
    patches: Sequence[LabelResult], title: str, input_name: str, pixel_size: float | None
) -> Figure:
    """Draw the patches in two blocks of rows, for a screen's shape: input, predicted and true classes, errors.

    Args:
        patches: what to draw.
        title: of the figure.
        input_name: what the input is.
        pixel_size: side of a pixel [nm]; None: not known.
    """
    rows = []
    for patch in patches:
        confusion = confusion_matrix(patch.prediction, patch.target, len(CLASSES), ignored=IGNORED)
        wrong = 1 - np.trace(confusion) / max(confusion.sum(), 1)
        label = f"patch {patch.index:03d}\nDice {mean_present(dice(confusion)):.3f}\n{wrong:.1%} wrong"
        classes = (colour_classes(patch.prediction), colour_classes(patch.target))
        pictures = (patch.image, *classes, colour_errors(patch.prediction, patch.target))
        rows.append(OverviewRow(label, pictures, (patch.image,)))
    figure = draw_rows(rows, (f"{input_name} (input)", "predicted", "true", "errors"), title, pixel_size, KEYS_INCHES)
    keys = [*class_patches("not counted"), Patch(facecolor=_share(WRONG), label="wrong")]
    figure.legend(handles=keys, loc="outside lower center", ncols=3)
    return figure


def class_patches(ignored: str) -> list[Patch]:
    """Return what says in a legend what the colours of classes mean; `ignored` is what `IGNORED` pixels are."""
    keys = [Patch(facecolor=_share(colour), label=name) for name, colour in zip(CLASSES, CLASS_COLOURS, strict=True)]
    one, other = map(_share, IGNORED_COLOURS)
    return [*keys, Patch(facecolor=other, edgecolor=one, hatch="////", label=ignored)]


def _share(colour: tuple[int, int, int]) -> tuple[float, float, float]:
    red, green, blue = colour
    return red / 255, green / 255, blue / 255
