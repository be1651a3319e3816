"""The phantom of two instruments: faces through a volume, and files that say less than the truth beside them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.interpolate import RegularGridInterpolator
from tifffile import RESUNIT

import txm2sem
from txm2sem.data.bars import DataBar, find_bar
from txm2sem.data.images import open_image
from txm2sem.data.readers import VolumeInput, open_volume
from txm2sem.errors import UserError
from txm2sem.options import PhantomOptions
from txm2sem.phantoms import Distortion, Face, Phantom, Pose, render_phantom, write_phantom
from txm2sem.phantoms.faces import ALIKE, draw_faces, draw_field
from txm2sem.phantoms.levels import to_levels

OPTIONS = PhantomOptions(size=128, depth=32, train_slices=2, val_slices=1, test_slices=1, seed=5, unaligned=True)
MASKS = ("charge", "lowdensity", "highdensity")


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return render_phantom(OPTIONS)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantom") / "scans"
    write_phantom(folder, OPTIONS)
    return folder


def _slices(folder: Path) -> list[dict[str, Any]]:
    facts = json.loads((folder / "phantom.json").read_text())
    assert list(facts["sem_slices"]) == ["000", "001", "002", "003"]
    return list(facts["sem_slices"].values())


# Faces

NO_FIELD = Distortion(np.zeros(1), np.zeros(1), np.zeros((3, 1, 1)))

poses = st.builds(
    Pose,
    centre=st.tuples(*[st.floats(-50, 50)] * 3),
    turn=st.floats(-180, 180),
    tilt=st.floats(0, 30),
    towards=st.floats(-180, 180),
    scale=st.floats(0.25, 4),
)


def test_a_face_that_is_not_off_is_a_slice() -> None:
    volume = np.random.default_rng(0).random((5, 7, 9)).astype(np.float32)
    face = Face((7, 9), Pose((2, 3, 4)), NO_FIELD)
    np.testing.assert_array_equal(face.to_txm, [[0, 0, 2], [1, 0, 0], [0, 1, 0]])
    np.testing.assert_array_equal(face.cut(volume), volume[2])


def test_a_quarter_turn_lays_rows_along_x() -> None:
    volume = np.random.default_rng(0).random((3, 9, 9)).astype(np.float32)
    turned = Face((9, 9), Pose((1, 4, 4), turn=90), NO_FIELD).cut(volume)
    np.testing.assert_allclose(turned[1:-1, 1:-1], np.rot90(volume[1], -1)[1:-1, 1:-1], atol=1e-5)


@given(pose=poses, shape=st.tuples(*[st.integers(2, 40)] * 2))
def test_a_pose_keeps_angles_and_lengths_but_for_its_scale(pose: Pose, shape: tuple[int, int]) -> None:
    to_txm = pose.to_txm(shape)
    down, right = to_txm[:, :2].T
    np.testing.assert_allclose(to_txm[:, :2].T @ to_txm[:, :2], pose.scale**2 * np.eye(2), atol=1e-9)
    middle = [(shape[0] - 1) / 2, (shape[1] - 1) / 2, 1]
    np.testing.assert_allclose(to_txm @ middle, pose.centre, atol=1e-9)
    tilt, towards = np.radians((pose.tilt, pose.towards))
    normal = np.array([np.cos(tilt), np.sin(tilt) * np.cos(towards), np.sin(tilt) * np.sin(towards)])
    assert np.cross(down, right).tolist() == pytest.approx((pose.scale**2 * normal).tolist(), abs=1e-9)


def test_tilt_towards_x_lets_columns_dive() -> None:
    to_txm = Pose((0, 0, 0), tilt=30, towards=90).to_txm((3, 3))
    np.testing.assert_allclose(to_txm[:, :2], np.array([[0, -0.5], [1, 0], [0, np.sqrt(0.75)]]), atol=1e-12)


@given(pose=poses, seed=st.integers(0, 99), shape=st.tuples(*[st.integers(8, 60)] * 2), largest=st.floats(0, 3))
def test_a_field_lies_in_the_face_and_has_its_size(
    pose: Pose, seed: int, shape: tuple[int, int], largest: float
) -> None:
    field = draw_field(shape, pose, largest, np.random.default_rng(seed))
    lengths = np.linalg.norm(field.displacement, axis=0)
    assert lengths.max() == pytest.approx(largest)
    normal = np.cross(*pose.directions.T)
    np.testing.assert_allclose(np.tensordot(normal, field.displacement, 1), 0, atol=1e-9)
    assert field.rows[0] == field.columns[0] == 0
    assert field.rows[-1] >= shape[0] - 1
    assert field.columns[-1] >= shape[1] - 1


def test_a_field_is_linear_between_nodes_and_goes_on_beyond() -> None:
    displacement = np.arange(3 * 2 * 3, dtype=float).reshape(3, 2, 3)
    field = Distortion(np.array([0.0, 10.0]), np.array([0.0, 4.0, 20.0]), displacement)
    found = field.at(np.array([0, 10, 5, 0, -3, 99]), np.array([0, 20, 4, 12, -9, 99]))
    np.testing.assert_allclose(found[0], [0, 5, 2.5, 1.5, 0, 5])
    np.testing.assert_allclose(found[2] - found[0], 12)


@settings(max_examples=30)
@given(pose=poses, seed=st.integers(0, 99))
def test_a_cut_is_the_volume_at_the_places_and_black_beyond(pose: Pose, seed: int) -> None:
    volume_shape, shape = (24, 30, 36), (20, 26)
    z, y, x = (side / 2 + part / 10 for side, part in zip(volume_shape, pose.centre, strict=True))
    pose = replace(pose, centre=(z, y, x))
    field = draw_field(shape, pose, 2, np.random.default_rng(seed))
    face = Face(shape, pose, field)
    rows, columns = np.indices(shape)
    places = np.stack([rows, columns, np.ones(shape)], -1) @ face.to_txm.T + np.moveaxis(field.at(rows, columns), 0, -1)
    np.testing.assert_allclose(face.places(np.array(3), np.array(7)), places[3, 7])
    inside = np.all((places > 1e-6) & (places < np.array(volume_shape) - 1 - 1e-6), axis=-1)
    outside = np.any((places < -1e-6) | (places > np.array(volume_shape) - 1 + 1e-6), axis=-1)
    # A ramp is its own linear interpolation.
    slope = np.array([3.0, -2.0, 0.5])
    ramp = 100 + np.tensordot(slope, np.indices(volume_shape), 1)
    image = face.cut(ramp.astype(np.float32))
    np.testing.assert_allclose(image[inside], 100 + places[inside] @ slope, atol=1e-3)
    assert not image[outside].any()
    numbers = np.arange(np.prod(volume_shape), dtype=np.uint16).reshape(volume_shape)
    nearest = tuple(np.rint(places[inside]).astype(int).T)
    sure = np.all(np.abs(places[inside] % 1 - 0.5) > 1e-6, axis=-1)
    np.testing.assert_array_equal(face.cut(numbers)[inside][sure], numbers[nearest][sure])
    mask = numbers % 3 == 0
    assert face.cut(mask).dtype == np.bool_
    np.testing.assert_array_equal(face.cut(mask)[inside][sure], mask[nearest][sure])


@settings(max_examples=30)
@given(
    turn=st.floats(0, 180),
    tilt=st.floats(0, 8),
    scale=st.floats(1, 3),
    shift=st.floats(0, 60),
    distortion=st.floats(0, 12),
    count=st.integers(2, 5),
    seed=st.integers(0, 999),
)
def test_faces_are_off_by_no_more_than_the_options_say_and_alike(
    turn: float, tilt: float, scale: float, shift: float, distortion: float, count: int, seed: int
) -> None:
    options = PhantomOptions(
        size=96,
        depth=60,
        train_slices=count,
        val_slices=0,
        test_slices=0,
        unaligned=True,
        turn=turn,
        tilt=tilt,
        scale=scale,
        shift=shift,
        distortion=distortion,
    )
    faces = draw_faces(options, np.random.default_rng(seed))
    assert len(faces) == count
    poses = [face.pose for face in faces]
    turns, tilts, scales = (np.array([getattr(pose, name) for pose in poses]) for name in ("turn", "tilt", "scale"))
    centres = np.array([pose.centre for pose in poses])
    shifts = centres[:, 1:] - 47.5
    assert np.abs(turns).max() <= turn + 1e-9
    assert tilts.max() <= tilt + 1e-9
    assert np.ptp(scales) == 0
    assert 1 / scale <= scales[0] * (1 + 1e-9) <= scale * (1 + 1e-8)
    assert np.abs(shifts).max() <= shift + 1e-9
    assert np.ptp(turns) <= 2 * ALIKE * turn + 1e-9
    assert np.ptp(tilts) <= 2 * ALIKE * tilt + 1e-9
    assert np.ptp(shifts, axis=0).max() <= 2 * ALIKE * shift + 1e-9
    gaps = np.diff(centres[:, 0])
    assert (gaps > 0).all()
    assert np.ptp(gaps) <= 4 * ALIKE * 60 / count
    for face in faces:
        places = face.places(*np.ogrid[: face.shape[0], : face.shape[1]])
        assert 0 <= places[0].min() <= places[0].max() <= 59
        assert -distortion <= places[1:].min() <= places[1:].max() <= 95 + distortion
        # It is not folded: rows and columns go on in the directions they have.
        steps = np.stack([np.diff(places, axis=1)[:, :, :-1], np.diff(places, axis=2)[:, :-1]], -1)
        within = np.einsum("zd,zrck->rcdk", face.pose.directions, steps)
        assert (np.linalg.det(within) > 0).all()


@pytest.mark.parametrize("seed", range(20))
def test_faces_that_are_off_as_is_usual_stay_in_the_rock(seed: int) -> None:
    for face in draw_faces(PhantomOptions(unaligned=True), np.random.default_rng(seed)):
        rows, columns = face.shape
        for edge in (
            (0, np.arange(columns)),
            (rows - 1, np.arange(columns)),
            (np.arange(rows), 0),
            (np.arange(rows), columns - 1),
        ):
            places = face.places(*map(np.asarray, edge))
            assert (places > 0).all()
            assert (places.max(axis=1) < [127, 511, 511]).all()


def test_faces_of_another_seed_lie_elsewhere() -> None:
    one, other = (draw_faces(OPTIONS, np.random.default_rng(seed))[0].pose for seed in (1, 2))
    assert one != other


@pytest.mark.parametrize(
    ("change", "option", "least_or_most"),
    [({"depth": 14}, "--depth", "at least 15 slices"), ({"distortion": 17.0}, "--distortion", "at most 16 pixels")],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(
    tmp_path: Path, change: dict[str, Any], option: str, least_or_most: str
) -> None:
    options = replace(OPTIONS, **change)
    acts: list[Callable[[], object]] = [
        lambda: render_phantom(options),
        lambda: write_phantom(tmp_path / "scans", options),
    ]
    for act in acts:
        with pytest.raises(UserError, match=f"{option}: expected {least_or_most}"):
            act()
    assert not list(tmp_path.iterdir())


# The phantom in memory


def test_the_rock_and_the_txm_are_those_of_the_aligned_phantom(phantom: Phantom) -> None:
    aligned = render_phantom(replace(OPTIONS, unaligned=False))
    np.testing.assert_array_equal(phantom.labels, aligned.labels)
    np.testing.assert_array_equal(phantom.txm, aligned.txm)
    # The SEM is the same, too, and sees beyond the TXM's field of view.
    inside = phantom.field_of_view
    np.testing.assert_array_equal(phantom.sem[:, inside], aligned.sem[:, inside])
    assert phantom.sem.min() >= 1
    for ours, theirs in (
        (phantom.charge, aligned.charge),
        (phantom.low_density(), aligned.low_density()),
        (phantom.high_density(), aligned.high_density()),
    ):
        np.testing.assert_array_equal(ours[:, inside], theirs[:, inside])
        assert ours[:, ~inside].any()
        assert not theirs[:, ~inside].any()
    assert not aligned.faces


def test_inverted_contrast_is_the_negative_of_the_sem_alone(phantom: Phantom) -> None:
    inverted = render_phantom(replace(OPTIONS, invert_contrast=True))
    np.testing.assert_array_equal(inverted.sem, 256 - phantom.sem)
    np.testing.assert_array_equal(inverted.txm, phantom.txm)
    np.testing.assert_array_equal(inverted.low_density(), phantom.low_density())


def test_faces_from_python() -> None:
    rock = txm2sem.phantom(64, 24, unaligned=True, train_slices=2, tilt=0, turn=0, shift=0, scale=1, distortion=0)
    assert [face.pose.centre[1:] for face in rock.faces] == [(31.5, 31.5)] * 2
    with pytest.raises(UserError, match="--tilt does nothing without --unaligned"):
        txm2sem.phantom(64, 24, tilt=2)


# Files


def test_layout(root: Path) -> None:
    numbers = [f"{number:03d}" for number in range(4)]
    assert sorted(path.name for path in root.iterdir()) == sorted(
        [*MASKS, "fields", "phantom.json", "sem", "txm.ome.tif"]
    )
    for name in ("sem", *MASKS):
        assert sorted(path.name for path in (root / name).iterdir()) == [f"{number}.tif" for number in numbers]
    assert sorted(path.name for path in (root / "fields").iterdir()) == [f"{number}.npz" for number in numbers]


def test_same_options_give_the_same_bytes(root: Path, tmp_path: Path) -> None:
    write_phantom(tmp_path / "again", OPTIONS)
    files = [path for path in root.rglob("*") if path.is_file()]
    assert len(files) == 2 + 5 * 4
    for path in files:
        assert (tmp_path / "again" / path.relative_to(root)).read_bytes() == path.read_bytes(), path


def test_the_txm_is_a_volume_of_16_bits_that_says_its_voxel_size(root: Path, phantom: Phantom) -> None:
    volume = open_volume(VolumeInput(root / "txm.ome.tif"))
    assert str(volume.dtype) == "uint16"
    assert volume.voxel_size == (32.0, 32.0, 32.0)
    np.testing.assert_array_equal(volume[:], to_levels(phantom.txm, "txm", 16))


def test_the_sem_says_its_pixel_size_and_has_a_data_bar(root: Path) -> None:
    for facts in _slices(root):
        path = root / facts["file"]
        assert facts["pixel_size_nm"] == pytest.approx(32 * facts["scale"])
        size = open_image(path).pixel_size
        assert size.unit == RESUNIT.CENTIMETER
        assert size.resolution == pytest.approx((1e7 / facts["pixel_size_nm"],) * 2, rel=1e-6)
        with tifffile.TiffFile(path) as file:
            fei = file.fei_metadata
            assert file.pages.first.photometric == tifffile.PHOTOMETRIC.MINISBLACK
        assert fei is not None
        assert fei["Scan"]["PixelWidth"] * 1e9 == pytest.approx(facts["pixel_size_nm"])
        assert fei["Scan"]["PixelHeight"] == fei["Scan"]["PixelWidth"]
        assert [fei["Image"]["ResolutionY"], fei["Image"]["ResolutionX"]] == facts["shape"]
        image = tifffile.imread(path)
        bar = image.shape[0] - facts["shape"][0]
        assert find_bar(image) == DataBar(bar, "bottom")
        assert fei["PrivateFei"]["DatabarHeight"] == bar
        for mask in ("charge", "lowdensity", "highdensity"):
            assert open_image(root / mask / path.name).pixel_size.side == pytest.approx(facts["pixel_size_nm"])


def _places(root: Path, facts: dict[str, Any]) -> NDArray[np.float64]:
    """Return the places of a slice's pixels in the TXM (rows, columns, 3), by its files alone."""
    rows, columns = np.indices(facts["shape"])
    points = np.stack([rows, columns, np.ones_like(rows)], -1)
    with np.load(root / facts["field"]) as field:
        displacement = RegularGridInterpolator(
            (field["rows"], field["columns"]), np.moveaxis(field["displacement"], 0, -1)
        )(points[..., :2])
    return np.asarray(points @ np.transpose(facts["to_txm"]) + displacement)


