"""A time budget: the learning rate follows the clock, and training ends with it. The clock is the tests' own."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from tqdm import tqdm

from training.conftest import Work
from training.test_displays import read_page, small_run
from txm2sem.errors import Interrupted
from txm2sem.options import TrainCommand
from txm2sem.progress import shown_by
from txm2sem.runs import RunPaths
from txm2sem.training.fit import fit
from txm2sem.training.stopwatch import Stopwatch

SMALL = {"model": "feedforward", "netG": "resnet_6blocks", "downsample_factor": 1, "num_train": 4, "num_test": 1}
SHAPE = {"niter": 2, "niter_decay": 2, "time_budget": 1.0}


def command(tmp_path: Path, **options: Any) -> TrainCommand:
    """Return a run with a budget of a minute."""
    return small_run(tmp_path, **SMALL | SHAPE | options)


def train(tmp_path: Path, work: Work, **options: Any) -> tuple[RunPaths, list[str]]:
    """Train, and return the run's paths and the console's lines."""
    lines: list[str] = []
    return fit(command(tmp_path, **options), lines.append, work), lines


def position(paths: RunPaths) -> dict[str, Any]:
    """Return the position in a run's saved state."""
    found: dict[str, Any] = torch.load(paths.state, weights_only=True)["position"]
    return found


def epochs_validated(paths: RunPaths) -> list[str]:
    """Return the beginnings of the validation lines."""
    return [line.split(")")[0] for line in paths.metrics_log.read_text().splitlines()]


@pytest.mark.parametrize(
    ("policy", "options", "expected"),
    [
        # Continuous epochs 1, 1.4, 1.8, ..., 4.6 of the four; the linear policy falls between 2 and 5.
        ("linear", {}, [1, 1, 1, *((5 - epoch) / 3 for epoch in (2.2, 2.6, 3, 3.4, 3.8, 4.2, 4.6))]),
        ("step", {"lr_decay_iters": 2}, [1, 1, 1, 1, 1, 0.1, 0.1, 0.1, 0.1, 0.1]),
        # With --niter_decay 0 the cosine ends at its minimum.
        (
            "cosine",
            {"niter": 4, "niter_decay": 0},
            [1, 0.97553, 0.90451, 0.79389, 0.65451, 0.5, 0.34549, 0.20611, 0.09549, 0.02447],
        ),
    ],
)
def test_the_learning_rate_is_that_of_the_share_of_all_epochs(
    policy: str, options: dict[str, Any], expected: list[float], tmp_path: Path, work: Work
) -> None:
    train(tmp_path, work, lr_policy=policy, **options)
    assert work.rates == pytest.approx(expected, abs=1e-5)


def test_the_epochs_before_the_first_take_no_time(tmp_path: Path, work: Work) -> None:
    work.batch = 30.0
    train(tmp_path, work, epoch_count=3)
    # Half of epochs 3 and 4 is where epoch 4 begins.
    assert work.rates == pytest.approx([2 / 3, 1 / 3])


def test_training_ends_with_the_budget_in_the_middle_of_an_epoch(tmp_path: Path, work: Work) -> None:
    paths, _ = train(tmp_path, work, save_epoch_freq=1)
    place = position(paths)
    assert (place["epoch"], place["patch"], place["iteration"], place["seconds"]) == (3, 0, 10, 60.0)
    assert epochs_validated(paths) == ["(epoch: 0", "(epoch: 1", "(epoch: 2", "(epoch: 3"]
    assert paths.network("3", "G").exists()
    assert (paths.loss_log.read_text().splitlines()[-1]).startswith("(epoch: 3, iters: 2)")
    page = read_page(paths)
    assert "epochs in a time budget of 1 minutes" in page.text
    assert "training has ended" in page.text
    assert "Epoch 3, after 2 patches" in page.text


