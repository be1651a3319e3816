"""Intervals of draws: what lies between most samples of what is not known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

HELD = 0.9
"""About this share of what is true should lie in an interval."""


@dataclass(frozen=True)
class DrawInterval:
    """The interval from the k-th smallest to the k-th largest of D draws.

    Draws and truth are alike if the truth is as likely to be anywhere among the draws, in their order. Then it lies in
    the interval in a share of 1 - 2 k / (D + 1): k is chosen for a share near `HELD`. (Rank histograms; Hamill 2001,
    Monthly Weather Review 129, 550.)

    Args:
        count: D, 2 or more.
    """

    count: int

    @property
    def left_out(self) -> int:
        """k: draws left out on each side of the interval, and one."""
        return max(round((1 - HELD) / 2 * (self.count + 1)), 1)

    @property
    def share(self) -> float:
        """The share of what is true that the interval should hold, 0 to 1."""
        return 1 - 2 * self.left_out / (self.count + 1)

    def bounds(self, draws: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the ends of the interval (...) of draws (D, ...), which belong to it."""
        ordered = np.sort(draws, axis=0)
        return ordered[self.left_out - 1], ordered[-self.left_out]