def _sampled(volume: NDArray[Any], places: NDArray[np.float64], method: str) -> NDArray[np.float64]:
    axes = [np.arange(side) for side in volume.shape]
    return np.asarray(RegularGridInterpolator(axes, volume.astype(float), method)(places))


def test_where_a_slice_lies_is_true(root: Path, phantom: Phantom) -> None:
    masks = {"charge": phantom.charge, "lowdensity": phantom.low_density(), "highdensity": phantom.high_density()}
    for facts in _slices(root):
        places, rows = _places(root, facts), facts["shape"][0]
        image = tifffile.imread(root / facts["file"])
        assert image.dtype == np.uint8
        np.testing.assert_allclose(image[:rows], _sampled(phantom.sem, places, "linear"), atol=0.51)
        for name, mask in masks.items():
            stored = tifffile.imread(root / name / Path(facts["file"]).name)
            assert stored.shape == image.shape
            assert set(np.unique(stored)) <= {0, 255}
            assert not stored[rows:].any()
            np.testing.assert_array_equal(stored[:rows], 255 * _sampled(mask, places, "nearest"))
        with np.load(root / facts["field"]) as field:
            assert np.linalg.norm(field["displacement"], axis=0).max() == pytest.approx(facts["distortion"])
            assert facts["distortion"] == pytest.approx(5)


