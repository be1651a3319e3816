"""The scorecard that a test of a translation model writes."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from data_roots import write_data_root
from PIL import Image

from cli.calls import SRGAN, TINY_TRAINING, Outcome, Program
from txm2sem.metrics import psnr

KINDS = ["model run", "raw TXM", "constant", "linear fit"]


def scores_of(outcome: Outcome, results: str = "results/run") -> dict[str, Any]:
    assert outcome.status == 0, outcome.err
    found: dict[str, Any] = json.loads((Path(results) / "scores.json").read_text())
    return found


def tables() -> str:
    """Return the scorecard in words."""
    return Path("results/run/scores.txt").read_text()


@pytest.mark.draws
def test_a_test_writes_its_scorecard(trained: Program) -> None:
    outcome = trained("test --name run --eval")
    found = scores_of(outcome)
    assert (found["model"], found["epoch"], found["split"], found["images"]) == ("run", "latest", "test", 3)
    assert list(found["similarity"])[:4] == KINDS
    assert set(found["similarity"]["model run"]) == {"all", "low_density", "high_density", "rest"}
    assert found["phases"]["dice"] > 0.7
    assert "scores:   results/run/scores.png" in outcome.out
    assert "thresholds that best repeat the masks on the training SEM" in tables()
    for line in ("model run  ", "low density  ", "two-point correlation"):
        assert any(shown.startswith(line) for shown in tables().splitlines()), line
    assert "two-point correlation" not in outcome.out
    assert "two-point correlation" in trained("test --name run --eval --verbose").out
    with Image.open("results/run/scores.png") as picture:
        assert picture.width > 1000
    with Path("results/run/scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * (len(found["similarity"]) + 1)
    again = trained("test --name run --eval")
    assert "the earlier results are kept as" in again.out
    assert scores_of(again) == found


def test_scores_are_those_of_the_saved_images_where_they_count(trained: Program) -> None:
    found = scores_of(trained("test --name run --eval --full_slice"))
    assert found["valid_share"] < 1
    with Path("results/run/scores.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "model run"]
    for index, row in enumerate(rows):
        prediction, target, charge = (
            np.asarray(Image.open(f"results/run/{folder}_fullslice/{index:03d}.png"))
            for folder in ("sem_fake", "sem", "charge")
        )
        assert float(row["psnr_all"]) == pytest.approx(psnr(prediction, target, charge == 0), rel=1e-5)
        assert float(row["psnr_all"]) != pytest.approx(psnr(prediction, target), rel=1e-4)


def test_whole_slices(trained: Program) -> None:
    found = scores_of(trained("test --name run --eval --full_slice"))
    assert (found["images"], found["slices"], found["height_px"]) == (2, 2, 96)
    assert found["valid_share"] == pytest.approx(1 - 144 / 96**2)
    assert found["interval"]["over"] == "slices"


def test_without_the_weights_the_perceptual_distance_is_left_out(
    trained: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("txm2sem.scoring.perceptual.find_spec", lambda name: None)
    outcome = trained("test --name run")
    assert "perceptual" not in scores_of(outcome)["similarity"]["model run"]["all"]
    assert "install the extra perceptual" in tables()


@pytest.mark.draws
def test_without_masks_and_without_a_training_split(trained: Program, images: Path) -> None:
    for split in ("train", "test"):
        (images / split / "highdensity").rename(images / split / "away")
    outcome = trained("test --name run")
    found = scores_of(outcome)
    assert found["phases"]["dice"] is None
    assert "three-class Otsu" in tables()
    assert "regions are those of these thresholds in the truth" in tables()
    assert "low_density" in found["similarity"]["model run"]

    (images / "train").rename(images / "elsewhere")
    outcome = trained("test --name run")
    found = scores_of(outcome)
    assert "the rock is not measured" in tables()
    assert (found["rock"], list(found["similarity"])) == ({}, KINDS[:2])
    assert list(found["similarity"]["model run"]) == ["all"]


def test_a_single_slice_has_no_intervals(program: Program, tmp_path: Path) -> None:
    write_data_root(tmp_path / "images", slices=1)
    assert program("train --name run --no_html", SRGAN, TINY_TRAINING).status == 0
    outcome = program("test --name run")
    assert scores_of(outcome)["interval"] is None
    assert "there are no intervals" in tables()


def test_the_other_direction_measures_the_txm(program: Program, images: Path) -> None:
    assert program("train --name run --no_html --direction BtoA", SRGAN, TINY_TRAINING).status == 0
    outcome = program("test --name run")
    assert "on the training TXM" in tables()
    assert list(scores_of(outcome)["similarity"])[1] == "raw SEM"


def test_charged_and_empty_pixels_never_count(trained: Program, images: Path) -> None:
    before = scores_of(trained("test --name run --eval --full_slice"))
    path = images / "test" / "sem" / "000.tif"
    image, charge = tifffile.imread(path), tifffile.imread(images / "test" / "charge" / "000.tif")
    tifffile.imwrite(path, np.where(charge > 0, 3, image).astype(np.uint8), photometric="minisblack")
    after = scores_of(trained("test --name run --eval --full_slice"))
    assert before["spectrum"]["model run"] == after["spectrum"]["model run"]
    assert before["rock"] == after["rock"]
