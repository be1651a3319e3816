"""Bring the contrast of TXM images to that of the TXM that a model was trained on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.data import AlignedSlices, GreyRange, check_grey_values, has_split
from txm2sem.data.grey import find_mark, measured_rows, measured_windows
from txm2sem.errors import UserError
from txm2sem.files import interpreting, json_text, read_json, typed
from txm2sem.kept import keep
from txm2sem.model.model import Model
from txm2sem.options import TranslateCommand
from txm2sem.runs import trained_with

PERCENTILES = (5, 95)
"""Of the grey values of imaged pixels, those that are not 0; robust against hot pixels, cracks and pyrite."""

DARKEST = 1 / 255
"""Share of the trained range above black that imaged pixels have at least: black is what was not imaged."""


@dataclass(frozen=True)
class ContrastMatch:
    """The line that takes the grey values of some images to those of the training.

    Attributes:
        here: `PERCENTILES` of the images.
        training: the same of the TXM that the model was trained on.
        trained: the grey values that were black and white then.
    """

    here: GreyRange
    training: GreyRange
    trained: GreyRange

    def of(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """Return an image (rows, columns) in grey values of the training, clipped to its range; 0 stays 0."""
        values = self.training.denormalise(self.here.normalise(image))
        darkest = self.trained.low + DARKEST * (self.trained.high - self.trained.low)
        return np.where(image == 0, 0, np.clip(values, darkest, self.trained.high)).astype(np.float32)

    def __str__(self) -> str:
        """Say what is done, for people."""
        low, high = PERCENTILES
        return (
            f"{low} and {high} % of the imaged pixels are below {self.here.low:g} and {self.here.high:g}; brought to "
            f"{self.training.low:g} and {self.training.high:g}, those of the training, by a line (--grey as_is leaves "
            "them)"
        )


def contrast_match(
    command: TranslateCommand, model: Model, samples: Sequence[NDArray[Any]], where: str
) -> ContrastMatch | None:
    """Return how `--grey` brings images to the contrast of a model's training; None where they have its grey values.

    Args:
        command: the options.
        model: that of the command.
        samples: of the images, see `thinned`.
        where: they are, for errors.

    Raises:
        UserError: their contrast, or that of the training, cannot be measured, or their grey values are others.
    """
    asked, trained = command.translate.grey, model.source_range(samples[0].dtype, where)
    if asked == "match" or (asked == "auto" and model.is_shipped):
        return ContrastMatch(measure_contrast(samples, where), training_contrast(command, model), trained)
    try:
        check_grey_values(np.concatenate([image[image != 0] for image in samples]), trained, model.source, where)
    except UserError as error:
        raise UserError(f"{error}{'' if model.segments else ', or pass --grey match'}") from error
    return None


def measure_contrast(images: Iterable[NDArray[Any]], where: object) -> GreyRange:
    """Return `PERCENTILES` of the pixels that are not 0 of images (rows, columns) together; `where` names them.

    Raises:
        UserError: all those pixels are the same, or there are none, or one value is a mark of what was not imaged.
    """
    values = np.concatenate([image[image != 0] for image in images])
    mark = find_mark(values)
    if mark is not None:
        raise UserError(
            f"cannot measure the contrast of {where}: {np.mean(values == mark):.1%} of the pixels looked at have the "
            f"value {mark:g}, far from all others, as if it marked what was not imaged; replace it by 0"
        )
    low, high = np.percentile(values, PERCENTILES).tolist() if values.size else (0.0, 0.0)
    if low == high:
        found = f"nearly all are {low:g}" if values.size else "there are none"
        raise UserError(
            f"cannot measure the contrast of {where}: expected different grey values in pixels that are not 0, but "
            f"{found}; check the images, or pass --grey as_is"
        )
    return GreyRange(low, high)


def training_contrast(command: TranslateCommand, model: Model) -> GreyRange:
    """Return `PERCENTILES` of the TXM that a model was trained on.

    They are measured on its training split the first time, and kept beside the checkpoint.

    Raises:
        UserError: they are not there, nor is the training split; or the file is damaged.
    """
    paths = model.paths
    kept = paths.txm_contrast
    if kept.exists():
        return _read(kept)
    root = command.run.dataroot
    if not has_split(root, "train"):
        raise UserError(
            f"--grey match needs the contrast of the TXM that {paths.name} was trained on: there is neither {kept} nor "
            f"a training split in {root}. Pass --dataroot, the folder that it was trained on, this once; or leave "
            "--grey out"
        )
    txm = AlignedSlices.open(root, "train", trained_with(command).data).txm
    contrast = measure_contrast((txm.read(*window) for window in measured_windows(len(txm), txm.shape)), txm.folder)
    text = json_text({"percentiles": PERCENTILES, "grey_values": [contrast.low, contrast.high]})
    keep(kept, text, {paths.network(model.label, "G"): model.checksum})
    return contrast


def thinned(image: NDArray[Any]) -> NDArray[Any]:
    """Return a copy of those rows of an image (rows, columns) that are enough to measure it."""
    rows, columns = image.shape
    return image[measured_rows((rows, columns))].copy()


def _read(path: Path) -> GreyRange:
    remedy = "remove it, and it is measured anew on the training split"
    with interpreting(path, f"percentiles {PERCENTILES} of the training TXM and their grey values", remedy):
        content = read_json(path, remedy)
        low, high = typed(list[float], content["grey_values"])
        if tuple(content["percentiles"]) != PERCENTILES or low >= high:
            raise ValueError(f"percentiles {content['percentiles']} of {low:g} and {high:g}")
        return GreyRange(low, high)
