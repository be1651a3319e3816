"""A score over many images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Summary:
    """Mean and standard error of a score over patches (the error is 0 for a single patch)."""

    mean: float
    standard_error: float

    @classmethod
    def of(cls, values: NDArray[np.float64] | list[float]) -> Summary:
        """Summarise values, with the population's standard deviation over sqrt(n) as the original code does."""
        array = np.asarray(values, dtype=np.float64)
        return cls(float(array.mean()), float(array.std() / np.sqrt(array.size)))

    def __str__(self) -> str:
        return f"{self.mean}±{self.standard_error}"
