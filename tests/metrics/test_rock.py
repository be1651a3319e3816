"""Rock measures of shapes whose measures are known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.draw import disk
from skimage.measure import euler_number, perimeter_crofton

from txm2sem.errors import UserError
from txm2sem.metrics import (
    PixelPairs,
    chord_lengths,
    euler_density,
    mean_chord_length,
    phase_fraction,
    quads,
    specific_perimeter,
    two_point_correlation,
)

Mask = NDArray[np.bool_]


def everything(phase: Mask) -> Mask:
    """Return a mask that has all pixels."""
    return np.ones_like(phase)


def with_disc(radius: float, hole: float = 0, size: int = 201) -> Mask:
    """Return an image with a disc, or a ring, in its middle."""
    phase = np.zeros((size, size), bool)
    phase[disk((size // 2, size // 2), radius)] = True
    if hole:
        phase[disk((size // 2, size // 2), hole)] = False
    return phase


def blobs(seed: int = 0, size: int = 96) -> Mask:
    """Return random blobs, a third of the image, that reach its edges."""
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=(size, size)), 2)
    return np.asarray(noise > np.quantile(noise, 2 / 3))


def test_fractions_are_of_valid_pixels() -> None:
    phase = np.zeros((10, 10), bool)
    phase[:, :3] = True
    assert phase_fraction(phase, everything(phase)) == pytest.approx(0.3)
    valid = everything(phase)
    valid[:, 5:] = False
    assert phase_fraction(phase, valid) == pytest.approx(0.6)
    assert np.isnan(phase_fraction(phase, np.zeros_like(phase)))


@pytest.mark.parametrize("radius", [10, 30, 70])
def test_the_perimeter_of_a_disc(radius: float) -> None:
    counts = quads(with_disc(radius), everything(with_disc(radius)))
    assert specific_perimeter(counts) * counts.sum() == pytest.approx(2 * np.pi * radius, rel=0.03)


def test_perimeter_and_euler_number_are_those_of_scikit_image() -> None:
    phase = np.pad(blobs(), 4)
    counts = quads(phase, everything(phase))
    assert specific_perimeter(counts) * counts.sum() == pytest.approx(perimeter_crofton(phase, directions=4))
    assert euler_density(counts) * counts.sum() == pytest.approx(euler_number(phase, connectivity=1))


def test_euler_numbers_of_rings_and_diagonal_neighbours() -> None:
    def number(phase: Mask) -> float:
        counts = quads(phase, everything(phase))
        return euler_density(counts) * int(counts.sum())

    ring, disc = with_disc(20, 10, 61), with_disc(20, 0, 61)
    assert number(disc) == pytest.approx(1)
    assert number(ring) == pytest.approx(0)
    assert number(np.hstack([ring, disc, disc])) == pytest.approx(2)
    diagonal = np.zeros((6, 6), bool)
    diagonal[2, 2] = diagonal[3, 3] = True
    assert number(diagonal) == pytest.approx(2)


def test_the_edge_of_the_image_and_of_valid_pixels_is_no_boundary() -> None:
    phase = np.zeros((40, 40), bool)
    phase[:, 20:] = True
    counts = quads(phase, everything(phase))
    # One vertical line: pi / 8 (1 + 2 / sqrt 2) of its length, 5 % less than it.
    assert specific_perimeter(counts) * counts.sum() == pytest.approx(39 * np.pi / 8 * (1 + np.sqrt(2)))
    assert euler_density(counts) == 0
    valid = np.arange(40)[None] < 20
    counts = quads(phase, np.repeat(valid, 40, axis=0))
    assert specific_perimeter(counts) == 0
    assert np.isnan(specific_perimeter(np.zeros(16, np.int64)))


def test_parts_of_a_large_image_have_its_densities_on_average() -> None:
    phase = blobs(1, 512)
    whole = quads(phase, everything(phase))
    parts = [
        quads(phase[row : row + 32, column : column + 32], np.ones((32, 32), bool))
        for row in range(0, 512, 32)
        for column in range(0, 512, 32)
    ]
    for measure in (specific_perimeter, euler_density):
        assert np.mean([measure(part) for part in parts]) == pytest.approx(measure(whole), rel=0.02)


def test_two_point_correlation_of_overlapping_squares() -> None:
    side, size = 20, 100
    phase = np.zeros((size, size), bool)
    phase[30 : 30 + side, 40 : 40 + side] = True
    found = two_point_correlation(phase, everything(phase), 8)
    for r in range(9):
        # Two squares of side a that are shifted by (y, x) overlap on (a - |y|) (a - |x|) pixels.
        shifts = [(y, x) for y in range(-9, 10) for x in range(-9, 10) if round(np.hypot(y, x)) == r]
        both = sum((side - abs(y)) * (side - abs(x)) for y, x in shifts)
        pairs = sum((size - abs(y)) * (size - abs(x)) for y, x in shifts)
        assert found[r] == pytest.approx(both / pairs)


def test_two_point_correlation_is_over_valid_pairs() -> None:
    phase, valid = blobs(2, 24), np.random.default_rng(0).random((24, 24)) < 0.7
    found = two_point_correlation(phase, valid, 5)
    rows, columns = np.nonzero(valid)
    distance = np.rint(np.hypot(rows[:, None] - rows, columns[:, None] - columns)).astype(int)
    both = phase[rows, columns][:, None] & phase[rows, columns]
    expected = [both[distance == r].mean() for r in range(6)]
    assert found == pytest.approx(expected)
    assert found[0] == pytest.approx(phase_fraction(phase, valid))
    full = np.ones((40, 40), bool)
    assert two_point_correlation(full, full, 10) == pytest.approx(1)
    assert np.isnan(two_point_correlation(full, ~full, 3)).all()
    with pytest.raises(ValueError, match="expected 0 to 39"):
        two_point_correlation(full, full, 40)


def test_two_point_correlation_is_that_of_pairs_that_are_counted_one_by_one() -> None:
    phase, valid = np.random.default_rng(4).random((2, 9, 14)) > [[[0.4]], [[0.2]]]
    places = np.argwhere(valid)
    apart = np.rint(np.linalg.norm(places[:, None] - places, axis=-1))
    both = np.logical_and.outer(phase[valid], phase[valid])
    expected = [both[apart == distance].mean() for distance in range(6)]
    assert two_point_correlation(phase, valid, 5) == pytest.approx(expected)


def test_phases_that_are_looked_at_together_have_the_correlation_of_each() -> None:
    valid = np.random.default_rng(2).random((40, 56)) > 0.1
    phases = np.stack([blobs(seed)[-40:, :56] for seed in range(3)])
    pairs = PixelPairs(valid, 9)
    np.testing.assert_allclose(pairs.correlation(phases), [two_point_correlation(one, valid, 9) for one in phases])
    with pytest.raises(UserError, match=r"expected \(3, 40, 56\)"):
        pairs.correlation(phases[:, :, :50])


def test_two_point_correlation_of_noise_falls_to_the_square_of_the_fraction() -> None:
    phase = np.random.default_rng(0).random((256, 256)) < 0.3
    found = two_point_correlation(phase, everything(phase), 10)
    assert found[0] == pytest.approx(0.3, abs=0.01)
    assert found[1:] == pytest.approx(found[0] ** 2, abs=0.002)


def test_chords_of_known_length() -> None:
    line = np.array([1, 1, 0, 1, 1, 1, 0, 0, 1, 0, 1, 1, 1, 1], bool)
    phase = np.tile(line, (3, 1))
    assert sorted(chord_lengths(phase, everything(phase), 1)) == [1, 1, 1, 3, 3, 3]
    assert chord_lengths(phase, everything(phase), 0).size == 0
    assert sorted(chord_lengths(phase.T, everything(phase.T), 0)) == [1, 1, 1, 3, 3, 3]
    valid = everything(phase)
    valid[:, 7] = False
    assert sorted(chord_lengths(phase, valid, 1)) == [3, 3, 3]
    # 10 of 14 pixels; 6 ends in 13 pairs of neighbours.
    assert mean_chord_length(phase, everything(phase), 1) == pytest.approx(10 / 14 / (6 / 2 / 13))
    assert np.isnan(mean_chord_length(phase, everything(phase), 0))


@pytest.mark.parametrize("axis", [0, 1])
def test_the_mean_chord_is_not_shortened_by_the_edge(axis: int) -> None:
    period = np.array([1] * 12 + [0] * 6, bool)
    phase = np.tile(period, (4, 200)) if axis == 1 else np.tile(period[:, None], (200, 4))
    windows = [phase.take(range(start, start + 32), axis) for start in range(0, 18 * 16, 5)]
    lengths = [mean_chord_length(window, everything(window), axis) for window in windows]
    assert np.mean(lengths) == pytest.approx(12, rel=0.03)
