"""What every test writes into the results folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from txm2sem.checkpoints import label_of
from txm2sem.files import write_text, write_whole
from txm2sem.model.model import Model
from txm2sem.options import TestCommand, to_mapping
from txm2sem.runs import RunPaths, options_text


@dataclass(frozen=True)
class TestReport:
    """What a test found and where it lies.

    Attributes:
        paths: the run's files.
        lines: for the console: what was tested, the scores, and notes.
        pictures: figures to look at.
        scores: the document of the scores, as in `scores.json`, or `scores_SAVENAME.json` of a cube.
        earlier: where earlier results were moved to, or None.
    """

    paths: RunPaths
    lines: list[str]
    pictures: list[Path]
    scores: dict[str, Any]
    earlier: Path | None


def checkpoint_label(command: TestCommand) -> str:
    """Return the label of the checkpoint that a command tests."""
    return label_of(command.test.epoch, command.test.load_iter)


def load_model(command: TestCommand, *, bounded: bool = True) -> Model:
    """Return the model that a command tests; without `bounded`, one that returns logits.

    Raises:
        UserError: the device or the checkpoint is absent, does not fit the options, or the backend does not.
    """
    label, backend = checkpoint_label(command), command.test.backend
    return Model.load(command, label, backend, frozen=command.test.eval, bounded=bounded)


def notes_on_statistics(command: TestCommand) -> list[str]:
    """Return what the user must know of how normalisation and dropout were treated."""
    if command.test.eval:
        return []
    return [
        "without --eval normalisation statistics are taken from each patch and dropout is on, as in the original code; "
        "--eval freezes both"
    ]


@contextmanager
def seeded(command: TestCommand) -> Iterator[None]:
    """Draw what dropout draws, without `--eval`, from `--seed`, and go on as if nothing had been drawn."""
    with torch.random.fork_rng():
        torch.manual_seed(command.run.seed)
        yield


def write_images(paths: RunPaths, index: int, images: Mapping[str, NDArray[Any]], aspect_ratio: float = 1.0) -> None:
    """Write images (H, W) of one patch as PNG, by folder, stretched to `aspect_ratio`; masks become 0 and 255."""
    for folder, pixels in images.items():
        write_png(paths.image(folder, index), stretch(pixels, aspect_ratio))


def stretch(pixels: NDArray[Any], aspect_ratio: float) -> NDArray[Any]:
    """Return an 8-bit image or boolean mask (H, W) with pixels of height : width `aspect_ratio` made square ones.

    The image grows along one axis and keeps the other: (H * aspect_ratio, W) above 1, (H, W / aspect_ratio) below; at 1
    it is returned as it is. Images are resized by bicubic interpolation, as in the original code; masks stay masks.
    """
    if aspect_ratio == 1:
        return pixels
    height, width = pixels.shape
    size = (width, round(height * aspect_ratio)) if aspect_ratio > 1 else (round(width / aspect_ratio), height)
    method = Image.Resampling.NEAREST if pixels.dtype == np.bool_ else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(pixels).resize(size, method))


def write_png(path: Path, pixels: NDArray[Any]) -> None:
    """Write an 8-bit image (H, W), or a boolean mask as 0 and 255, as PNG, whole or not at all."""
    grey = pixels.astype(np.uint8) * 255 if pixels.dtype == np.bool_ else pixels

    def write(buffer: BytesIO) -> None:
        Image.fromarray(grey).save(buffer, format="PNG")

    write_whole(path, write)


def write_test_options(command: TestCommand, path: Path) -> None:
    """Write all options of the test, for people."""
    options, defaults = to_mapping(command), to_mapping(TestCommand())
    write_text(path, options_text(options, defaults))
