"""Processes that share parts of a work: what each of them meets, the others and the one that started them see."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from forks import CONTEXT

from txm2sem.errors import UserError
from txm2sem.workers import finished_parts


@dataclass(frozen=True)
class Trouble:
    """Stands for the job: parts meet what their number says.

    Attributes:
        folder: where a file for each part counts how often it was tried.
        often: how often it meets that.
    """

    folder: Path
    often: int

    def open(self, threads: int) -> Any:
        return self.meet

    def meet(self, part: int) -> None:
        path = self.folder / str(part)
        tries = int(path.read_text()) if path.exists() else 0
        path.write_text(str(tries + 1))
        if tries < self.often:
            if part == 1:
                raise UserError("a slice cannot be read")
            if part == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            if part == 3:
                raise ValueError("a fault of the program")


def share(folder: Path, numbers: list[int], often: int) -> list[int]:
    return sorted(finished_parts(Trouble(folder, often), iter(numbers), 2))


@pytest.fixture(autouse=True)
def forks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that import torch anew take seconds to start."""
    monkeypatch.setattr("multiprocessing.get_context", lambda method: CONTEXT)


def test_what_passes_costs_only_another_try(tmp_path: Path) -> None:
    before = psutil.Process().children()
    assert share(tmp_path, list(range(8)), often=1) == list(range(8))
    tries = {number: int((tmp_path / str(number)).read_text()) for number in range(8)}
    assert tries == dict.fromkeys(range(8), 1) | dict.fromkeys((1, 2, 3), 2)
    assert psutil.Process().children() == before


@pytest.mark.parametrize(
    ("number", "kind", "message"),
    [
        (1, UserError, "^a slice cannot be read$"),
        (2, UserError, "processes that worked on 2 have died"),
        (3, RuntimeError, "a fault of the program"),
    ],
)
def test_what_happens_again_and_again_is_said(tmp_path: Path, number: int, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        share(tmp_path, [number], often=3)
