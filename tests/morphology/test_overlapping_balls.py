"""A random medium whose measures are known by formulas: balls that are thrown anywhere and overlap.

Torquato 2002, Random Heterogeneous Materials, chapters 5 and 6. Lengths are in radii of a ball.
"""

from __future__ import annotations

import numpy as np
import pytest
from boxed_volumes import Mask, everything

from txm2sem.morphology.correlation import pairs
from txm2sem.morphology.patterns import octants, specific_surface
from txm2sem.morphology.runs import join, lineal_path, mean_chord, tally

DENSITY, SIDE, VOXELS = 0.25, 12.0, 8
"""Balls per volume, side of the volume, voxels per radius."""

BALL = 4 / 3 * np.pi


@pytest.fixture(scope="module")
def void() -> Mask:
    """What is between the balls."""
    rng = np.random.default_rng(0)
    phase = np.ones((round(SIDE * VOXELS),) * 3, bool)
    places = (np.arange(len(phase)) + 0.5) / VOXELS
    for centre in rng.random((rng.poisson(DENSITY * (SIDE + 2) ** 3), 3)) * (SIDE + 2) - 1:
        z, y, x = (slice(*np.searchsorted(places, [middle - 1, middle + 1])) for middle in centre)
        distances = (places[side] - middle for side, middle in zip((z, y, x), centre, strict=True))
        dz, dy, dx = np.meshgrid(*distances, indexing="ij", sparse=True)
        phase[z, y, x] &= dz**2 + dy**2 + dx**2 >= 1
    return phase


def test_the_surface_is_what_balls_leave_of_each_other(void: Mask) -> None:
    counts = octants(void, np.ones_like(void), everything(void.shape))
    expected = DENSITY * 4 * np.pi * np.exp(-DENSITY * BALL)
    # Wedges between balls are finer than a voxel.
    assert specific_surface(counts, (1 / VOXELS,) * 3) == pytest.approx(0.93 * expected, rel=0.03)


@pytest.mark.parametrize("axis", range(3))
def test_lines_stay_between_balls_as_long_as_no_ball_is_near(void: Mask, axis: int) -> None:
    known = np.ones_like(void)
    runs, valid = join([tally(void, known, axis)]), join([tally(known, known, axis)])
    path, steps = lineal_path(runs, valid), np.arange(2 * VOXELS)
    assert path[0] == pytest.approx(np.exp(-DENSITY * BALL), rel=0.05)
    assert path[steps] / path[0] == pytest.approx(np.exp(-DENSITY * np.pi * steps / VOXELS), abs=0.03)
    assert mean_chord(runs, valid) / VOXELS == pytest.approx(1 / (DENSITY * np.pi), rel=0.08)


@pytest.mark.parametrize("axis", range(3))
def test_two_points_are_between_balls_where_none_holds_either(void: Mask, axis: int) -> None:
    both, valid = pairs(void, np.ones_like(void), axis, 3 * VOXELS, everything(void.shape))
    lag = np.minimum(np.arange(3 * VOXELS + 1) / VOXELS, 2)
    union = BALL * (1 + 3 / 4 * lag - lag**3 / 16)
    assert both / valid == pytest.approx(np.exp(-DENSITY * union), abs=0.02)
