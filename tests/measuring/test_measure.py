"""Volumes measured from file to folder: by whatever boxes, in whatever way phases are told, however often cut off."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from forks import CONTEXT
from numpy.typing import NDArray
from skimage.filters import threshold_multiotsu

import txm2sem
from measuring.volumes import QUICK, SHAPE, document, in_small_boxes, phases, write
from txm2sem.data.classes import CLASSES, IGNORED, LABEL_COLOURS
from txm2sem.data.tiff import colour_table
from txm2sem.data.writers import Channel, Description, Label, build_pyramid, create_image, create_labels, open_array
from txm2sem.errors import UserError
from txm2sem.measures import numbers, paired
from txm2sem.measuring import boxes, job
from txm2sem.metrics.rock import euler_density, quads, specific_perimeter
from txm2sem.runs import MeasurePaths


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def measured(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what was measured, to be compared."""
    return list(found["phases"])


def test_boxes_do_not_tell_in_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = phases()
    labels[:5, :9] = 255
    write(labels)
    options = {**QUICK, "not_imaged": 255, "measured": "0,1,2"}
    whole = txm2sem.measure("labels.tif", "whole", **options)
    in_small_boxes(monkeypatch)
    cut = txm2sem.measure("labels.tif", "boxes", **options)
    assert measured(cut) == measured(whole)
    assert whole["share_imaged"] == pytest.approx(1 - 5 * 9 / (40 * 34))


def test_bodies_may_be_thicker_than_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    z, y, x = np.ogrid[-17:17, -17:17, -17:17]
    write((z**2 + y**2 + x**2 < 15**2).astype(np.uint8))
    whole = txm2sem.measure("labels.tif", "whole", **QUICK)
    in_small_boxes(monkeypatch)
    assert measured(txm2sem.measure("labels.tif", "boxes", **QUICK)) == measured(whole)


def test_fractions_profiles_and_clusters_are_those_of_the_voxels() -> None:
    labels = phases()
    write(labels)
    found = txm2sem.measure("labels.tif", "out", **QUICK)
    for phase in found["phases"]:
        mask = labels == phase["label"]
        assert phase["fraction"]["value"] == pytest.approx(mask.mean(), abs=1e-6)
        assert phase["profiles"]["z"] == pytest.approx(mask.mean(axis=(1, 2)), abs=1e-6)
        assert phase["profiles"]["x"] == pytest.approx(mask.mean(axis=(0, 1)), abs=1e-6)
        assert phase["measured"] == (phase["label"] > 0)
    one = found["phases"][1]
    assert sum(one["clusters"]["clusters"]) == one["clusters"]["number"]
    assert sum(one["clusters"]["volume_share"]) == pytest.approx(1, abs=1e-5)
    assert sum(one["thickness"]["volume_share"]) == pytest.approx(1, abs=1e-5)
    assert one["correlation"]["y"]["probability"][0] == pytest.approx(one["fraction"]["value"], abs=1e-6)
    assert one["lineal_path"]["y"]["probability"][0] == pytest.approx(one["fraction"]["value"], abs=1e-6)
    assert one["fraction"]["low"] < 0.2 < one["fraction"]["high"]


def test_a_ball_has_its_measures_in_nanometres() -> None:
    """Radius 16 voxels of 10 nm; a digital ball's volume, surface and diameter are within the errors said for each."""
    z, y, x = np.ogrid[-24:24, -24:24, -24:24]
    write(((z + 0.5) ** 2 + (y + 0.5) ** 2 + (x + 0.5) ** 2 < 16**2).astype(np.uint8))
    ball = txm2sem.measure("labels.tif", "out", voxel_size=10, diffusion_side=0)["phases"][1]
    volume = 480.0**3
    assert ball["fraction"]["value"] * volume == pytest.approx(4 / 3 * math.pi * 160**3, rel=0.01)
    assert ball["surface"] * 470**3 == pytest.approx(4 * math.pi * 160**2, rel=0.02)  # patterns lie between voxels
    assert 290 < ball["thickness"]["largest"] < 320  # its middle is no voxel's
    assert ball["clusters"]["number"] == 1
    assert ball["clusters"]["percolates"] == {"z": False, "y": False, "x": False}
    assert ball["chords"]["x"]["mean"] == pytest.approx(4 / 3 * 160, rel=0.03)
    assert ball["anisotropy"] == pytest.approx(1, abs=1e-4)


