"""The visibility of tile borders: known answers."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from txm2sem.metrics import SeamSums

ROCK = np.random.default_rng(0).random((40, 60))


def test_an_image_without_seams_scores_one_wherever_its_borders_are() -> None:
    assert SeamSums.of(ROCK, ROCK, [10, 30], [20]).score == 1


def test_steps_at_borders_count_and_others_do_not() -> None:
    ramp = np.tile(np.arange(60.0), (40, 1))
    seam, other = ramp.copy(), ramp.copy()
    seam[:, 20:] += 2  # a step of 3 where it is 1 elsewhere
    other[:, 33:] += 2
    assert SeamSums.of(seam, ramp, [], [20]).score == 3
    assert SeamSums.of(other, ramp, [], [20]).score == 1
    assert SeamSums.of(seam.T, ramp.T, [20], []).score == 3


def test_rows_and_columns_are_summed_over_all_their_pixels() -> None:
    image = np.zeros((4, 6), np.uint8)
    image[2:] = 10  # 6 steps of 10 at row 2
    reference = np.zeros((4, 6), np.uint8)
    reference[:, 3:] = 5  # 4 steps of 5 at column 3
    assert SeamSums.of(image, reference, [2], [3]) == SeamSums(60, 20)


def test_unsigned_values_do_not_wrap_around() -> None:
    down = np.repeat(np.array([[200, 100]], np.uint8), 3, axis=0)
    assert SeamSums.of(down, down, [], [1]).across_borders == 300


@given(st.floats(0, 1e6), st.floats(1, 1e6), st.floats(0, 1e6), st.floats(1, 1e6))
def test_sums_add_up_and_survive_being_written_down(a: float, b: float, c: float, d: float) -> None:
    total = SeamSums(a, b) + SeamSums(c, d)
    assert total.score == pytest.approx((a + c) / (b + d))
    assert SeamSums.from_plain(json.loads(json.dumps(total.to_plain()))) == total


def test_without_borders_there_is_no_score() -> None:
    assert math.isnan(SeamSums.of(ROCK, ROCK, [], []).score)
    assert math.isnan(SeamSums().score)


@pytest.mark.parametrize("border", [0, 40, -1])
def test_borders_outside_the_image_are_refused(border: int) -> None:
    with pytest.raises(ValueError, match="expected borders from 1 to 39"):
        SeamSums.of(ROCK, ROCK, [border], [])


def test_images_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        SeamSums.of(ROCK, ROCK[1:], [1], [])
