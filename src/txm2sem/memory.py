"""How much memory there is, how much of it a command may take, and what becomes of what was freed."""

from __future__ import annotations

import ctypes
import platform
import re
from contextlib import suppress
from pathlib import Path

import psutil

from txm2sem.errors import UserError

CONTAINER_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where Linux says how much memory the processes of a job or container may take."""

_UNITS = {"": 1, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Numbers of options in glibc's malloc.h."""

_MOST_BYTES = 2**31 - 1


def memory_limit(text: str) -> float:
    """Return the memory that `--memory` names [bytes]; `auto` is a quarter of the machine's.

    Raises:
        UserError: the text is neither a size nor `auto`.
    """
    if text == "auto":
        return machine_memory() / 4
    match = re.fullmatch(r"([0-9]*\.?[0-9]+) *([kmgt]i?|)b", text.strip().lower())
    if not match or float(match[1]) <= 0:
        raise UserError(f"--memory {text}: expected a size such as 8GB or 500MB, or auto")
    return float(match[1]) * _UNITS[match[2]]


def machine_memory() -> float:
    """Return the memory that programs may take: the machine's, or what its job or container is limited to [bytes]."""
    limits = [float(psutil.virtual_memory().total)]
    for path in CONTAINER_LIMITS:
        with suppress(OSError, ValueError):  # no such file, or "max"
            limits.append(float(int(path.read_text())))
    return min(limits)


def keep_freed_memory() -> bool:
    """Let this process keep the memory that tensors free, for the next ones, instead of giving it back to the system.

    On the CPU a network's layers allocate and free tensors of many MB, one after the other. The C library of Linux maps
    each of them anew, and the system clears it page by page, which takes a third of the time of a translation
    (`benchmarks/volume.py` with and without this call). Between pieces of work, `return_freed_memory` gives back what
    lies in gaps that the next tensors may not fit into.

    Returns:
        Whether that is done here; False where the C library is another one.
    """
    library = _glibc()
    return library is not None and all(
        library.mallopt(option, _MOST_BYTES) for option in (_TRIM_THRESHOLD, _MMAP_THRESHOLD)
    )


def return_freed_memory() -> None:
    """Give memory that was freed back to the system, where `keep_freed_memory` has kept it."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


def resident_memory() -> int:
    """Return what this process has in memory [bytes]."""
    return int(psutil.Process().memory_info().rss)


def _glibc() -> ctypes.CDLL | None:
    """Return the C library of Linux; None where it is another one."""
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
