"""Commands that write folders end with the same output wherever an earlier call was killed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from data_roots import write_slice
from kills import contents, killed_at
from numpy.typing import NDArray

from cli.calls import Program
from cli.volumes import IDENTITY, write_identity
from txm2sem.results import NewResults


def _image(place: Path) -> str:
    write_slice(place / "txm.tif", _grey(0))
    return f"translate txm.tif OUT.tif {IDENTITY}"


def _folder(place: Path) -> str:
    for number in range(2):
        write_slice(place / "scan" / f"{number}.tif", _grey(number))
    return f"translate scan OUT {IDENTITY}"


def _repair(place: Path) -> str:
    for number in range(2):
        write_slice(place / "sem" / f"{number}.tif", _grey(number))
    return "repair sem OUT --min_area 9"


def _unaligned_phantom(place: Path) -> str:
    return "phantom OUT --unaligned --size 40 --depth 12 --train_slices 1 --val_slices 0 --test_slices 1"


def _grey(seed: int) -> NDArray[np.uint8]:
    image: NDArray[np.uint8] = np.random.default_rng(seed).integers(50, 200, (40, 40)).astype(np.uint8)
    image[5:10, 5:10] = 255
    return image


@pytest.mark.parametrize("command", [_image, _folder, _repair, _unaligned_phantom])
def test_a_command_that_was_killed_ends_with_the_same_output(program: Program, command: Callable[[Path], str]) -> None:
    write_identity()
    words = command(Path())
    before = set(contents(Path()))
    with killed_at(10**9) as kill:
        assert program(words.replace("OUT", "whole")).status == 0
    count = kill.steps
    whole = {name: content for name, content in contents(Path()).items() if name.startswith("whole")}
    # The last steps remove the empty folder that it grew in.
    for step in (2, count // 3, count // 2, count - 5, count - 3, count - 2):
        out = f"out{step}"
        with killed_at(step):
            program(words.replace("OUT", out))
        outcome = program(words.replace("OUT", out))
        assert outcome.status == 0, (step, outcome.err)
        there = {name: content for name, content in contents(Path()).items() if name.startswith(out)}
        assert list(there) == [name.replace("whole", out) for name in whole], step
        assert list(there.values()) == list(whole.values()), step
    assert before <= set(contents(Path()))


def test_a_test_that_was_cut_off_leaves_the_earlier_one_whole(
    trained: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert trained("test --name run --eval").status == 0
    earlier = contents(Path("results/run"))
    with killed_at(12):
        trained("test --name run --eval --num_test 2")
    left = contents(Path("results/run"))
    assert {name: left[name] for name in earlier} == earlier
    assert trained("report run --output page.html").status == 0
    with monkeypatch.context() as patch:
        patch.setattr(NewResults, "finish", lambda new: _raise())
        assert trained("test --name run --eval --num_test 2").status == 130
    assert contents(Path("results/run")) == earlier
    assert trained("test --name run --eval --num_test 2").status == 0
    assert sorted(Path("results/run/sem_fake").iterdir()) == [Path(f"results/run/sem_fake/00{n}.png") for n in (0, 1)]
    (kept,) = Path("results").glob("run_*")
    assert {name: content for name, content in contents(kept).items() if not name.endswith("/")} == {
        name: content for name, content in earlier.items() if not name.endswith("/")
    }


def _raise() -> None:
    raise KeyboardInterrupt
