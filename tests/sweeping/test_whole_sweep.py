"""A whole sweep, with trainings and tests of this program: what one part writes, another one reads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

import pytest
from forks import CONTEXT
from matplotlib.figure import Figure
from sweeps import write_images, write_plan, write_slices

import txm2sem
from txm2sem.cli.main import main
from txm2sem.errors import UserError
from txm2sem.files import checksum
from txm2sem.sweeping.children import PROGRAM

PLAN = """
options: {model: feedforward, netG: resnet_6blocks, ngf: 2, patch_size: 32, num_train: 2, niter: 1, niter_decay: 0,
  lr: 0.05}
runs:
  plain: {num_threads: 0, num_test: 2, seed: [0, 1]}
test: {ntest: 2}
"""


class ForkedCall:
    """A call of the program by a copy of this process, which has imported everything, in place of `Popen`."""

    def __init__(self, words: Sequence[str], stdout: BinaryIO, env: Mapping[str, str], **others: Any) -> None:
        def run() -> None:
            os.environ |= env
            for descriptor in (1, 2):
                os.dup2(stdout.fileno(), descriptor)
            sys.stdout, sys.stderr = (os.fdopen(os.dup(descriptor), "w") for descriptor in (1, 2))
            status = main(words[len(PROGRAM) :])
            sys.stdout.flush()
            os._exit(status)  # what Python does at the end is not for copies that a thread has made

        self._process = CONTEXT.Process(target=run)
        self._process.start()

    def wait(self) -> int | None:
        self._process.join()
        code: int | None = self._process.exitcode
        return code


LEFT_OUT = """
leave_one_out: {baseline: [linear fit, Otsu thresholds]}
options: {netG: resnet_6blocks, ngf: 2, patch_size: 32, num_train: 2, niter: 1, niter_decay: 0, num_threads: 0,
  num_test: 2}
runs:
  plain: {model: feedforward}
  classes: {model: segmentation, seg_mode: txm}
test: {ntest: 2}
"""


@pytest.fixture
def forked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blank_pictures: None) -> None:
    """Let calls of the program be copies of this process, which draw nothing, in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    forking = SimpleNamespace(Popen=ForkedCall, DEVNULL=None, STDOUT=None)
    monkeypatch.setattr("txm2sem.sweeping.children.subprocess", forking)
    for kind in ("translation", "cube"):
        monkeypatch.setattr(f"txm2sem.testing.{kind}.perceptual_or_none", lambda device: None)
    monkeypatch.setattr("txm2sem.testing.cube.draw_cuts", lambda *arguments: Figure())


@pytest.mark.usefixtures("forked")
def test_a_whole_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    write_images()
    said: list[str] = []
    made = txm2sem.sweep(write_plan(PLAN), dataroot="images", device="cpu", echo=said.append)
    assert said[-1].endswith("2 of 2 runs are done")
    assert list(made["runs"]) == ["plain_seed_0", "plain_seed_1"]
    (row,) = made["rows"]
    for key in ("psnr", "ssim", "change_along_z"):
        values = [run[key] for run in made["runs"].values()]
        assert row["measures"][key]["value"] == pytest.approx(sum(values) / 2, rel=1e-5)
    assert made["runs"]["plain_seed_0"]["psnr"] != made["runs"]["plain_seed_1"]["psnr"]
    assert json.loads(Path("plan_sweep/sweep.json").read_text()) == made
    page = Path("plan_sweep/compare.html").read_text()
    assert all(name in page for name in made["runs"])
    assert "seed" in page
    monkeypatch.setattr("txm2sem.sweeping.children.subprocess", None)
    assert txm2sem.sweep("plan.yaml", dataroot="images", device="cpu") == made


@pytest.mark.usefixtures("forked")
def test_a_slice_is_left_out() -> None:
    write_slices()
    words = ["sweep", write_plan(LEFT_OUT), "--dataroot", "images", "--gpu_ids=-1"]
    assert main([*words, "--only", "*_slice_9"]) == 0
    assert main([*words, "--table_only"]) == 0
    made = json.loads(Path("plan_sweep/sweep.json").read_text())
    plain, classes = made["rows"]
    assert {"psnr_of_patches", "ssim_of_patches", "psnr", "pearson"} <= plain["measures"].keys()
    assert {"Dice", "bits_per_pixel"} <= classes["measures"].keys()
    assert plain["differences"].keys() == {"linear fit"}
    assert classes["differences"].keys() == {"Otsu thresholds"}
    means = json.loads(Path("results/plain_slice_9/scores.json").read_text())["means"]["rows"]
    for key, name in (("psnr_of_patches", "PSNR"), ("ssim_of_patches", "SSIM")):
        model, line = means["model plain_slice_9"][name]["mean"], means["linear fit"][name]["mean"]
        assert plain["measures"][key]["value"] == pytest.approx(model, abs=1e-4)
        assert plain["differences"]["linear fit"][key]["value"] == pytest.approx(model - line, abs=1e-4)
    found = json.loads(Path("results/classes_slice_9/scores.json").read_text())["probabilities"]["tested"]["calibrated"]
    assert classes["measures"]["bits_per_pixel"]["value"] == pytest.approx(found["bits_per_pixel"])
    rock = json.loads(Path("results/plain_slice_9/scores.json").read_text())["rock"]
    for label, phase in enumerate(("low_density", "high_density"), start=1):
        (expected,) = classes["fractions"][phase].values()
        assert (expected["value"], expected["truth"]) == pytest.approx(
            (found["expected_shares"][label], found["true_shares"][label])
        )
        for row, kind in (
            (plain["further"], "model plain_slice_9"),
            (made["without_a_model"]["linear fit"]["further"], "linear fit"),
        ):
            error = rock[kind][phase]["fraction"]["error"]["value"]
            assert row[f"excess_{phase}"]["value"] == pytest.approx(100 * error, abs=1e-4)
    # What a training has read is kept with it: the slice that it was tested on is not among that.
    (tested,) = Path("images").glob("*/sem/009.tif")
    for name in ("plain", "classes"):
        read = json.loads(Path(f"checkpoints/{name}_slice_9/origin.json").read_text())["files"]
        assert checksum(tested) not in read.values()
        assert {Path(file).stem for file in read} == {"008", "010"}


def test_a_sweep_from_python_says_what_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_images(depth=0)
    monkeypatch.setattr(
        "txm2sem.sweeping.children.PROGRAM", (sys.executable, "-S", "-c", "raise SystemExit('no room')")
    )
    with pytest.raises(UserError, match=r"plan_seed_0: train has ended with status 1: no room"):
        txm2sem.sweep(write_plan("options: {seed: [0, 1]}"))
    with pytest.raises(UserError, match="--jobs -1: expected 0 or more"):
        txm2sem.sweep("plan.yaml", jobs=-1)


def test_the_program_is_called_by_its_module() -> None:
    done = subprocess.run([*PROGRAM, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"txm2sem {txm2sem.__version__}\n"
