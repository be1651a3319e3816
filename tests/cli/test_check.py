"""`txm2sem check` as users call it: what it prints, its exit status, and what it leaves behind."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import tifffile
from data_roots import write_data_root

from cli.calls import Program
from txm2sem.options import CheckCommand, fields_of
from txm2sem.runs import CheckPaths

FAST = "--num_test 2 --patch_size 32"


@pytest.mark.draws
def test_it_prints_a_verdict_and_writes_a_report(program: Program, images: Path) -> None:
    outcome = program("check images", FAST)
    assert outcome.status == 0, outcome.err
    verdict, following = outcome.out.splitlines()[-2:]
    assert verdict.startswith("verdict:  Ready to train")
    assert following.startswith("next:     txm2sem train --recipe translate")
    assert "txm2sem train --recipe translate --dataroot images" in outcome.out
    numbers = json.loads(Path("images_check/report.json").read_text())
    assert numbers["counts"]["problem"] == 0
    assert len(numbers["slices"]) == 6
    assert all(0 <= found["pair"]["confident_tiles"] <= found["pair"]["tiles"] for found in numbers["slices"].values())
    assert numbers["scores"]["split"] == "val"
    page = Path("images_check/report.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    # A figure of each slice and one of spectra; TXM and SEM of each, to be wiped.
    assert len(re.findall("<img ", page)) == len(re.findall(r'<img src="data:[^"]+" [^>]*alt="[^"]+"', page)) == 7 + 12
    assert page.count("<section") == page.count("<h2")
    assert len(list(Path("images_check/figures").iterdir())) == 7


def test_problems_have_a_status_of_their_own_and_warnings_have_none(program: Program, images: Path) -> None:
    path = images / "train" / "highdensity" / "000.tif"
    tifffile.imwrite(path, np.full_like(tifffile.imread(path), 255), photometric="minisblack")
    outcome = program("check images", FAST)
    assert outcome.status == 0
    assert "warning: train 000" in outcome.out
    path = images / "train" / "txm" / "000.tif"
    tifffile.imwrite(path, np.zeros_like(tifffile.imread(path)), photometric="minisblack")
    outcome = program("check images", FAST)
    assert outcome.status == 3
    assert "problem: train 000: the TXM is black" in outcome.out
    assert "verdict:  Not ready to train: solve 1 problem first." in outcome.out


def test_an_earlier_report_is_kept_and_other_folders_are_refused(program: Program, images: Path) -> None:
    assert program("check images --output mine", FAST).status == 0
    before = Path("mine/report.html").read_bytes()
    outcome = program("check images --output mine", FAST)
    assert outcome.status == 0
    (earlier,) = Path().glob("mine_*")
    assert (earlier / "report.html").read_bytes() == before
    assert f"earlier:  {earlier}" in outcome.out
    outcome = program("check images --output images", FAST)
    assert outcome.status == 1
    assert "pass another --output" in outcome.err
    assert (images / "train" / "txm" / "000.tif").exists()
    assert not [path for path in Path().iterdir() if path.name.startswith(".")]


def test_options_of_the_data_are_those_of_training(program: Program, tmp_path: Path) -> None:
    write_data_root(tmp_path / "other")
    for split in ("train", "val", "test"):
        for name in ("txm", "sem"):
            (tmp_path / "other" / split / name).rename(tmp_path / "other" / split / f"{name}B")
    outcome = program("check other --sample_name B", FAST)
    assert outcome.status == 0, outcome.out
    assert "--sample_name B" in outcome.out
    assert program("check other", FAST).status == 3


@pytest.mark.parametrize(
    ("words", "status", "expected"),
    [
        ("check", 2, "txm2sem check images"),
        ("check images more", 2, "txm2sem check images"),
        ("check absent", 1, "there is no folder absent"),
        ("check images/train", 1, "did you mean images?"),
        ("check images --seg_mode txm", 2, "--seg_mode does nothing in txm2sem check"),
        ("check images --dataset_mode txm2sem3d", 2, "--dataset_mode does nothing in txm2sem check"),
    ],
)
def test_a_call_that_cannot_be_meant_is_refused(
    program: Program, images: Path, words: str, status: int, expected: str
) -> None:
    outcome = program(words)
    assert outcome.status == status
    assert expected in outcome.err


def test_every_option_is_in_the_help_and_tested(program: Program) -> None:
    own = {option.name for group, option, _ in fields_of(CheckCommand()) if group == "check"}
    assert own == {"output"}
    assert "--output" in program("check --help").out


def test_the_report_has_its_files_in_one_folder() -> None:
    paths = CheckPaths(Path("x"))
    assert {paths.page.parent, paths.numbers.parent, paths.figure("a").parents[1]} == {Path("x")}