def test_what_was_drawn_is_what_places_are_made_of(root: Path, phantom: Phantom) -> None:
    for facts, face in zip(_slices(root), phantom.faces, strict=True):
        assert facts["z"] == face.pose.centre[0]
        centre = (facts["z"], *(63.5 + np.array(facts["shift"])))
        drawn = {name: facts[name] for name in ("turn", "tilt", "towards", "scale")}
        np.testing.assert_allclose(Pose(centre, **drawn).to_txm(tuple(facts["shape"])), facts["to_txm"])


def test_16_bits_and_inverted_contrast_in_files(tmp_path: Path, phantom: Phantom) -> None:
    facts = write_phantom(tmp_path / "scans", replace(OPTIONS, bits=16, invert_contrast=True))
    image = tifffile.imread(tmp_path / "scans" / "sem" / "000.tif")
    assert image.dtype == np.uint16
    face = phantom.faces[0]
    expected = to_levels(256 - face.cut(phantom.sem), "sem", 16)
    np.testing.assert_allclose(image[: face.shape[0]].astype(int), expected.astype(int), atol=1)
    assert find_bar(image) == DataBar(len(image) - face.shape[0], "bottom")
    assert image[face.shape[0] :].max() == 65535
    grey = facts["grey_values"]["sem"]
    assert grey["pore"] == 4000 + 160 * (256 - 12)
    assert grey["pore"] > grey["quartz"] > grey["pyrite"]
    assert facts["grey_values"]["txm"]["quartz"] > 20000
