"""Plans, and a program that stands for this one in sweeps: it does at once what takes minutes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_roots import write_data_root, write_stack
from run_folders import write_cube, write_run

PROGRAM = """
import json, os, shutil, signal, sys
from pathlib import Path

words, threads = sys.argv[2:], os.environ.get("OMP_NUM_THREADS")
with open("calls.jsonl", "a") as calls:
    calls.write(json.dumps({"words": words, "threads": threads}) + "\\n")
if words[0] == "compare":
    Path(words[words.index("--output") + 1]).write_text("a page")
    sys.exit()
name = words[words.index("--name") + 1]
checkpoints, results = (Path(words[words.index(f"--{place}_dir") + 1]) / name for place in ("checkpoints", "results"))
signal.alarm(60)  # nobody waits for ever
if words[0] == "train":
    checkpoints.mkdir(parents=True, exist_ok=True)
    if name.startswith("meets"):
        # Each waits for the other, which must be there at the same time.
        os.close(os.open("meeting", os.O_WRONLY if name.endswith("0") else os.O_RDONLY))
    if name.startswith("fails") and not Path("mended").exists():
        print("txm2sem train: error: the disk is full")
        sys.exit(1)
    if name.startswith("stops") and "--continue_train" not in words:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT])
        (checkpoints / "latest_state.pth").touch()
        os.kill(os.getppid(), signal.SIGINT)  # as Ctrl-C; the sweep tells it to end
        sys.exit(128 + signal.sigwait([signal.SIGTERM, signal.SIGINT]))
    if name.startswith("stays"):
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT])
        Path("stays").write_text(str(os.getpid()))
        for _ in range(2):  # Ctrl-C, which is not enough, and again
            os.kill(os.getppid(), signal.SIGINT)
            signal.sigwait([signal.SIGTERM])
    (checkpoints / "latest_net_G.pth").touch()
else:
    results.mkdir(parents=True, exist_ok=True)
    document = "continuity_test.json" if "txm2sem3d" in words else "scores.json"
    shutil.copy(Path(sys.argv[1]) / str(len(name) % 2) / document, results)
"""


def write_program(folder: Path) -> tuple[str, ...]:
    """Write the program, and what its tests find; return the words that call it."""
    for number in range(2):
        paths = write_run(folder / "made", "run", noise=10.0 + number)
        write_cube(paths, change=2.0 + number)
        paths.results.rename(folder / str(number))
    (folder / "program.py").write_text(PROGRAM)
    return sys.executable, "-S", "-E", str(folder / "program.py"), str(folder)


def write_plan(text: str, name: str = "plan.yaml") -> str:
    """Write a plan into the current folder, and return its name."""
    Path(name).write_text(text)
    return name


def write_images(root: Path = Path("images"), depth: int = 32) -> Path:
    """Write a data root with a full stack of the TXM."""
    write_data_root(root)
    if depth:
        stack = np.random.default_rng(0).integers(50, 200, (depth, 40, 40)).astype(np.uint8)
        write_stack(root / "test" / "txm_full_stack", list(stack))
    return root


def write_slices(root: Path = Path("images"), first: int = 8) -> Path:
    """Write a data root of three slices, one in each split, with these numbers from the first on."""
    for place, split in enumerate(("train", "val", "test")):
        write_data_root(root, slices=1, splits=[split], size=(48, 48), seed=place)
        for path in root.glob(f"{split}/*/000.tif"):
            path.rename(path.with_name(f"{first + place:03d}.tif"))
    return root


def calls() -> list[dict[str, Any]]:
    """Return how the program was called since the last time that this was asked."""
    path = Path("calls.jsonl")
    found = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    path.unlink(missing_ok=True)
    return found


def named(found: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return which steps of which runs calls were of, in the order of their names."""
    steps = [(call["words"], "cube" if "txm2sem3d" in call["words"] else call["words"][0]) for call in found]
    return sorted((words[words.index("--name") + 1], step) for words, step in steps if step != "compare")


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Return the words that call the program that stands for this one."""
    return write_program(tmp_path_factory.mktemp("program"))
