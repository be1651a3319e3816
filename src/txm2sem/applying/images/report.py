"""Translate image files and show them beside their predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from txm2sem.applying.images import ImageRun
from txm2sem.figures.labels import add_class_keys, colour_classes
from txm2sem.figures.overview import rows_to_show, save_figure, thinned
from txm2sem.progress import progress_bar

SHOWN = 4


@dataclass(frozen=True)
class TranslatedImage:
    """An image to show.

    Attributes:
        name: of its file, or of the slice.
        txm: (rows, columns), in the file's grey values.
        prediction: (rows, columns), 8 bits: grey levels, or labels.
    """

    name: str
    txm: NDArray[Any]
    prediction: NDArray[np.uint8]


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
        pairs = [TranslatedImage(image.name, thinned(image.read()), thinned(run.read(image))) for image in shown]
        picture, model = run.draft.folder / "report.png", run.translator.model
        title = f"{'Classes' if model.segments else 'SEM'} predicted by {run.translator.model_name}"
        save_figure(draw_translated(pairs, title, model.source.upper(), labels=bool(model.segments)), picture)
        run.draft.finish(run.result, {picture: run.paths.picture, **run.beside})


def draw_translated(images: list[TranslatedImage], title: str, source: str = "TXM", *, labels: bool = False) -> Figure:
    """Draw a row for each image: the input, from its darkest to its brightest pixels, and the prediction, 0 to 255.

    Args:
        images: what to draw.
        title: of the figure.
        source: what the input is.
        labels: predictions are labels, to be shown in the colours of their classes.
    """
    rows, columns = images[0].txm.shape
    figure = Figure(figsize=(11.0, len(images) * 5.3 * rows / columns + 0.8), layout="constrained")
    figure.suptitle(title, fontsize=13)
    axes = figure.subplots(len(images), 2, squeeze=False)
    for cells, item in zip(axes, images, strict=True):
        imaged = item.txm[item.txm != 0]
        low, high = np.percentile(imaged, (0.5, 99.5)) if imaged.size else (0, 1)
        for cell, image, (black, white), heading in (
            (cells[0], item.txm, (low, high), f"{source} ({item.name}), {low:g} to {high:g}"),
            (
                (cells[1], colour_classes(item.prediction), (0, 255), "predicted classes")
                if labels
                else (cells[1], item.prediction, (0, 255), "prediction, 0 to 255")
            ),
        ):
            cell.imshow(image, cmap="gray", vmin=black, vmax=white, interpolation="nearest")
            cell.set_title(heading, fontsize=10)
            cell.set_axis_off()
    if labels:
        add_class_keys(figure, "not imaged")
    return figure