def test_a_plate_conducts_along_itself_and_not_across() -> None:
    labels = np.zeros((20, 24, 28), np.uint8)
    labels[5:10] = 1
    write(labels)
    plate = txm2sem.measure("labels.tif", "out", voxel_size="10,20,30")["phases"][1]["diffusion"]
    assert plate["z"]["relative"] == 0
    assert plate["z"]["tortuosity_factor"] is None
    assert plate["y"]["relative"] == pytest.approx(0.25, rel=1e-5)
    assert plate["x"]["tortuosity_factor"] == pytest.approx(1, rel=1e-5)


def test_thresholds_tell_the_same_as_labels() -> None:
    labels = phases()
    write(labels)
    write(np.array([100, 20, 200], np.uint16)[labels], "grey.tif")
    by_labels = txm2sem.measure("labels.tif", "one", phases="0=neither,1=low density,2=high density", **QUICK)
    by_grey = txm2sem.measure("grey.tif", "other", thresholds="20,150", **QUICK)
    assert [phase["name"] for phase in by_grey["phases"]] == list(CLASSES)
    found = list(paired(by_grey, by_labels))
    assert len(found) == 2 * 20 + 5
    assert all(one.value == other.value or math.isnan(one.value) for _, one, other in found)


def test_otsu_finds_thresholds_where_voxels_of_0_do_not_count() -> None:
    labels = phases()
    noise = np.random.default_rng(0).normal(0, 8, labels.shape)
    grey = np.array([100, 40, 200])[labels] + noise.round()
    grey[:, :4] = 0
    write(grey.clip(0, 255).astype(np.uint8), "grey.tif")
    found = txm2sem.measure("grey.tif", "out", method="otsu", **QUICK)
    low, high = (float(part) for part in found["phases_by"].split("thresholds ")[1].split(" of")[0].split(", "))
    expected = threshold_multiotsu(grey[grey > 0].astype(np.uint8), 3)
    assert [low, high] == pytest.approx(expected, abs=1)
    assert found["share_imaged"] == pytest.approx(30 / 34)
    assert found["phases"][1]["fraction"]["value"] == pytest.approx((labels[:, 4:] == 1).mean(), abs=0.01)


