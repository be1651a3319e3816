"""A training may be ended at any moment: it has saved itself, or goes on from what was saved, and says which."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import pytest
import torch
from data_roots import write_data_root
from forks import Fork
from torch import Tensor

from txm2sem import checkpoints
from txm2sem.errors import Interrupted, UserError
from txm2sem.files import held
from txm2sem.options import MODEL_DEFAULTS, TrainCommand, override
from txm2sem.results import NewResults
from txm2sem.runs import RunPaths
from txm2sem.training.fit import fit
from txm2sem.training.loading import Batch, LoadingError, PatchLoader, end_loading
from txm2sem.training.regression import RegressionModule
from txm2sem.training.translation import TranslationModule

SMALL = {"model": "feedforward", "netG": "resnet_6blocks", "ngf": 4, "patch_size": 32, "num_train": 4, "num_test": 1}
SMALL |= {"niter": 2, "niter_decay": 0, "num_threads": 0, "gpu_ids": "-1", "print_freq": 1, "no_html": True}
SMALL |= {"save_latest_freq": 2, "save_epoch_freq": 1}


class Killed(BaseException):
    """Stands for SIGKILL: nothing of the program happens after it."""


def command(folder: Path, **options: Any) -> TrainCommand:
    """Return a command that trains in a second, from `folder/images` into `folder/checkpoints`."""
    if not (folder / "images").exists():
        write_data_root(folder / "images")
    places = {
        "dataroot": folder / "images",
        "checkpoints_dir": folder / "checkpoints",
        "results_dir": folder / "results",
    }
    return override(TrainCommand(), {**MODEL_DEFAULTS["feedforward"], **SMALL, "name": "run", **places, **options})


def train(folder: Path, **options: Any) -> tuple[RunPaths, list[str]]:
    lines: list[str] = []
    return fit(command(folder, **options), lines.append), lines


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunPaths:
    """Return a run that nothing has happened to."""
    return train(tmp_path_factory.mktemp("whole"))[0]


def assert_equal(one: RunPaths, other: RunPaths) -> None:
    """Check that two runs have left the same networks and logs, and stand at the same place."""
    networks = [path.name for path in sorted(one.checkpoints.glob("*_net_*.pth"))]
    assert networks == [path.name for path in sorted(other.checkpoints.glob("*_net_*.pth"))]
    for name in networks:
        weights = [torch.load(paths.checkpoints / name, weights_only=True) for paths in (one, other)]
        assert all(torch.equal(value, weights[1][key]) for key, value in weights[0].items()), name
    places = [torch.load(paths.state, weights_only=True)["position"] | {"seconds": 0} for paths in (one, other)]
    assert places[0] == places[1]
    assert one.loss_log.read_text() == other.loss_log.read_text()
    assert one.metrics_log.read_text() == other.metrics_log.read_text()
    assert one.course.read_text() == other.course.read_text()


def kill_before(
    monkeypatch: pytest.MonkeyPatch, owner: object, name: str, when: Callable[..., bool], call: int
) -> None:
    """Let the process be killed before the n-th call of a function for which `when` holds."""
    original, calls = getattr(owner, name), 0

    def killing(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += when(*arguments)
        if calls == call:
            raise Killed
        return original(*arguments, **named)

    monkeypatch.setattr(owner, name, killing)


MOMENTS = {
    "the first validation": ("validation", 1),
    "a batch": ("batch", 4),
    "the validation of an epoch": ("validation", 2),
    "the validation of the last epoch": ("validation", 3),
    "the best is saved": ("best_net_G.pth", 1),
    "the epoch is saved": ("1_net_G.pth", 1),
    "the latest is saved": ("latest_net_G.pth", 2),
    "its state is saved": ("latest_state.pth", 2),
    "the last state is saved": ("latest_state.pth", 4),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_that_is_killed_before_something_goes_on_to_what_it_would_have_been(
    whole: RunPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    what, call = MOMENTS[moment]
    if what == "validation":
        kill_before(monkeypatch, TranslationModule, "validation_step", lambda *_: True, call)
    elif what == "batch":
        kill_before(monkeypatch, RegressionModule, "optimisation_step", lambda *_: True, call)
    else:
        kill_before(monkeypatch, checkpoints, "write_whole", lambda path, *_: path.name == what, call)
    with pytest.raises(Killed):
        train(tmp_path)
    monkeypatch.undo()
    paths, _ = train(tmp_path, continue_train=True)
    assert_equal(whole, paths)


def test_a_state_at_the_last_patch_of_an_epoch_goes_on_with_its_validation_and_the_next(tmp_path: Path) -> None:
    paths, _ = train(tmp_path, niter=1)
    state = torch.load(paths.state, weights_only=True)
    state["position"] |= {"epoch": 0, "patch": 4}
    torch.save(state, paths.state)
    paths, _ = train(tmp_path, niter=2, continue_train=True)
    assert torch.load(paths.state, weights_only=True)["position"]["epoch"] == 2


def test_a_run_that_has_not_had_all_its_epochs_never_ends_as_if_it_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytorch_lightning.Trainer.fit", lambda *_: None)
    with pytest.raises(UserError, match="ended before its end"):
        train(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_saves_everything_and_says_so(whole: RunPaths, tmp_path: Path, number: signal.Signals) -> None:
    def stop(line: str) -> None:
        if line.startswith("(epoch: 1, iters: 3)"):
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    with pytest.raises(Interrupted) as stopped:
        fit(command(tmp_path), stop)
    assert stopped.value.signal == number
    assert stopped.value.__notes__ == ["--continue_train goes on from what is saved: epoch 1, after 3 patches"]
    assert signal.getsignal(number) == before
    paths, lines = train(tmp_path, continue_train=True)
    assert lines[0] == "going on with run at epoch 1, patch 3"
    assert_equal(whole, paths)


def test_a_second_ctrl_c_says_what_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def twice(*_: Any) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(RegressionModule, "optimisation_step", twice)
    with pytest.raises(Interrupted) as stopped:
        train(tmp_path)
    assert stopped.value.__notes__ == ["nothing is saved yet: the same command begins anew"]
    monkeypatch.undo()
    _, lines = train(tmp_path, continue_train=True)
    assert lines[0] == "going on with run at epoch 1, patch 0"


def test_what_a_second_ctrl_c_loses_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step, steps = RegressionModule.optimisation_step, 0

    def twice_in_the_last(module: RegressionModule, *arguments: Any) -> dict[str, Tensor]:
        nonlocal steps
        steps += 1
        for _ in range(2 * (steps == 4)):
            signal.raise_signal(signal.SIGINT)
        return step(module, *arguments)

    monkeypatch.setattr(RegressionModule, "optimisation_step", twice_in_the_last)
    with pytest.raises(Interrupted) as stopped:
        train(tmp_path)
    assert stopped.value.__notes__ == [
        "--continue_train goes on from what is saved: epoch 1, after 2 patches; 1 more are lost"
    ]


def test_a_loader_that_dies_while_the_run_is_asked_to_stop_is_an_interrupt(
    whole: RunPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = PatchLoader.__iter__

    def dying(loader: PatchLoader) -> Iterator[Batch]:
        yield from itertools.islice(batches(loader), 2)
        signal.raise_signal(signal.SIGTERM)
        raise LoadingError("a process that loads patches has died")

    monkeypatch.setattr(PatchLoader, "__iter__", dying)
    with pytest.raises(Interrupted) as stopped:
        train(tmp_path)
    assert stopped.value.signal == signal.SIGTERM
    monkeypatch.undo()
    assert_equal(whole, train(tmp_path, continue_train=True)[0])


def test_a_signal_to_all_processes_leaves_the_loaders_to_the_main_one(whole: RunPaths, tmp_path: Path) -> None:
    run = command(tmp_path, num_threads=2)

    def stop(line: str) -> None:
        if line.startswith("(epoch: 1, iters: 1)"):
            os.killpg(0, signal.SIGTERM)

    def train_apart() -> int:
        os.setsid()
        with pytest.raises(Interrupted) as stopped:
            fit(run, stop)
        return 128 + stopped.value.signal

    status, err = Fork(train_apart, tmp_path).end()
    assert status == 143, err
    paths, lines = train(tmp_path, continue_train=True)
    assert lines[0] == "going on with run at epoch 1, patch 1"
    assert_equal(whole, paths)


@pytest.mark.skipif(sys.platform != "linux", reason="finds the processes in /proc")
def test_a_loader_that_dies_is_said_with_what_to_do(tmp_path: Path) -> None:
    def kill_a_loader(line: str) -> None:
        if line.startswith("(epoch: 1, iters: 2)"):
            children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
            os.kill(int(children[-1]), signal.SIGKILL)

    with pytest.raises(UserError, match="--continue_train"):
        fit(command(tmp_path, num_threads=1, num_train=60), kill_a_loader)


def test_a_slice_that_a_loader_cannot_read_is_named_without_a_traceback(tmp_path: Path) -> None:
    run = command(tmp_path, num_threads=1, txm_range="0,255", sem_range="0,255")
    path = sorted((tmp_path / "images" / "train" / "sem").iterdir())[0]
    content = path.read_bytes()
    path.write_bytes(content[:8] + bytes(len(content) - 8))
    with pytest.raises(UserError) as error:
        fit(run, lambda line: None)
    assert str(path) in str(error.value)
    assert "Traceback" not in str(error.value)


@pytest.mark.parametrize("loaders", [0, 2])
def test_slices_that_are_emptied_end_the_training_with_what_to_go_on_from(tmp_path: Path, loaders: int) -> None:
    def empty_all(line: str) -> None:
        if line.startswith("(epoch: 1, iters: 2)"):
            for path in (tmp_path / "images" / "train" / "sem").iterdir():
                path.write_bytes(b"")

    with pytest.raises(UserError, match=r"train/sem/\d+\.tif has been changed.*--continue_train goes on from"):
        fit(command(tmp_path, num_threads=loaders, num_train=60), empty_all)
    assert not active_children()  # they would be waited for later, seconds each


def test_a_loader_that_does_not_end_is_ended(tmp_path: Path) -> None:
    words = """
