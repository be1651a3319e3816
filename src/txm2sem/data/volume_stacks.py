"""The slices of a volume in one file, where those of a folder are expected."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from txm2sem.data.readers import PLAIN_SUFFIXES, VolumeInput, VolumeReader, open_volume
from txm2sem.data.stacks import TiffStack


class VolumeStack(TiffStack):
    """The slices of a volume, as those of a folder, numbered from 0: every pixel is finite.

    What is black all over may be above or below the sample.

    It can be pickled and used in loader processes, each of which opens the file anew.

    Args:
        path: of a volume of a format that has no options of its own, see `PLAIN_SUFFIXES`.

    Raises:
        UserError: see `open_volume`.
    """

    def __init__(self, path: Path) -> None:
        self.folder = path
        self.mask = False
        self._opened: tuple[int, VolumeReader] | None = None
        reader = self._reader
        self.numbers = tuple(range(reader.shape[0]))
        self.paths = (path,) * len(self.numbers)
        self.shape = reader.shape[1:]
        self.dtype = reader.dtype

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_opened": None}

    def read(self, index: int, rows: slice, columns: slice) -> NDArray[Any]:
        """Return a copy of a part of a slice, see `TiffStack.read`.

        Raises:
            UserError: the file cannot be decoded, or a pixel is not finite.
        """
        part: NDArray[Any] = self._reader.read(slice(index, index + 1), rows, columns)[0]
        return part

    @property
    def voxel_size(self) -> tuple[float, float, float] | None:
        """Of a voxel, (z, y, x) [nm]; None: not known."""
        return self._reader.voxel_size

    @property
    def _reader(self) -> VolumeReader:
        """The volume, as this process has opened it."""
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = (os.getpid(), open_volume(VolumeInput(self.folder)))
        return self._opened[1]


def volume_file(folder: Path) -> Path | None:
    """Return the volume in one file that stands for a folder of slices: itself, or one with its name; None: none."""
    names = [folder, *(folder.with_name(f"{folder.name}{suffix}") for suffix in PLAIN_SUFFIXES)]
    return next((path for path in names if path.is_file()), None)


def open_stack(folder: Path) -> TiffStack:
    """Open the slices of a folder, or of the volume in one file that stands for it, see `volume_file`.

    Raises:
        UserError: there is neither, or it cannot be read.
    """
    volume = volume_file(folder)
    return TiffStack(folder) if volume is None else VolumeStack(volume)
