"""The geometry of a specimen explains its slices, names those that it does not, and says where to look for others."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from cut_volumes import Cut, Rock
from hypothesis import given, settings
from hypothesis import strategies as st

from txm2sem.phantoms.faces import Pose
from txm2sem.registration.evidence import Correlation
from txm2sem.registration.geometry import MIN_SLICES, find_again, geometry_of, together
from txm2sem.registration.pair import PairAlignment
from txm2sem.registration.planes import Plane, Pyramid
from txm2sem.registration.transforms import Matrix
from txm2sem.registration.volume import PlaneAlignment

SHAPE = (200, 240)
NOTHING = Correlation(0.5, 0.5, 0.0)


def placed(to_txm: Matrix, depth: float = 1.0) -> PlaneAlignment:
    """Return an alignment that maps so."""
    flat = np.vstack([to_txm[1:], [0, 0, 1]])
    pair = PairAlignment((400, 400), flat, None, flat, False, NOTHING, NOTHING, True, True, "")
    return PlaneAlignment(Plane.of(to_txm), pair, depth)


def raised(to_txm: Matrix, z: float) -> Matrix:
    """Return the same map, further up."""
    higher = to_txm.copy()
    higher[0, 2] += z
    return higher


def specimen(
    count: int, seed: int = 0, jitter: float = 0.3, depth: float = 1.0, spacing: float = 9.0
) -> dict[int, PlaneAlignment]:
    """Return slices milled at a constant spacing, which drift, all but for a jitter [voxels]."""
    rng = np.random.default_rng(seed)
    found = {}
    for number in range(count):
        centre = (20 + spacing * number, 200 + 1.5 * number, 190 - 0.7 * number)
        to_txm = Pose(centre, 6.0, 3.0, 40.0, 1.1).to_txm(SHAPE)
        to_txm[:, 2] += jitter * rng.standard_normal(3)
        found[number] = placed(to_txm / np.array([[depth], [1], [1]]), depth)
    return found


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), depth=st.sampled_from([0.5, 1.0, 2.0]), missing=st.integers(0, 9))
def test_a_slice_that_was_not_found_is_expected_where_it_is(seed: int, depth: float, missing: int) -> None:
    slices = specimen(10, seed, depth=depth)
    truth = slices.pop(missing)
    geometry = geometry_of(slices, SHAPE)
    assert geometry is not None
    assert not geometry.outliers
    assert geometry.to_txm(missing) * [[depth], [1], [1]] == pytest.approx(truth.to_txm * [[depth], [1], [1]], abs=1.5)
    low, high = geometry.heights(missing)
    middle = float(truth.map((np.array(SHAPE)[None] - 1) / 2)[0, 0])
    assert low < middle < high


def test_slices_that_lie_elsewhere_are_named_and_change_little() -> None:
    slices = specimen(10)
    slices[2] = placed(raised(slices[2].to_txm, 15))
    slices[7] = placed(Pose((83.0, 210.0, 185.0), 12.0, 3.0, 40.0, 1.1).to_txm(SHAPE))
    geometry = geometry_of(slices, SHAPE)
    assert geometry is not None
    assert geometry.outliers == (2, 7)
    assert geometry.to_txm(2) == pytest.approx(specimen(10)[2].to_txm, abs=1.5)


def test_what_is_not_confident_takes_no_part() -> None:
    slices = specimen(MIN_SLICES)
    assert geometry_of(slices, SHAPE) is not None
    slices[1] = replace(slices[1], pair=replace(slices[1].pair, confident=False))
    assert geometry_of(slices, SHAPE) is None


def test_places_without_order_are_not_explained() -> None:
    slices = specimen(8)
    shuffled = dict(zip(slices, [slices[number] for number in (3, 6, 0, 5, 1, 7, 2, 4)], strict=True))
    assert geometry_of(shuffled, SHAPE) is None


def test_a_known_spacing_holds_along_the_normal() -> None:
    slices = specimen(6, jitter=0.0, spacing=9.0)
    geometry = geometry_of(slices, SHAPE, spacing=9.5)
    assert geometry is not None
    normal = np.cross(*geometry.directions.T)
    assert abs(geometry.step @ normal) / np.linalg.norm(normal) == pytest.approx(9.5)


def test_slices_of_one_geometry_are_drawn_together_as_far_as_they_are_noise() -> None:
    rng = np.random.default_rng(3)
    corners = np.array(list(itertools.product((0, SHAPE[0]), (0, SHAPE[1]))), np.float64)
    truth = specimen(40, jitter=0.0)
    found: dict[int, PlaneAlignment] = {}
    apart: dict[int, tuple[float, ...]] = {}
    for number, true in truth.items():
        middle = true.pair.map((np.array(SHAPE)[None] - 1) / 2)[0]
        one, other = (
            true.plane.plus(Plane(z - float(middle @ [down, right]), down, right))
            for z, down, right in rng.normal(0, (0.5, 0.005, 0.005), (2, 3))
        )
        mean = Plane((one.z + other.z) / 2, (one.down + other.down) / 2, (one.right + other.right) / 2)
        found[number] = replace(true, plane=mean, halves=(one, other))
        apart[number] = found[number].apart(SHAPE)
        assert apart[number][0] == pytest.approx((one.at(middle[None]) - other.at(middle[None]))[0])
    geometry = geometry_of(found, SHAPE)
    assert geometry is not None
    drawn = together(found, apart, geometry)
    assert drawn.keys() == found.keys() - set(geometry.outliers)
    alone, after = (
        np.sqrt(np.mean([(planes[number].at(places) - truth[number].plane.at(places)) ** 2 for number in drawn]))
        for places in [truth[0].pair.map(corners)]
        for planes in ({number: one.plane for number, one in found.items()}, drawn)
    )
    assert alone == pytest.approx(np.sqrt(0.5**2 + (0.005 * 100) ** 2 + (0.005 * 120) ** 2) / np.sqrt(2), rel=0.2)
    assert after < 0.3 * alone


def test_heights_and_slopes_tell_of_one_noise() -> None:
    slices = specimen(10, jitter=0.6)
    geometry = geometry_of(slices, SHAPE)
    assert geometry is not None
    pixels = np.array(list(itertools.product(*map(range, SHAPE))), np.float64)
    places = np.cov(slices[0].pair.map(pixels).T).astype(np.float64)
    reach = 1 / np.sqrt(np.diag(np.linalg.inv(places)))
    by_height, by_rows, by_columns = (
        together(slices, dict.fromkeys(slices, apart), geometry)
        for apart in ((1.0, 0.0, 0.0), (0.0, 1.0 / reach[0], 0.0), (0.0, 0.0, 1.0 / reach[1]))
    )
    for number, plane in by_height.items():
        assert plane.z != pytest.approx(slices[number].plane.z, abs=0.01)
        assert by_rows[number].z == pytest.approx(plane.z, abs=0.01)
        assert by_columns[number].z == pytest.approx(plane.z, abs=0.01)


def test_what_is_known_for_sure_stays() -> None:
    slices = specimen(10, jitter=0.6)
    geometry = geometry_of(slices, SHAPE)
    assert geometry is not None
    stay = together(slices, dict.fromkeys(slices, (0.0, 0.0, 0.0)), geometry)
    for number, plane in stay.items():
        assert (plane.z, plane.down, plane.right) == pytest.approx(
            (slices[number].plane.z, slices[number].plane.down, slices[number].plane.right)
        )
    assert not together(slices, dict.fromkeys(list(slices)[: MIN_SLICES - 1], (0.0, 0.0, 0.0)), geometry)


def test_a_slice_is_found_again_where_it_is_expected() -> None:
    rock = Rock.made(2)
    poses = [Pose((8.0 + 5 * number, 88.0 + number, 86.0), 5.0, 3.0, 60.0, 0.95) for number in range(5)]
    slices = {number: placed(pose.to_txm((120, 136))) for number, pose in enumerate(poses) if number != 2}
    geometry = geometry_of(slices, (120, 136))
    assert geometry is not None
    cut = Cut.of(rock, (120, 136), poses[2])
    found = find_again(Pyramid(rock.txm), cut.image, geometry, 2)
    assert found.confident
    assert cut.error(found)[0] < 1
