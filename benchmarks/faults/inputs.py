"""Damaged inputs and odd options."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.random import Generator
from scene import TINY, TRAIN, VOLUME, Scene, Verdict, run

from txm2sem.options import (
    CheckCommand,
    PhantomCommand,
    RepairCommand,
    TestCommand,
    TrainCommand,
    TranslateCommand,
    VolumeCommand,
    fields_of,
)

GOOD = (0, 1, 2, 3)
"""Exit statuses of a command that ends in order."""

ODD_WORDS = (
    *(
        "",
        " ",
        "-1",
        "0",
        "1",
        "3",
        "0.5",
        "nan",
        "inf",
        "-inf",
        "1e309",
        "1e-320",
        "99999999999999999999",
        "0x10",
        "1,2",
        "a",
    ),
    *(
        "None",
        "True",
        "False",
        "..",
        "../../up",
        "/",
        "a/b",
        "x" * 300,
        "é",
        "\x1b[2J",
        "a\nb",
        "{model}",
        "{ngf:>9999999}",
        "*",
    ),
)
ODD_VALUES: tuple[Any, ...] = (
    *(None, True, "", "a", -1, 0, 1.5, 10**30, 1e308, float("nan"), float("inf"), [], [1], {}, {"a": 1}, "x" * 10**5),
)


@dataclass(frozen=True)
class Target:
    """What is damaged, and the commands that then read it.

    Attributes:
        templates: what is there.
        files: pattern of the files of which one is damaged; "" where an option is.
        commands: one of them is run.
    """

    templates: Callable[[Scene], list[Path]]
    files: str
    commands: tuple[str, ...]


def _trained(scene: Scene) -> list[Path]:
    return [scene.trained]


def _volumes(scene: Scene) -> list[Path]:
    return [scene.trained, scene.volumes]


_OPTIONS = {
    "train": (TrainCommand(), f"train --name new {TRAIN}"),
    "test": (TestCommand(), "test --name run --gpu_ids -1 --ntest 1"),
    "volume": (VolumeCommand(), f"volume stack.tif out.ome.zarr {VOLUME}"),
    "translate": (TranslateCommand(), "translate image.tif out.tif --gpu_ids -1"),
    "repair": (RepairCommand(), "repair images/train/sem out --charge images/train/charge"),
    "check": (CheckCommand(), "check images --patch_size 32"),
    "phantom": (PhantomCommand(), "phantom out --size 32 --depth 16 --train_slices 1 --test_slices 1"),
}

_ON_VOLUME = tuple(
    f"volume {name} out.ome.zarr {VOLUME}"
    for name in (
        "slices",
        "stack.tif",
        "imagej.tif",
        "volume.ome.tif",
        "volume.h5",
        "volume.npy",
        "zarr2.ome.zarr",
        "zarr3.ome.zarr",
    )
)
_ON_RUN = (
    "test --name run --eval --gpu_ids -1 --ntest 1",
    "report run",
    "compare run run",
    f"volume stack.tif out.ome.zarr {VOLUME}",
    f"train --name run --continue_train {TINY} --num_train 8 --niter 3",
)

TARGETS: dict[str, Target] = {
    **{f"option of {name}": Target(_volumes, "", (words,)) for name, (_, words) in _OPTIONS.items()},
    **{f"volume: {words.split()[1]}": Target(_volumes, words.split()[1], (words,)) for words in _ON_VOLUME},
    "image to translate": Target(
        _volumes, "image.*", tuple(f"translate image.{kind} out.tif --gpu_ids -1" for kind in ("tif", "png"))
    ),
    "slices to repair": Target(
        _trained,
        "images/train/*/*.tif",
        ("repair images/train/sem out --charge images/train/charge", "repair images/train/sem out"),
    ),
    "data root": Target(
        _trained,
        "images/*/*/*.tif",
        ("check images --patch_size 32", f"train --name new {TRAIN}", f"test --name run --eval {TINY}"),
    ),
    "a run's checkpoints": Target(_trained, "checkpoints/run/*", _ON_RUN),
    "a run's results": Target(_trained, "results/run/*", ("report run", "compare run run")),
}


def try_input(scene: Scene, row: str, seed: int) -> Verdict:
    """Damage one thing, run a command, and judge how it ends."""
    rng, target = np.random.default_rng([seed, sum(row.encode())]), TARGETS[row]
    place = scene.fresh(*target.templates(scene))
    words = target.commands[int(rng.integers(len(target.commands)))].split()
    if target.files:
        files = sorted(
            path for found in place.glob(target.files) for path in ([found] if found.is_file() else found.rglob("*"))
        )
        path = [path for path in files if path.is_file()][int(rng.integers(sum(path.is_file() for path in files)))]
        what = f"{path.relative_to(place)}: {damage(path, rng)}"
    else:
        fields = [option for _, option, _ in fields_of(_OPTIONS[row.removeprefix("option of ")][0])]
        words += [f"--{fields[int(rng.integers(len(fields)))].name}", ODD_WORDS[int(rng.integers(len(ODD_WORDS)))]]
        what = "an odd value"
    ended = run(words, place)
    outcome = _outcome(ended.status, ended.said)
    return Verdict(row, seed, outcome, outcome in ("refused", "went on"), f"{what}; txm2sem {words}", ended.said)


def _outcome(status: int, said: str) -> str:
    if "Traceback" in said:
        return "traceback"
    if status < 0:
        return "no end" if said.endswith("no end") else f"signal {-status}"
    if status not in GOOD:
        return f"status {status}"
    return "refused" if status else "went on"


def damage(path: Path, rng: Generator) -> str:
    """Damage a file in one of many ways, and say how."""
    ways: list[Callable[[Path, Generator], str]] = [*_WAYS]
    if path.suffix in (".json", ".yaml"):
        ways += [_odd_value] * len(_WAYS)
    return ways[int(rng.integers(len(ways)))](path, rng)


def _rewrite(change: Callable[[bytearray, Generator], str]) -> Callable[[Path, Generator], str]:
    def way(path: Path, rng: Generator) -> str:
        content = bytearray(path.read_bytes() or b"\0")
        said = change(content, rng)
        path.write_bytes(content)
        return said

    return way


def _cut(content: bytearray, rng: Generator) -> str:
    length = int(rng.integers(len(content)))
    del content[length:]
    return f"cut off after {length} bytes"


def _flip(content: bytearray, rng: Generator) -> str:
    # The first bytes are headers, where most goes wrong.
    reach = len(content) if rng.random() < 0.5 else min(len(content), 400)
    places = [int(place) for place in rng.integers(0, reach, int(rng.integers(1, 9)))]
    for place in places:
        content[place] = int(rng.integers(256))
    return f"bytes {places} changed"


def _zero(content: bytearray, rng: Generator) -> str:
    first = int(rng.integers(len(content)))
    last = min(first + int(rng.integers(1, 5000)), len(content))
    content[first:last] = bytes(last - first)
    return f"zeros from {first} to {last}"


def _empty(content: bytearray, rng: Generator) -> str:
    content.clear()
    return "empty"


def _text(content: bytearray, rng: Generator) -> str:
    content[:] = b"\xff\xfe not what it was\n" * 20
    return "another text"


def _deep(content: bytearray, rng: Generator) -> str:
    content[:] = b"[" * 50_000
    return "50,000 brackets"


def _remove(path: Path, rng: Generator) -> str:
    path.unlink()
    return "removed"


def _folder(path: Path, rng: Generator) -> str:
    path.unlink()
    path.mkdir()
    return "a folder"


def _link_to_nowhere(path: Path, rng: Generator) -> str:
    path.unlink()
    path.symlink_to("/nowhere/at/all")
    return "a link to nowhere"


def _pipe(path: Path, rng: Generator) -> str:
    path.unlink()
    os.mkfifo(path)
    return "a pipe"


def _rename(path: Path, rng: Generator) -> str:
    shutil.move(path, os.fsencode(path.parent) + b"/\xfc" + os.fsencode(path.name))
    return "renamed to what is not UTF-8"


_WAYS = (
    *(_rewrite(change) for change in (_cut, _flip, _flip, _flip, _zero, _empty, _text, _deep)),
    *(_remove, _folder, _link_to_nowhere, _pipe, _rename),
)


def _odd_value(path: Path, rng: Generator) -> str:
    content = json.loads(path.read_text()) if path.suffix == ".json" else yaml.safe_load(path.read_text())
    nodes = list(_nodes(content))
    if not nodes:
        return _rewrite(_empty)(path, rng)
    parent, key = nodes[int(rng.integers(len(nodes)))]
    value = ODD_VALUES[int(rng.integers(len(ODD_VALUES)))]
    parent[key] = value
    path.write_text(json.dumps(content) if path.suffix == ".json" else yaml.safe_dump(content))
    return f"{key} is {str(value)[:40]}"


def _nodes(content: Any) -> list[tuple[Any, Any]]:
    """Return where the values of nested mappings and lists are: their container and key."""
    keys = list(content) if isinstance(content, dict) else range(len(content)) if isinstance(content, list) else []
    return [node for key in keys for node in [(content, key), *_nodes(content[key])]]
