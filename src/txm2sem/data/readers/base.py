"""What every format provides: an array as it is stored, read part by part."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

CACHE_BYTES = 128 * 1024**2
"""Memory that the decoded pages or chunks of one volume may take in a process [bytes]. A volume is read once, block by
block, so this need only hold what two neighbouring blocks share."""


@dataclass(frozen=True)
class Absent:
    """What is not stored of a part of an array, though the array's shape takes it in.

    Attributes:
        voxels: how many.
        first: index of the first of them along each stored axis; () where there are none.
        cause: what is not there, for messages.
        value: what the format's library reads there.
    """

    voxels: int = 0
    first: tuple[int, ...] = ()
    cause: str = ""
    value: float = 0


class StoredVolume(ABC):
    """An array with z, y and x among its axes, in the order of the file.

    Attributes:
        kind: name of the format.
        name: path of the file or folder, for messages.
        shape: length of each axis, as stored.
        dtype: type of the voxels.
        axes: name of each axis, `z`, `y`, `x` or another; None where the file does not say.
        steps: distance of neighbours along each axis [nm]; None where the file does not say.
        origin: where the first voxel is along each axis [nm]; None where the file does not say.
        no_data: value of voxels that were not imaged, which become 0; None where the file names none.
        note: what is to be known of what the file says of sizes, for people.
        process: the only process that may read, where forked ones would share the position in an open file.
    """

    kind: str
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    axes: tuple[str, ...] | None = None
    steps: tuple[float | None, ...] | None = None
    origin: tuple[float | None, ...] | None = None
    no_data: float | None = None
    note: str = ""
    process: int | None = None

    @abstractmethod
    def load(self, where: tuple[slice, ...]) -> NDArray[Any]:
        """Return a part of the array, as a copy or a view; threads may call this at the same time.

        Args:
            where: one slice per axis, with bounds inside the array and a positive step.
        """

    @abstractmethod
    def identity(self, pages: range) -> list[str]:
        """Return what is the same again only where the content is: names, sizes, times, hashes; never whole paths.

        Args:
            pages: which parts of the first axis count, where they are stored apart.
        """

    def absent(self, where: tuple[range, ...]) -> Absent:
        """Return what is not stored of a part of the array, without reading voxels.

        Args:
            where: one range per axis, not empty, with bounds inside the array and a step of 1.
        """
        return Absent()

    def place(self, index: int) -> str:
        """Return where the part at `index` of the first axis is: its file, or a name for it."""
        return self.name


def stamp(path: Path) -> str:
    """Return the name, size and time of the last change of a file."""
    status = path.stat()
    return f"{path.name} {status.st_size} {status.st_mtime_ns}"
