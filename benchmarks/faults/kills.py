"""Commands that are killed at a moment, and run again."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from scene import TRAIN, VOLUME, Scene, Verdict, run

EVENTS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir")
"""What a command does to files, as Python's audit events name it; each is told just before it is done."""


@dataclass(frozen=True)
class Command:
    """A command to kill.

    Attributes:
        words: of the command.
        made: patterns of what it makes.
        again: words that make it go on; those of the command where empty.
        passed_over: pattern of files that differ from run to run: with times, and events of TensorBoard.
    """

    words: str
    made: tuple[str, ...]
    again: str = ""
    passed_over: str = field(default=r"$.")


COMMANDS: dict[str, Command] = {
    "kill: train": Command(
        f"train --name new {TRAIN}",
        (
            "checkpoints/new/*.pth",
            "checkpoints/new/*_metrics.txt",
            "checkpoints/new/loss_log.txt",
            "checkpoints/new/course.jsonl",
        ),
        f"train --name new {TRAIN} --continue_train",
    ),
    "kill: train, loaders": Command(
        f"train --name new {TRAIN} --num_threads 2",
        (
            "checkpoints/new/*.pth",
            "checkpoints/new/*_metrics.txt",
            "checkpoints/new/loss_log.txt",
            "checkpoints/new/course.jsonl",
        ),
        f"train --name new {TRAIN} --num_threads 2 --continue_train",
    ),
    "kill: volume": Command(f"volume images/test/txm_full_stack out.ome.zarr {VOLUME}", ("out.ome.zarr",)),
    "kill: volume, three ways": Command(
        f"volume images/test/txm_full_stack out.ome.zarr {VOLUME} --z_blend", ("out.ome.zarr",)
    ),
    "kill: volume, TIFF": Command(f"volume images/test/txm_full_stack out.tif {VOLUME}", ("out.tif",)),
    "kill: volume, workers": Command(
        f"volume images/test/txm_full_stack out.ome.zarr {VOLUME} --workers 2", ("out.ome.zarr",)
    ),
    "kill: translate": Command("translate images/test/txm out --gpu_ids -1", ("out",)),
    "kill: translate, one": Command("translate images/test/txm/TXM out.tif --gpu_ids -1", ("out.tif",)),
    "kill: repair": Command("repair images/train/sem out --charge images/train/charge", ("out",)),
    "kill: test": Command("test --name run --eval --gpu_ids -1", ("results/run",), passed_over=r".*report\.html"),
    "kill: phantom": Command("phantom out --size 64 --depth 24 --train_slices 2", ("out",)),
    "kill: check": Command("check images --patch_size 32 --output out", ("out/report.json",)),
    "kill: report": Command("report run --output out.html", ("out.html",)),
}


def try_kill(scene: Scene, row: str, seed: int) -> Verdict:
    """Kill a command at a moment drawn from the seed, run it to its end, and compare what it has made."""
    rng, command = np.random.default_rng([seed, sum(row.encode())]), COMMANDS[row]
    wanted, moments, seconds = _undisturbed(scene, row)
    place = scene.fresh(scene.trained)
    words = _words(command.words, place)
    if rng.random() < 0.8:
        moment = int(rng.integers(1, moments + 1))
        what = f"killed before its {moment}. of {moments} files"
        killed = run(words, place, lambda: sys.addaudithook(_killer(place, moment)))
    else:
        after = float(rng.uniform(0, seconds))
        what = f"killed after {after:.2f} of {seconds:.2f} s"
        killed = run(words, place, kill_after=after)
    again = words
    if command.again and list(place.glob("checkpoints/new/latest_net_G.pth")):
        again = _words(command.again, place)
    ended = run(again, place)
    verdict = Verdict(row, seed, "", True, f"{what}; txm2sem {again}", f"{killed.said}\n--- again:\n{ended.said}")
    outcome = _judge(command, place, wanted, killed.status, ended.status, ended.said)
    return Verdict(row, seed, outcome, outcome in ("equal", "was done before"), verdict.what, verdict.said)


