"""Chords and lineal paths of shapes whose own are known, and the same from boxes of any size."""

from __future__ import annotations

import io
from itertools import groupby

import numpy as np
import pytest
from boxed_volumes import Mask, ball, boxes_of, cylinder, flips, mixed, orders, shapes, volumes
from hypothesis import example, given
from hypothesis import strategies as st

from txm2sem import metrics
from txm2sem.morphology.boxes import Shape
from txm2sem.morphology.runs import Runs, Tally, join, lineal_path, mean_chord, mean_whole_chord, tally

axes = st.sampled_from(range(3))


def runs_of(phase: Mask, valid: Mask, axis: int) -> tuple[Runs, Runs]:
    """Return the runs of the phase, and of what is valid."""
    return join([tally(phase, valid, axis)]), join([tally(valid, valid, axis)])


def along(phase: Mask, axis: int) -> tuple[Runs, Runs]:
    """Return the runs in a volume that is valid everywhere."""
    return runs_of(phase, np.ones_like(phase), axis)


def runs_one_by_one(phase: Mask, valid: Mask, axis: int) -> list[list[int]]:
    """Return what `join` does, found voxel by voxel."""
    runs = [[0] * (phase.shape[axis] + 1) for _ in range(3)]
    states = np.moveaxis(np.where(valid, phase, 2), axis, 2)
    for line in states.reshape(-1, states.shape[2]).tolist():
        stretches = [(2, 0), *((state, len(list(same))) for state, same in groupby(line)), (2, 0)]
        for before, (state, length), after in zip(stretches, stretches[1:], stretches[2:], strict=False):
            if state == 1:
                runs[(before[0] == 0) + (after[0] == 0)][length] += 1
    return runs


@given(volumes(), shapes, axes)
@example(mixed(), (3, 4, 5), 0)
@example(mixed(), (3, 4, 5), 1)
@example(mixed(), (3, 4, 5), 2)
def test_runs_of_boxes_are_those_of_the_volume(volume: tuple[Mask, Mask], side: Shape, axis: int) -> None:
    phase, valid = volume
    columns: dict[tuple[int, ...], list[Tally]] = {}
    for box, read, _ in boxes_of(phase.shape, side, 0, 0):
        place = tuple(np.delete(box.index, axis))
        columns.setdefault(place, []).append(tally(phase[read], valid[read], axis))
    found = sum(join(column) for column in columns.values())
    assert np.array_equal(found, runs_one_by_one(phase, valid, axis))


