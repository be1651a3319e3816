"""Translate image files: one, or those of a folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.data.classes import CLASSES, LABEL_COLOURS, MEANING
from txm2sem.data.draws import draw_channels
from txm2sem.data.grey import measured_slices
from txm2sem.data.images import (
    TIFF,
    GreyImage,
    is_volume_file,
    kept_by_prediction,
    open_images,
    write_channels,
    write_image,
)
from txm2sem.data.readers.base import stamp
from txm2sem.data.stacks import SliceCache, TiffSlices
from txm2sem.drafts import Draft
from txm2sem.errors import UserError
from txm2sem.model.worth import worth_of
from txm2sem.options import TranslateCommand, to_mapping
from txm2sem.runs import MODEL_CARD, SHIPPED_MODELS, SHIPPED_TRANSLATION, ImagePaths
from txm2sem.verdicts import Verdict

RESULT_OPTIONS = ("grey", "txm_range", "gamma", "hist_eq", "patch_size", "precision")
"""Options that the result depends on, besides the checkpoint."""


class ImageRun:
    """The translation of an image, or of those of a folder, into files.

    Opening checks everything and writes nothing, but for what `--grey match` keeps beside a checkpoint of the user's.

    Args:
        command: the options.
        source: the TXM: an image, a folder of images, or a volume in one file, slice by slice.
        output: what to write: a TIFF file, or a folder of TIFF files of the same names.

    Attributes:
        source: as given.
        paths: where everything goes.
        draft: the output while it grows.
        stage: what there is of it.
        images: the TXM.
        translator: of the images.

    Raises:
        UserError: model and images do not fit each other, the output is there, or what there is of it belongs to
            another translation.
    """

    def __init__(self, command: TranslateCommand, source: Path, output: Path) -> None:
        self.source = source
        self.images = open_images(source)
        self.paths = ImagePaths(output, source.is_dir() or is_volume_file(source))
        _check_suffix(self.paths, source)
        self._channels = _channels(command)
        extra = [self.paths.channels(kind) for kind in self._channels]
        self.draft = Draft(output, "translate", [self.paths.picture, *extra])
        _check_one_dtype(self.images)
        # Only now, when there are images: it takes seconds to import.
        from txm2sem.applying.images.translator import ImageTranslator

        samples = (self.images[index].read() for index in measured_slices(len(self.images)))
        self.translator = ImageTranslator(command, samples, str(source))
        self.stage = self.draft.look(self.identity)

    @property
    def identity(self) -> dict[str, Any]:
        """What the result depends on: plain values by name."""
        options, model = to_mapping(self.translator.command), self.translator.model
        return {
            "images": [stamp(image.path) for image in self.images],
            "model_sha256": model.checksum,
            **{name: str(options[name]) for name in RESULT_OPTIONS},
            **(model.segmentation | {"probabilities": options["probabilities"]} if model.segments else {}),
            **({"draws": options["draws"]} if options["draws"] else {}),
            **model.sampling,
            "contrast": str(self.translator.match),
        }

    @property
    def lines(self) -> list[str]:
        """What is translated and how, for people."""
        translator, count = self.translator, len(self.images)
        first = self.images[0]
        size = f"{first.shape[0]} x {first.shape[1]} pixels"
        done = count - len(self.missing)
        card = SHIPPED_MODELS / SHIPPED_TRANSLATION / MODEL_CARD
        return [
            f"input:   {self.source}: {f'{count} images, the first of {size}' if self.paths.folder else size}, "
            f"{first.dtype}{f'; {done} of them are done' if done else ''}",
            f"model:   {translator.model_name}{f'; what it can do: {card}' if translator.model.is_shipped else ''}",
            f"grey:    {translator.match or 'as they are, those that the model was trained with'}",
            *([f"labels:  of {translator.model.segments}: {MEANING}"] if translator.model.segments else []),
            *(f"note:    {note}" for note in [*translator.model.notes, *self._notes()]),
        ]

    @property
    def verdict(self) -> Verdict:
        """What the translation is good for, and what there is to mind."""
        return Verdict(worth_of(self.translator.model, self.translator.command.drawn.draws), self.translator.concerns)

    @property
    def missing(self) -> list[GreyImage]:
        """The images that are not translated yet."""
        if self.stage == "whole":
            return []
        return [image for image in self.images if not self.translated(image).exists()]

    @property
    def result(self) -> Path:
        """What becomes the output: an image, or a folder of images."""
        return self.draft.folder / ("images" if self.paths.folder else "image.tif")

    def translated(self, image: GreyImage) -> Path:
        """Return where the translation of an image is, until all are moved into their place."""
        return self.result / f"{image.name}.tif" if self.paths.folder else self.result

    def read(self, image: GreyImage) -> NDArray[np.uint8]:
        """Return the translation of an image, once it is written: grey levels or labels, (rows, columns)."""
        written = TiffSlices(
            {0: self.translated(image)}, mask=bool(self.translator.model.segments), cache=SliceCache(0)
        )
        return written.read(0, slice(None), slice(None))

    @property
    def beside(self) -> dict[Path, Path]:
        """What was written beside the result: where it is, and where it belongs."""
        return {self._grown(kind): self.paths.channels(kind) for kind in self._channels}

    def run(self) -> Iterator[GreyImage]:
        """Translate the images that are missing, yielding each as it is written; the draft was begun.

        Raises:
            UserError: a file cannot be read or written; what was done stays, and the same call goes on there.
        """
        for image in self.missing:
            translated = self.translator(image.read(), self.images.index(image))
            for kind, names in self._channels.items():
                write_channels(self._grown(kind, image), translated.channels, names, image.pixel_size)
            colours = LABEL_COLOURS if self.translator.model.segments else None
            # Last, as it says that the image is done.
            write_image(self.translated(image), translated.pixels, kept_by_prediction(image), colours)
            yield image

    def _grown(self, kind: str, image: GreyImage | None = None) -> Path:
        """Return where channels are until they are moved into their place: those of an image, or all of them."""
        grown = self.draft.folder / (kind if self.paths.folder else f"{kind}.tif")
        return grown / f"{image.name}.tif" if self.paths.folder and image is not None else grown

    def _notes(self) -> list[str]:
        """Return what of the images' headers is not carried along; many images mostly say the same."""
        notes = [image.pixel_size.note for image in self.images if image.pixel_size.note]
        return [f"{notes[0]}{f', as of {len(notes) - 1} more' if len(notes) > 1 else ''}"] if notes else []


def _channels(command: TranslateCommand) -> dict[str, Sequence[str]]:
    """Return what is written beside the translations: what it is, and the names of its channels."""
    if command.translate.probabilities:
        return {"probabilities": CLASSES}
    return {"draws": draw_channels(command.drawn.draws)[1:]} if command.drawn.draws else {}


def _check_suffix(paths: ImagePaths, source: Path) -> None:
    if not paths.folder and paths.output.suffix.lower() not in TIFF:
        raise UserError(
            f"{paths.output}: expected a name that ends with one of {', '.join(TIFF)}, as {source} is one image; name "
            "it such as predicted.tif"
        )
    if paths.folder and paths.output.suffix.lower() in TIFF:
        raise UserError(
            f"{paths.output}: expected the name of a new folder, as {source} has many images; leave the suffix out"
        )


def _check_one_dtype(images: Sequence[GreyImage]) -> None:
    other = next((image for image in images if image.dtype != images[0].dtype), None)
    if other is not None:
        raise UserError(
            f"{other.path} has {other.dtype} pixels, but {images[0].path} has {images[0].dtype}; expected one type in "
            "a folder, so that grey values mean the same: convert them, or translate them apart"
        )
