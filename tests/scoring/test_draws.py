"""How honest draws are: an interval of them holds the truth as often as it says, where draws and truth are alike."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from txm2sem.scoring.draws import DrawScores, draw_lines
from txm2sem.scoring.phases import Phases

ALL = np.ones((24, 24), bool)
PHASES = Phases((1, 0, 2), (100.0, 200.0), 0.0)


def images(rng: np.random.Generator, count: int, spread: float = 0.1) -> NDArray[np.float32]:
    """Return images, (count, 24, 24): a level of their own each, and noise."""
    return (rng.normal(0, spread, (count, 1, 1)) + rng.normal(0, spread, (count, 24, 24))).astype(np.float32)


def scored(count: int, draw_spread: float = 0.1, shown: int = 60) -> DrawScores:
    rng = np.random.default_rng(0)
    found = DrawScores(count, PHASES)
    for number in range(shown):
        found.add(number % 4, images(rng, count, draw_spread), images(rng, 1)[0], ALL)
    return found


@pytest.mark.parametrize("count", [5, 19, 39])
def test_draws_that_are_like_the_truth_hold_it_as_often_as_they_should(count: int) -> None:
    document = scored(count).document()
    assert document["draws"] == count
    # 60 images: of independent ones the standard error of a share is 0.05.
    assert document["pixels"].value == pytest.approx(document["expected"], abs=0.1)
    assert document["fraction"]["low_density"].value == pytest.approx(document["expected"], abs=0.15)
    assert document["spread_over_error"].value == pytest.approx(1, abs=0.12)
    assert document["pixels"].low <= document["pixels"].value <= document["pixels"].high


def test_the_mean_of_few_draws_has_an_error_of_its_own() -> None:
    """Without that, two draws would seem to spread 0.82 times as much as their mean is wrong."""
    assert scored(2).document()["spread_over_error"].value == pytest.approx(1, abs=0.12)


@pytest.mark.parametrize(("spread", "ratio"), [(0.05, 0.5), (0.3, 3.0)])
def test_draws_that_are_too_sure_or_too_unsure_are_found(spread: float, ratio: float) -> None:
    """Of draws about the same mean, the error is the truth's own, and a little of theirs."""
    document = scored(39, spread).document()
    assert document["spread_over_error"].value == pytest.approx(ratio, rel=0.25)
    assert (document["pixels"].value < 0.8) == (ratio < 1)


def test_fractions_of_all_images_together_count_pixels_and_not_images() -> None:
    found = DrawScores(3, PHASES)
    columns = np.indices((20, 20))[1]
    # How many columns are of low density in the truth and in three draws: of 20 of an image, and of 10 that count.
    for valid, dark in [(columns >= 0, (2, 4, 2, 2)), (columns >= 10, (4, 2, 2, 6))]:
        truth, *draws = (np.where(columns >= 20 - count, -1, 0).astype(np.float32) for count in dark)
        found.add(0, np.array(draws), truth, valid)
    document = found.document()["fraction_of_all"]
    assert document["low_density"] == pytest.approx({"truth": 6 / 30, "value": 6 / 30, "low": 4 / 30, "high": 8 / 30})
    assert document["high_density"] == {"truth": 0, "value": 0, "low": 0, "high": 0}


def test_pixels_that_do_not_count_take_no_part() -> None:
    rng = np.random.default_rng(1)
    draws, truth, valid = images(rng, 9), images(rng, 1)[0], ALL.copy()
    valid[:, 12:] = False
    known, other = DrawScores(9, PHASES), DrawScores(9, PHASES)
    known.add(0, draws, truth, valid)
    draws[:, :, 12:] = truth[:, 12:] = 1
    other.add(0, draws, truth, valid)
    assert known.pixels == other.pixels
    assert known.squares == other.squares
    assert known.fractions == other.fractions
    assert known.document()["fraction_of_all"] == other.document()["fraction_of_all"]
    other.add(0, draws, truth, ~ALL)
    assert len(other.pixels) == 1


def test_without_images_nothing_is_said() -> None:
    assert DrawScores(8).document() == {}
    assert draw_lines({}) == []
