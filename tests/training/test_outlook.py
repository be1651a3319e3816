"""What is said before a training begins and while it goes on: how long it takes, what there is to beat."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from training.conftest import Work
from training.test_displays import read_page, small_run
from training.test_time_budget import SMALL
from txm2sem.course import Course
from txm2sem.errors import Interrupted
from txm2sem.model import pace
from txm2sem.model.pace import Pace, measure_pace
from txm2sem.options import MODEL_DEFAULTS, TrainCommand, override
from txm2sem.runs import RunPaths
from txm2sem.training import outlook
from txm2sem.training.fit import fit
from txm2sem.training.page import write_page

KNOWN = Pace(step=6.0, score=0.0, memory=1e9)
"""As fast as the clock of `Work` says it."""


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every training be found to go as `KNOWN` says, and recipes to take two minutes."""
    monkeypatch.setattr(outlook, "measure_pace", lambda *_: KNOWN)
    monkeypatch.setattr(outlook, "recipe_seconds", lambda *_: 120.0)


def said(folder: Path, **options: Any) -> dict[str, str]:
    """Return what is said of a run before its first step, by its titles."""
    lines: list[str] = []

    def stop(line: str) -> None:
        lines.append(line)
        if line.startswith("to beat"):
            raise Interrupted

    with pytest.raises(Interrupted):
        fit(small_run(folder, **SMALL | {"niter": 2, "niter_decay": 2} | options), stop)
    return {title: words.strip() for title, _, words in (line.partition(":") for line in lines)}


def test_a_run_is_described_before_its_first_step(tmp_path: Path) -> None:
    found = said(tmp_path)
    assert list(found) == ["device", "patches", "length", "memory", "time", "to beat"]
    assert found["device"].startswith("CPU")
    assert found["patches"] == "4 of 32 x 32 pixels an epoch; 1 for each validation"
    assert found["length"] == "4 epochs, 16 steps of 1 patch"
    assert re.fullmatch(r"about 1\.0 GB of [\d.]+ .B", found["memory"])
    assert found["time"] == "about 1.6 min here"


@pytest.mark.parametrize(
    ("options", "recipe"),
    [
        ({}, "translate"),
        ({"model": "pix2pix"}, "translate"),
        ({"model": "segmentation", "output_nc": 3, "dataset_mode": "segmentation"}, "phases"),
        ({"recipe": "texture"}, None),
        ({"aligned": False}, None),
    ],
    ids=str,
)
def test_a_long_run_is_told_of_what_is_shorter(tmp_path: Path, options: dict[str, Any], recipe: str | None) -> None:
    time = said(tmp_path, num_train=1000, **options)["time"]
    assert time.startswith("about 6.7 h here; ")
    assert time.endswith("--time_budget MINUTES bounds it")
    assert re.findall(r"--recipe (\w+)", time) == ([] if recipe is None else [recipe])
    assert ("takes about 2.0 min" in time) == (recipe is not None)


def test_a_recipe_that_is_not_much_shorter_is_not_spoken_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlook, "recipe_seconds", lambda *_: 2 * 3600.0)
    assert "--recipe" not in said(tmp_path, num_train=1000)["time"]


def test_a_budget_is_said_with_what_it_has_room_for(tmp_path: Path) -> None:
    found = said(tmp_path, time_budget=3.0)
    assert found["length"] == "a time budget of 3 minutes"
    assert found["time"] == "3.0 min, room for about 30 steps: 7.5 epochs, less validations"


def test_a_run_that_goes_on_counts_what_is_done(tmp_path: Path, work: Work) -> None:
    def stop(line: str) -> None:
        if line.startswith("(epoch: 2, iters: 2)"):
            os.kill(os.getpid(), signal.SIGTERM)

    options = {"niter": 2, "niter_decay": 2}
    with pytest.raises(Interrupted):
        fit(small_run(tmp_path, **SMALL | options), stop, work)
    found = said(tmp_path, continue_train=True)
    assert found["length"] == "from epoch 2, after 2 patches, to epoch 4: 10 steps of 1 patch"
    assert found["time"] == "about 60 s here"
    found = said(tmp_path, continue_train=True, time_budget=1.0)
    assert found["length"] == "a time budget of 1 minutes, of which 0.6 are used"
    assert found["time"].startswith("24 s, room for about 4 steps")


def test_a_log_gets_lines_that_grow_rarer(tmp_path: Path, work: Work) -> None:
    lines: list[str] = []
    work.validation = 12.0
    fit(small_run(tmp_path, **SMALL | {"niter": 1, "niter_decay": 0, "num_train": 40}), lines.append, work)
    found = [line for line in lines if "of the run" in line]
    # Six seconds a step: lines after 15 s, 30 s and 60 s more, and at the end.
    shares = [float(share) for share in re.findall(r"([\d.]+) % of the run", " ".join(found))]
    assert shares == [100 * step / 40 for step in (3, 8, 18, 38, 40)]
    # The validation at the end is counted, too: it takes as long as the first.
    assert found[1] == "epoch 1/1: 20 % of the run is done, 0.167 patches/s, 3.4 min left"


