"""How trust is stored: in the document of a test, and in the channels of a volume beside the prediction."""

from __future__ import annotations

from typing import Any

import numpy as np

REPORT_FORMAT = 1
"""Raised when a key of a test's `trust.json` changes its meaning."""

NAMES = ("prediction", "uncertainty", "contradiction", "novelty")
"""The channels, in their order."""

LARGEST = {"contradiction": 10.0, "novelty": 5.0}
"""Size of the score, and distance in thresholds, that become the largest integer."""


def value_of_step(name: str, dtype: np.dtype[Any]) -> float:
    """Return what a step of a stored channel is: standard deviations of contradiction, thresholds of novelty.

    1 for the other channels, whose steps are grey values of the prediction, and in float32.
    """
    return LARGEST[name] / np.iinfo(dtype).max if name in LARGEST and dtype.kind != "f" else 1.0
