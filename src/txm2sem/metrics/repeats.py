"""How far a mean, and a further value, would be off with other seeds or slices: Student's t."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import t

from txm2sem.metrics.bootstrap import LEVEL, Interval


def mean_of_repeats(values: Sequence[float]) -> Interval:
    """Return the mean of values that repeats of a training have given, with its 95 % interval.

    mean ± t(0.975, n - 1) · s / √n, with s the standard deviation of the n values (n - 1 degrees of freedom): few
    repeats are drawn anew from no bootstrap, which is much too narrow for two or three of them, and t says so by its
    width. It takes the values of further repeats for normal. A single one has no interval, and neither has what is not
    a number in one of them.
    """
    return _interval(values, 0)


def further_of_repeats(values: Sequence[float]) -> Interval:
    """Return the mean of values that repeats have given, and where a further one lies in 95 % of cases.

    mean ± t(0.975, n - 1) · s · √(1 + 1 / n), the prediction interval of a normal distribution: √(n + 1) times as wide
    as that of the mean, and with more repeats it comes to what repeats differ by, instead of nothing.
    """
    return _interval(values, 1)


def _interval(values: Sequence[float], further: float) -> Interval:
    """Return the mean and t(0.975, n - 1) · s · √(further + 1 / n) on both sides of it."""
    found = np.asarray(values, np.float64)
    count = len(found)
    mean = float(found.mean()) if count else math.nan
    if count < 2 or not math.isfinite(mean):
        return Interval(mean, math.nan, math.nan)
    half = float(t.ppf((1 + LEVEL) / 2, count - 1) * found.std(ddof=1) * math.sqrt(further + 1 / count))
    return Interval(mean, mean - half, mean + half)
