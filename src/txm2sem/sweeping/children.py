"""The program itself, called as processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

PROGRAM = (sys.executable, "-m", "txm2sem")
"""The words that call the program."""


class Children:
    """Calls of the program, several at once where threads make them.

    Each is in a process group of its own: Ctrl-C, which a terminal tells all of its group, is for the one that has
    started them, and reaches them once, by `stop`.
    """

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    @property
    def stopped(self) -> bool:
        """Whether they were asked to end: no further one is started."""
        return self._stopped

    def call(self, words: Sequence[str], log: Path, environment: Mapping[str, str]) -> int | None:
        """Call the program, wait for its end, and return its exit status; None: it was not started any more.

        Args:
            words: behind the name of the program.
            log: file that what it prints is added to.
            environment: variables that it has besides those of this process.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as printed:
            with self._lock:
                if self._stopped:
                    return None
                child = subprocess.Popen(
                    [*PROGRAM, *words],
                    stdin=subprocess.DEVNULL,
                    stdout=printed,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **environment},
                    process_group=0 if os.name == "posix" else None,
                )
                self._running.add(child)
            try:
                return child.wait()
            except BaseException:
                child.terminate()
                child.wait()
                raise
            finally:
                with self._lock:
                    self._running.discard(child)

    def stop(self) -> None:
        """Ask all to end, as a cluster does at its time limit: trainings save themselves first. Start no more."""
        with self._lock:
            self._stopped = True
            for child in self._running:
                child.terminate()

    def kill(self) -> None:
        """End all at once, and the processes that they have started."""
        with self._lock:
            self._stopped = True
            for child in self._running:
                os.killpg(child.pid, signal.SIGKILL) if hasattr(os, "killpg") else child.kill()
