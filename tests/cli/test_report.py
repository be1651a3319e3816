"""`txm2sem report` and `txm2sem compare` as users call them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tifffile
from browser import Page
from data_roots import write_data_root, write_stack
from repair_roots import write_repair_root
from run_folders import write_run

from cli.calls import TINY_TRAINING, Program, options_of
from txm2sem.options import CompareCommand, ReportCommand, TestCommand, fields_of, to_mapping
from txm2sem.reporting import verdict_on
from txm2sem.runs import RunPaths


def test_a_report_says_where_it_is(program: Program, tmp_path: Path) -> None:
    write_run(Path(), "mine")
    outcome = program("report mine")
    said = verdict_on(RunPaths.of("mine", Path("checkpoints"), Path("results"))).lines(8)
    assert (outcome.status, outcome.out.splitlines()) == (0, ["report:  results/mine/report.html", *said])
    outcome = program("report mine")
    (earlier,) = Path("results/mine").glob("report_*")
    assert f"earlier: {earlier}" in outcome.out
    assert program("report mine --output elsewhere/page.html").status == 0
    assert Path("elsewhere/page.html").exists()


def test_a_comparison_says_where_it_is(program: Program, tmp_path: Path) -> None:
    for number in range(2):
        write_run(tmp_path / "x", f"run{number}")
    places = "--checkpoints_dir x/checkpoints --results_dir x/results"
    outcome = program("compare run0 run1", places)
    page, verdict, *_ = outcome.out.splitlines()
    assert (outcome.status, page) == (0, "page:    compare.html")
    assert verdict == "verdict: The best two are not to be told apart in PSNR, SSIM, MS-SSIM and correlation."
    outcome = program("compare run0 run1", places, "--output compare.html")
    (earlier,) = Path().glob("compare_*")
    assert f"earlier: {earlier}" in outcome.out


RUNS = {
    "feedforward": ("--model feedforward --netG resnet_6blocks", {"PSNR", "SSIM"}),
    "repair": ("--model repair --netG resnet_6blocks", {"inside", "PSNR", "SSIM"}),
    "segmentation": ("--model segmentation", {"Dice mean", "IoU mean", "accuracy"}),
}


@pytest.mark.parametrize("model", RUNS)
def test_the_pages_read_what_the_commands_have_written(program: Program, model: str) -> None:
    """One whole run: nothing that its commands leave is damaged, missing or unknown to its pages."""
    options, columns = RUNS[model]
    if model == "repair":
        write_repair_root(Path("images"))
    else:
        write_data_root(Path("images"), size=(160, 160))
    for name in ("one", "two"):
        assert program(f"train --name {name}", TINY_TRAINING, options).status == 0
        tested = program(f"test --name {name} --eval --gpu_ids -1")
        assert tested.status == 0, tested.err
    scores = json.loads(Path("results/one/scores.json").read_text())
    assert {column["name"] for table in scores["means"]["tables"] for column in table.values()} >= columns
    words = "--name one --eval --gpu_ids -1"
    assert scores["options"] == to_mapping(options_of(TestCommand(), words.split()))
    report = "report one"
    if model == "feedforward":
        write_stack(Path("images/test/txm_full_stack"), [tifffile.imread("images/test/txm/000.tif")] * 40)
        for call in (
            "volume images/test/txm_full_stack out.ome.zarr --voxel_size 32",
            "test --eval --dataset_mode txm2sem3d",
        ):
            outcome = program(call, "--name one --gpu_ids -1")
            assert outcome.status == 0, outcome.err
        continuity = json.loads(Path("results/one/continuity_test.json").read_text())
        cube = options_of(TestCommand(), f"{words} --dataset_mode txm2sem3d".split())
        assert continuity["options"] == to_mapping(cube)
        report += " --volume out.ome.zarr"
    for call in (report, "compare one two"):
        outcome = program(call)
        assert outcome.status == 0, outcome.err
        assert "not shown" not in outcome.out
    page = Page(Path("results/one/report.html").read_text(encoding="utf-8")).text
    assert "model one" in page
    if model != "feedforward":  # pages show the scorecard of translations, which is over other pixels
        shown = next(iter(scores["means"]["rows"]["model one"].values()))
        assert f"{shown['mean']:.4g} ± {shown['standard_error']:.2g}" in page


@pytest.mark.parametrize(
    ("words", "status", "expected"),
    [
        ("report", 2, "txm2sem report srgan_imgreg"),
        ("report a b", 2, "txm2sem report srgan_imgreg"),
        ("report absent", 1, "there is no run absent"),
        ("report mine --output results", 1, "ends with .html"),
        ("report mine --volume nothing.ome.zarr", 1, "--volume nothing.ome.zarr: expected a volume"),
        ("compare mine", 2, "two runs or more"),
        ("compare mine mine", 1, "each once"),
        ("compare mine absent", 1, "there is no run absent"),
    ],
)
def test_a_call_that_cannot_be_meant_is_refused(program: Program, words: str, status: int, expected: str) -> None:
    write_run(Path(), "mine")
    outcome = program(words)
    assert outcome.status == status
    assert expected in outcome.err
    assert not list(Path("results/mine").glob("report*"))


def test_every_option_is_in_the_help_and_tested(program: Program) -> None:
    for name, command in (("report", ReportCommand()), ("compare", CompareCommand())):
        own = {option.name for _, option, _ in fields_of(command)}
        assert own - {"volume", "measures", "txm"} == {"output", "checkpoints_dir", "results_dir", "figures"}
        shown = program(f"{name} --help").out
        assert all(f"--{option}" in shown for option in own)
