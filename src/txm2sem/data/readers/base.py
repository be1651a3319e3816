"""What every format provides: an array as it is stored, read part by part."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.errors import UserError

CACHE_BYTES = 128 * 1024**2
"""Memory that the decoded pages or chunks of one volume may take in a process [bytes]. A volume is read once, block by
block, so this need only hold what two neighbouring blocks share."""


class StoredVolume(ABC):
    """An array with z, y and x among its axes, in the order of the file.

    Attributes:
        kind: name of the format.
        name: path of the file or folder, for messages.
        shape: length of each axis, as stored.
        dtype: type of the voxels.
        axes: name of each axis, `z`, `y`, `x` or another; None where the file does not say.
        steps: distance of neighbours along each axis [nm]; None where the file does not say.
        process: the only process that may read, where forked ones would share the position in an open file.
    """

    kind: str
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    axes: tuple[str, ...] | None = None
    steps: tuple[float | None, ...] | None = None
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

    def place(self, index: int) -> str:
        """Return where the part at `index` of the first axis is: its file, or a name for it."""
        return self.name


@contextmanager
def readable(path: Path | str, kind: str) -> Iterator[None]:
    """Turn whatever a format's library raises on a damaged file into a UserError; `kind` says what was expected."""
    try:
        yield
    except (UserError, MemoryError):
        raise
    except Exception as error:  # a damaged file makes the libraries and their many codecs raise nearly anything
        raise UserError(
            f"{path} cannot be read as {kind} ({error}); it may be damaged or incomplete: copy or export it again"
        ) from error


def stamp(path: Path) -> str:
    """Return the name, size and time of the last change of a file."""
    status = path.stat()
    return f"{path.name} {status.st_size} {status.st_mtime_ns}"
