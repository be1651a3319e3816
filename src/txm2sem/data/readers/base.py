"""What every format provides: an array as it is stored, read part by part."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.errors import UserError

CACHE_BYTES = 128 * 1024**2
"""Memory that the decoded pages or chunks of one volume may take in a process [bytes]. A volume is read once, block by
block, so this need only hold what two neighbouring blocks share."""


MOST_WORDS = 300
"""Characters of what a library says that are shown."""


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


@contextmanager
def readable(path: Path | str, kind: str) -> Iterator[None]:
    """Turn whatever a format's library raises on a file into a UserError; `kind` says what was expected."""
    try:
        yield
    except (UserError, MemoryError):
        raise
    except Exception as error:  # a damaged file makes the libraries and their many codecs raise nearly anything
        raise UserError(f"{path} cannot be read as {kind} {explained(error)}") from error


_REMEDIES = {
    "unable to lock file, errno = 11,": "another program writes into it: close it there, then run again",
    "unable to lock file": (
        "its disk has no locks: set HDF5_USE_FILE_LOCKING=FALSE while no program writes into it, then run again"
    ),
    "already open for write": (
        "a program writes into it, or has ended without closing it: wait for its end, or run h5clear -s on a copy"
    ),
    "codec not available": "install the codec, or write it anew with zstd, gzip or without compression",
    "Unknown codec": "install the codec, or write it anew with zstd, gzip or without compression",
    "'zarr_format'": "write it anew as Zarr 2 or 3",
}
"""What the user can do, by what the libraries say where nothing is damaged."""


def explained(error: Exception) -> str:
    """Return what a format's library says of an error, in brackets, and what the user can do about it."""
    return f"({' '.join(str(error).split())[:MOST_WORDS]}); {_remedy(error)}"


def _remedy(error: Exception) -> str:
    for mark, words in _REMEDIES.items():
        if mark in str(error):
            return words
    if isinstance(error, PermissionError):
        return "permit reading it"
    if isinstance(error, OSError) and error.errno is not None:
        return "it is as the system says: put that right, then run again"
    return "it may be damaged or incomplete: copy or export it again"


def stamp(path: Path) -> str:
    """Return the name, size and time of the last change of a file."""
    status = path.stat()
    return f"{path.name} {status.st_size} {status.st_mtime_ns}"
