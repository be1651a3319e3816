"""The local thickness of bodies whose thickness is known, and of volumes cut into boxes."""

from __future__ import annotations

from functools import reduce
from operator import add
from pathlib import Path

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
        # Not at just this distance, where walls may be, however it is rounded.
        near = ((places - centre * sides) ** 2).sum(axis=-1) < (radius * (1 - 1e-6)) ** 2
        found[near] = np.maximum(found[near], radius)
    values, counts = np.unique(found[inside], return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True)), float(distance[inside].max(initial=0))


def as_numbers(found: Thickness) -> tuple[list[int], int, float]:
    return np.trim_zeros(found.voxels, "b").tolist(), found.boundless, found.largest


spacings = st.sampled_from([CUBES, (2.0, 1.0, 1.0), (7.3, 5.0, 6.1), (10.0, 25.0, 14.0), (1.2, 1.0, 1.0)])


@settings(max_examples=50, deadline=None)
@given(volumes(10), st.tuples(*[st.integers(3, 11)] * 3), spacings, st.integers(0, 3))
def test_boxes_count_what_the_whole_volume_has(
    volume: tuple[Mask, Mask], side: Shape, spacing: Spacing, halo: int
) -> None:
    phase, valid = volume
    found = thickness(phase, valid, side, spacing, halo)
    assert as_numbers(found) == as_numbers(thickness(phase, valid, None, spacing))
    assert found.voxels.sum() + found.boundless == np.count_nonzero(phase & valid)


@settings(max_examples=40, deadline=None)
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


@pytest.mark.parametrize("side", [(18, 18, 18), (12, 30, 15)])
@pytest.mark.parametrize(("fraction", "valid_share"), [(0.2, 1.0), (0.6, 0.97)])
def test_boxes_with_halos_count_what_the_whole_volume_has(side: Shape, fraction: float, valid_share: float) -> None:
    phase = blobs((30, 36, 40), fraction, 3, 2)
    valid = np.random.default_rng(0).random(phase.shape) < valid_share
    # A region that is not valid is entered by spheres from far.
    valid[:, :8, :16] = False
    spacing = (1.2, 1.0, 1.0)
    found, whole = (thickness(phase, valid, sides, spacing) for sides in (side, None))
    assert as_numbers(found) == as_numbers(whole)


def test_a_halo_is_as_wide_as_spheres_nearby_want() -> None:
    """A box beside a thick body is told to look further; one where all is thin is not."""
    phase = np.zeros((24, 24, 96), bool)
    phase[10:12, 10:12] = True
    phase[:, :, 60:] = np.linalg.norm(np.indices((24, 24)) - 11.5, axis=0)[..., None] <= 11
    shape = phase.shape
    thin, thick = (box for box in Grid(shape, (24, 24, 16)).boxes if box.index[2] in (0, 3))
    for box, wanted in ((thin, 4), (thick, 30)):
        halo = 4
        while True:
            window, _ = with_halo(box, halo, halo, shape)
            try:
                local_thickness(phase[window], everything(phase)[window], box, halo, shape, CUBES)
            except NarrowHaloError as error:
                halo = error.halo
            else:
                break
        assert halo <= wanted
        assert (halo == 4) == (box is thin)


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("voxels", range(1, 21))
def test_a_slab_is_as_thick_as_its_voxels(voxels: int, axis: int) -> None:
    """Within half a voxel; it reaches through the volume, whose edge is no wall."""
    phase = np.zeros((voxels + 2, 8, 7), bool)
    phase[1:-1] = True
    found = thickness(np.moveaxis(phase, 0, axis))
    assert abs(mean(found) - voxels) <= 0.5
    assert abs(found.largest_diameter(CUBES) - voxels) <= 0.5
    assert np.count_nonzero(found.voxels) == 1


