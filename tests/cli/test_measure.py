"""Volumes measured through the command line: with a model, and cut off by a kill."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from kills import killed_at
from measuring.volumes import document, phases, write, write_draws
from numpy.typing import NDArray

from cli.calls import Program
from cli.volumes import IDENTITY, SEGMENTS, TRANSLATES, rock, voxels, write_identity, write_run, write_scan
from txm2sem.applying.volume.applied import AppliedVolume
from txm2sem.data.classes import CLASSES, IGNORED
from txm2sem.data.readers import VolumeInput, channel_names, open_channels
from txm2sem.measures import numbers, promise, sentence
from txm2sem.measuring import job
from txm2sem.measuring.model import volume_command
from txm2sem.measuring.run import BELIEVED
from txm2sem.measuring.verdict import GUESSED, THRESHOLDS
from txm2sem.options import MeasureCommand, override

SHAPE = (6, 44, 60)
SAMPLES = {"model": "feedforward", "netG": "sampled_unet", "downsample_factor": 1, "keep_empty": True}
VOLUME = "--voxel_size 32 --gpu_ids -1 --longest 4 --diffusion_side 16"


@pytest.fixture
def scan(program: Program) -> NDArray[np.uint8]:
    """Write `scan`, a folder of slices with a corner that was not imaged, and models; return it."""
    volume = rock(SHAPE)
    volume[:, :12, :9] = 0
    write_scan(volume)
    return volume


def test_a_model_that_segments_is_applied_and_measured(program: Program, scan: NDArray[np.uint8]) -> None:
    write_run("phases", SEGMENTS, seg_mode="txm")
    outcome = program(f"measure scan out --name phases {VOLUME}")
    assert outcome.status == 0, outcome.err
    found = document("out")
    labels = np.asarray(zarr.open_array("out/volume.ome.zarr/labels/phases/0", mode="r")[:])
    likely = voxels("out/volume.ome.zarr")[1:, labels != IGNORED] / 255
    assert [phase["name"] for phase in found["phases"]] == list(CLASSES)
    for phase, probability in zip(found["phases"], likely, strict=True):
        assert phase["fraction"]["value"] == pytest.approx(
            (labels[labels != IGNORED] == phase["label"]).mean(), rel=1e-5
        )
        assert phase["expected_fraction"]["value"] == pytest.approx(probability.mean(), rel=1e-5)
        assert sentence(phase, found) in outcome.out
    assert found["share_imaged"] == pytest.approx((scan > 0).mean(), rel=1e-6)
    assert found["model"]["model"].startswith("phases ")
    assert found["phases_by"] == "labels of what phases predicts"
    assert found["notes"] == [BELIEVED]
    again = program(f"measure scan out --name phases {VOLUME}")
    assert (again.status, "exists and is not overwritten" in again.err) == (1, True)


@pytest.mark.usefixtures("program", "scan")
@pytest.mark.parametrize(
    ("options", "guess"),
    [
        ({"name": "phases"}, True),
        ({"name": "translation"}, True),
        ({"name": "of_sem", "seg_mode": "sem"}, False),
        ({"name": "of_sem", "seg_mode": "semfake", "seg_source": "translation"}, True),
    ],
)
def test_what_is_told_from_the_txm_is_a_guess(options: dict[str, str], guess: bool) -> None:
    write_run("phases", SEGMENTS, seg_mode="txm")
    write_run("of_sem", SEGMENTS, seg_mode="sem")
    write_run("translation", TRANSLATES)
    command = override(MeasureCommand(), {"voxel_size": "32", "gpu_ids": "-1", **options})
    assert AppliedVolume(volume_command(command), Path("scan"), Path("out.ome.zarr")).is_guess == guess


def test_a_model_that_was_applied_is_not_applied_again(
    program: Program, scan: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run("phases", SEGMENTS, seg_mode="txm")
    words = f"measure scan OUT --name phases {VOLUME}"
    assert program(words.replace("OUT", "whole")).status == 0

    def interrupted(*rest: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(job, "measure_box", interrupted)
        assert program(words.replace("OUT", "out")).status == 130
    made = Path("out.partial/root/volume.ome.zarr")
    before = made.stat().st_ino
    outcome = program(words.replace("OUT", "out"))
    assert outcome.status == 0, outcome.err
    assert Path("out/volume.ome.zarr").stat().st_ino == before
    assert document("out")["phases"] == document("whole")["phases"]


def test_a_model_that_translates_is_measured_by_grey_values(program: Program, scan: NDArray[np.uint8]) -> None:
    write_identity()
    outcome = program(f"measure scan out {IDENTITY.replace('--model feedforward --netG linearfilt', '')} {VOLUME}")
    assert outcome.status != 0  # a checkpoint without saved options does not say what it is
    write_run("identity", {"model": "feedforward", "netG": "linearfilt", "downsample_factor": 1}, sem_range="0,255")
    write_identity()
    outcome = program(f"measure scan out --name identity {VOLUME} --thresholds 100,150")
    assert outcome.status == 0, outcome.err
    found = document("out")["phases"]
    image = voxels("out/volume.ome.zarr")
    assert found[1]["fraction"]["value"] == pytest.approx((image[image > 0] <= 100).mean(), rel=1e-5)
    assert found[1]["expected_fraction"] is None
    other = program(f"measure scan other --name identity {VOLUME} --method labels")
    assert (other.status, "predicts the SEM" in other.err) == (1, True)


def test_a_prediction_is_known_for_one_without_the_name_of_its_model(program: Program, scan: NDArray[np.uint8]) -> None:
    write_run("identity", {"model": "feedforward", "netG": "linearfilt", "downsample_factor": 1}, sem_range="0,255")
    write_identity()
    outcome = program("volume scan predicted.ome.tif --name identity --voxel_size 32 --gpu_ids -1")
    assert outcome.status == 0, outcome.err
    outcome = program("measure predicted.ome.tif out --method otsu --measured 1 --longest 4 --diffusion_side 0")
    assert outcome.status == 0, outcome.err
    found = document("out")
    assert found["notes"] == [BELIEVED]
    assert found["phases_by"].endswith(" of Otsu of what identity (epoch latest) predicts")
    assert f"verdict:    {GUESSED}" in outcome.out
    assert f"- {THRESHOLDS}" in outcome.out
    *_, last = (line for line in outcome.out.splitlines() if "%" in line and line.endswith("."))
    assert last.startswith("rest (neither phase): ")
    for text in (BELIEVED, GUESSED, promise(found)):
        assert text in Path("out/measures.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["drawn.ome.zarr", "drawn.ome.tif"])
def test_draws_are_measured_as_volume_has_written_them(program: Program, scan: NDArray[np.uint8], name: str) -> None:
    write_run("sample", SAMPLES)
    outcome = program(f"volume scan {name} --name sample --draws 3 --voxel_size 32 --gpu_ids -1")
    assert outcome.status == 0, outcome.err
    words = f"measure {name} out --longest 4 --diffusion_side 0"
    plan = program(f"{words} --dry_run")
    assert plan.status == 0, plan.err
    assert "\nboxes:      3 of " in plan.out  # one in each draw
    assert not list(Path().glob("out*"))
    outcome = program(words)
    assert outcome.status == 0, outcome.err
    found = document("out")
    draws = open_channels(VolumeInput(Path(name)), channel_names(Path(name)))[2:]
    low = float(found["phases_by"].split("thresholds ")[1].split(",")[0])
    shares = [(draw[:][scan > 0] <= low).mean() for draw in draws]
    assert len(set(shares)) == 3
    fraction = next(numbers(found["phases"][1], "nm"))
    assert fraction.draws == pytest.approx(shares, rel=1e-5)
    assert (fraction.value, fraction.low, fraction.high) == pytest.approx((np.mean(shares), min(shares), max(shares)))
    assert found["share_imaged"] == pytest.approx((scan > 0).mean(), rel=1e-6)
    for phase in found["phases"]:
        assert sentence(phase, found) in outcome.out
    assert f"{fraction.low:.1%} to {fraction.high:.1%}" in outcome.out
    assert all(note in outcome.out for note in found["notes"])


def test_a_model_is_not_applied_to_draws(program: Program) -> None:
    write_draws(np.full((2, 6, 44, 60), 90, np.uint8))
    write_run("of_sem", SEGMENTS, seg_mode="sem")
    outcome = program("measure drawn.ome.zarr out --name of_sem --seg_mode sem --gpu_ids -1")
    assert outcome.status == 1
    assert "drawn.ome.zarr has 2 draws of a SEM" in outcome.err
    assert not list(Path().glob("out*"))


def test_phases_that_a_model_tells_take_no_thresholds(program: Program, scan: NDArray[np.uint8]) -> None:
    write_run("phases", SEGMENTS, seg_mode="txm")
    outcome = program(f"measure scan out --name phases {VOLUME} --thresholds 80")
    assert outcome.status == 1
    assert "tells the phases itself" in outcome.err
    assert not list(Path().glob("out*"))


def test_words_that_are_not_two_places_are_refused(program: Program) -> None:
    for words in ("", "labels.tif", "labels.tif out more"):
        outcome = program(f"measure {words}")
        assert outcome.status == 2
        assert "a volume and a new folder" in outcome.err


def test_a_measurement_that_was_killed_ends_with_the_same_numbers(program: Program) -> None:
    write(phases((20, 24, 28)))
    words = "measure labels.tif OUT --voxel_size 32 --longest 4 --measured 1 --diffusion_side 16"
    with killed_at(10**9) as kill:
        assert program(words.replace("OUT", "whole")).status == 0
    whole = document("whole")["phases"]
    for step in (2, 5, 8, kill.steps // 2, kill.steps - 5, kill.steps - 3, kill.steps - 2):
        out = f"out{step}"
        with killed_at(step):
            program(words.replace("OUT", out))
        outcome = program(words.replace("OUT", out))
        assert outcome.status == 0, outcome.err
        assert document(out)["phases"] == whole
        assert not Path(f"{out}.partial").exists()