def test_what_trains_at_another_pace_than_was_found_is_believed_soon(tmp_path: Path, work: Work) -> None:
    lines: list[str] = []
    work.batch = 3.0
    fit(small_run(tmp_path, **SMALL | {"niter": 1, "niter_decay": 0, "num_train": 20}), lines.append, work)
    first = next(line for line in lines if "of the run" in line)
    assert first == "epoch 1/1: 25 % of the run is done, 0.333 patches/s, 45 s left"


def test_the_page_says_how_long_the_run_goes_on(tmp_path: Path, work: Work) -> None:
    shown: list[str] = []

    def look(line: str) -> None:
        if "% of the run" in line:
            shown.append((tmp_path / "checkpoints/run/web/index.html").read_text())

    fit(small_run(tmp_path, **SMALL | {"niter": 2, "niter_decay": 0, "no_html": False}), look, work)
    assert "training takes about 48 s more, until about" in " ".join(re.sub("<.*?>", "", shown[0]).split())
    assert "more, until" not in read_page(RunPaths.of("run", tmp_path / "checkpoints", tmp_path)).text


def test_scores_without_a_model_are_written_once_and_drawn_beside_the_validation(tmp_path: Path) -> None:
    lines: list[str] = []
    paths = fit(small_run(tmp_path, **SMALL | {"niter": 1, "niter_decay": 0}), lines.append)
    trivial = Course.read(paths.course, 4).trivial
    assert list(trivial)[:3] == ["raw TXM", "constant", "linear fit"]
    assert all(set(means) == {"PSNR", "SSIM"} for means in trivial.values())
    best = max(trivial, key=lambda kind: trivial[kind]["PSNR"])
    psnr, ssim = trivial[best].values()
    assert f"to beat: PSNR={psnr:.4g}, SSIM={ssim:.4g} by {best}" in lines
    drawn = [drawing for drawing in read_page(paths).all("svg") if "PSNR" in str(drawing["aria-label"])]
    assert f"without a model raw TXM {trivial['raw TXM']['PSNR']:.4g} dB" in str(drawn[0]["aria-label"])
    assert len([path for path in read_page(paths).all("path") if path.get("class") == "mark"]) == 2 * len(trivial)
    fit(small_run(tmp_path, **SMALL | {"niter": 2, "niter_decay": 0, "continue_train": True}), lines.append)
    assert [line for line in paths.course.read_text().splitlines() if "trivial" in line] == [
        json.dumps({"trivial": trivial})
    ]


def test_a_page_of_a_run_that_has_no_scores_without_a_model_is_as_it_was(tmp_path: Path) -> None:
    paths = fit(small_run(tmp_path, **SMALL | {"niter": 1, "niter_decay": 0}), lambda line: None)
    kept = [line for line in paths.course.read_text().splitlines(keepends=True) if "trivial" not in line]
    paths.course.write_text("".join(kept))
    write_page(paths)
    page = read_page(paths)
    assert "without a model" not in paths.web_page.read_text()
    assert len(page.all("svg")) == 3


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({"model": "feedforward"}, ["plain"]),
        ({"model": "srgan", "netG": "sr_resnet_6blocks", "downsample_factor": 2}, ["plain"]),
        ({"model": "pix2pix", "netG": "unet_128", "lambda_img_grad": 1e-4}, ["penalised"]),
        ({"model": "feedforward", "lambda_img_grad": 1e-4, "jacobian_interval": 3}, ["penalised", "plain"]),
        ({"model": "segmentation", "output_nc": 3, "accumulate": 2, "batch_size": 4}, ["plain"]),
        ({"model": "repair", "netG": "unet_128", "input_nc": 3, "precision": "bf16"}, ["plain"]),
    ],
    ids=str,
)
def test_the_pace_of_every_model_is_found_without_touching_what_is_random(
    options: dict[str, Any], steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = set()
    step = pace._Trial.step

    def noted(trial: Any, *, penalised: bool) -> None:
        tried.add("penalised" if penalised else "plain")
        step(trial, penalised=penalised)

    monkeypatch.setattr(pace._Trial, "step", noted)
    small = {"ngf": 4, "ndf": 4, "netG": "resnet_6blocks"}
    command = override(TrainCommand(), {**MODEL_DEFAULTS[options["model"]], **small, **options})
    before = torch.get_rng_state()
    found = measure_pace(command, 128 if "unet" in command.model.netG else 32, torch.device("cpu"))
    assert torch.equal(torch.get_rng_state(), before)
    assert sorted(tried) == steps
    assert found.step > found.score > 0
    assert found.memory is None or found.memory > 1e7


def test_a_penalty_counts_as_often_as_it_is_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace._Trial, "seconds", lambda trial, work: _Kinds(trial).of(work))
    model = {**MODEL_DEFAULTS["feedforward"], "ngf": 4, "lambda_img_grad": 1.0, "jacobian_interval": 4}
    found = measure_pace(override(TrainCommand(), model), 32, torch.device("cpu"))
    assert found.step == pytest.approx(pace.BESIDE * (9 + 3 * 1) / 4)


class _Kinds:
    """Says that steps with a penalty take 9 s, others 1 s."""

    def __init__(self, trial: Any) -> None:
        self.trial = trial

    def of(self, work: Any) -> float:
        told: list[bool] = []
        self.trial.step = lambda *, penalised: told.append(penalised)
        work()
        del self.trial.step
        return 9.0 if told == [True] else 1.0
