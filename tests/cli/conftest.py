"""Run the program as users call it, but within the test's process: importing torch anew costs seconds."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import pytest
from data_roots import write_data_root

from cli.calls import SRGAN, TINY_TRAINING, Outcome, Program, TrainOnce
from txm2sem.cli.main import main


@pytest.fixture
def program(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Return a function that calls `txm2sem` with words split at spaces, in an empty current folder."""
    monkeypatch.chdir(tmp_path)

    def call(*parts: str | Path) -> Outcome:
        capsys.readouterr()
        words = [word for part in parts for word in (str(part).split() if isinstance(part, str) else [str(part)])]
        try:
            status = main(words)
        except SystemExit as leave:
            status = leave.code if isinstance(leave.code, int) else 1
        captured = capsys.readouterr()
        return Outcome(status, captured.out, captured.err)

    return call


@pytest.fixture(autouse=True)
def pictures(request: pytest.FixtureRequest) -> None:
    """Draw figures only in tests that are marked `draws`."""
    if "draws" not in request.keywords:
        request.getfixturevalue("blank_pictures")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Return a small data root at `./images`, where the program looks by default."""
    write_data_root(tmp_path / "images")
    return tmp_path / "images"


@pytest.fixture(scope="session")
def train_once(tmp_path_factory: pytest.TempPathFactory) -> TrainOnce:
    """Return a function that trains with given words, the first time, and copies the checkpoints to `./checkpoints`."""
    known: dict[str, Path] = {}

    def checkpoints(words: str, write: Callable[[Path], Path] = write_data_root) -> None:
        if words not in known:
            folder = tmp_path_factory.mktemp("trained")
            write(folder / "images")
            with chdir(folder):
                assert main(["train", *words.split()]) == 0
            known[words] = folder / "checkpoints"
        shutil.copytree(known[words], "checkpoints", dirs_exist_ok=True)

    return checkpoints


@pytest.fixture
def trained(program: Program, images: Path, train_once: TrainOnce) -> Program:
    """Return the program beside a small data root and `run`, trained on it with `SRGAN` and `TINY_TRAINING`."""
    train_once(f"--name run {SRGAN} {TINY_TRAINING}")
    return program
