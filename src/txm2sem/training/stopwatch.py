"""How long a run has been trained, over all its sessions."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], float]
"""Returns the seconds since any moment that stays the same."""

CLOCK: Clock = time.monotonic
"""The clock on the wall, which nobody sets."""


class Stopwatch:
    """Counts seconds from `start` on, and those of earlier sessions.

    Args:
        clock: what is read.

    Attributes:
        earlier: seconds of earlier sessions.
    """

    def __init__(self, clock: Clock) -> None:
        self.earlier = 0.0
        self._clock = clock
        self._started: float | None = None

    def start(self) -> None:
        """Count from now on."""
        self._started = self._clock()

    def read(self) -> float:
        """Return the seconds counted so far."""
        return self.earlier + (0.0 if self._started is None else self._clock() - self._started)
