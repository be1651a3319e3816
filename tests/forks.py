"""The program in a process of its own: a copy of the test's, as importing torch anew costs seconds."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

CONTEXT: Any = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")


class Fork:
    """A process that calls a function, whose return value is the exit status, and prints into files.

    Args:
        call: what it does; elsewhere than on Linux, something that can be pickled.
        folder: of the files `out` and `err`.
        out: descriptor to print to instead of `out`, such as that of a pipe; elsewhere than on Linux there is none.
    """

    def __init__(self, call: Callable[[], int], folder: Path, out: int | None = None) -> None:
        self._printed = [folder / name for name in ("out", "err")]
        self._process: BaseProcess = CONTEXT.Process(target=_run, args=(call, self._printed, out))
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.is_alive()

    def send(self, number: int) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    def end(self) -> tuple[int | None, str]:
        """Wait for the end; return the status, minus the number of the signal that killed it, and what went wrong."""
        self._process.join(timeout=180)
        return self._process.exitcode, self._printed[1].read_text()


def _run(call: Callable[[], int], printed: list[Path], out: int | None) -> None:
    for descriptor, path in enumerate(printed, start=1):
        file = path.open("w", buffering=1) if descriptor == 2 or out is None else os.fdopen(out, "w", buffering=1)
        os.dup2(file.fileno(), descriptor)
        setattr(sys, ("stdout", "stderr")[descriptor - 1], file)
    sys.exit(call())
