"""Run the program as users call it, but within the test's process: importing torch anew costs seconds."""

from __future__ import annotations

from pathlib import Path

import pytest
from data_roots import write_data_root

from cli.calls import Outcome, Program
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


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Return a small data root at `./images`, where the program looks by default."""
    write_data_root(tmp_path / "images")
    return tmp_path / "images"
