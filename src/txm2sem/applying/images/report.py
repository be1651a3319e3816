"""Translate image files and show them beside their predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from txm2sem.applying.images import ImageRun
from txm2sem.data.images import GreyImage
from txm2sem.figures.colours import colour_classes
from txm2sem.figures.sheet import Shown, class_keys, draw_sheet, save_sheet, scaled
from txm2sem.figures.shown import imaged_box, rows_to_show, step_of, thinned
from txm2sem.progress import progress_bar

SHOWN = 4


@dataclass(frozen=True)
class TranslatedImage:
    """An image to show.

    Attributes:
        name: of its file, or of the slice.
        txm: (rows, columns), in the file's grey values.
        prediction: (rows, columns), 8 bits: grey levels, or labels.
        pixel_size: side of a pixel [nm]; None: not known.
    """

    name: str
    txm: NDArray[Any]
    prediction: NDArray[np.uint8]
    pixel_size: float | None = None


def translate_images(run: ImageRun) -> None:
    """Translate what is missing of some images, draw a few of them, and move all into their place.

    Raises:
        UserError: a file cannot be read, or the disk is full or not writable. What was done stays: the same call goes
            on there.
    """
    with run.draft.begin(run.identity) as stage:
        if stage == "whole":
            return
        done = len(run.images) - len(run.missing)
        for _ in progress_bar(run.run(), total=len(run.images), initial=done, desc="translating", unit="image"):
            pass
        rows = rows_to_show(len(run.images))
        shown = [run.images[index] for index in rows[:: -(-len(rows) // SHOWN)]]
        pairs = [
            TranslatedImage(image.name, thinned(image.read()), thinned(run.read(image)), _shown_size(image))
            for image in shown
        ]
        picture, model = run.draft.folder / "report.png", run.translator.model
        title = f"{'Classes' if model.segments else 'SEM'} predicted by {run.translator.model_name}"
        save_sheet(draw_translated(pairs, title, model.source.upper(), labels=bool(model.segments)), picture)
        run.draft.finish(run.result, {picture: run.paths.picture, **run.beside})


def _shown_size(image: GreyImage) -> float | None:
    """Return the side of a pixel that is shown of an image [nm]; None: it is not known."""
    side = image.pixel_size.side
    return None if side is None else side * step_of(image.shape)


def draw_translated(
    images: list[TranslatedImage], title: str, source: str = "TXM", *, labels: bool = False
) -> Image.Image:
    """Draw a row for each image: the input, from its darkest to its brightest pixels, and the prediction, 0 to 255.

    Args:
        images: what to draw.
        title: of the picture.
        source: what the input is.
        labels: predictions are labels, to be shown in the colours of their classes.
    """
    rows = []
    for item in images:
        box = imaged_box([item.txm])
        imaged = item.txm[item.txm != 0]
        low, high = np.percentile(imaged, (0.5, 99.5)) if imaged.size else (0, 1)
        seen = Shown(f"{source} ({item.name}), {low:g} to {high:g}", scaled(item.txm[box], low, high), item.pixel_size)
        if labels:
            predicted = Shown("predicted classes", colour_classes(item.prediction[box]))
        else:
            predicted = Shown("prediction, 0 to 255", item.prediction[box])
        rows.append([seen, predicted])
    return draw_sheet(rows, title, class_keys("not imaged") if labels else ())
