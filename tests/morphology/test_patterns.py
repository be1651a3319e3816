"""Surfaces and Euler numbers of shapes whose own are known, and the same from boxes of any size."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from boxed_volumes import Mask, ball, boxes_of, cylinder, everything, flips, mixed, orders, shapes, volumes
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.measure import euler_number

from txm2sem.morphology.boxes import Shape
from txm2sem.morphology.patterns import Spacing, euler_density, octants, specific_surface

CUBES: Spacing = (1, 1, 1)


def counts_of(phase: Mask) -> NDArray[np.int64]:
    """Return the patterns of a volume that is valid everywhere."""
    return octants(phase, np.ones_like(phase), everything(phase.shape))


def surface_of(phase: Mask, spacing: Spacing = CUBES) -> float:
    """Return the area of the surface in a volume."""
    counts = counts_of(phase)
    return specific_surface(counts, spacing) * int(counts.sum()) * float(np.prod(spacing))


def euler_of(phase: Mask) -> float:
    """Return the Euler number of a phase with nothing around the volume."""
    counts = counts_of(np.pad(phase, 1))
    return euler_density(counts, CUBES) * int(counts.sum())


def field(share: float, size: int = 64, sigma: float = 2) -> Mask:
    """Return a Gaussian field of which a share is above its threshold."""
    noise = gaussian_filter(np.random.default_rng(0).normal(size=(size,) * 3), sigma)
    return np.asarray(noise > np.quantile(noise, 1 - share))


@given(volumes(), shapes, st.integers(0, 2), st.integers(1, 2))
@example(mixed(), (3, 4, 5), 0, 1)
def test_patterns_of_boxes_add_up_to_each_one_of_valid_voxels(
    volume: tuple[Mask, Mask], side: Shape, before: int, after: int
) -> None:
    phase, valid = volume
    found = np.zeros(256, np.int64)
    for _, read, core in boxes_of(phase.shape, side, before, after):
        found += octants(phase[read], valid[read], core)
    expected = [0] * 256
    for z, y, x in product(*(range(length - 1) for length in phase.shape)):
        corners = [(z + dz, y + dy, x + dx) for dz, dy, dx in product((0, 1), repeat=3)]
        if all(valid[corner] for corner in corners):
            expected[sum(int(phase[corner]) << bit for bit, corner in enumerate(corners))] += 1
    assert found.tolist() == expected


def test_slabs_of_a_large_volume_are_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    phase, valid = field(0.4, 20), field(0.9, 20, 3)
    whole = octants(phase, valid, everything(phase.shape))
    monkeypatch.setattr("txm2sem.morphology.boxes.SLAB", 1000)
    assert (octants(phase, valid, everything(phase.shape)) == whole).all()


@given(volumes(), orders, flips)
def test_a_turned_volume_has_the_same_surface_and_euler_number(
    volume: tuple[Mask, Mask], order: tuple[int, int, int], flipped: tuple[int, ...]
) -> None:
    spacing, (first, second, third) = (3.0, 1.0, 2.0), order
    found = octants(*volume, everything(volume[0].shape))
    phase, valid = (np.flip(mask, flipped).transpose(order) for mask in volume)
    turned, sides = octants(phase, valid, everything(phase.shape)), (spacing[first], spacing[second], spacing[third])
    for measure in (specific_surface, euler_density):
        assert measure(turned, sides) == pytest.approx(measure(found, spacing), abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("spacing", [CUBES, (2, 1, 1), (1, 1, 0.5), (1, 2, 3)])
@pytest.mark.parametrize("radius", [8, 13, 25])
def test_the_surface_of_a_ball(radius: float, spacing: Spacing) -> None:
    radius *= max(spacing)
    found = surface_of(ball(radius, spacing), spacing)
    assert found == pytest.approx(4 * np.pi * radius**2, rel=0.02)


def test_the_surface_of_a_cylinder_is_its_mantle() -> None:
    phase = cylinder(14, 50)
    assert surface_of(phase) == pytest.approx(2 * np.pi * 14 * 49, rel=0.03)


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([(CUBES, -0.08, 0.03), ((2, 1, 1), -0.16, 0.1), ((1, 5, 5), -0.29, 0.11)]),
)
@settings(max_examples=15)
def test_planes_of_any_direction(seed: int, case: tuple[Spacing, float, float]) -> None:
    spacing, least, most = case
    rng = np.random.default_rng(seed)
    normal = rng.normal(size=3)
    steps = normal / np.linalg.norm(normal) * spacing
    z, y, x = np.ogrid[tuple(slice(round(40 * max(spacing) / side)) for side in spacing)]
    place = z * steps[0] + y * steps[1] + x * steps[2]
    plane = (place.min() + place.max()) / 2 + rng.uniform(-1, 1) * max(spacing)
    counts = counts_of(np.asarray(place > plane))
    # How many patterns are near the plane, by how far that is, is its area.
    reach = 4 * max(spacing)
    area = np.count_nonzero(abs(place[:-1, :-1, :-1] + steps.sum() / 2 - plane) < reach) / (2 * reach)
    assert least - 0.03 < specific_surface(counts, spacing) * int(counts.sum()) / area - 1 < most + 0.03


def test_a_plane_along_the_voxels_is_as_the_weights_of_directions_say() -> None:
    phase = np.zeros((9, 9, 9), bool)
    phase[:, :, 4:] = True
    # Areas of the sphere nearest to a face, an edge and a corner of a cube.
    face, edge, corner = 0.0915557824, 0.0739612557, 0.0703912796
    share = 2 * (face + 4 * edge / np.sqrt(2) + 4 * corner / np.sqrt(3))
    assert surface_of(phase) == pytest.approx(share * 64, rel=1e-6)


@pytest.mark.parametrize("share", [0.1, 0.4, 0.8])
def test_the_euler_number_is_that_of_scikit_image(share: float) -> None:
    for phase in (field(share, 32), np.random.default_rng(1).random((24, 25, 26)) < share):
        assert euler_of(phase) == pytest.approx(euler_number(np.pad(phase, 1), connectivity=1))


def test_euler_numbers_of_known_shapes() -> None:
    solid = np.ones((5, 5, 5), bool)
    ring, shell = solid.copy(), solid.copy()
    ring[:, 2, 2] = False
    shell[2, 2, 2] = False
    assert euler_of(solid) == pytest.approx(1)
    assert euler_of(ring) == pytest.approx(0)
    assert euler_of(shell) == pytest.approx(2)
    for apart in ((1, 1, 1), (0, 1, 1)):
        corners = np.zeros((2, 2, 2), bool)
        corners[0, 0, 0] = corners[apart] = True
        assert euler_of(corners) == pytest.approx(2)


def test_twice_as_many_voxels_of_half_the_side_are_the_same_rock() -> None:
    phase = np.pad(field(0.3, 24), 1)
    fine = phase.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    coarse_number, fine_number = (euler_of(volume) for volume in (phase, fine))
    assert fine_number == pytest.approx(coarse_number)
    coarse, fine = ball(12), ball(24)
    assert surface_of(fine, (0.5, 0.5, 0.5)) == pytest.approx(surface_of(coarse), rel=0.01)
    counts = counts_of(phase)
    assert specific_surface(counts, (5, 5, 5)) == pytest.approx(specific_surface(counts, CUBES) / 5)
    assert euler_density(counts, (5, 10, 20)) == pytest.approx(euler_density(counts, CUBES) / 1000)


def test_densities_do_not_depend_on_where_a_volume_is_cut() -> None:
    phase = field(0.3, 96)
    whole = counts_of(phase)
    parts = [phase[z : z + 16, y : y + 16, x : x + 16] for z, y, x in product(range(0, 96, 16), repeat=3)]
    for measure in (specific_surface, euler_density):
        assert np.mean([measure(counts_of(part), CUBES) for part in parts]) == pytest.approx(
            measure(whole, CUBES), rel=0.03
        )
    # Parts with nothing around them have pieces that their faces cut off.
    cut_off = np.mean([euler_number(np.pad(part, 1), connectivity=1) / part.size for part in parts])
    assert cut_off > euler_density(whole, CUBES) + 2e-4


def test_borders_of_what_is_valid_are_no_surface() -> None:
    phase = np.zeros((6, 8, 10), bool)
    phase[:, :, :5] = True
    for valid in (phase, ~phase):
        counts = octants(phase, valid, everything(phase.shape))
        assert counts.sum() == 5 * 7 * 4
        assert specific_surface(counts, CUBES) == euler_density(counts, CUBES) == 0


@pytest.mark.parametrize("share", [0, 1])
def test_a_phase_that_is_absent_or_everywhere_has_no_surface(share: int) -> None:
    counts = counts_of(np.full((5, 5, 5), share, bool))
    assert specific_surface(counts, CUBES) == euler_density(counts, CUBES) == 0


def test_no_patterns_have_no_surface_that_is_known() -> None:
    slice_of_rock = field(0.4, 12)[:1]
    for counts in (counts_of(slice_of_rock), octants(field(0.4, 12), np.zeros((12,) * 3, bool), everything((12,) * 3))):
        assert counts.sum() == 0
        assert np.isnan(specific_surface(counts, CUBES))
        assert np.isnan(euler_density(counts, CUBES))
