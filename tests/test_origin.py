"""What a training was made with is kept, and data that are not those of the training are noticed."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import Any

import pytest
from data_roots import write_data_root, write_neighbours

from txm2sem.data import AlignedSlices
from txm2sem.errors import UserError
from txm2sem.options import TrainCommand, TrainedOptions, override, to_mapping
from txm2sem.origin import Origin, changed, checksums, digest, recorded
from txm2sem.reporting.about import origin_facts
from txm2sem.reporting.record import AGAIN, RunRecord
from txm2sem.runs import RunPaths, write_options


def sums(images: Path, **options: Any) -> dict[str, str]:
    data = override(TrainCommand(), options).data
    return checksums(images, [AlignedSlices.open(images, phase, data) for phase in ("train", "val")])


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    """A run that has the options and the origin of a training alone, beside its data."""
    paths = RunPaths.of("run", tmp_path / "checkpoints", tmp_path / "results")
    images = write_data_root(tmp_path / "images", size=(40, 40))
    write_options(paths.options, to_mapping(override(TrainCommand(), {"dataroot": images})))
    sit(paths, images)
    return paths


def sit(paths: RunPaths, images: Path, *, goes_on: bool = False) -> list[str]:
    lines: list[str] = []
    with recorded(paths, TrainedOptions(gpu_ids="-1"), sums(images), lines.append, goes_on=goes_on):
        pass
    return lines


def test_all_files_of_training_and_validation_count_and_no_others(tmp_path: Path) -> None:
    images = write_data_root(tmp_path / "images", size=(40, 40))
    (images / "train" / "notes.txt").write_text("mine")
    folders = ("txm", "sem", "charge", "lowdensity", "highdensity")
    expected = {f"{split}/{folder}/00{n}.tif" for split in ("train", "val") for folder in folders for n in range(2)}
    assert set(sums(images)) == expected
    assert "train/txm/001.tif" not in sums(images, max_dataset_size=1)


def test_neighbours_that_are_seen_count(tmp_path: Path) -> None:
    images = write_data_root(tmp_path / "images", size=(96, 96))
    write_neighbours(images)
    found = sums(images, model="feedforward", context_slices=1)
    assert sum(name.startswith("test/txm_full_stack/") for name in found) == 12


def test_the_digest_is_that_of_what_sha256sum_prints(tmp_path: Path) -> None:
    images = write_data_root(tmp_path / "images", size=(40, 40))
    files = sums(images)
    try:
        printed = subprocess.run(["sha256sum", *sorted(files)], cwd=images, capture_output=True, check=True).stdout
    except FileNotFoundError:
        pytest.skip("needs sha256sum")
    assert digest(files) == hashlib.sha256(printed).hexdigest()


def test_the_page_says_that_data_are_the_same_or_which_have_changed(run: RunPaths) -> None:
    images = run.checkpoints.parents[1] / "images"
    facts = origin_facts(RunRecord.read(run))
    assert facts["data now"] == "the same as in the training"
    assert digest(sums(images)) in facts["data"]
    slice_ = images / "train" / "sem" / "001.tif"
    content = bytearray(slice_.read_bytes())
    content[-1] ^= 1  # one pixel, by one grey value
    slice_.write_bytes(content)
    assert origin_facts(RunRecord.read(run))["data now"] == "changed since: train/sem/001.tif"
    (lines,) = sit(run, images, goes_on=True)
    assert "train/sem/001.tif" in lines
    facts = origin_facts(RunRecord.read(run))
    assert facts["data now"] == "changed between the sittings; changed since: train/sem/001.tif"
    assert "in 2 sittings" in facts["took"]
    images.rename(images.with_name("elsewhere"))
    assert "is not there now" in origin_facts(RunRecord.read(run))["data now"]


def test_a_sitting_that_ends_early_is_kept_and_a_new_run_begins_anew(run: RunPaths) -> None:
    images = run.checkpoints.parents[1] / "images"
    with pytest.raises(KeyboardInterrupt), recorded(run, TrainedOptions(), sums(images), print, goes_on=True):
        assert [session.seconds > 0 for session in Origin.read(run.origin).sessions] == [True, False]
        raise KeyboardInterrupt
    sessions = Origin.read(run.origin).sessions
    assert [session.seconds > 0 for session in sessions] == [True, True]
    assert {"Python", "txm2sem", "torch"} <= set(sessions[0].versions)
    sit(run, images)
    assert len(Origin.read(run.origin).sessions) == 1


def test_what_is_damaged_is_told_of(run: RunPaths) -> None:
    run.origin.write_text('{"files": {"a": 3}, "sessions": []}')
    assert "origin.json" in RunRecord.read(run).problems[AGAIN][0]
    with pytest.raises(UserError, match=r"origin\.json is damaged"):
        Origin.read(run.origin)


def test_files_that_come_or_go_are_changes() -> None:
    assert changed({"a": "1", "b": "2"}, {"b": "3", "c": "4"}) == ["a", "b", "c"]
