"""`txm2sem report` and `txm2sem compare` as users call them."""

from __future__ import annotations

from pathlib import Path

import pytest
from run_folders import write_run

from cli.calls import Program
from txm2sem.options import CompareCommand, ReportCommand, fields_of


def test_a_report_says_where_it_is(program: Program, tmp_path: Path) -> None:
    write_run(Path(), "mine")
    outcome = program("report mine")
    assert (outcome.status, outcome.out) == (0, "report:  results/mine/report.html\n")
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
    assert (outcome.status, outcome.out) == (0, "page:    compare.html\n")
    outcome = program("compare run0 run1", places, "--output compare.html")
    (earlier,) = Path().glob("compare_*")
    assert f"earlier: {earlier}" in outcome.out


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
        assert own - {"volume", "txm"} == {"output", "checkpoints_dir", "results_dir"}
        shown = program(f"{name} --help").out
        assert all(f"--{option}" in shown for option in own)