def _judge(command: Command, place: Path, wanted: dict[str, str], killed: int, status: int, said: str) -> str:
    if killed not in (-signal.SIGKILL, 0):
        return f"ended by itself with {killed}"
    if status and not ("exists and is not overwritten" in said and _content(command, place) == wanted):
        return f"status {status} when run again"
    if "Traceback" in said:
        return "traceback when run again"
    found = _content(command, place)
    odd = sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))
    if odd:
        return f"other content: {odd[0]}"
    # The folder that an output grew in may be left, empty, where the output was in its place already.
    left = sorted(path.name for path in place.rglob("*.partial") if path.is_file() or any(path.iterdir()))
    if left:
        return f"left {left[0]}"
    return "equal" if killed else "was done before"


@cache
def _undisturbed(scene: Scene, row: str) -> tuple[dict[str, str], int, float]:
    """Return what a command makes, how many moments it has, and how long it takes [s]."""
    import time

    command, place = COMMANDS[row], scene.fresh(scene.trained)
    counter = place.parent / "moments"
    started = time.monotonic()
    ended = run(_words(command.words, place), place, lambda: sys.addaudithook(_counter(place, counter)))
    if ended.status:
        raise RuntimeError(f"{row}: {ended}")
    return _content(command, place), int(counter.stat().st_size), time.monotonic() - started


def _words(text: str, place: Path) -> list[str]:
    first = min((place / "images" / "test" / "txm").iterdir())
    return text.replace("images/test/txm/TXM", str(first.relative_to(place))).split()


def _is_moment(place: Path, event: str, arguments: tuple[Any, ...]) -> bool:
    if event not in EVENTS or not isinstance(arguments[0], str | bytes | os.PathLike):
        return False
    reading = event == "open" and not (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR)
    return not reading and Path(os.fsdecode(arguments[0])).absolute().is_relative_to(place)


def _counter(place: Path, counter: Path) -> Callable[[str, tuple[Any, ...]], None]:
    descriptor = os.open(counter, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if _is_moment(place, event, arguments):
            os.write(descriptor, b".")

    return hook


def _killer(place: Path, moment: int) -> Callable[[str, tuple[Any, ...]], None]:
    seen = 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if _is_moment(place, event, arguments):
            seen += 1
            if seen == moment:
                os.killpg(0, signal.SIGKILL)

    return hook


def _content(command: Command, place: Path) -> dict[str, str]:
    """Return a hash of each file that a command makes, without what is written anew each time."""
    found = {}
    for pattern in command.made:
        for path in sorted(place.glob(pattern)):
            for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
                name = str(file.relative_to(place))
                if file.is_file() and not re.fullmatch(command.passed_over, name):
                    found[name] = _hash(file)
    return found


def _hash(path: Path) -> str:
    if path.suffix == ".pth":  # torch writes the file's own name, and more, into it
        return _hash_of(torch.load(path, weights_only=True))
    content = path.read_bytes()
    if path.suffix == ".tif":
        with tifffile.TiffFile(path) as file:
            if file.ome_metadata:  # further on in the file, everything lies where its length puts it
                content = file.ome_metadata.encode() + file.asarray().tobytes()
    # Times, measured speeds, and what OME names each file by.
    for pattern in (
        rb'<time datetime="[^"]*">[^<]*',
        rb"\d+(\.\d+)? (million )?voxels/s",
        rb"['\"]network_share_of_time['\"]: [^,}]*",
        rb"urn:uuid:[0-9a-f-]*",
        rb"about [^,]* on this processor",
    ):
        content = re.sub(pattern, b"", content)
    return hashlib.sha256(content).hexdigest()


def _hash_of(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return hashlib.sha256(value.contiguous().numpy().tobytes()).hexdigest()
    if isinstance(value, dict):
        return str({key: _hash_of(part) for key, part in value.items() if key != "seconds"})
    if isinstance(value, list | tuple):
        return str([_hash_of(part) for part in value])
    return str(value)
