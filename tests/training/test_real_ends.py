"""Real signals to whole groups of processes, pipes that close, loaders that are killed: how `txm2sem train` ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from data_roots import write_data_root
from forks import Fork

from training.test_ends import assert_equal
from txm2sem.cli.main import main
from txm2sem.runs import RunPaths

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="copies processes, and finds them in /proc")

TRAIN = "train --model feedforward --netG resnet_6blocks --ngf 4 --patch_size 32 --num_train 12 --num_test 1 --niter 2"
TRAIN += " --niter_decay 0 --num_threads 2 --gpu_ids -1 --print_freq 1 --no_html --save_latest_freq 100 --name run"


class Training:
    """`txm2sem train` in a group of processes of its own, whose lines are read as they come.

    Args:
        folder: with the data root `images`, where it trains.
        words: more options.
    """

    def __init__(self, folder: Path, words: str = "") -> None:
        def train() -> int:
            os.setsid()
            os.close(read)
            os.chdir(folder)
            return main([*TRAIN.split(), *words.split()])

        read, write = os.pipe()
        self.fork = Fork(train, folder, write)
        os.close(write)
        self.out = os.fdopen(read)

    def wait_for(self, beginning: str) -> None:
        """Wait for a line."""
        assert any(line.startswith(beginning) for line in self.out), self.fork.end()

    def send(self, number: int) -> None:
        """Send a signal to all of its processes."""
        os.killpg(self.fork.pid, number)

    def loaders(self) -> list[int]:
        """Return its processes that load patches."""
        children = Path(f"/proc/{self.fork.pid}/task/{self.fork.pid}/children").read_text().split()
        return [int(child) for child in children]

    def end(self) -> tuple[int | None, str]:
        """Wait for the end; return the status and what was said of it."""
        loaders = self.loaders()
        self.out.read() if not self.out.closed else None
        status, said = self.fork.end()
        assert not [loader for loader in loaders if Path(f"/proc/{loader}").exists()]
        return status, said


def run_of(folder: Path) -> RunPaths:
    return RunPaths.of("run", folder / "checkpoints", folder / "results")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunPaths:
    """Return a run that nothing has happened to."""
    folder = tmp_path_factory.mktemp("whole")
    write_data_root(folder / "images")
    assert Training(folder).end()[0] == 0
    return run_of(folder)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a folder with a data root."""
    write_data_root(tmp_path / "images")
    return tmp_path


def _close_the_pipe(training: Training) -> None:
    training.out.close()


def _kill_a_loader(training: Training) -> None:
    os.kill(training.loaders()[0], signal.SIGKILL)


HAPPENINGS: dict[str, tuple[Callable[[Training], None], int]] = {
    "Ctrl-C": (lambda training: training.send(signal.SIGINT), 130),
    "a cluster's time limit": (lambda training: training.send(signal.SIGTERM), 143),
    "a terminal that closes": (lambda training: training.send(signal.SIGHUP), 129),
    "a pipe that closes": (_close_the_pipe, 129),
    "a loader that is killed": (_kill_a_loader, 1),
}


@pytest.mark.parametrize("happening", HAPPENINGS)
def test_it_saves_itself_says_so_in_a_line_and_goes_on_exactly(whole: RunPaths, place: Path, happening: str) -> None:
    happen, status = HAPPENINGS[happening]
    training = Training(place)
    training.wait_for("(epoch: 1, iters: 5)")
    happen(training)
    ended, said = training.end()
    assert ended == status, said
    assert said.count("\n") == 1
    assert "--continue_train goes on from what is saved: epoch 1, after " in said
    assert "lost" not in said
    again = Training(place, "--continue_train")
    again.wait_for("going on with run at epoch 1, patch ")
    assert again.end()[0] == 0
    assert_equal(whole, run_of(place))


@pytest.mark.parametrize("line", ["device:", "time:", "to beat:"])
def test_before_the_first_step_nothing_is_trained_and_the_same_command_begins_anew(place: Path, line: str) -> None:
    training = Training(place)
    training.wait_for(line)
    training.send(signal.SIGTERM)
    status, said = training.end()
    assert status == 143
    assert "the same command begins anew" in said
    assert said.count("\n") == 1
    assert Training(place, "--niter 1 --num_train 1").end()[0] == 0


def test_before_a_run_goes_on_what_it_was_is_kept(place: Path) -> None:
    assert Training(place, "--niter 1 --num_train 2").end()[0] == 0
    before = {path.name: path.read_bytes() for path in run_of(place).checkpoints.glob("*.pth")}
    again = Training(place, "--num_train 2 --continue_train")
    again.wait_for("time:")
    again.send(signal.SIGTERM)
    status, said = again.end()
    assert status == 143
    assert "goes on from what" in said
    assert {path.name: path.read_bytes() for path in run_of(place).checkpoints.glob("*.pth")} == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_while_libraries_are_read_a_signal_is_one_line_too(place: Path, number: signal.Signals) -> None:
    words = "import sys; from txm2sem.cli.main import main; sys.exit(main(sys.argv[1:]))"
    program = [sys.executable, "-X", "importtime", "-c", words, *TRAIN.split()]
    with subprocess.Popen(program, cwd=place, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stderr is not None
        assert any("torch." in line for line in process.stderr)
        os.killpg(process.pid, number)
        (said,) = [line for line in process.stderr if not line.startswith("import time:")]
    assert process.returncode == 128 + number
    assert said == "txm2sem train: interrupted; nothing is trained yet; the same command starts again\n"
