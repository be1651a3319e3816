"""Commands that are told to end with all their processes, or whose console closes: the same command goes on."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from data_roots import write_slice
from forks import Fork
from kills import contents, killed_at

from cli.calls import Program
from cli.volumes import IDENTITY, write_identity
from txm2sem.cli.main import main

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="copies processes")


def _slices(place: Path, side: int) -> None:
    for number in range(4):
        rng = np.random.default_rng(number)
        image = rng.integers(50, 200, (side, side)).astype(np.uint8)
        image[5:10, 5:10] = 255
        write_slice(place / f"{number}.tif", image)


WORKERS = " --workers 1"
"""Processes are costly to start."""

STEP = 12
"""Before which the signal comes: something is made by then, and something is missing."""

COMMANDS = {
    "translate": f"translate scan OUT {IDENTITY}",
    "volume": f"volume scan OUT.ome.zarr {IDENTITY} --voxel_size 32",
    "volume, workers": f"volume scan OUT.ome.zarr {IDENTITY} --voxel_size 32{WORKERS}",
    "measure": "measure scan OUT --thresholds 100,150 --voxel_size 32",
    "repair": "repair scan OUT --min_area 9",
    "align": "align scan scan OUT --transform shift --txm_voxel_size 32 --sem_pixel_size 32",
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_signal_to_the_group_is_one_line_and_the_same_command_goes_on(
    program: Program, tmp_path: Path, command: str
) -> None:
    write_identity()
    _slices(Path("scan"), 96 if command == "align" else 40)
    words = COMMANDS[command]

    def told() -> int:
        os.setsid()
        with killed_at(STEP, signal.SIGTERM):
            return main(words.replace("OUT", "made").split())

    ended, said = Fork(told, tmp_path).end()
    assert ended == 143, said
    assert said.startswith(f"txm2sem {words.split()[0]}: interrupted; the same command goes on with ")
    assert said.count("\n") == 1
    assert not Path("made").exists()
    (partial,) = Path().glob("made*.partial")
    assert partial.is_dir()
    words = words.removesuffix(WORKERS)
    outcome = program(words.replace("OUT", "made"))
    assert outcome.status == program(words.replace("OUT", "whole")).status, outcome.err
    assert [name.replace("made", "whole", 1) for name in contents(Path()) if name.startswith("made")] == [
        name for name in contents(Path()) if name.startswith("whole")
    ]


def test_a_console_that_closes_ends_a_volume_that_goes_on(program: Program, tmp_path: Path) -> None:
    write_identity()
    _slices(Path("scan"), 40)
    words = COMMANDS["volume"].replace("OUT", "made").split()
    read, write = os.pipe()
    os.close(read)
    ended, said = Fork(lambda: main(words), tmp_path, write).end()
    os.close(write)
    assert ended == 129
    assert said == "txm2sem volume: interrupted; the same command goes on with what is missing\n"
    assert program(*words).status == 0
