"""Slices that are left out in turn: what each fold holds, and what it can never hold."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from data_roots import write_data_root, write_neighbours
from sweeps import write_plan

from txm2sem.data import AlignedSlices
from txm2sem.errors import UserError
from txm2sem.files import checksum
from txm2sem.options import DataOptions
from txm2sem.scoring.evaluation import fit_trivial_predictions
from txm2sem.scoring.thresholds import fit_thresholds
from txm2sem.sweeping.folds import Fold, leave_one_out, make_folds
from txm2sem.sweeping.plan import WITHOUT_A_MODEL, Plan

PLACES: dict[str, Any] = {"checkpoints_dir": Path("checkpoints"), "results_dir": Path("results")}
OUT = "leave_one_out: {}\noptions: {model: feedforward, patch_size: 32}\n"


@pytest.fixture(autouse=True)
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a data root of six slices, 0 to 5, in three splits."""
    monkeypatch.chdir(tmp_path)
    root = write_data_root(Path("images"), size=(40, 40))
    write_neighbours(root)
    return root


def made(folds: list[Fold]) -> list[Fold]:
    make_folds(folds, Path("lock"))
    return folds


def left_out(**options: Any) -> list[Fold]:
    return leave_one_out(Path("images"), [DataOptions(**options)], Path("out/folds"))


def sums(folder: Path) -> set[str]:
    """Return checksums of all images of a SEM and a TXM, wherever in a folder they are."""
    return {checksum(path) for name in ("txm", "sem") for path in folder.rglob(f"{name}/*.tif")}


def test_each_slice_is_tested_once_by_those_who_have_not_seen_it(images: Path) -> None:
    before = {path: path.read_bytes() for path in images.rglob("*.tif")}
    every = sums(images)
    folds = made(left_out())
    assert [fold.tested for fold in folds] == list(range(6))
    for fold in folds:
        splits = {phase: AlignedSlices.open(fold.root, phase, DataOptions()) for phase in ("train", "val", "test")}
        assert splits["test"].numbers == (fold.tested,)
        assert splits["val"].numbers == ((fold.tested + 1) % 6,)
        assert splits["train"].numbers == tuple(sorted({*range(6)} - {fold.tested, (fold.tested + 1) % 6}))
        held = {phase: sums(fold.root / phase) for phase in splits}
        assert not held["test"] & (held["train"] | held["val"])
        assert not held["train"] & held["val"]
        assert set().union(*held.values()) == every
        assert all(slices.has_densities and slices.charge for slices in splits.values())
        (tested,) = images.glob(f"*/sem/{fold.tested:03d}.tif")
        assert splits["test"].sem.paths[0].samefile(tested)  # a link: nothing is copied
    assert {path: path.read_bytes() for path in images.rglob("*.tif")} == before


def test_where_links_are_not_allowed_slices_are_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("not allowed")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    folds = made(left_out())
    assert not any(path.is_symlink() for path in folds[0].root.rglob("*"))
    assert AlignedSlices.open(folds[4].root, "test", DataOptions()).numbers == (4,)
    made(left_out())  # copies of the same slices are the same


def test_folds_that_are_there_are_kept_and_others_refused(images: Path) -> None:
    made(left_out())
    (images / "val" / "sem" / "003.tif").write_bytes((images / "val" / "sem" / "003.tif").read_bytes())
    made(left_out())
    for folder in images.glob("test/*/005.tif"):
        folder.unlink()
    with pytest.raises(UserError, match=r"out/folds/000.*slices have come or gone.*--output"):
        made(left_out())
    shutil.rmtree("out")
    partial = Path("out/folds/000.partial/train")  # of one that was killed
    partial.mkdir(parents=True)
    (partial / "left").touch()
    (first, *_) = made(left_out())
    assert not (first.root / "train" / "left").exists()


def test_another_data_root_with_slices_of_the_same_names_is_refused() -> None:
    made(left_out())
    write_neighbours(write_data_root(Path("others"), size=(40, 40), seed=1))
    with pytest.raises(UserError, match="it is another data root"):
        made(leave_one_out(Path("others"), [DataOptions()], Path("out/folds")))


def test_neighbours_come_along() -> None:
    options = DataOptions(context_slices=1)
    for fold in made(left_out(context_slices=1)):
        assert AlignedSlices.open(fold.root, "test", options).neighbours is not None


def test_folders_of_all_runs_are_linked(images: Path) -> None:
    for split in images.glob("*/sem"):
        shutil.copytree(split, split.with_name("other"))
    folds = made(leave_one_out(images, [DataOptions(), DataOptions(sem_dir="other")], Path("out/folds")))
    assert (folds[0].root / "test" / "other" / "000.tif").exists()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        ("rm -r images", "there is no folder images"),
        ("rm -r images/train", "images has no folder train"),
        ("rm -r images/train/sem/*", "images/train/sem"),
        ("rm images/*/*/00[1-5].tif images/test -r; rm -r images/val", "found 1; add slices"),
        ("rm -r images/val images/test", "expected 3 slices or more to leave out in turn"),
        ("for d in images/val/*/; do mv $d/002.tif $d/000.tif; done", "have the same number"),
        ("cp images/train/sem/000.tif images/test/sem/004.tif", "are the same image"),
        ("rm -r images/val/charge", "all need the same images and masks"),
    ],
)
def test_slices_that_cannot_be_left_out_are_refused(spoil: str, said: str) -> None:
    subprocess.run(["bash", "-c", spoil], check=True)
    with pytest.raises(UserError) as error:
        Plan.read(write_plan(OUT), PLACES)
    assert said in str(error.value)
    assert not Path("plan_sweep").exists()


