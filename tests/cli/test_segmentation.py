"""Segmentation through the command line: train, resume and test with each kind of input, and what is refused."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
import yaml
from data_roots import write_bars
from PIL import Image

import txm2sem
from cli.calls import SRGAN, TINY_TRAINING, Program, TrainOnce
from txm2sem.data.classes import IGNORED
from txm2sem.metrics import confusion_matrix, dice, iou
from txm2sem.model import Predictor
from txm2sem.options import TrainCommand, override
from txm2sem.runs import RunPaths

TINY = TINY_TRAINING.replace("--ndf 4 ", "")
SEGMENTATION = f"--model segmentation {TINY}"
TRANSLATION = f"--name translation {SRGAN} {TINY_TRAINING}"
KEPT = Path("checkpoints/run/latest_net_G.phases_sem.json")
INPUTS = {"sem": ("", "sem"), "txm": ("", "txm"), "semfake": ("--seg_source translation", "sem_fake")}


@pytest.fixture
def trained(program: Program, images: Path, train_once: TrainOnce) -> Program:
    """Return the program beside `run`, which was trained on the images."""
    train_once(f"--name run {SEGMENTATION}")
    return program


def weights(name: str) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(f"checkpoints/{name}/latest_net_G.pth", weights_only=True)
    return state


def labels(folder: str) -> np.ndarray:
    """Return all label images of a folder, (N, H, W)."""
    return np.stack([np.asarray(Image.open(path)) for path in sorted(Path(folder).iterdir())]).astype(np.int64)


@pytest.mark.draws
@pytest.mark.parametrize("seg_mode", INPUTS)
def test_each_input_trains_and_tests(program: Program, images: Path, seg_mode: str) -> None:
    source, folder = INPUTS[seg_mode]
    if source:
        assert program("train", TRANSLATION).status == 0
    outcome = program(f"train --name run --seg_mode {seg_mode} {source}", SEGMENTATION)
    assert outcome.status == 0, outcome.err
    checkpoints = {path.name for path in Path("checkpoints/run").glob("*_net_*.pth")}
    assert checkpoints == {"latest_net_G.pth", "best_net_G.pth"}
    lines = Path("checkpoints/run/run_metrics.txt").read_text().splitlines()
    scores = ", ".join(rf"{name}=\S+±\S+" for name in ("Dice", "Dice_neither", "Dice_low_density", "Dice_high_density"))
    assert [re.fullmatch(rf"\(epoch: {epoch}\) {scores}", line) is not None for epoch, line in enumerate(lines)] == [
        True
    ] * 3

    outcome = program("test --name run")
    assert outcome.status == 0, outcome.err
    assert "overview: results/run/overview.png" in outcome.out
    assert "without --eval" not in outcome.out
    folders = {path.name for path in Path("results/run").iterdir() if path.is_dir()}
    assert folders == {folder, "labels", "labels_fake"}
    for name in folders:
        assert [path.name for path in sorted(Path("results/run", name).iterdir())] == ["000.png", "001.png", "002.png"]
    # The SEM that a generator predicts after a few steps is nearly constant.
    thresholds = () if seg_mode == "semfake" else ("Otsu thresholds", "blurred Otsu thresholds")
    for name in ("model run", "only ", *thresholds):
        assert re.search(rf"^{name}.*±.*±", outcome.out, re.MULTILINE), name


@pytest.mark.usefixtures("trained")
def test_the_scores_are_those_of_the_saved_labels(program: Program) -> None:
    assert program("test --name run --num_test 20").status == 0
    predicted, true = labels("results/run/labels_fake"), labels("results/run/labels")
    assert set(np.unique(true)) == {0, 1, 2, IGNORED}
    confusion = confusion_matrix(predicted, true, 3, ignored=IGNORED)
    text = Path("results/run/eval_metrics.txt").read_text()
    found = {name: float(value) for name, value in re.findall(r"(\w+)=([\d.]+)±", text.splitlines()[0])}
    for name, score in (("Dice", dice), ("IoU", iou)):
        expected = score(confusion)
        assert found[name] == pytest.approx(expected.mean())
        assert found[f"{name}_high_density"] == pytest.approx(expected[2])
    assert found["accuracy"] == pytest.approx(np.mean((predicted == true)[true != IGNORED]))
    rows = re.findall(r"^(?:neither|low density|high density) +(\d+) .*?\) +(\d+) .*?\) +(\d+)", text, re.MULTILINE)
    assert np.array(rows, int).tolist() == confusion.tolist()


@pytest.mark.usefixtures("trained")
def test_the_predicted_class_is_the_likeliest_one(program: Program) -> None:
    calibration = {"scales": [1.0, 1.0, 1.0], "biases": [-0.0005, 0.0005, 0.0]}
    KEPT.write_text(json.dumps({**json.loads(KEPT.read_text()), "calibration": calibration}))
    assert program("test --name run --ntest 2").status == 0
    assert labels("results/run/labels").shape == (2, 32, 32)
    options = override(TrainCommand(), yaml.safe_load(Path("checkpoints/run/options.yaml").read_text())).model
    predict = Predictor.load(RunPaths.of("run", Path("checkpoints"), Path("results")), "latest", options, bounded=False)
    sem = torch.from_numpy(labels("results/run/sem"))[:, None] / 127.5 - 1
    scales, biases = (torch.tensor(calibration[name])[:, None, None] for name in ("scales", "biases"))
    likeliest = torch.cat([scales * predict(patch[None]) + biases for patch in sem.float()]).argmax(dim=1).numpy()
    assert len(np.unique(likeliest)) > 1
    assert np.mean(likeliest == labels("results/run/labels_fake")) > 0.999


@pytest.mark.usefixtures("trained")
def test_what_probabilities_say_is_tested_beside_the_truth(program: Program) -> None:
    assert {path.name for path in Path("checkpoints/run").glob("*.phases_*")} == {
        "best_net_G.phases_sem.json",
        KEPT.name,
    }
    kept = json.loads(KEPT.read_text())
    outcome = program("test --name run --num_test 5")
    assert outcome.status == 0, outcome.err
    assert (json.loads(KEPT.read_text()), Path("results/run/calibration.png").exists()) == (kept, True)
    found = json.loads(Path("results/run/scores.json").read_text())["probabilities"]
    assert found["calibration"] == {**kept["calibration"], "fraction_error": kept["fraction_error"], "slices": 2}
    assert found["validation"] == {name: kept[name] for name in ("raw", "calibrated")}
    # On the split that it was found on, the mean probability is the share.
    assert kept["calibrated"]["expected_shares"] == pytest.approx(kept["calibrated"]["true_shares"], abs=1e-3)
    assert kept["calibrated"]["bits_per_pixel"] <= kept["raw"]["bits_per_pixel"]
    true, sem = labels("results/run/labels"), labels("results/run/sem").astype(np.uint8)
    known = true != IGNORED
    assert found["tested"]["raw"]["true_shares"] == pytest.approx(np.bincount(true[known]) / known.sum(), abs=1e-6)
    likely = txm2sem.load("run", device="cpu", seg_mode="sem").probabilities(np.maximum(sem, 1))
    shares = found["tested"]["calibrated"]["expected_shares"]
    assert shares == pytest.approx(likely[:, known].mean(axis=1), abs=5e-3)
    assert max(abs(np.subtract(shares, found["tested"]["raw"]["expected_shares"]))) > 0.05
    assert sum(found["training_shares"]) == pytest.approx(1)
    assert kept["training_shares"] == pytest.approx(found["training_shares"], abs=1e-6)


@pytest.mark.usefixtures("trained")
def test_a_calibration_that_is_lost_is_found_anew_and_one_without_validation_slices_is_not(
    program: Program, images: Path
) -> None:
    kept = KEPT.read_text()
    KEPT.unlink()
    assert program("test --name run --ntest 1").status == 0
    assert KEPT.read_text() == kept
    KEPT.unlink()
    for path in (images / "val" / "highdensity").iterdir():
        tifffile.imwrite(path, np.zeros_like(tifffile.imread(path)))
    assert "images/val has no high density" in program("test --name run --ntest 1").out
    shutil.rmtree(images / "val")
    outcome = program("test --name run --ntest 1")
    assert outcome.status == 0, outcome.err
    assert "not calibrated" in outcome.out
    found = json.loads(Path("results/run/scores.json").read_text())
    assert found["better_on_validation"] is None
    assert found["probabilities"]["calibration"] is found["probabilities"]["validation"] is None
    assert set(found["probabilities"]["tested"]) == {"raw"}


@pytest.mark.usefixtures("trained")
def test_thresholds_that_are_better_on_the_validation_split_are_named_first(program: Program) -> None:
    kept = json.loads(KEPT.read_text())
    assert set(kept["dice"]) >= {"model", "Otsu thresholds"}
    KEPT.write_text(json.dumps({**kept, "dice": {"model": 0.25, "Otsu thresholds": 0.5, "only neither": 0.3}}))
    outcome = program("test --name run --ntest 1")
    assert outcome.status == 0, outcome.err
    assert "Otsu thresholds have a mean Dice of 0.500, the model 0.250" in outcome.out.splitlines()[0]
    found = json.loads(Path("results/run/scores.json").read_text())
    assert found["better_on_validation"] == {"name": "Otsu thresholds", "mean_dice": 0.5, "mean_dice_of_model": 0.25}
    assert program("report run").status == 0
    page = Path("results/run/report.html").read_text()
    assert re.search(r'class="verdict">[^<]*Otsu thresholds', page)
    assert page.index("bits per pixel") < page.index("All that the test has written")
    found["probabilities"]["tested"]["raw"]["true_shares"] = [1.0]
    Path("results/run/scores.json").write_text(json.dumps(found))
    outcome = program("report run")
    assert outcome.status == 0
    assert "probabilities.tested.raw.true_shares" in outcome.out + outcome.err


def test_label_images_show_the_same_place_as_the_input(program: Program, images: Path) -> None:
    for split in ("val", "test"):
        for path in (images / split / "sem").iterdir():
            sem = tifffile.imread(path)
            tifffile.imwrite(images / split / "lowdensity" / path.name, (sem < 90) * np.uint8(255))
            tifffile.imwrite(images / split / "highdensity" / path.name, (sem > 160) * np.uint8(255))
    assert program("train --name run", SEGMENTATION).status == 0
    assert program("test --name run").status == 0
    grey, true = labels("results/run/sem"), labels("results/run/labels")
    assert np.array_equal(true[true != IGNORED], np.where(grey > 160, 2, np.where(grey < 90, 1, 0))[true != IGNORED])


@pytest.mark.usefixtures("images")
def test_a_resumed_run_equals_the_uninterrupted_one_bit_for_bit(program: Program) -> None:
    options = "--lr_policy plateau --seg_mode semfake --seg_source translation"
    assert program("train", TRANSLATION).status == 0
    short = SEGMENTATION.removesuffix("--niter 1 --niter_decay 1")
    assert program("train --name whole --niter 2 --niter_decay 2", options, short).status == 0
    assert program("train --name parts --niter 2 --niter_decay 0", options, short).status == 0
    outcome = program("train --name parts --continue_train --niter_decay 2")
    assert outcome.status == 0, outcome.err
    one, other = weights("whole"), weights("parts")
    assert one.keys() == other.keys()
    assert all(torch.equal(value, other[key]) for key, value in one.items())
    logs = [Path(f"checkpoints/{name}/{name}_metrics.txt").read_text() for name in ("whole", "parts")]
    assert logs[0] == logs[1]


@pytest.mark.usefixtures("trained")
def test_measured_class_weights_are_saved_with_the_run(program: Program) -> None:
    saved = yaml.safe_load(Path("checkpoints/run/options.yaml").read_text())
    neither, low, high = map(float, saved["class_weights"].split(","))
    assert neither < low
    assert neither < high
    assert saved["txm_range"] == "0,255"
    assert program("train --name other --class_weights", saved["class_weights"], SEGMENTATION).status == 0
    assert all(torch.equal(value, weights("other")[key]) for key, value in weights("run").items())


def test_masks_under_charge_change_nothing(program: Program, images: Path) -> None:
    assert program("train --name before", SEGMENTATION).status == 0
    assert program("test --name before").status == 0
    for split, name in itertools.product(("train", "val", "test"), ("lowdensity", "highdensity")):
        for path in (images / split / name).iterdir():
            charge = tifffile.imread(images / split / "charge" / path.name) > 0
            mask = tifffile.imread(path)
            tifffile.imwrite(path, np.where(charge, 255 - mask, mask))
    assert program("train --name after", SEGMENTATION).status == 0
    assert program("test --name after").status == 0
    assert all(torch.equal(value, weights("after")[key]) for key, value in weights("before").items())
    losses = [Path(f"checkpoints/{name}/{name}_metrics.txt").read_text() for name in ("before", "after")]
    assert losses[0] == losses[1]
    reports = [Path(f"results/{name}/eval_metrics.txt").read_text().replace(name, "") for name in ("before", "after")]
    assert reports[0].split() == reports[1].split()


@pytest.mark.usefixtures("trained")
def test_a_model_of_sem_can_be_tested_on_predicted_sem(program: Program) -> None:
    assert program("train", TRANSLATION).status == 0
    assert program("test --name run").status == 0
    before = json.loads(Path("results/run/scores.json").read_text())["probabilities"]
    outcome = program("test --name run --seg_mode semfake --seg_source translation")
    assert outcome.status == 0, outcome.err
    assert "trained on SEM and segments predicted SEM" in outcome.out
    (kept,) = [path for path in Path("results").iterdir() if path.name != "run"]
    assert {path.name for path in kept.iterdir()} >= {"sem", "labels", "labels_fake", "overview.png"}
    after = json.loads(Path("results/run/scores.json").read_text())["probabilities"]
    assert before["tested"]["raw"] != after["tested"]["raw"]
    assert before["calibration"] != after["calibration"]
    outcome = program("test --name run --seg_source translation")
    assert outcome.status == 1
    assert "--seg_source does nothing with --seg_mode sem" in outcome.err


@pytest.mark.usefixtures("trained")
def test_testing_without_a_training_split_leaves_out_what_needs_it(program: Program, images: Path) -> None:
    shutil.rmtree(images / "train")
    outcome = program("test --name run --aspect_ratio 2")
    assert outcome.status == 0, outcome.err
    assert "no training split" in outcome.out
    assert not re.search("^(blurred )?Otsu", outcome.out, re.MULTILINE)
    assert labels("results/run/labels").shape == (3, 64, 32)


BAD = {
    "--model segmentation --dataset_mode txm2sem": "--model segmentation does not learn from --dataset_mode txm2sem",
    "--model srcnn --dataset_mode segmentation": "--model srcnn does not learn from --dataset_mode segmentation",
    "--model segmentation --seg_mode semfake": "pass --seg_source NAME",
    "--model segmentation --seg_mode semfake --seg_source none": "checkpoints/none/options.yaml",
    "--model segmentation --seg_source none": "--seg_source does nothing with --seg_mode sem",
    "--model segmentation --class_weights 1,2": "--class_weights 1,2: expected auto, or three numbers",
    "--model segmentation --output_nc 2": "--output_nc 2: expected 3",
    "--model segmentation --lambda_L1 3": "--lambda_L1 does nothing with --model segmentation",
    "--model srcnn --seg_mode txm": "--seg_mode does nothing with --model srcnn",
    "--model srcnn --class_weights 1,1,1": "--class_weights does nothing with --model srcnn",
}


@pytest.mark.parametrize("words", BAD)
def test_options_that_do_not_fit_are_refused(program: Program, images: Path, words: str) -> None:
    outcome = program("train --name run", TINY, words)
    assert outcome.status == 1
    assert BAD[words] in outcome.err
    assert not Path("checkpoints/run").exists()


def test_an_unknown_input_is_refused_with_the_choices(program: Program, images: Path) -> None:
    outcome = program("train --name run --seg_mode sme", SEGMENTATION)
    assert outcome.status == 2
    assert "--seg_mode sme: expected one of sem, txm, semfake; did you mean sem?" in outcome.err


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_missing_masks_are_named(program: Program, images: Path, split: str) -> None:
    if split == "test":
        assert program("train --name run", SEGMENTATION).status == 0
    shutil.rmtree(images / split / "highdensity")
    outcome = program("test --name run") if split == "test" else program("train --name run", SEGMENTATION)
    assert outcome.status == 1
    assert f"images/{split}/highdensity" in outcome.err
    assert "--highdens_dir" in outcome.err
    assert not Path("results").exists()


def test_slices_with_a_data_bar_are_not_scored(trained: Program, images: Path) -> None:
    write_bars(images / "test" / "sem")
    outcome = trained("test --name run")
    assert outcome.status == 1
    assert "the last 20 rows" in outcome.err
    assert not Path("results/run").exists()
