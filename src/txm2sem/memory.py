"""How much memory there is, and how much of it a command may take."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import psutil

from txm2sem.errors import UserError

CONTAINER_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where Linux says how much memory the processes of a job or container may take."""

_UNITS = {"": 1, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


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
