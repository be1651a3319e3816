"""Intervals of draws hold as much as they say."""

from __future__ import annotations

import numpy as np
import pytest

from txm2sem.metrics import DrawInterval


@pytest.mark.parametrize(("count", "left_out"), [(2, 1), (3, 1), (8, 1), (19, 1), (32, 2), (59, 3)])
def test_the_share_is_that_of_the_places_among_the_draws(count: int, left_out: int) -> None:
    """What is as likely anywhere among the draws, in their order, has D + 1 places."""
    interval = DrawInterval(count)
    draws = np.random.default_rng(0).permutation(count).astype(np.float64)
    low, high = interval.bounds(draws)
    places = np.arange(count + 1) - 0.5
    assert interval.left_out == left_out
    assert interval.share == pytest.approx(np.mean((low <= places) & (places <= high)))
    assert abs(interval.share - 0.9) <= 0.1 or count < 19


def test_ends_are_draws_of_each_element() -> None:
    draws = np.random.default_rng(0).random((32, 4, 5))
    low, high = DrawInterval(32).bounds(draws)
    assert (np.sum(draws < low, axis=0) == 1).all()
    assert (np.sum(draws > high, axis=0) == 1).all()