@pytest.mark.parametrize("radius", [3.0, 5.5, 9.2])
def test_balls_are_a_little_thinner_than_their_diameter(radius: float) -> None:
    """Wherever in a voxel their middle lies: spheres are about voxels' centres, and their rim is of smaller ones."""
    size = 2 * int(radius) + 5
    for middle in np.random.default_rng(0).uniform(-0.5, 0.5, (4, 3)):
        found = thickness(ball(radius, size, tuple(middle + size // 2)))
        assert 2 * radius - 2 <= found.largest_diameter(CUBES) <= 2 * radius - 0.5
        assert 2 * radius - 2.5 <= mean(found) <= 2 * radius - 1


@pytest.mark.parametrize("radius", [4.0, 8.5])
@pytest.mark.parametrize("axis", range(3))
def test_cylinders_are_as_thick_as_their_diameter(radius: float, axis: int) -> None:
    section: Mask = ball(radius, 2 * int(radius) + 5)[int(radius) + 2]
    phase = np.moveaxis(np.repeat(section[None], 20, axis=0), 0, axis)
    assert mean(thickness(phase)) == pytest.approx(2 * radius - 0.5, abs=0.8)


def test_balls_of_two_sizes_that_overlap_have_their_share_each() -> None:
    rng = np.random.default_rng(4)
    phase, large = np.zeros((64, 64, 64), bool), np.zeros((64, 64, 64), bool)
    for radius, number in ((4.0, 40), (9.0, 4)):
        for middle in rng.integers(11, 53, (number, 3)):
            placed = ball(radius, 64, tuple(middle))
            phase |= placed
            if radius > 4:
                large |= placed
    found = thickness(phase, side=(32, 32, 32))
    diameters = found.diameters(CUBES)
    # Small balls that overlap seldom hold a sphere as large as the large ones are.
    assert found.voxels[diameters >= 17].sum() == pytest.approx(np.count_nonzero(large), rel=0.08)
    assert found.voxels[diameters < 7].sum() <= 0.02 * np.count_nonzero(phase)
    assert found.voxels.sum() == np.count_nonzero(phase)


def test_turning_and_mirroring_change_nothing() -> None:
    """Also where a row is longer than the words that it is kept in."""
    phase = blobs((16, 18, 136), 0.3, 7, 2)
    spacing = (2.0, 1.0, 1.5)
    expected = as_numbers(thickness(phase, spacing=spacing))
    assert as_numbers(thickness(np.rot90(phase, axes=(0, 2)), spacing=(1.5, 1.0, 2.0))) == expected
    assert as_numbers(thickness(np.rot90(phase, axes=(0, 1)), spacing=(1.0, 2.0, 1.5))) == expected
    assert as_numbers(thickness(phase[::-1, :, ::-1], spacing=spacing)) == expected


def test_diameters_are_in_the_unit_of_the_spacing() -> None:
    phase = blobs((24, 28, 32), 0.3, 7, 2)
    voxels, nanometres = thickness(phase), thickness(phase, spacing=(40.0, 40.0, 40.0))
    assert as_numbers(voxels) == as_numbers(nanometres)
    assert mean(nanometres, (40.0, 40.0, 40.0)) == pytest.approx(40 * mean(voxels))


def test_finer_voxels_give_the_same_diameters() -> None:
    phase = blobs((20, 22, 24), 0.3, 7, 2)
    fine = phase.repeat(2, axis=0).repeat(2, axis=1).repeat(2, axis=2)
    assert mean(thickness(fine), (0.5, 0.5, 0.5)) == pytest.approx(mean(thickness(phase)), abs=0.5)


def test_without_walls_thickness_has_no_bound() -> None:
    phase = np.ones((6, 7, 8), bool)
    found = thickness(phase, side=(3, 4, 8))
    assert as_numbers(found) == ([], phase.size, np.inf)
    assert found.largest_diameter(CUBES) == np.inf
    absent = thickness(~phase, side=(3, 4, 8))
    assert as_numbers(absent) == ([], 0, 0)
    assert np.isnan(absent.largest_diameter(CUBES))


def test_what_is_not_valid_is_no_wall_and_not_counted() -> None:
    phase = np.zeros((11, 11, 11), bool)
    phase[3:8] = True
    valid = everything(phase)
    valid[:, :, 4:] = False
    found = thickness(phase & valid, valid)
    assert mean(found) == mean(thickness(phase))
    assert found.voxels.sum() == 5 * 11 * 4
    valid[:5] = False
    assert mean(thickness(phase & valid, valid)) > 5


def test_spheres_come_through_what_is_not_valid() -> None:
    """The box is beside a wall, and all that was read beyond it is not known: spheres reach into it from further on."""
    phase = np.ones((31, 31, 40), bool)
    phase[:, :, 2] = phase[0] = phase[-1] = phase[:, 0] = phase[:, -1] = False
    valid = everything(phase)
    valid[:, :, 8:13] = False
    found = thickness(phase, valid, (31, 31, 8), halo=4)
    assert as_numbers(found) == as_numbers(thickness(phase, valid))


def test_steps_of_the_ladder_are_small() -> None:
    ladder = radii(300)
    steps = np.diff(ladder)
    assert ladder[0] == 1
    assert (steps[ladder[:-1] < 16] == 0.25).all()
    assert (steps / ladder[:-1])[ladder[:-1] >= 16].max() == pytest.approx(1 / 32)
    assert set(range(1, 33)) <= set(ladder.tolist())


def test_thickness_comes_back_from_a_file(tmp_path: Path) -> None:
    found = thickness(blobs((20, 20, 20), 0.3))
    np.savez(tmp_path / "thickness.npz", allow_pickle=False, **found.to_arrays())
    with np.load(tmp_path / "thickness.npz") as arrays:
        assert as_numbers(Thickness.from_arrays(arrays)) == as_numbers(found)


def test_porespy_finds_the_same() -> None:
    """Where it is given the same radii, and the same distances: by default the volume's edge is no wall to it, either,
    but radii are whole numbers of voxels."""
    porespy = pytest.importorskip("porespy", minversion="3.2")
    phase = blobs((48, 48, 48), 0.4, 3, 3)
    found = thickness(phase, side=(24, 24, 24))
    ladder = radii(len(found.voxels))
    radius = porespy.filters.local_thickness(phase, method="legacy", sizes=ladder[::-1])
    assert [np.count_nonzero(radius[phase] == step) for step in ladder] == found.voxels.tolist()
