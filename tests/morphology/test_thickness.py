"""The local thickness of bodies whose thickness is known, and of volumes cut into boxes."""

from __future__ import annotations

from functools import reduce
from itertools import product
from operator import add

import edt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from morphology.bodies import Mask, ball, blobs, everything, volumes

from txm2sem.morphology.boxes import Grid, Shape, with_halo
from txm2sem.morphology.thickness import NarrowHaloError, Spacing, Thickness, local_thickness, radii

CUBES: Spacing = (1.0, 1.0, 1.0)


def thickness(
    phase: Mask, valid: Mask | None = None, side: Shape | None = None, spacing: Spacing = CUBES, halo: int = 2
) -> Thickness:
    """Return the thickness of a volume, from boxes that are read again where their halo was too narrow."""
    valid = everything(phase) if valid is None else valid
    parts = []
    for box in Grid(phase.shape, side or phase.shape).boxes:
        wide = halo
        while True:
            window, _ = with_halo(box, wide, wide, phase.shape)
            try:
                parts.append(local_thickness(phase[window], valid[window], box, wide, phase.shape, spacing))
            except NarrowHaloError as error:
                assert error.halo > wide
                wide = error.halo
            else:
                break
    return reduce(add, parts)


def mean(found: Thickness, spacing: Spacing = CUBES) -> float:
    """Return the mean diameter over the voxels of the phase."""
    return float(np.average(found.diameters(spacing), weights=found.voxels))


def by_definition(phase: Mask, valid: Mask, spacing: Spacing) -> tuple[dict[float, int], float]:
    """Return voxels by radius, and the largest radius: each sphere is laid down by itself."""
    sides = np.array(spacing) / min(spacing)
    inside = phase & valid
    distance = edt.edt((phase | ~valid).view(np.uint8), anisotropy=tuple(sides), black_border=False)
    ladder = radii(200)
    places = np.moveaxis(np.indices(phase.shape), 0, -1) * sides
    found = np.zeros(phase.shape)
    for centre in np.argwhere(inside):
        radius = ladder[np.searchsorted(ladder, distance[tuple(centre)] * (1 + 1e-6), side="right") - 1]
        near = ((places - centre * sides) ** 2).sum(axis=-1) < radius**2
        found[near] = np.maximum(found[near], radius)
    values, counts = np.unique(found[inside], return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True)), float(distance[inside].max(initial=0))


def as_numbers(found: Thickness) -> tuple[list[int], int, float]:
    return np.trim_zeros(found.voxels, "b").tolist(), found.boundless, found.largest


spacings = st.sampled_from([CUBES, (2.0, 1.0, 1.0), (7.3, 5.0, 6.1), (10.0, 25.0, 14.0)])


@settings(max_examples=100, deadline=None)
@given(volumes(), st.tuples(*[st.integers(2, 13)] * 3), spacings, st.integers(0, 3))
def test_boxes_count_what_the_whole_volume_has(
    volume: tuple[Mask, Mask], side: Shape, spacing: Spacing, halo: int
) -> None:
    phase, valid = volume
    found = thickness(phase, valid, side, spacing, halo)
    assert as_numbers(found) == as_numbers(thickness(phase, valid, None, spacing))
    assert found.voxels.sum() + found.boundless == np.count_nonzero(phase & valid)


@settings(max_examples=60, deadline=None)
@given(volumes(9), spacings)
def test_thickness_is_as_defined(volume: tuple[Mask, Mask], spacing: Spacing) -> None:
    phase, valid = volume
    if not (valid & ~phase).any():
        return
    expected, largest = by_definition(phase, valid, spacing)
    found = thickness(phase, valid, None, spacing)
    ladder = radii(len(found.voxels))
    assert {radius: count for radius, count in zip(ladder.tolist(), found.voxels.tolist(), strict=True) if count} == (
        expected
    )
    assert found.largest == pytest.approx(largest)
