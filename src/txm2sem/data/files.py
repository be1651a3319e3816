"""What is asked of a file before it is opened, and what is said where a library cannot read it."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from txm2sem.addresses import Place
from txm2sem.errors import UserError

MOST_WORDS = 300
"""Characters of what a library says that are shown."""


def check_is_file(path: Path) -> None:
    """Check that there is a file: no folder, no link to nowhere, and no pipe or device, which would be waited for.

    Raises:
        UserError: there is none.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if path.is_symlink():
            raise UserError(
                f"{path} is a link to {path.readlink()}, which cannot be read ({error.strerror}); expected a file: "
                "fetch what it points to, or remove the link"
            ) from error
        raise UserError(f"cannot read {path} ({error.strerror}); expected a file: permit reading it") from error
    if not stat.S_ISREG(mode):
        found = "a folder" if stat.S_ISDIR(mode) else "a pipe, a socket or a device"
        raise UserError(f"{path} is {found}; expected a file: rename or remove it")


def check_is_volume(path: Path) -> None:
    """Check that there is anything where a volume is said to be, which may be a pattern of names.

    Raises:
        UserError: there is nothing.
    """
    if not path.exists() and not path.is_symlink() and not is_pattern(path):
        raise UserError(
            f"there is no {path}; expected a volume: a file, a folder of slices, or a pattern of slices such as "
            "scan/*.tif"
        )


def is_pattern(path: Path) -> bool:
    """Say whether a path may stand for the names of several files."""
    return any(character in str(path) for character in "*?[")


@contextmanager
def readable(path: Place | str, kind: str) -> Iterator[None]:
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