def test_a_plan_has_a_run_for_each_slice_and_no_cube() -> None:
    plan = Plan.read(write_plan(OUT + "runs:\n  a: {seed: [0, 1]}\n  b: {}\n"), PLACES)
    assert [run.name for run in plan.runs][5:7] == ["a_seed_0_slice_5", "a_seed_1_slice_0"]
    assert len(plan.runs) == 3 * 6
    for run in plan.runs:
        assert list(run.commands) == list(run.given) == ["train", "test"]
        assert run.tested == int(run.name[-1])
        root = Path(f"plan_sweep/folds/00{run.tested}")
        assert {command.run.dataroot for command in run.commands.values()} == {root}
        assert {values["dataroot"] for values in run.given.values()} == {root}
    assert [run.repeated for run in plan.runs] == ["a"] * 12 + ["b"] * 6
    elsewhere = Plan.read(write_plan(OUT), PLACES, output="mine")
    assert elsewhere.runs[0].training.run.dataroot == Path("mine/folds/000")


def test_runs_may_validate_on_other_patches_where_all_are_tested_on_the_same() -> None:
    plan = Plan.read(write_plan(OUT + "runs:\n  a: {num_test: 20}\n  b: {}\ntest: {num_test: 50}\n"), PLACES)
    assert {(run.base, run.given["train"].get("num_test")) for run in plan.runs} == {("a", 20), ("b", None)}
    assert {run.given["test"]["num_test"] for run in plan.runs} == {50}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("leave_one_out: {baselin: a}", "line 1: leave_one_out has no baselin; did you mean baseline?"),
        ("leave_one_out: {baseline: linear}", "line 1: no row of the table will be called linear; did you mean linear"),
        ("leave_one_out: {baseline: [a_seed_0]}\nruns: {a: {seed: [0, 1]}}", "no row of the table will be called a_"),
        ("leave_one_out: 3", "line 1: leave_one_out: expected options"),
        ("leave_one_out:\noptions: {phase: test}", "line 2: --phase does not go with leave_one_out"),
        ("leave_one_out:\nruns:\n  a:\n    init_from: other", "line 4: --init_from does not go with leave_one_out"),
        ("leave_one_out:\ntest: {dataroot: images}", "line 2: --dataroot does not go with leave_one_out"),
        ("leave_one_out:\ntest: {phase: train}", "line 2: --phase does not go with leave_one_out"),
        (
            "leave_one_out:\noptions: {model: segmentation, seg_mode: semfake, seg_source: x}",
            "line 2: --seg_source does not go with leave_one_out",
        ),
        ("leave_one_out:\ncube: {z_ind: 3}", "line 2: with leave_one_out no cube is tested"),
    ],
)
def test_what_would_let_a_run_see_what_it_is_tested_on_is_refused(text: str, said: str) -> None:
    with pytest.raises(UserError) as error:
        Plan.read(write_plan(text), PLACES)
    assert said in str(error.value)


def test_to_segment_needs_masks(images: Path) -> None:
    text = "leave_one_out:\nruns:\n  plain: {model: feedforward}\n  classes: {recipe: phases}\n"
    assert len(Plan.read(write_plan(text), PLACES).runs) == 12
    for folder in images.glob("*/lowdensity"):
        shutil.rmtree(folder)
    with pytest.raises(UserError, match="classes learns to segment, and there are no masks lowdensity"):
        Plan.read(write_plan(text), PLACES)


def test_predictions_without_a_model_are_called_as_tests_call_them() -> None:
    images, classes = np.indices((2, 9, 9))[1] / 4 - 1, np.indices((9, 9))[1] // 3
    patch = {name: torch.from_numpy(images[:1].astype(np.float32)) for name in ("source", "target")}
    patch["charge"] = torch.zeros(1, 9, 9, dtype=torch.bool)
    named = [*fit_trivial_predictions([patch]), *fit_thresholds([(images[0].astype(np.float32), classes)])]
    known = {name.partition(" (")[0] for name in named} | {"raw TXM"}
    assert known - {"only neither"} == set(WITHOUT_A_MODEL)


def test_the_table_of_the_shale_comes_along() -> None:
    plan = Plan.read("shale", PLACES, Path("images"))
    assert list(dict.fromkeys(run.base for run in plan.runs)) == ["translate", "texture", "sample", "phases", "srgan"]
    assert plan.baselines == ["linear fit", "blurred curve fit", "constant", "Otsu thresholds"]
    assert all(run.training.schedule.time_budget > 0 for run in plan.runs)
    assert len(plan.runs) == 5 * 6