@given(volumes(), axes)
def test_slabs_of_a_large_box_are_tallied_once(volume: tuple[Mask, Mask], axis: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("txm2sem.morphology.boxes.SLAB", 20)
        found = join([tally(*volume, axis)])
    assert np.array_equal(found, runs_one_by_one(*volume, axis))


def test_tallies_are_kept_in_files_that_are_small() -> None:
    phase = np.random.default_rng(0).random((12, 40, 50)) < 0.6
    for axis in range(3):
        before = tally(phase, ~phase, axis), tally(phase, np.ones_like(phase), axis)
        for kept in before:
            file = io.BytesIO()
            np.savez(file, **vars(kept))
            file.seek(0)
            again = Tally(**np.load(file))
            assert again.depth == phase.shape[axis]
            assert np.array_equal(join([again, again]), join([kept, kept]))
            assert sum(array.nbytes for array in vars(kept).values()) <= 10 * phase.size / phase.shape[axis] + 24 * 51


@given(volumes(), orders, flips)
def test_a_turned_volume_has_the_same_runs(
    volume: tuple[Mask, Mask], order: tuple[int, int, int], flipped: tuple[int, ...]
) -> None:
    phase, valid = (np.flip(mask, flipped).transpose(order) for mask in volume)
    for axis, before in enumerate(order):
        assert np.array_equal(join([tally(phase, valid, axis)]), join([tally(*volume, before)]))


@given(volumes(), st.sampled_from([0, 1]))
def test_a_slice_has_the_chords_of_an_image(volume: tuple[Mask, Mask], axis: int) -> None:
    phase, valid = (mask[:1] for mask in volume)
    runs, lines = runs_of(phase, valid, axis + 1)
    chords = metrics.chord_lengths(phase[0], valid[0], axis)
    assert np.array_equal(runs[2], np.bincount(chords, minlength=runs.shape[1]))
    mean = metrics.mean_chord_length(phase[0], valid[0], axis)
    assert mean_chord(runs, lines) == pytest.approx(mean, nan_ok=True)
    assert not runs_of(phase, valid, 0)[0][:, 2:].any()


@given(volumes(), axes)
def test_lineal_paths_are_shares_of_valid_lines(volume: tuple[Mask, Mask], axis: int) -> None:
    phase, valid = (np.moveaxis(mask, axis, 0) for mask in volume)
    with np.errstate(all="raise"):
        found = lineal_path(*runs_of(*volume, axis))
    assert len(found) == len(phase)
    for r in range(len(phase)):
        lines = [(phase[first : first + r + 1], valid[first : first + r + 1]) for first in range(len(phase) - r)]
        whole = sum(int(known.all(0).sum()) for _, known in lines)
        inside = sum(int((part & known).all(0).sum()) for part, known in lines)
        assert found[r] == pytest.approx(inside / whole if whole else np.nan, nan_ok=True)


def test_chords_of_known_length() -> None:
    line = np.array([1, 1, 0, 1, 1, 1, 0, 0, 1, 0, 1, 1, 1, 1], bool)
    phase = np.tile(line, (2, 3, 1))
    runs, valid = along(phase, 2)
    assert np.flatnonzero(runs[2]).tolist() == [1, 3]
    assert mean_whole_chord(runs) == pytest.approx(2)
    # 10 of 14 voxels; 6 ends in 13 pairs of neighbours.
    assert mean_chord(runs, valid) == pytest.approx(10 / 14 / (6 / 2 / 13))
    known = np.ones_like(phase)
    known[..., 7] = False
    runs, valid = runs_of(phase, known, 2)
    assert np.flatnonzero(runs[2]).tolist() == [3]
    assert mean_chord(runs, valid) == pytest.approx(10 / 13 / (5 / 2 / 11))


@pytest.mark.parametrize("axis", range(3))
def test_a_random_medium(axis: int) -> None:
    share = 0.6
    runs, valid = along(np.random.default_rng(0).random((70, 71, 72)) < share, axis)
    assert lineal_path(runs, valid)[:6] == pytest.approx(share ** np.arange(1, 7), abs=0.004)
    assert mean_chord(runs, valid) == pytest.approx(1 / (1 - share), rel=0.01)
    lengths = np.arange(1, 6)
    assert runs[2, 1:6] / runs[2].sum() == pytest.approx((1 - share) * share ** (lengths - 1), abs=0.01)


def test_the_mean_chords_of_balls_and_cylinders() -> None:
    """Four times volume over surface, in every direction for a ball, across for a cylinder (Cauchy)."""
    for axis in range(3):
        runs, valid = along(ball(20), axis)
        assert mean_whole_chord(runs) == pytest.approx(4 / 3 * 20, rel=0.02)
        # All chords are whole, but there is one pair less than voxels in a line.
        length = valid.shape[1] - 1
        assert mean_chord(runs, valid) == pytest.approx(mean_whole_chord(runs) * (length - 1) / length)
    for axis in (1, 2):
        assert mean_whole_chord(along(cylinder(20, 5), axis)[0]) == pytest.approx(np.pi / 2 * 20, rel=0.02)
    runs, valid = along(cylinder(20, 5), 0)
    assert np.isnan([mean_whole_chord(runs), mean_chord(runs, valid)]).all()
    assert lineal_path(runs, valid) == pytest.approx(cylinder(20, 1).mean())


@pytest.mark.parametrize("axis", range(3))
def test_a_checkerboard(axis: int) -> None:
    phase = np.indices((6, 8, 10)).sum(0) % 2 == 0
    runs, valid = along(phase, axis)
    assert mean_whole_chord(runs) == mean_chord(runs, valid) == 1
    assert lineal_path(runs, valid)[:3].tolist() == [0.5, 0, 0]


@pytest.mark.parametrize("axis", range(3))
def test_twice_as_many_voxels_have_chords_twice_as_long(axis: int) -> None:
    phase = np.random.default_rng(3).random((30, 31, 32)) < 0.7
    coarse, valid = along(phase, axis)
    fine, fine_valid = along(phase.repeat(2, 0).repeat(2, 1).repeat(2, 2), axis)
    assert np.array_equal(fine[:, ::2], 4 * coarse)
    assert mean_whole_chord(fine) == pytest.approx(2 * mean_whole_chord(coarse))
    assert mean_chord(fine, fine_valid) == pytest.approx(2 * mean_chord(coarse, valid), rel=0.02)


def test_the_mean_chord_is_not_shortened_by_the_faces() -> None:
    line = np.tile(np.array([1] * 12 + [0] * 6, bool), 200)
    windows = [line[start : start + 32][None, None] for start in range(0, 18 * 16, 5)]
    runs, valid = (np.sum(found, axis=0) for found in zip(*(along(window, 2) for window in windows), strict=True))
    assert mean_chord(runs, valid) == pytest.approx(12, rel=0.03)


@pytest.mark.parametrize("share", [0, 1])
def test_a_phase_that_is_absent_or_everywhere_has_no_chords(share: int) -> None:
    runs, valid = along(np.full((4, 5, 6), share, bool), 1)
    assert np.isnan([mean_whole_chord(runs), mean_chord(runs, valid)]).all()
    assert lineal_path(runs, valid).tolist() == [share] * 5


@pytest.mark.parametrize("axis", range(3))
def test_chords_are_those_of_porespy(axis: int) -> None:
    porespy = pytest.importorskip("porespy")
    phase = np.random.default_rng(4).random((20, 21, 22)) < 0.6
    expected = porespy.metrics.chord_counts(porespy.filters.apply_chords(phase, axis=axis))
    # It takes every second line, and of these none that is in a face.
    runs, _ = along(np.moveaxis(phase, axis, 2)[::2, ::2][1:-1, 1:-1], 2)
    assert np.array_equal(runs[2], np.bincount(expected, minlength=runs.shape[1]))