import time
from torch.utils.data import Dataset
from txm2sem.training.loading import PatchLoader, ignore_signals

class Endless(Dataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        print(index, flush=True)
        while index:
            time.sleep(60)
        return index

batches = iter(PatchLoader(Endless(), num_workers=1, worker_init_fn=ignore_signals))
next(batches)
"""
    ended = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, timeout=100, check=True)
    assert ended.stdout.split() == ["0", "1"]


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")
def test_a_forked_process_leaves_the_loaders_of_the_other_one_alone(tmp_path: Path) -> None:
    before = active_children()
    patches: Any = [{"patch": torch.zeros(1)}] * 9
    batches = iter(PatchLoader(patches, num_workers=1))
    next(batches)
    (loader,) = (process for process in active_children() if process not in before)
    assert Fork(lambda: end_loading() or 0, tmp_path).end()[0] == 0
    assert loader.is_alive()
    end_loading()
    assert not loader.is_alive()


def test_two_trainings_cannot_have_one_name_at_once(tmp_path: Path) -> None:
    train(tmp_path)
    kept = (tmp_path / "checkpoints" / "run" / "latest_net_G.pth").read_bytes()
    with held(tmp_path / "checkpoints" / "run"):
        for again in (False, True):
            with pytest.raises(UserError, match="another process"):
                train(tmp_path, continue_train=again)
    assert (tmp_path / "checkpoints" / "run" / "latest_net_G.pth").read_bytes() == kept


def test_a_run_is_held_while_it_trains(tmp_path: Path) -> None:
    refused = []

    def try_too(line: str) -> None:
        if line.startswith("(epoch: 1, iters: 1)"):
            with pytest.raises(UserError, match="another process"):
                train(tmp_path)
            refused.append(line)

    fit(command(tmp_path), try_too)
    assert refused


def test_no_training_begins_where_an_earlier_run_of_its_name_is_tested(tmp_path: Path) -> None:
    train(tmp_path)
    checkpoints = tmp_path / "checkpoints"
    kept = (checkpoints / "run" / "latest_net_G.pth").read_bytes()
    new = NewResults(RunPaths.of("run", checkpoints, tmp_path / "results"))
    with new.begin():
        with pytest.raises(UserError, match="another process"):
            train(tmp_path)
        assert [path.name for path in checkpoints.iterdir()] == ["run"]
        assert (checkpoints / "run" / "latest_net_G.pth").read_bytes() == kept
        assert new.draft.state.exists()
    lines: list[str] = []
    fit(command(tmp_path), lines.append)
    (line,) = [line for line in lines if "is kept as" in line]
    name = line.partition(": --name ")[2].split()[0]
    assert (checkpoints / name / "latest_net_G.pth").read_bytes() == kept


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
@pytest.mark.parametrize("batch", [3, 4])
def test_losses_that_are_no_numbers_end_the_training_and_leave_what_is_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: float, batch: int
) -> None:
    original, batches = RegressionModule.generator_losses, 0

    def diverge(module: RegressionModule, *arguments: Any) -> dict[str, Tensor]:
        nonlocal batches
        batches += 1
        losses = original(module, *arguments)
        return {name: loss * (wrong if batches >= batch else 1) for name, loss in losses.items()}

    monkeypatch.setattr(RegressionModule, "generator_losses", diverge)
    with pytest.raises(UserError, match=f"epoch 1, after {batch - 1} patches"):
        train(tmp_path)
    saved = torch.load(tmp_path / "checkpoints/run/latest_net_G.pth", weights_only=True)
    assert all(torch.isfinite(value).all() for value in saved.values() if value.is_floating_point())
    assert torch.load(tmp_path / "checkpoints/run/latest_state.pth", weights_only=True)["position"]["patch"] == 2
    assert not (tmp_path / "checkpoints/run/best_net_G.pth").exists()


def test_there_must_be_something_to_go_on_with(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="leave out --continue_train"):
        train(tmp_path, continue_train=True)
    assert not (tmp_path / "checkpoints").exists()


def test_a_run_that_was_killed_before_anything_was_saved_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_before(monkeypatch, checkpoints, "write_whole", lambda path, *_: path.name == "latest_state.pth", 1)
    with pytest.raises(Killed):
        train(tmp_path)
    monkeypatch.undo()
    with pytest.raises(UserError, match="leave out --continue_train"):
        train(tmp_path, continue_train=True)
    train(tmp_path)