def test_validations_take_time_too(tmp_path: Path, work: Work) -> None:
    work.validation = 9.0
    train(tmp_path, work, niter=1, niter_decay=3)
    # The first validation, four batches, another one, three batches: 60 seconds.
    began = [9, 15, 21, 27, 42, 48, 54]
    assert work.rates == pytest.approx([1 - seconds / 60 for seconds in began])


def test_time_that_passes_in_a_validation_ends_training_there(tmp_path: Path, work: Work) -> None:
    work.validation = 25.0
    paths, _ = train(tmp_path, work)
    assert len(work.rates) == 4
    assert epochs_validated(paths) == ["(epoch: 0", "(epoch: 1"]
    assert position(paths)["seconds"] == 74.0


def test_an_interrupted_run_goes_on_with_what_is_left(tmp_path: Path, work: Work) -> None:
    whole, _ = train(tmp_path, work, name="whole")
    rates = work.rates

    def stop(line: str) -> None:
        if line.startswith("(epoch: 2, iters: 2)"):
            os.kill(os.getpid(), signal.SIGTERM)

    work.rates = []
    with pytest.raises(Interrupted):
        fit(command(tmp_path, name="parts"), stop, work)
    work.now -= 500  # another session, another clock
    parts, _ = train(tmp_path, work, name="parts", continue_train=True)
    assert work.rates == rates
    one, other = (torch.load(paths.network("latest", "G"), weights_only=True) for paths in (whole, parts))
    assert all(torch.equal(value, other[key]) for key, value in one.items())
    assert position(whole) == position(parts)
    assert whole.loss_log.read_text() == parts.loss_log.read_text()
    assert epochs_validated(whole) == epochs_validated(parts)


def test_a_used_up_budget_says_so_and_a_larger_one_goes_on(tmp_path: Path, work: Work) -> None:
    train(tmp_path, work)
    work.rates = []
    _, lines = train(tmp_path, work, continue_train=True)
    assert lines[-1] == "run has used up its time budget of 1 minutes; a larger --time_budget trains it further"
    assert not work.rates
    paths, _ = train(tmp_path, work, continue_train=True, time_budget=1.5)
    # Two thirds of the longer budget are used up: epochs 1 + 4 * (10 to 14) / 15.
    assert work.rates == pytest.approx([(5 - (1 + 4 * batch / 15)) / 3 for batch in range(10, 15)])
    assert epochs_validated(paths)[-2:] == ["(epoch: 4", "(epoch: 5"]


def test_without_a_budget_epochs_count_and_time_is_kept(tmp_path: Path, work: Work) -> None:
    paths, _ = train(tmp_path, work, time_budget=0.0)
    assert work.rates == pytest.approx([1] * 8 + [2 / 3] * 4 + [1 / 3] * 4)
    assert position(paths)["seconds"] == 96.0
    work.rates = []
    # More than the minute is used up.
    _, lines = train(tmp_path, work, continue_train=True)
    assert "has used up its time budget" in lines[-1]


def test_the_bar_shows_the_minutes_of_the_budget(tmp_path: Path, work: Work) -> None:
    shown: list[Any] = []

    class Bar(tqdm):  # type: ignore[type-arg]
        def __init__(self, *items: Any, **options: Any) -> None:
            super().__init__(*items, **options | {"disable": False})
            shown.append(self)

    with shown_by(Bar):
        train(tmp_path, work, time_budget=0.75)
    (bar,) = shown
    # Eight batches of six seconds.
    assert (bar.total, bar.n) == (0.75, 0.75)
    assert "0.8/0.75 minutes" in str(bar)
    shown.clear()
    with shown_by(Bar):
        train(tmp_path, work, time_budget=0.0, niter_decay=0)
    assert (shown[0].total, shown[0].n) == (8, 8)
    assert "8/8 patches" in str(shown[0])


def test_a_stopwatch_counts_from_its_start_and_keeps_what_was_before() -> None:
    now = 100.0
    watch = Stopwatch(lambda: now)
    assert watch.read() == 0
    watch.earlier = 7.0
    now = 200.0
    watch.start()
    now = 203.0
    assert watch.read() == 10.0
