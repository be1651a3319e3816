"""Pairs moved in known ways are found again; pairs that do not belong together are not confirmed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moved_pairs import moved, rock, two_images, wobble

from txm2sem.errors import UserError
from txm2sem.registration import align_pair
from txm2sem.registration.transforms import turned

SIZE = 208
MIDDLE = np.full(2, (SIZE - 1) / 2)


def _off(found: Any, truth: Any) -> float:
    return float(np.percentile(truth.error(found), 95))


@settings(max_examples=3)
@given(
    seed=st.integers(0, 1000),
    angle=st.floats(-10, 10),
    scale=st.floats(0.82, 1.22),
    shift=st.tuples(st.floats(-20, 20), st.floats(-20, 20)),
    mirror=st.booleans(),
    inverted=st.booleans(),
)
def test_known_motions_are_recovered(
    seed: int, angle: float, scale: float, shift: tuple[float, float], mirror: bool, inverted: bool
) -> None:
    txm, sem = two_images(seed, SIZE)
    truth = moved(sem, turned(angle, scale, mirror, MIDDLE, MIDDLE + shift))
    image = np.where(truth.image > 0, 256 - truth.image, 0) if inverted else truth.image
    found = align_pair(txm, image, transform="similarity")
    assert found.confident
    assert found.improved
    assert found.inverted == inverted
    assert _off(found, truth) < 1.5
    assert found.held_out.after > found.held_out.before


@pytest.mark.parametrize("quarter", [1, 2, 3])
def test_quarter_turns_are_found_where_they_are_searched_and_not_confirmed_where_not(quarter: int) -> None:
    txm, sem = two_images(quarter, SIZE)
    truth = moved(sem, turned(90 * quarter + 4, 1.0, False, MIDDLE, MIDDLE))
    assert _off(align_pair(txm, truth.image, quarter_turns=True, mirror="no", transform="rigid"), truth) < 1.5
    assert not align_pair(txm, truth.image, mirror="no", transform="rigid").confident


def test_a_smooth_field_is_followed() -> None:
    txm, sem = two_images(3, SIZE)
    field = wobble(np.random.default_rng(0), SIZE, 5.0)
    truth = moved(sem, turned(3, 1.05, False, MIDDLE, MIDDLE + 5), field)
    smooth, plain = (
        align_pair(txm, truth.image, transform=kind, scale=1.05, mirror="no") for kind in ("smooth", "affine")
    )
    assert smooth.confident
    assert np.median(truth.error(smooth)) < 0.7
    assert _off(smooth, truth) < min(2.0, _off(plain, truth))


def test_the_same_images_give_the_same_result_by_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("txm2sem.registration.tiles.BAND", 32)
    txm, sem = two_images(3, SIZE)
    found = []
    for threads in (1, 4):
        monkeypatch.setattr("txm2sem.registration.tiles.cv2.getNumThreads", lambda threads=threads: threads)
        found.append(align_pair(txm, sem, transform="affine", scale=1.0, mirror="no"))
    assert found[0].held_out == found[1].held_out
    np.testing.assert_array_equal(found[0].to_txm, found[1].to_txm)


def test_what_is_mapped_is_what_is_resampled() -> None:
    txm, sem = two_images(3, SIZE)
    truth = moved(sem, turned(3, 1.05, False, MIDDLE, MIDDLE + 5), wobble(np.random.default_rng(0), SIZE, 5.0))
    found = align_pair(txm, truth.image, transform="smooth", scale=1.05, mirror="no")
    point = np.array([[120.0, 100.0]])
    spot = np.exp(-np.sum((np.indices((SIZE, SIZE)).T - point[0]) ** 2, axis=-1).T / 8)
    where = np.unravel_index(found.resample(spot).argmax(), txm.shape)
    assert where == pytest.approx(found.map(point)[0], abs=1)


@pytest.mark.parametrize("sem", ["other rock", "turned"])
def test_pairs_that_do_not_belong_together_are_left_and_not_confirmed(sem: str) -> None:
    for seed in range(1):
        txm, own = two_images(seed, SIZE)
        image = two_images(seed + 100, SIZE)[1] if sem == "other rock" else np.rot90(own)
        found = align_pair(txm, image, mirror="no", transform="similarity")
        assert not found.confident
        assert found.reason
        assert not found.improved
        assert found.to_txm == pytest.approx(np.eye(3))
        assert found.held_out.after < found.fitted.after


def test_an_aligned_pair_is_confirmed_as_it_is() -> None:
    txm, sem = two_images(5, SIZE)
    found = align_pair(txm, sem, transform="none")
    assert found.confident
    assert not found.improved
    assert found.to_txm == pytest.approx(np.eye(3))
    assert found.held_out.after > 0.3
    off = align_pair(txm, np.roll(sem, 6, axis=0), transform="none")
    assert not off.confident
    refined = align_pair(txm, sem, transform="affine")
    assert refined.confident
    assert np.abs(refined.map(MIDDLE[None]) - MIDDLE).max() < 0.5


def test_a_start_and_a_known_scale_bring_together_what_is_of_other_pixels() -> None:
    txm, sem = two_images(6, SIZE)
    coarse = sem.reshape(SIZE // 2, 2, SIZE // 2, 2).mean(axis=(1, 3))
    found = align_pair(txm, coarse, scale=2.0, transform="rigid")
    assert found.confident
    assert found.map((MIDDLE[None] - 0.5) / 2)[0] == pytest.approx(MIDDLE, abs=0.7)
    shifted = np.array([[1, 0, 60.0], [0, 1, -40.0], [0, 0, 1]])
    begun = align_pair(txm, np.roll(sem, (-60, 40), (0, 1)), start=shifted, transform="shift", mirror="no")
    assert begun.to_txm[:2, 2] == pytest.approx([60, -40], abs=0.5)


def test_pixels_that_do_not_count_change_nothing() -> None:
    txm, sem = two_images(7, SIZE)
    valid = np.ones(sem.shape, np.bool_)
    valid[40:120, 60:200] = False
    other = np.where(valid, sem, 255 * (np.indices(sem.shape).sum(axis=0) // 9 % 2))
    one, two = (align_pair(txm, image, sem_valid=valid, transform="rigid", mirror="no") for image in (sem, other))
    assert one.to_txm == pytest.approx(two.to_txm)


def test_what_counts_may_be_a_part_of_larger_images() -> None:
    txm, sem = two_images(8, SIZE)
    wide, far = np.zeros((500, 480)), np.zeros((400, 420))
    wide[100 : 100 + SIZE, 150 : 150 + SIZE], far[30 : 30 + SIZE, 60 : 60 + SIZE] = txm, sem
    start = np.array([[1, 0, 75.0], [0, 1, 84.0], [0, 0, 1]])
    found = align_pair(wide, far, start=start, transform="rigid")
    assert found.confident
    assert found.map(np.array([[158.0, 188.0]]))[0] == pytest.approx([228, 278], abs=0.5)


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"txm": np.zeros((SIZE, SIZE))}, "txm is blank"),
        ({"sem": np.full((SIZE, SIZE), 7.0)}, "sem is blank"),
        ({"sem": rock(0, 64)}, "sem is too small"),
        ({"sem": np.zeros((3, SIZE, SIZE))}, "sem is"),
        ({"sem": np.full((SIZE, SIZE), np.nan)}, "not finite"),
        ({"sem_valid": np.ones((4, 4), bool)}, "sem_valid is"),
        ({"scale": 0.1}, "sizes contradict"),
        ({"scale": 100.0}, "sizes contradict"),
        ({"scale": (1.0, 0.5)}, "scale is"),
        ({"start": np.zeros((3, 3))}, "start is no map"),
        ({"start": np.diag([1.0, 0, 1])}, "a line"),
        ({"transform": "bend"}, "transform is 'bend'"),
        ({"mirror": "maybe"}, "mirror is 'maybe'"),
        ({"search_angle": -1.0}, "search_angle"),
    ],
)
def test_what_cannot_be_aligned_is_refused(change: dict[str, Any], names: str) -> None:
    pair = dict(zip(("txm", "sem"), two_images(0, SIZE), strict=True))
    with pytest.raises(UserError, match=names):
        align_pair(**{**pair, **change})


def test_images_that_do_not_overlap_are_not_confirmed() -> None:
    txm, sem = two_images(0, SIZE)
    start = np.array([[1, 0, 1000.0], [0, 1, 0], [0, 0, 1]])
    for transform in ("none", "rigid"):
        found = align_pair(txm, sem, start=start, transform=transform, mirror="no")
        assert not (found.confident and not found.improved)
    assert not align_pair(txm, sem, start=start, transform="none").confident
