"""Segmentation of images and volumes through the command line: labels, colours, probabilities, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
import yaozarrs
import zarr
from numpy.typing import NDArray
from PIL import Image
from tifffile import PHOTOMETRIC

import txm2sem
from cli.calls import Program
from cli.volumes import SEGMENTS, TRANSLATES, rock, voxels, write_run, write_scan
from txm2sem.applying.volume.blocks import BlockResult, BlockTranslator
from txm2sem.applying.volume.passes import Block
from txm2sem.data.classes import CLASS_COLOURS, CLASSES, IGNORED, MEANING
from txm2sem.errors import UserError
from txm2sem.files import json_text
from txm2sem.metrics import ClassCalibration, ProbabilityCounts
from txm2sem.model import Predictor
from txm2sem.model.phases import UNCHANGED, PhaseCalibration, identity_of
from txm2sem.options import ModelOptions, TestCommand
from txm2sem.resolving import resolve
from txm2sem.runs import RunPaths, paths_of
from txm2sem.tiling import Tiling

SHAPE = (5, 44, 300)
VOLUME = "--voxel_size 32 --gpu_ids -1"


@pytest.fixture
def scan(program: Program) -> NDArray[np.uint8]:
    """Write `scan`, a folder of slices with a corner that was not imaged, and three models; return it."""
    volume = rock(SHAPE)
    volume[:, :12, :9] = 0
    write_scan(volume)
    write_run("phases", SEGMENTS, seg_mode="txm")
    write_run("of_sem", SEGMENTS, seg_mode="sem")
    write_run("chained", SEGMENTS, seg_mode="semfake", seg_source="translation")
    write_run("translation", TRANSLATES)
    return volume


CALIBRATION = ClassCalibration((0.5, 2.0, 1.5), (0.7, -1.0, 0.3))
SHARES = (0.85, 0.1, 0.05)


def keep_calibration(name: str) -> Path:
    """Write what brings the probabilities of a model to mean what they say, as a test of it leaves that."""
    command = resolve(TestCommand(), {"name": name, "gpu_ids": "-1"})
    counts = ProbabilityCounts(len(CLASSES))
    counts.add(np.full((len(CLASSES), 1), 1 / 3, np.float32), np.array([0]))
    found, identity = counts.reliability(), identity_of(command, "latest", command.data)
    path = paths_of(command).phases("latest", command.data.seg_mode)
    kept = PhaseCalibration(identity, CALIBRATION, (0.01, 0.02, 0.03), 1, found, found, {"model": 0.5}, SHARES)
    path.write_text(json_text(kept))
    return path


def probabilities(
    scan: NDArray[Any], source: str = "txm", calibration: ClassCalibration = UNCHANGED
) -> NDArray[np.float32]:
    """Return what the networks make of whole slices, (classes, z, y, x), from the checkpoints alone."""

    def predictor(name: str, options: dict[str, Any], **more: Any) -> Predictor:
        model = ModelOptions(**{"ngf": 4, "norm": "batch", **options})
        return Predictor.load(RunPaths.of(name, Path("checkpoints"), Path("results")), "latest", model, **more)

    low, high = (10, 200) if source == "sem" else (0, 255)
    image = torch.from_numpy((scan.astype(np.float32) - low) / (high - low) * 2 - 1)[:, None]
    if source == "semfake":
        image = predictor("translation", TRANSLATES).any_size(image)
    logits = predictor("phases", SEGMENTS, bounded=False).any_size(image)
    return np.where(scan == 0, 0, calibration(logits).numpy().swapaxes(0, 1)).astype(np.float32)


def agree(found: NDArray[Any], expected: NDArray[np.float32], scan: NDArray[Any]) -> None:
    """Check labels by probabilities, but where two classes are as likely up to rounding."""
    first, second = np.sort(expected, axis=0)[::-1][:2]
    clear = (first - second > 1e-3) & (scan > 0)
    assert clear.mean() > 0.9
    assert len(np.unique(found[clear])) > 1
    np.testing.assert_array_equal(found[clear], expected.argmax(axis=0)[clear])
    assert (found[scan == 0] == IGNORED).all()
    assert set(np.unique(found)) <= {*range(len(CLASSES)), IGNORED}


def labels_of(path: Path | str) -> NDArray[Any]:
    """Return the labels of a segmented OME-Zarr."""
    return np.asarray(zarr.open_array(Path(path) / "labels/phases/0", mode="r")[:])


def attributes(path: Path | str) -> dict[str, Any]:
    """Return what the metadata of a group say of OME-Zarr."""
    return dict(zarr.open_group(path, mode="r").attrs.asdict()["ome"])  # type: ignore[arg-type]


@pytest.fixture
def tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work with blocks of two slices, and tiles of half of them."""
    monkeypatch.setattr("txm2sem.applying.volume.plan.DEPTHS", (2,))
    monkeypatch.setattr(
        "txm2sem.applying.volume.plan.choose_tiling",
        lambda shape, halo, multiple, area: Tiling(shape, (1, 1 + (shape[1] > 200)), halo, multiple),
    )


