"""The start of the program: help and errors come before any library is imported that takes seconds.

By what is imported, not by a clock: one process runs one command after the other, and says what it has loaded by then.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from run_folders import write_run

from txm2sem.cli.main import COMMANDS

SLOW = ("torch", "pytorch_lightning", "matplotlib", "scipy", "skimage", "cv2", "zarr", "h5py", "jinja2", "pandas")

AT_WORK = ("torch", "pytorch_lightning", "matplotlib", "zarr", "h5py", "jinja2", "pandas")
"""What no command needs before it has opened its slices; filters of images, which measure them, it may."""

NEVER = (
    "torch._dynamo",
    "sympy",
    "matplotlib",
    "scipy",
    "cv2",
    "zarr",
    "h5py",
    "jinja2",
    "pandas",
    "pytorch_lightning",
)
"""What translating an image that fits into memory does not need at all; torch's compiler is loaded by many a call."""

CODE = """
import contextlib, io, json, sys
from txm2sem.cli.main import main
asked, found = json.load(sys.stdin), []
for words in asked["commands"]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            status = main(words)
        except SystemExit as end:
            status = end.code
    found.append([status, sorted(set(asked["slow"]) & set(sys.modules))])
print(json.dumps(found))
"""


def started(commands: list[list[str]], slow: tuple[str, ...], folder: Path) -> dict[str, Any]:
    """Run commands in a folder and return the exit status of each, and which slow libraries are loaded by then."""
    asked = json.dumps({"commands": commands, "slow": slow})
    words = [sys.executable, "-c", CODE]
    done = subprocess.run(words, input=asked, capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stderr
    return dict(zip(map(" ".join, commands), json.loads(done.stdout), strict=True))


def test_help_and_errors_about_options_need_no_library_that_is_slow(tmp_path: Path) -> None:
    helps = [["--help"], *([name, "--help_all"] for name in COMMANDS)]
    errors = [
        *([name, "--no_such_option", "1"] for name in COMMANDS),
        *([name, "a", "b", "c", "d"] for name in COMMANDS if name not in ("config", "compare")),
        ["compare", "a"],
        ["config", "no_such_command"],
        ["train", "--patch_size", "0"],
        ["test", "--num_test", "many"],
        ["check", "images", "--patch_size", "-1"],
        ["repair", "sem", "repaired", "--dilation", "many"],
        ["volume", "scan", "predicted.ome.zarr"],
        ["volume", "scan", "predicted.jpg", "--name", "mine"],
        ["train", "--recipe", "translat"],
        ["train", "--config", "not_there.yaml"],
        ["test", "--name", "not_there"],
        ["report", "not_there"],
        ["compare", "not_there", "nor_there"],
        ["load", "not_there.zip"],
        ["translate", "txm.tif", "predicted.tif", "--name", "not_there"],
        ["volume", "not_there", "predicted.ome.zarr", "--name", "mine"],
        ["volume", ".", "predicted.ome.zarr", "--name", "not_there"],
        ["measure", "not_there", "measured"],
        ["measure", ".", "measured", "--name", "not_there"],
        ["export", "not_there", "model.zip"],
        ["sweep", "not_there.yaml"],
    ]
    found = started([*helps, *errors], SLOW, tmp_path)
    assert {words: what for words, what in found.items() if what[1]} == {}
    assert {found[" ".join(words)][0] for words in helps} == {0}
    assert {found[" ".join(words)][0] for words in errors} == {1, 2}


def test_what_is_not_there_is_found_before_what_works_on_it_is_imported(tmp_path: Path) -> None:
    errors = [
        ["check", "not_there"],
        ["check", "."],
        ["repair", "not_there", "repaired"],
        ["translate", "not_there.tif", "predicted.tif"],
        ["train", "--dataroot", "not_there", "--name", "mine"],
        ["align", "not_there", "nor_there", "aligned"],
        ["sweep", "paper", "--dataroot", "not_there"],
    ]
    found = started(errors, AT_WORK, tmp_path)
    assert found == {" ".join(words): [1, []] for words in errors}


def test_an_image_is_translated_without_what_would_take_longer_to_import_than_the_network(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "txm.tif", np.random.default_rng(0).integers(50, 200, (64, 64)).astype(np.uint8))
    words = ["translate", "txm.tif", "predicted.tif", "--gpu_ids", "-1"]
    assert started([words], NEVER, tmp_path) == {" ".join(words): [0, []]}
    assert (tmp_path / "predicted.tif_report.png").stat().st_size > 10_000


def test_a_report_is_written_without_what_computes_scores(tmp_path: Path) -> None:
    write_run(tmp_path, "mine")
    slow = ("torch._dynamo", "sympy", "scipy", "zarr", "h5py", "pandas", "pytorch_lightning")
    assert started([["report", "mine"]], slow, tmp_path) == {"report mine": [0, []]}
