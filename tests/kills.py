"""The death of a process at any of its steps, within the test's own: from there on nothing is written any more."""

from __future__ import annotations

import builtins
import gc
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

STEPS = ("mkdir", "rmdir", "unlink", "rename", "replace")


class Killed(BaseException):
    """Stands for SIGKILL."""


class Kill:
    """What kills: it counts the steps, each of which changes files, and lets none happen from one on.

    Args:
        at: that step, counted from 1.
        number: of a signal to the process and all of its group, instead, which may end in order.

    Attributes:
        steps: how many have been tried.
    """

    def __init__(self, at: int, number: int = 0) -> None:
        self._at = at
        self._number = number
        self.steps = 0

    def before(self, step: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Do a step, unless the process is dead by then."""
        self.steps += 1
        if self._number and self.steps == self._at:
            os.killpg(0, self._number)
        elif not self._number and self.steps >= self._at:
            raise Killed
        return step(*arguments, **named)


@contextmanager
def killed_at(step: int, number: int = 0) -> Iterator[Kill]:
    """Die before a step, or hear a signal, see `Kill`; locks are given back, as the system does it."""
    kill = Kill(step, number)

    def step_of(change: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *arguments, **named: kill.before(change, *arguments, **named)

    def opened(file: Any, mode: str = "r", *arguments: Any, **named: Any) -> Any:
        changes = set(mode) & set("wxa+")
        return (
            kill.before(original, file, mode, *arguments, **named)
            if changes
            else original(file, mode, *arguments, **named)
        )

    original = io.open
    with pytest.MonkeyPatch.context() as patch:
        for name in STEPS:
            patch.setattr(os, name, step_of(getattr(os, name)))
        patch.setattr(io, "open", opened)
        patch.setattr(builtins, "open", opened)
        with suppress(Killed):
            yield kill
    gc.collect()


def contents(folder: Path) -> dict[str, bytes]:
    """Return the content of every file in a folder, by its name there; folders end in `/`."""
    return {
        str(path.relative_to(folder)) + "/" * path.is_dir(): b"" if path.is_dir() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
    }