@pytest.mark.draws
def test_images_become_labels_in_colours_with_probabilities_beside_them(
    program: Program, scan: NDArray[np.uint8]
) -> None:
    outcome = program("translate scan out --name phases --gpu_ids -1 --probabilities")
    assert outcome.status == 0, outcome.err
    assert f"of TXM: {MEANING}" in outcome.out
    written = sorted(Path("out").iterdir())
    expected = probabilities(scan)
    agree(np.stack([tifffile.imread(path) for path in written]), expected, scan)
    with tifffile.TiffFile(written[0]) as file:
        page: Any = file.pages.first
        assert (page.photometric, page.dtype) == (PHOTOMETRIC.PALETTE, np.uint8)
        assert [tuple(page.colormap[:, value] // 257) for value in range(3)] == list(CLASS_COLOURS)
    found = [tifffile.imread(f"out_probabilities/{path.name}") for path in written]
    np.testing.assert_allclose(np.stack(found, axis=1), expected, atol=5e-3)
    with tifffile.TiffFile(f"out_probabilities/{written[0].name}") as file:
        assert all(name in str(file.ome_metadata) for name in CLASSES)
    with Image.open("out_report.png") as picture:
        shown = {tuple(colour) for colour in np.asarray(picture)[..., :3].reshape(-1, 3)}
    assert shown >= set(CLASS_COLOURS)


@pytest.mark.draws
def test_a_volume_has_labels_beside_the_image_that_was_segmented(program: Program, scan: NDArray[np.uint8]) -> None:
    outcome = program(f"volume scan out.ome.zarr --name phases {VOLUME}")
    assert outcome.status == 0, outcome.err
    expected = probabilities(scan)
    agree(labels_of("out.ome.zarr"), expected, scan)
    np.testing.assert_array_equal(voxels("out.ome.zarr"), scan)
    for path in ("out.ome.zarr", "out.ome.zarr/labels", "out.ome.zarr/labels/phases"):
        yaozarrs.validate_zarr_store(path)
    assert attributes("out.ome.zarr/labels")["labels"] == ["phases"]
    assert attributes("out.ome.zarr")["omero"]["channels"][0]["label"] == "TXM"
    said = attributes("out.ome.zarr/labels/phases")["image-label"]
    assert {one["label-value"]: one["name"] for one in said["properties"]} == {
        **dict(enumerate(CLASSES)),
        IGNORED: "not imaged",
    }
    # The image is seen through where there is neither phase.
    assert {one["label-value"]: tuple(one["rgba"]) for one in said["colors"]} == {
        **{value: (*colour, 255 * (value > 0)) for value, colour in enumerate(CLASS_COLOURS)},
        IGNORED: (90, 90, 90, 0),
    }
    assert all(type(one["label-value"]) is int for one in said["colors"])
    found = json.loads(Path("out.ome.zarr_report.json").read_text())["scores"]
    assert "continuity" not in found
    labels = labels_of("out.ome.zarr")[scan > 0]
    for number, name in enumerate(CLASSES):
        assert found["classes"][name]["share"] == pytest.approx(np.mean(labels == number), abs=1e-6)
        assert found["classes"][name]["expected_share"] == pytest.approx(expected[number][scan > 0].mean(), abs=1e-4)
    read = txm2sem.open_volume("out.ome.zarr", dataset="labels/phases")
    np.testing.assert_array_equal(np.asarray(read), labels_of("out.ome.zarr"))


def test_kept_calibrations_are_applied_to_images_and_volumes_alike(program: Program, scan: NDArray[np.uint8]) -> None:
    assert "not calibrated" in program(f"volume scan out.ome.zarr --name phases --dry_run {VOLUME}").out
    keep_calibration("phases")
    expected = probabilities(scan, calibration=CALIBRATION)
    assert np.abs(expected - probabilities(scan)).max() > 0.1
    outcome = program("translate scan out --name phases --gpu_ids -1 --probabilities")
    assert outcome.status == 0, outcome.err
    assert "not calibrated" not in outcome.out
    written = sorted(Path("out_probabilities").iterdir())
    np.testing.assert_allclose(np.stack([tifffile.imread(path) for path in written], axis=1), expected, atol=5e-3)
    assert program(f"volume scan out.ome.zarr --name phases --probabilities {VOLUME}").status == 0
    np.testing.assert_allclose(voxels("out.ome.zarr")[1:], expected * 255, atol=1.5)
    agree(labels_of("out.ome.zarr"), expected, scan)
    report = json.loads(Path("out.ome.zarr_report.json").read_text())
    assert report["calibration"]["scales"] == list(CALIBRATION.scales)
    for number, name in enumerate(CLASSES):
        found = report["scores"]["classes"][name]
        assert found["expected_share"] == pytest.approx(expected[number][scan > 0].mean(), abs=1e-4)
        assert found["fraction_error"] == pytest.approx(0.01 * (number + 1))
        assert found["training_share"] == SHARES[number]
    # Earlier versions have not noted shares.
    kept = keep_calibration("phases")
    content = json.loads(kept.read_text())
    del content["training_shares"]
    kept.write_text(json.dumps(content))
    plan = program(f"volume scan other.ome.zarr --name phases --dry_run {VOLUME}")
    assert (plan.status, "not calibrated" in plan.out) == (0, False), plan.err


def test_a_calibration_of_another_checkpoint_is_not_applied_and_a_damaged_one_is_named(
    program: Program, scan: NDArray[np.uint8]
) -> None:
    kept = keep_calibration("phases")
    write_run("phases", SEGMENTS, seg_mode="txm", gamma=0.5)
    assert "not calibrated" in program(f"volume scan out.ome.zarr --name phases --dry_run {VOLUME}").out
    write_run("phases", SEGMENTS, seg_mode="txm")
    whole = kept.read_text()
    wrong = (whole[:-20], whole.replace("0.5,", "-0.5,", 1), whole.replace("0.01,", "1.5,", 1), "[]")
    for content in wrong:
        kept.write_text(content)
        outcome = program(f"volume scan out.ome.zarr --name phases --dry_run {VOLUME}")
        assert outcome.status == 1
        assert kept.name in outcome.err


@pytest.mark.usefixtures("tiles")
def test_a_chain_of_models_in_blocks_and_tiles_is_that_of_whole_slices(
    program: Program, scan: NDArray[np.uint8]
) -> None:
    outcome = program(f"volume scan out.ome.zarr --name chained --probabilities {VOLUME}")
    assert outcome.status == 0, outcome.err
    expected = probabilities(scan, "semfake")
    agree(labels_of("out.ome.zarr"), expected, scan)
    image, *found = voxels("out.ome.zarr")
    np.testing.assert_allclose(np.stack(found), expected * 255, atol=1.5)
    names = [channel["label"] for channel in attributes("out.ome.zarr")["omero"]["channels"]]
    assert names == ["predicted SEM", *CLASSES]
    assert program(f"volume scan sem.ome.zarr --name translation {VOLUME}").status == 0
    assert np.abs(voxels("sem.ome.zarr").astype(int) - image).max() <= 1


def test_a_volume_as_tiff_has_a_colour_map_and_its_channels_in_a_file_of_their_own(
    program: Program, scan: NDArray[np.uint8]
) -> None:
    words = f"volume scan out.ome.tif --name of_sem --seg_mode semfake --seg_source translation {VOLUME}"
    outcome = program(words, "--probabilities")
    assert outcome.status == 0, outcome.err
    assert "trained on SEM and segments predicted SEM" in outcome.out
    expected = probabilities(scan, "semfake")
    with tifffile.TiffFile("out.ome.tif") as file:
        assert file.pages.first.photometric == PHOTOMETRIC.PALETTE
        agree(file.asarray(), expected, scan)
    channels = tifffile.imread("out_probabilities.ome.tif")
    np.testing.assert_allclose(channels[1:], expected * 255, atol=1.5)
    assert {path.name for path in Path().glob("out*")} == {
        *("out.ome.tif", "out_probabilities.ome.tif"),
        *(f"out.ome.tif_report{suffix}" for suffix in (".txt", ".json", ".png")),
    }


def test_a_volume_as_nrrd_has_labels_and_its_channels_in_a_file_of_their_own(
    program: Program, scan: NDArray[np.uint8]
) -> None:
    nrrd = pytest.importorskip("nrrd")
    words = f"volume scan out.nrrd --name of_sem --seg_mode semfake --seg_source translation {VOLUME}"
    outcome = program(words, "--probabilities")
    assert outcome.status == 0, outcome.err
    expected = probabilities(scan, "semfake")
    agree(nrrd.read("out.nrrd", index_order="C")[0], expected, scan)
    channels = nrrd.read("out_probabilities.nrrd", index_order="C")[0]
    np.testing.assert_allclose(channels[1:], expected * 255, atol=1.5)


def test_sem_is_segmented_where_it_is_said_to_be_sem(program: Program, scan: NDArray[np.uint8]) -> None:
    for command in ("translate scan out", f"volume scan out.ome.zarr {VOLUME}"):
        outcome = program(command, "--name of_sem --gpu_ids -1")
        assert outcome.status == 1
        assert "--seg_mode sem" in outcome.err
        outcome = program(command, "--name of_sem --gpu_ids -1 --seg_mode sem")
        assert outcome.status == 0, outcome.err
    expected = probabilities(scan, "sem")
    agree(labels_of("out.ome.zarr"), expected, scan)
    agree(np.stack([tifffile.imread(path) for path in sorted(Path("out").iterdir())]), expected, scan)


@pytest.mark.usefixtures("tiles")
def test_an_interrupted_segmentation_goes_on_and_makes_lost_labels_anew(
    program: Program, scan: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = f"volume scan {{}} --name phases {VOLUME}"
    assert program(words.format("whole.ome.zarr")).status == 0
    translate = BlockTranslator.translate

    def stop(work: BlockTranslator, block: Block, *others: Any) -> BlockResult:
        if block == Block("z", 2, 4, 5):
            raise KeyboardInterrupt
        return translate(work, block, *others)

    with monkeypatch.context() as patch:
        patch.setattr(BlockTranslator, "translate", stop)
        assert program(words.format("out.ome.zarr")).status == 130
    Path("out.ome.zarr.partial/volume.ome.zarr/labels/phases/0/c/0/0/0").unlink()
    assert "another output" in program(words.format("out.ome.zarr"), "--probabilities").err
    kept = keep_calibration("phases")
    assert "another output" in program(words.format("out.ome.zarr")).err
    kept.unlink()
    outcome = program(words.format("out.ome.zarr"))
    assert outcome.status == 0, outcome.err
    np.testing.assert_array_equal(labels_of("out.ome.zarr"), labels_of("whole.ome.zarr"))
    np.testing.assert_array_equal(voxels("out.ome.zarr"), voxels("whole.ome.zarr"))


@pytest.mark.usefixtures("scan")
@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("volume --name phases --dtype uint16", "--dtype does nothing with --model segmentation"),
        ("volume --name phases --grey_range 0,255", "--grey_range does nothing with --model segmentation"),
        ("volume --name phases --truth scan", "--truth does nothing with --model segmentation"),
        ("volume --name phases --uncertainty 2", "--uncertainty does nothing with --model segmentation"),
        ("volume --name phases --backend openvino", "--backend does nothing with --model segmentation"),
        ("translate --name phases --grey match", "--grey does nothing with --model segmentation"),
        ("translate --name translation --probabilities", "--probabilities does nothing with --model srgan"),
        ("volume --name translation --seg_mode sem", "--seg_mode does nothing with --model srgan"),
        ("volume --name phases --seg_source translation", "--seg_source does nothing with --seg_mode txm"),
        ("translate --name phases --seg_mode semfake --seg_source absent", "--seg_source absent"),
        ("translate --name phases --seg_mode semfake --seg_source per_image", "--seg_source per_image"),
        ("translate --name phases --seg_mode semfake --seg_source translation --txm_range 0,100", "--txm_range"),
    ],
)
def test_what_does_not_fit_is_refused(program: Program, words: str, problem: str) -> None:
    write_run("per_image", TRANSLATES | {"norm": "instance"})
    command, *options = words.split()
    places = "scan out.ome.zarr --voxel_size 32" if command == "volume" else "scan out"
    outcome = program(command, places, "--gpu_ids -1", *options)
    assert outcome.status == 1
    assert problem in outcome.err
    assert not list(Path().glob("out*"))


def test_calls_return_labels_and_probabilities(scan: NDArray[np.uint8]) -> None:
    model = txm2sem.load("phases", device="cpu")
    expected = probabilities(scan)
    labels = model.predict(scan)
    agree(labels, expected, scan)
    np.testing.assert_allclose(model.probabilities(scan), expected, atol=5e-3)
    np.testing.assert_array_equal(model.predict(scan[1]), labels[1])
    np.testing.assert_allclose(model.probabilities(scan[1]), expected[:, 1], atol=5e-3)
    for wrong in ({"dtype": "float32"}, {"grey": "match"}):
        with pytest.raises(UserError, match="does nothing with --model segmentation"):
            model.predict(scan, **wrong)
    with pytest.raises(UserError, match="--seg_mode sem"):
        txm2sem.load("of_sem", device="cpu")
    chained = txm2sem.load("of_sem", device="cpu", seg_mode="semfake", seg_source="translation")
    np.testing.assert_allclose(chained.probabilities(scan), probabilities(scan, "semfake"), atol=5e-3)
    with pytest.raises(UserError, match="--probabilities does nothing with --model srgan"):
        txm2sem.load("translation", device="cpu").probabilities(scan)


def test_z_blend_takes_the_mean_of_probabilities(scan: NDArray[np.uint8]) -> None:
    model = txm2sem.load("phases", device="cpu")
    cube = scan[:, 12:44, 9:53]
    alone = [np.moveaxis(model.probabilities(np.moveaxis(cube, axis, 0)), 1, axis + 1) for axis in range(3)]
    blended = np.mean(alone, axis=0)
    np.testing.assert_allclose(model.probabilities(cube, z_blend=True), blended, atol=1e-3)
    agree(model.predict(cube, z_blend=True), blended, cube)
