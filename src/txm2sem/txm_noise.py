"""The noise of the TXM that a model has learned from, beside that of the TXM which it is given."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.data import AlignedSlices, GreyRange
from txm2sem.data.grey import measured_slices
from txm2sem.errors import UserError
from txm2sem.files import json_text, read_json, write_text
from txm2sem.metrics import UNEVEN_NOISE, noise_level
from txm2sem.options import DataOptions
from txm2sem.runs import RunPaths
from txm2sem.verdicts import Concern

MEASURED = 5
"""So many slices are measured, evenly spread."""

SIDE = 512
"""Of the middle of a slice that is measured [pixels]."""


@dataclass(frozen=True)
class TxmNoise:
    """Standard deviations of the noise, see `noise_level` [grey levels of 255 of the model's grey range].

    Attributes:
        training: of the TXM that the model has learned from.
        here: of the TXM that it is given.
    """

    training: float
    here: float

    @classmethod
    def of(cls, paths: RunPaths, images: Iterable[NDArray[Any]], grey: GreyRange) -> TxmNoise | None:
        """Measure some images; None where that of the training is not known, or nothing shows.

        Args:
            paths: of the run that has trained what they are given to.
            images: TXM, (rows, columns) each.
            grey: their grey values that are black and white.
        """
        training = _read(paths)
        here = measured_noise(images, grey) if training else 0.0
        return cls(training, here) if training > 0 and here > 0 else None

    @property
    def concerns(self) -> list[Concern]:
        """What is to be minded of it."""
        ratio = self.here / self.training
        if 1 / UNEVEN_NOISE <= ratio <= UNEVEN_NOISE:
            return []
        text = (
            f"the noise of this TXM is {self.here:.1f} of 255 grey levels, that of the training {self.training:.1f}; "
            "the model knows no such TXM: take and export both alike, or train on slices of this one"
        )
        return [Concern("noise", text)]


def measured_noise(images: Iterable[NDArray[Any]], grey: GreyRange) -> float:
    """Return the median over images of their noise [grey levels of 255 of a grey range]; 0 where nothing shows.

    What is 0 was not imaged.
    """
    found = [noise_level(image, image != 0) for image in images]
    known = [level for level in found if level > 0]
    return float(np.median(known)) * 255 / (grey.high - grey.low) if known else 0.0


def keep_txm_noise(paths: RunPaths, training: AlignedSlices, options: DataOptions) -> None:
    """Measure the TXM that a model is trained to see, and keep it beside the checkpoints, once.

    Args:
        paths: of the run.
        training: the slices.
        options: of the data, with their grey ranges.

    Raises:
        UserError: a slice is damaged, or the disk is full.
    """
    if paths.txm_noise.exists() or options.direction != "AtoB":
        return
    txm = training.txm
    images = (txm.read(*part) for part in measured_parts(len(txm), txm.shape))
    noise = measured_noise(images, GreyRange.parse(options.txm_range))
    write_text(paths.txm_noise, json_text({"txm_noise": noise}))


def _read(paths: RunPaths) -> float:
    """Return what is kept; 0 where it is not there, or damaged: no work is stopped for a word of caution."""
    with suppress(UserError, KeyError, TypeError, ValueError):
        noise = float(read_json(paths.txm_noise, "")["txm_noise"])
        return noise if math.isfinite(noise) else 0.0
    return 0.0


def measured_parts(slices: int, shape: tuple[int, ...]) -> Iterator[tuple[int, slice, slice]]:
    """Yield the parts (slice, rows, columns) of so many slices of a shape that are measured."""
    for index in measured_slices(slices, MEASURED):
        yield index, *_middle(shape)


def middle_of(image: NDArray[Any]) -> NDArray[Any]:
    """Return a copy of what is measured of an image, (rows, columns)."""
    return image[_middle(image.shape)].copy()


def _middle(shape: tuple[int, ...]) -> tuple[slice, slice]:
    rows, columns = (slice(max(0, (side - SIDE) // 2), (side + SIDE) // 2) for side in shape)
    return rows, columns
