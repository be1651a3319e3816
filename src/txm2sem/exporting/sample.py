"""The image that an exported model is shown with: a patch of its test, or of a phantom where it was not tested."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.data.classes import CLASS_COLOURS
from txm2sem.data.grey import GreyRange, to_uint8
from txm2sem.data.images import open_image
from txm2sem.exporting.subject import Exported, ExportedChannel, Image
from txm2sem.model.network import continued
from txm2sem.options import PhantomOptions
from txm2sem.phantoms import render_phantom

PHANTOM = PhantomOptions(size=128, depth=8, train_slices=0, val_slices=0, test_slices=0)

COVER_SIDE = 400
"""Rows of the cover picture at most; fewer are enlarged as far as whole pixels go [pixels]."""

IN_8_BITS = GreyRange(0, 255)


@dataclass(frozen=True)
class ShownImage:
    """An image, and what the model makes of it in this program.

    Attributes:
        seen: channels of the image, (C, N, N) grey values; beyond its own size it is continued by reflection.
        shown: what the model makes of them, (D, N, N).
        size: rows and columns of the image itself.
        origin: where the image is from, for people.
    """

    seen: Image
    shown: Image
    size: tuple[int, int]
    origin: str

    @classmethod
    def of(cls, subject: Exported) -> ShownImage:
        """Return that of a model."""
        folders = {channel.folder for channel in subject.seen}
        numbers = _tested(subject, folders)
        if numbers:
            index = max(numbers, key=lambda index: _read(subject.paths.image(subject.seen[0].folder, index)).std())
            images = {folder: _read(subject.paths.image(folder, index)) for folder in folders}
            origin = f"patch {index} of its test"
        else:
            rock = render_phantom(PHANTOM)
            middle = PHANTOM.depth // 2
            charge = rock.charge[middle]
            sem = np.where(charge, 255, rock.sem[middle])
            images = {"txm": rock.txm[middle], "sem": sem, "charged": sem, "mask": 255 * charge}
            origin = "a synthetic rock, as the model was not tested where it was exported"
        seen = np.stack([_grey(images[channel.folder], channel) for channel in subject.seen])
        rows, columns = seen.shape[1:]
        side = subject.whole(max(rows, columns))
        seen = continued(seen, (side, side))
        return cls(seen, subject.predict(seen), (rows, columns), origin)

    def cover(self, subject: Exported) -> NDArray[np.uint8]:
        """Return a picture: what the model sees, and what it makes of it beside that, (rows, columns, RGB)."""
        rows, columns = self.size
        step, times = -(-rows // COVER_SIDE), max(COVER_SIDE // rows, 1)
        middle = 0 if subject.model.options.model == "repair" else len(self.seen) // 2
        shown = (
            np.asarray(CLASS_COLOURS, np.uint8)[self.shown.argmax(axis=0)]
            if subject.model.segments
            else _picture(self.shown[0], subject.shown[0])
        )
        pictures = [_picture(self.seen[middle], subject.seen[middle]), shown]
        beside = np.hstack([picture[:rows:step, :columns:step] for picture in pictures])
        return beside.repeat(times, axis=0).repeat(times, axis=1)


def _tested(subject: Exported, folders: set[str]) -> list[int]:
    """Return the numbers of the patches of a test that have an image in each of some folders."""
    found = [
        {int(path.stem) for path in subject.paths.image(folder, 0).parent.glob("*.png") if path.stem.isdecimal()}
        for folder in folders
    ]
    return sorted(set.intersection(*found))


def _read(path: Path) -> NDArray[np.uint8]:
    return np.asarray(open_image(path).read(), np.uint8)


def _grey(image: NDArray[Any], channel: ExportedChannel) -> Image:
    """Return an image in 8 bits, black to white, in the grey values of a channel."""
    if channel.grey is None:
        return np.asarray(image > 0, np.float32)
    return channel.grey.denormalise(IN_8_BITS.normalise(image))


def _picture(image: Image, channel: ExportedChannel) -> NDArray[np.uint8]:
    """Return an image of a channel as colours, (rows, columns, RGB)."""
    grey = to_uint8(image if channel.grey is None else channel.grey.normalise(image))
    return np.repeat(grey[..., None], 3, axis=2)
