"""How far a training run has come."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOST_PATCHES = 2**62
"""A run that has seen more is none."""


@dataclass
class Position:
    """How far a training run has come.

    Attributes:
        epoch: epochs completed.
        patch: patches seen of the current epoch.
        iteration: patches seen in all.
        step: batches seen in all.
        seconds: time taken in all, on the main process's clock.
        best: the best validation score so far.
        waited: epochs since then.
    """

    epoch: int = 0
    patch: int = 0
    iteration: int = 0
    step: int = 0
    seconds: float = 0.0
    best: float = -math.inf
    waited: int = 0

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Position:
        """Return the position of a saved state.

        Raises:
            ValueError, TypeError: it is none.
        """
        found = cls(**values)
        for name, value in vars(found).items():
            kind = type(getattr(cls, name))
            if type(value) is not kind or math.isnan(value) or (value < 0 and name != "best"):
                raise ValueError(f"position {name} {value!r:.100}")
        if not max(found.epoch, found.patch, found.step) <= found.iteration <= MOST_PATCHES or math.isinf(
            found.seconds
        ):
            raise ValueError(f"position {found}")
        return found