def test_smoothing_takes_noise_away_and_not_the_border_of_what_was_imaged(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = phases()
    grey = np.where(labels == 1, 60, 160) + np.random.default_rng(0).normal(0, 40, labels.shape)
    grey = grey.clip(0, 250)
    grey[:, :, :10] = 255
    write(grey.round().astype(np.uint8), "grey.tif")
    options = {**QUICK, "thresholds": "110", "not_imaged": 255, "longest": 16}
    noisy, smooth = (
        txm2sem.measure("grey.tif", f"out{blur}", blur=blur, **options)["phases"][1] for blur in (0.0, 1.0)
    )
    true = (labels[:, :, 10:] == 1).mean(axis=(0, 1))
    found = np.array(smooth["profiles"]["x"][10:])
    assert abs(found - true).mean() < 0.06  # small bodies lose some of their volume
    assert abs(found[0] - true[0]) < 0.06
    assert smooth["clusters"]["number"] < noisy["clusters"]["number"] / 5
    in_small_boxes(monkeypatch)
    cut = txm2sem.measure("grey.tif", "boxes", blur=1.0, **options)["phases"][1]
    assert cut == smooth


def write_segmented(path: Path, labels: NDArray[np.uint8], likely: NDArray[np.uint8], grey: NDArray[np.uint8]) -> None:
    """Write what `txm2sem volume --probabilities` writes."""
    depth = 8
    create_image(path, (4, *labels.shape), np.dtype(np.uint8), depth)
    folder = create_labels(path, "phases", labels.shape, depth)
    open_array(path, 0)[:, :, :, :] = np.concatenate([grey[None], likely])
    open_array(folder, 0)[:, :, :] = labels
    channels = tuple(Channel(name, "", (0.0, 255.0)) for name in CLASSES)
    said = Description("it", (32.0, 32.0, 32.0), (0.0, 0.0, 0.0), (0.0, 255.0), {}, channels, "TXM")
    build_pyramid(path, depth, said, lambda voxels: None)
    names = (*CLASSES, "not imaged")
    meanings = tuple(Label(value, name, LABEL_COLOURS[value]) for value, name in zip(LABEL_COLOURS, names, strict=True))
    named = Description("it", (32.0, 32.0, 32.0), (0.0, 0.0, 0.0), (0.0, 255.0), {}, labels=meanings)
    build_pyramid(folder, depth, named, lambda voxels: None)


@pytest.mark.parametrize("roi", ["", "4:36,:,10:60"])
def test_expected_fractions_are_means_of_probabilities(roi: str, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = phases()
    likely = np.random.default_rng(0).integers(0, 85, (3, *SHAPE), np.uint8)
    labels[:, :3] = IGNORED
    likely[:, :, :3] = 0
    write_segmented(Path("it.ome.zarr"), labels, likely, np.where(labels == IGNORED, 0, 90).astype(np.uint8))
    in_small_boxes(monkeypatch)
    report = Path("it.ome.zarr_report.json")
    report.write_text("{}")
    with pytest.raises(UserError, match=report.name):
        txm2sem.measure("it.ome.zarr", "out", roi=roi, **{**QUICK, "voxel_size": ""})
    report.write_text(json.dumps({"scores": {"classes": {CLASSES[1]: {"fraction_error": 0.1}}}}))
    found = txm2sem.measure("it.ome.zarr", "out", roi=roi, **{**QUICK, "voxel_size": ""})
    part = (slice(4, 36), slice(None), slice(10, 60)) if roi else (slice(None),) * 3
    assert [phase["name"] for phase in found["phases"]] == list(CLASSES)
    assert found["voxel_size_nm"] == [32, 32, 32]
    counts = labels[part] != IGNORED
    fractions = [phase["expected_fraction"] for phase in found["phases"]]
    assert [fraction["calibration_error"] for fraction in fractions] == [0, 0.1, 0]
    assert fractions[1]["high"] - fractions[1]["value"] > 0.15 > fractions[2]["high"] - fractions[2]["value"]
    for phase in found["phases"]:
        expected = likely[phase["label"]][part][counts].mean() / 255
        assert phase["expected_fraction"]["value"] == pytest.approx(expected, rel=1e-5)
        assert phase["expected_fraction"]["low"] < expected < phase["expected_fraction"]["high"]
        assert phase["fraction"]["value"] == pytest.approx((labels[part][counts] == phase["label"]).mean(), rel=1e-5)


def test_own_labels_in_tiff_have_names_and_what_was_not_imaged() -> None:
    labels = phases()
    labels[:10] = IGNORED
    tifffile.imwrite("labels.tif", labels, photometric="palette", colormap=colour_table(LABEL_COLOURS))
    found = txm2sem.measure("labels.tif", "out", **QUICK)
    assert [phase["name"] for phase in found["phases"]] == list(CLASSES)
    assert found["share_imaged"] == 0.75


@pytest.mark.parametrize("dtype", ["bool", "int8", "int32", "int64", "uint16", "uint64", "float32", "float64"])
def test_labels_of_any_type_are_read(dtype: str) -> None:
    labels = (phases() == 1).astype(dtype)
    np.save("labels.npy", labels)
    found = txm2sem.measure("labels.npy", "out", **QUICK)
    assert found["phases"][1]["fraction"]["value"] == pytest.approx((labels > 0).mean(), abs=1e-6)


@pytest.mark.parametrize("dataset", ["", "labels/phases", "0"])
def test_labels_in_plain_zarr_and_in_groups_are_read(dataset: str) -> None:
    labels = phases()
    place = {"": "it.zarr", "0": "it.zarr/0"}.get(dataset, f"it.zarr/{dataset}")
    if "/" in dataset:
        zarr.open_group("it.zarr", mode="w", zarr_format=3)
    zarr.create_array(place, data=labels, dimension_names=("z", "y", "x"))
    source = place if dataset == "0" else "it.zarr"
    found = txm2sem.measure(source, "out", dataset="" if dataset == "0" else dataset, **QUICK)
    assert found["phases"][1]["fraction"]["value"] == pytest.approx((labels == 1).mean(), abs=1e-6)


def test_a_section_has_measures_of_a_section(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = phases((1, 64, 80))
    write(labels)
    found = txm2sem.measure("labels.tif", "out", voxel_size=32)
    one = found["phases"][1]
    assert list(one["correlation"]) == ["y", "x"]
    counts = quads(labels[0] == 1, np.ones((64, 80), bool))
    assert one["perimeter"] == pytest.approx(specific_perimeter(counts) / 32, rel=1e-6)
    assert one["euler_number"] == pytest.approx(euler_density(counts) / 32**2, rel=1e-6)
    in_small_boxes(monkeypatch)
    assert measured(txm2sem.measure("labels.tif", "boxes", voxel_size=32)) == measured(found)
    assert one["thickness"]["mean"] > 32
    assert any("one voxel along z" in note for note in found["notes"])


def test_without_a_voxel_size_lengths_are_in_voxels() -> None:
    write(phases())
    found = txm2sem.measure("labels.tif", "out", **{**QUICK, "voxel_size": ""})
    assert (found["unit"], found["voxel_size_nm"]) == ("voxel", None)
    assert any("--voxel_size" in note for note in found["notes"])
    known = txm2sem.measure("labels.tif", "known", **QUICK)
    ratio = known["phases"][1]["thickness"]["mean"] / found["phases"][1]["thickness"]["mean"]
    assert ratio == pytest.approx(32, rel=1e-5)


def test_a_phase_may_fill_all_or_be_absent() -> None:
    write(np.ones((20, 20, 20), np.uint8))
    found = txm2sem.measure("labels.tif", "all", voxel_size=32)
    assert [phase["label"] for phase in found["phases"]] == [1]
    only = found["phases"][0]
    assert only["fraction"]["value"] == 1
    assert only["thickness"]["boundless"]
    assert only["thickness"]["largest"] is None
    assert only["diffusion"]["x"]["relative"] == pytest.approx(1)
    write(np.full((20, 20, 20), 100, np.uint8), "grey.tif")
    dark = txm2sem.measure("grey.tif", "none", voxel_size=32, thresholds="50,150")["phases"][1]
    assert dark["fraction"]["value"] == 0
    assert dark["clusters"]["number"] == 0
    assert dark["diffusion"]["x"]["tortuosity_factor"] is None


def test_tables_have_the_numbers_of_the_document() -> None:
    write(phases())
    found = txm2sem.measure("labels.tif", "out", **QUICK)
    with Path("out/measures.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    expected = [(phase["name"], one) for phase in found["phases"] for one in numbers(phase, "nm")]
    assert len(rows) == len(expected)
    for row, (name, one) in zip(rows, expected, strict=True):
        assert (row["phase"], row["measure"], row["axis"], row["unit"]) == (name, one.name, one.axis, one.unit)
        assert (math.nan if row["value"] == "" else float(row["value"])) == pytest.approx(one.value, nan_ok=True)


def test_another_measurement_stands_beside_it() -> None:
    write(phases())
    write(phases(seed=1), "other.tif")
    txm2sem.measure("other.tif", "other", **QUICK)
    found = txm2sem.measure("labels.tif", "out", compare="other", **QUICK)
    assert found["compared"]["name"] == "other"
    assert found["compared"]["phases"] == document("other")["phases"]
    page = Path("out/measures.html").read_text(encoding="utf-8")
    assert "Beside other" in page
    assert "mean local thickness" in page
    named = txm2sem.measure("labels.tif", "named", compare="other", phases="0=matrix,1=pores,2=pyrite", **QUICK)
    pairs = list(paired(named, document("other")))
    assert {phase for phase, _, _ in pairs} == {"matrix", "pores", "pyrite"}
    values = {(phase, one.name): other.value for phase, one, other in pairs}
    assert values["pores", "fraction"] == document("other")["phases"][1]["fraction"]["value"]


def test_what_was_cut_off_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    write(phases())
    whole = txm2sem.measure("labels.tif", "whole", **QUICK)
    in_small_boxes(monkeypatch)
    done: list[str] = []
    damaged: list[Path] = []
    measure = boxes.measure_box

    def interrupted(box: Any, *rest: Any) -> Any:
        if len(done) == 5 and not damaged:
            raise KeyboardInterrupt
        done.append(str(box.index))
        return measure(box, *rest)

    monkeypatch.setattr(job, "measure_box", interrupted)
    with pytest.raises(KeyboardInterrupt):
        txm2sem.measure("labels.tif", "out", **QUICK)
    assert not Path("out").exists()
    damaged += sorted(MeasurePaths(Path("out").absolute()).work.glob("boxes/*.npz"))
    assert len(damaged) == 5
    content = bytearray(damaged[2].read_bytes())
    content[len(content) // 2] ^= 255
    damaged[2].write_bytes(content)
    found = txm2sem.measure("labels.tif", "out", **QUICK)
    assert measured(found) == measured(whole)
    assert len(done) == 5 + 3 * 3 * 5 - 4
    assert not MeasurePaths(Path("out").absolute()).work.exists()


def test_a_disk_that_is_full_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    write(phases())

    def full(path: Path, content: Any) -> None:
        raise UserError(f"cannot write {path}: the disk is full")

    monkeypatch.setattr(job, "write_whole", full)
    with pytest.raises(UserError, match="the disk is full"):
        txm2sem.measure("labels.tif", "out", **QUICK)


def test_processes_share_the_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multiprocessing.get_context", lambda method: CONTEXT)
    write(phases())
    whole = txm2sem.measure("labels.tif", "whole", **QUICK)
    in_small_boxes(monkeypatch, 32)
    assert measured(txm2sem.measure("labels.tif", "out", workers=2, **QUICK)) == measured(whole)


def test_a_part_of_another_measurement_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    write(phases())

    def failing(*rest: Any) -> Any:
        raise UserError("no more")

    monkeypatch.setattr(job, "measure_box", failing)
    with pytest.raises(UserError, match="no more"):
        txm2sem.measure("labels.tif", "out", **QUICK)
    for other in ({"longest": 5}, {"roi": "0:20,:,:"}):
        with pytest.raises(UserError, match=f"holds a part of another output: its {next(iter(other))} is"):
            txm2sem.measure("labels.tif", "out", **{**QUICK, **other})
    write(phases(seed=1))
    with pytest.raises(UserError, match="holds a part of another output: its input is"):
        txm2sem.measure("labels.tif", "out", **QUICK)


@pytest.mark.parametrize(
    ("voxels", "options", "message"),
    [
        (np.arange(40**3).reshape(40, 40, 40) % 200, {}, "expected labels, at most 32 phases"),
        (np.full((9, 9, 9), 0.5, np.float32), {}, "has the value 0.5; expected whole numbers"),
        (np.full((9, 9, 9), np.nan, np.float32), {}, "NaN"),
        (np.full((9, 9, 9), -1, np.int16), {}, "has the value -1"),
        (np.full((9, 9, 9), 256, np.int32), {}, "has the value 256"),
        (np.zeros((9, 9, 9), np.uint8), {"not_imaged": "0"}, "has no voxel that was imaged"),
        (np.ones((9, 9, 9), np.uint8), {"not_imaged": "black"}, "--not_imaged black: expected a value"),
        (np.ones((9, 9, 9), np.uint8), {"thresholds": "80,20"}, "--thresholds 80,20: expected grey values"),
        (np.ones((9, 9, 9), np.uint8), {"thresholds": "a"}, "--thresholds a: expected grey values"),
        (np.ones((9, 9, 9), np.uint8), {"method": "thresholds"}, "needs --thresholds"),
        (np.ones((9, 9, 9), np.uint8), {"method": "otsu"}, "1 different grey values"),
        (np.ones((9, 9, 9), np.uint8), {"method": "otsu", "thresholds": "3"}, "does nothing with --method otsu"),
        (np.ones((9, 9, 9), np.uint8), {"method": "labels", "blur": 1.0}, "--blur smooths grey values"),
        (np.ones((9, 9, 9), np.uint8), {"phases": "2=pores"}, "there is no phase 2"),
        (np.ones((9, 9, 9), np.uint8), {"phases": "pores"}, "expected numbers and names"),
        (np.ones((9, 9, 9), np.uint8), {"measured": "3"}, "--measured 3: expected numbers of phases"),
        (np.ones((9, 9, 9), np.uint8), {"compare": "absent"}, "there is no absent/measures.json"),
        (np.ones((9, 9, 9), np.uint8), {"epoch": "3"}, "does nothing without --name"),
        (np.ones((9, 9, 9), np.uint8), {"memory": "1MB"}, "--memory is too little"),
    ],
)
def test_what_cannot_be_measured_is_said(voxels: NDArray[Any], options: dict[str, Any], message: str) -> None:
    np.save("labels.npy", voxels)
    with pytest.raises(UserError, match=message):
        txm2sem.measure("labels.npy", "out", voxel_size=32, **options)
    assert not list(Path().glob("out*"))


def test_an_output_that_exists_is_left_alone() -> None:
    write(phases())
    Path("out").mkdir()
    Path("out/mine").write_text("kept")
    with pytest.raises(UserError, match="exists and is not overwritten"):
        txm2sem.measure("labels.tif", "out", **QUICK)
    assert Path("out/mine").read_text() == "kept"
