"""Slices cut from a rock are found in its volume; slices that are not in it are not confirmed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cut_volumes import Cut, Rock

from txm2sem.errors import UserError
from txm2sem.phantoms.faces import Pose
from txm2sem.registration.planes import Pyramid
from txm2sem.registration.volume import PlaneAlignment, find_slice

SHAPE = (120, 136)


@pytest.fixture(scope="module")
def rock() -> Rock:
    return Rock.made(0)


@pytest.fixture(scope="module")
def volume(rock: Rock) -> Pyramid:
    return Pyramid(rock.txm)


@pytest.fixture(scope="module")
def cut(rock: Rock) -> Cut:
    return Cut.of(rock, SHAPE, Pose((18.0, 90.0, 84.0), turn=5.0, tilt=4.0, towards=30.0, scale=0.95))


@pytest.fixture(scope="module")
def found(volume: Pyramid, cut: Cut) -> PlaneAlignment:
    return find_slice(volume, cut.image, scale=(0.9, 1.0), mirror="no")


def test_a_tilted_slice_is_found(found: PlaneAlignment, cut: Cut) -> None:
    assert found.confident
    assert not found.reason
    assert found.tilt == pytest.approx(4, abs=0.6)
    assert found.turn == pytest.approx(5, abs=0.5)
    along_z, within = cut.error(found)
    assert along_z < 1
    assert within < 1


def test_one_matrix_maps_as_the_plane_and_the_pair_do(found: PlaneAlignment, volume: Pyramid, cut: Cut) -> None:
    points = cut.points()
    assert found.map(points) == pytest.approx(np.column_stack([points, np.ones(len(points))]) @ found.to_txm.T)
    assert found.pair.shape == volume.shape[1:]
    shown = found.pair.resample(cut.image)
    seen = (shown > 0) & (volume.image(found.plane) > 0)
    assert np.corrcoef(shown[seen], volume.image(found.plane)[seen])[0, 1] > 0.5


def test_mirrored_and_inverted_it_is_found_too(volume: Pyramid, cut: Cut) -> None:
    mirrored = np.where(cut.image > 0, 256 - cut.image, 0)[:, ::-1]
    found = find_slice(volume, mirrored, scale=0.95)
    assert found.confident
    assert found.pair.inverted
    points = cut.points() * [1, -1] + [0, SHAPE[1] - 1]
    assert found.map(points)[:, 0] == pytest.approx(cut.face.places(*cut.points().T)[0], abs=1)


def test_voxels_may_be_deeper_than_wide(rock: Rock, cut: Cut) -> None:
    found = find_slice(Pyramid(rock.txm[::2], depth=2.0), cut.image, scale=0.95, mirror="no")
    assert found.confident
    assert found.tilt == pytest.approx(4, abs=1)
    assert 2 * found.map(cut.points())[:, 0] == pytest.approx(cut.face.places(*cut.points().T)[0], abs=1.5)


def test_a_smooth_distortion_is_followed(rock: Rock, volume: Pyramid) -> None:
    bent = Cut.of(rock, SHAPE, Pose((22.0, 86.0, 86.0), turn=-4.0, tilt=2.0, scale=1.05), seed=3, distortion=3.0)
    smooth, plain = (
        find_slice(volume, bent.image, scale=1.05, mirror="no", search_angle=5, transform=kind)
        for kind in ("smooth", "similarity")
    )
    assert smooth.confident
    assert bent.error(smooth)[1] < bent.error(plain)[1]


@pytest.mark.parametrize("other", ["rock", "height"])
def test_what_is_not_in_the_volume_is_not_confirmed(rock: Rock, volume: Pyramid, cut: Cut, other: str) -> None:
    if other == "rock":
        found = find_slice(volume, Cut.of(Rock.made(7), SHAPE, cut.face.pose).image, scale=0.95, mirror="no")
    else:
        found = find_slice(Pyramid(rock.txm[30:]), cut.image, scale=0.95, mirror="no")
    assert not found.confident
    assert found.reason


def test_a_start_is_searched_around_and_judged_as_it_is_without_a_transform(volume: Pyramid, cut: Cut) -> None:
    given = find_slice(volume, cut.image, start=cut.face.to_txm, transform="none", mirror="no")
    assert given.confident
    assert given.to_txm == pytest.approx(cut.face.to_txm)
    above = cut.face.to_txm.copy()
    above[0, 2] += 12
    assert not find_slice(volume, cut.image, start=above, transform="none", mirror="no").confident
    near = find_slice(
        volume, cut.image, start=cut.face.to_txm, z=(14, 22), tilt=1, search_angle=1, scale=(0.93, 0.97), mirror="no"
    )
    assert near.confident
    assert cut.error(near)[0] < 1


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"z": (50, 60)}, "z is"),
        ({"z": (9, 3)}, "z is"),
        ({"tilt": 31.0}, "tilt is"),
        ({"start": np.eye(2)}, "start is no map"),
        ({"scale": 20.0}, "sizes contradict"),
        ({"sem": np.full(SHAPE, 7.0)}, "sem is blank"),
        ({"txm": Pyramid(np.zeros((8, 176, 176)))}, "txm is blank"),
    ],
)
def test_what_cannot_be_found_is_refused(volume: Pyramid, cut: Cut, change: dict[str, Any], names: str) -> None:
    with pytest.raises(UserError, match=names):
        find_slice(**{"txm": volume, "sem": cut.image, **change})
