"""Means over repeats of a training, and what no other beats."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from txm2sem.metrics import Interval, front_of, further_of_repeats, mean_of_repeats


def test_an_interval_over_repeats_is_that_of_students_t() -> None:
    found = mean_of_repeats([17.1, 17.4, 17.0])
    # t(0.975, 2) = 4.3027 of a table; s = 0.2082
    half = 4.3027 * math.sqrt(0.13 / 3) / math.sqrt(3)
    assert (found.value, found.low, found.high) == pytest.approx((17.16667, 17.16667 - half, 17.16667 + half), abs=1e-4)


def test_95_of_100_intervals_contain_the_mean() -> None:
    rng = np.random.default_rng(0)
    intervals = [mean_of_repeats(rng.normal(3, 2, 3).tolist()) for _ in range(2000)]
    assert np.mean([one.low < 3 < one.high for one in intervals]) == pytest.approx(0.95, abs=0.015)


def test_a_further_value_lies_further_from_the_mean_than_other_means() -> None:
    found = further_of_repeats([17.1, 17.4, 17.0])
    half = 4.3027 * math.sqrt(0.13 / 3) * math.sqrt(4 / 3)
    assert (found.value, found.low, found.high) == pytest.approx((17.16667, 17.16667 - half, 17.16667 + half), abs=1e-4)


def test_95_of_100_further_values_are_in_the_interval() -> None:
    rng = np.random.default_rng(0)
    found = [(further_of_repeats(rng.normal(3, 2, 5).tolist()), rng.normal(3, 2)) for _ in range(2000)]
    assert np.mean([one.low < further < one.high for one, further in found]) == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize("interval_of", [mean_of_repeats, further_of_repeats])
@pytest.mark.parametrize("values", [[2.0], [2.0, math.nan], []])
def test_there_is_no_interval_of_a_single_value(
    values: list[float], interval_of: Callable[[Sequence[float]], Interval]
) -> None:
    found = interval_of(values)
    assert math.isnan(found.low) and math.isnan(found.high)
    assert found.value == 2 if len(values) == 1 else math.isnan(found.value)


def test_the_front_has_the_runs_that_no_other_beats() -> None:
    points = {"a": (1.0, 1.0), "b": (2.0, 3.0), "c": (2.5, 3.0), "d": (0.5, 0.5), "e": (1.5, 0.9)}
    assert front_of(points) == ["d", "a", "b"]
    assert front_of({"a": (1.0, 1.0), "b": (1.0, 1.0)}) == ["a", "b"]
