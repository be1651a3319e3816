"""What a training writes of its losses and scores, what is read of it, and what resuming takes away."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from txm2sem.course import Course, append_losses, append_scores, condense, cut_course
from txm2sem.metrics import Summary
from txm2sem.reporting.record import RunRecord
from txm2sem.runs import RunPaths

NUMBERS = st.floats(-1e6, 1e6).map(lambda value: float(f"{value:.6g}"))
NAMES = st.text("abGD_é<&", min_size=1, max_size=5)
PLACES = st.tuples(st.integers(1, 4), st.integers(1, 10))


def new_run(folder: Path) -> RunPaths:
    paths = RunPaths.of("run", folder, folder)
    paths.checkpoints.mkdir()
    return paths


@given(st.dictionaries(PLACES, NUMBERS, min_size=1), st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1), NAMES)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    losses: dict[tuple[int, int], float],
    scores: list[tuple[float, float]],
    name: str,
) -> None:
    paths = new_run(tmp_path_factory.mktemp("course"))
    for (epoch, patch), value in losses.items():
        append_losses(paths, epoch, patch, {name: value})
    for epoch, score in enumerate(scores):
        append_scores(paths, epoch, {name: Summary(*score)})
    course = Course.read(paths.course, 10)
    (loss,), (score_curve,) = course.losses, course.scores
    places = sorted(losses)
    assert loss.name == score_curve.name == name
    assert loss.epochs.tolist() == pytest.approx([epoch - 1 + patch / 10 for epoch, patch in places])
    assert loss.values.tolist() == [losses[place] for place in places]
    assert score_curve.values.tolist() == [mean for mean, _ in scores]
    assert score_curve.high.tolist() == [mean + error for mean, error in scores]
    assert course.end == max(loss.epochs[-1], len(scores) - 1)


DAMAGED = (
    "",
    "{",
    "[]",
    "7",
    '{"epoch": 1}',
    '{"epoch": 1, "patch": 2}',
    '{"epoch": 1.5, "patch": 2, "losses": {"L": 1}}',
    '{"epoch": -1, "patch": 2, "losses": {"L": 1}}',
    '{"epoch": 1, "patch": 99999999999, "losses": {"L": 1}}',
    '{"epoch": 1, "patch": 2, "losses": {"L": "1"}}',
    '{"epoch": 1, "patch": 2, "losses": [1]}',
    '{"epoch": 1, "scores": {"PSNR": 1}}',
    '{"epoch": 1, "scores": {"PSNR": {"mean": 1}}}',
    "[" * 10_000,
    '{"epoch": ' + "9" * 5000 + "}",
    "\x00\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "replace"),
)


@pytest.mark.parametrize("line", DAMAGED)
def test_damaged_lines_are_passed_over_and_taken_away(tmp_path: Path, line: str) -> None:
    paths = new_run(tmp_path)
    append_losses(paths, 1, 1, {"L": 3.0})
    with paths.course.open("a") as file:
        file.write(f"{line}\n")
    append_losses(paths, 1, 3, {"L": 1.0})
    (curve,) = Course.read(paths.course, 4).losses
    assert (curve.epochs.tolist(), curve.values.tolist()) == ([0.25, 0.75], [3.0, 1.0])
    cut_course(paths, 1, 3, 1)
    assert [json.loads(kept)["patch"] for kept in paths.course.read_text().splitlines()] == [1, 3]


def test_numbers_that_cannot_be_drawn_leave_gaps(tmp_path: Path) -> None:
    paths = new_run(tmp_path)
    for patch, value in enumerate((1.0, float("inf"), float("nan"), 1e200, 2.0), 1):
        append_losses(paths, 1, patch, {"L": value})
        append_scores(paths, patch, {"PSNR": Summary(value, 0.5)})
    course = Course.read(paths.course, 5)
    assert np.isfinite(course.losses[0].values).tolist() == [True, False, False, False, True]
    assert condense(course.losses[0]).values.tolist() == [1.0, 2.0]
    assert course.scores[0].epochs.tolist() == [1, 5]


def test_resuming_takes_away_what_is_trained_again_and_nothing_else(tmp_path: Path) -> None:
    paths = new_run(tmp_path)
    paths.loss_log.write_text(
        "================ Training Loss ================\n(epoch: 1, iters: 2, time: 0.1) G_L1: 9\n"
    )
    append_scores(paths, 0, {"PSNR": Summary(10.0, 0.5)})
    for epoch in (1, 2):
        for patch in (2, 4):
            append_losses(paths, epoch, patch, {"G_L1": 10.0 * epoch + patch})
        append_scores(paths, epoch, {"PSNR": Summary(10.0 + epoch, 0.5)})
    texts = {path: path.read_text() for path in (paths.course, paths.loss_log, paths.metrics_log)}
    cut_course(paths, 2, 4, 3)
    assert {path: path.read_text() for path in texts} == texts

    cut_course(paths, 2, 2, 2)
    course = Course.read(paths.course, 4)
    assert course.losses[0].values.tolist() == [12, 14, 22]
    assert course.scores[0].values.tolist() == [10, 11]
    lines = texts[paths.loss_log].splitlines(keepends=True)
    assert paths.loss_log.read_text() == "".join(lines[:-1])
    assert paths.metrics_log.read_text() == "".join(texts[paths.metrics_log].splitlines(keepends=True)[:-1])


def test_a_run_with_texts_alone_keeps_them_and_its_page_says_why_there_are_no_curves(tmp_path: Path) -> None:
    paths = new_run(tmp_path)
    paths.loss_log.write_text("(epoch: 1, iters: 100) G_L1: 9.0\n")
    cut_course(paths, 1, 50, 1)
    assert paths.loss_log.read_text() == "(epoch: 1, iters: 100) G_L1: 9.0\n"
    assert not paths.course.exists()
    record = RunRecord.read(paths)
    assert record.course == Course()
    (problem,) = record.problems["Training"]
    assert str(paths.course) in problem
