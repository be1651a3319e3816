"""The hallucination guard: it sees a grain that is not there, and leaves the true SEM alone."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from txm2sem.trust.guard import FALSE_ALARMS, Guard, Pair, fit_guard

Image = NDArray[np.float32]


def made(seed: int, side: int = 96, *, brightness: float = 0.0, noise: float = 0.05) -> Pair:
    """Return a SEM with bright grains, and the TXM of it: blurred, noisy, shaded."""
    rng = np.random.default_rng(seed)
    sem = np.where(gaussian_filter(rng.standard_normal((side, side)), 5) > 0.05, 0.6, -0.5)
    txm = 0.5 * gaussian_filter(sem, 2) + brightness + noise * rng.standard_normal(sem.shape)
    sem = sem + 0.1 * rng.standard_normal(sem.shape)
    return Pair(txm.astype(np.float32), sem.astype(np.float32), None)


def made_many(first: int, count: int = 8) -> list[Pair]:
    return [made(first + number, brightness=0.1 * number) for number in range(count)]


@pytest.fixture(scope="module")
def guard() -> Guard:
    return fit_guard(made_many(0), made_many(100))


def test_the_true_sem_raises_no_more_alarms_than_said(guard: Guard) -> None:
    found = np.mean([guard.contradicts(guard.scores(pair)).mean() for pair in made_many(100)])
    assert found == pytest.approx(FALSE_ALARMS, abs=1e-3)
    others = np.mean([guard.contradicts(guard.scores(pair)).mean() for pair in made_many(200)])
    assert others < 3 * FALSE_ALARMS
    assert guard.explained_variance > 0.8
    assert guard.noticed > 0.8


@pytest.mark.parametrize(("grey", "sign"), [(0.6, -1), (-0.5, 1)])
def test_a_planted_grain_is_seen_where_it_is(guard: Guard, grey: float, sign: int) -> None:
    pair = made(300)
    rows, columns = np.mgrid[:96, :96]
    # Where the true SEM is of the other phase throughout.
    other = gaussian_filter((np.abs(pair.sem - grey) > 0.5).astype(float), 5)
    row, column = np.unravel_index(np.argmax(other[20:76, 20:76]), (56, 56))
    grain = np.hypot(rows - 20 - row, columns - 20 - column) < 8
    hallucinated = pair._replace(sem=np.where(grain, np.float32(grey), pair.sem))
    scores = guard.scores(hallucinated)
    assert guard.contradicts(scores)[grain].mean() > 0.7
    assert np.sign(np.median(scores[grain])) == sign
    far = np.hypot(rows - 20 - row, columns - 20 - column) > 32
    np.testing.assert_allclose(scores[far], guard.scores(pair)[far], atol=0.3)


def test_a_shifted_prediction_contradicts_at_its_edges(guard: Guard) -> None:
    pair = made(301)
    shifted = guard.contradicts(guard.scores(pair._replace(sem=np.roll(pair.sem, 8, axis=1))))
    assert shifted.mean() > 5 * guard.contradicts(guard.scores(pair)).mean()


def test_pixels_that_do_not_count_contradict_nothing(guard: Guard) -> None:
    pair = made(302)
    valid = np.ones(pair.sem.shape, np.bool_)
    valid[30:50, 30:50] = False
    charged = pair._replace(sem=np.where(valid, pair.sem, np.float32(5)), valid=valid)
    scores = guard.scores(charged)
    assert (scores[~valid] == 0).all()
    assert guard.contradicts(scores).mean() < 3 * FALSE_ALARMS


def test_a_txm_that_says_nothing_of_the_sem_is_seen_to_say_nothing() -> None:
    pairs = [made(number)._replace(txm=made(number + 50).txm) for number in range(12)]
    guard = fit_guard(pairs[:6], pairs[6:])
    assert guard.explained_variance < 0.05
    assert guard.noticed < 0.1
