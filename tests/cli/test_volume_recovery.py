"""`txm2sem volume` is never lost: killed, interrupted, out of disk, in front of a bad slice, or shared by processes."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import numpy as np
import psutil
import pytest
from forks import Fork

from cli.calls import Program
from cli.volumes import IDENTITY, NETWORK, rock, start, voxels, write_identity, write_network, write_scan
from txm2sem.cli.main import main

DEPTH = 200
"""Slices: seven blocks of 32."""

SIZE = "--voxel_size 32"
COMMAND = f"scan out.ome.zarr {NETWORK} {SIZE}"
WORK = Path("out.ome.zarr.partial")


def blocks_done() -> int:
    return len(list((WORK / "blocks").glob("*.json")))


def wait_for(condition: Callable[[], bool], process: Fork, seconds: float = 120) -> None:
    """Wait until a condition holds while a process runs."""
    end = time.monotonic() + seconds
    while not condition():
        assert process.alive, process.end()
        assert time.monotonic() < end, "the condition never came true"
        time.sleep(0.005)


@pytest.fixture
def scan(program: Program) -> Path:
    """Return a folder of slices in the current folder, beside the checkpoint of `NETWORK`."""
    write_network()
    return write_scan(rock((DEPTH, 72, 72)))


@pytest.fixture(scope="module")
def killed_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with `scan`, `checkpoints`, and what is left of the translation of one by the other."""
    folder = tmp_path_factory.mktemp("killed")
    with chdir(folder):
        write_network()
        write_scan(rock((DEPTH, 72, 72)))
        process = start(COMMAND)
        wait_for(lambda: blocks_done() >= 2, process)
        process.send(signal.SIGKILL)  # nothing can be tidied up
        process.end()
    return folder


@pytest.fixture
def killed(program: Program, killed_folder: Path, tmp_path: Path) -> Program:
    """Return the program in a copy of this folder."""
    shutil.copytree(killed_folder, tmp_path, dirs_exist_ok=True)
    return program


def test_a_killed_translation_goes_on_and_ends_with_the_same_voxels(killed: Program) -> None:
    assert not Path("out.ome.zarr").exists()
    done = {path: path.stat().st_mtime_ns for path in (WORK / "blocks").glob("*.json")}
    assert 2 <= len(done) < 7
    resumed = killed(f"volume {COMMAND}")
    assert resumed.status == 0, resumed.err
    assert "going on with" in resumed.out
    assert f"{7 - len(done)} of them missing" in resumed.out
    killed(f"volume scan whole.ome.zarr {NETWORK} {SIZE}")
    np.testing.assert_array_equal(voxels("out.ome.zarr"), voxels("whole.ome.zarr"))
    scores = [json.loads(Path(f"{name}.ome.zarr_report.json").read_text())["scores"] for name in ("out", "whole")]
    assert scores[0]["continuity"] == scores[1]["continuity"]


def test_ctrl_c_says_how_to_go_on(program: Program, scan: Path) -> None:
    process = start(COMMAND)
    wait_for(lambda: blocks_done() >= 1, process)
    process.send(signal.SIGINT)
    status, err = process.end()
    assert status == 130
    assert "the same command goes on" in err
    assert "Traceback" not in err
    assert program(f"volume {COMMAND}").status == 0


def test_a_full_disk_stops_with_a_message_and_keeps_what_was_done(program: Program, scan: Path) -> None:
    """A limit on the size of files stands for a disk that is full: the TIFF file is larger than a block."""
    write_scan(rock((64, 200, 200)), "large")
    command = f"large out.ome.tif {NETWORK} {SIZE}"

    def with_little_room() -> int:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_800_000, 1_800_000))
        return main(["volume", *command.split()])

    status, err = Fork(with_little_room, Path()).end()
    assert status == 1, err
    assert "cannot write" in err
    assert "the translation itself is done" in err
    resumed = program(f"volume {command}")
    assert resumed.status == 0, resumed.err
    assert "2 of them missing" not in resumed.out


def test_a_block_that_cannot_be_written_is_named(program: Program, scan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from txm2sem.applying.volume.blocks import BlockTranslator

    class Full:
        """An array whose disk is full after two blocks."""

        def __init__(self, array: object) -> None:
            self.array = array

        def __setitem__(self, window: tuple[slice, ...], values: object) -> None:
            if window[0].start >= 64:
                raise OSError(28, os.strerror(28))
            self.array[window] = values  # type: ignore[index]

    original = BlockTranslator.__init__

    def with_full_disk(self: BlockTranslator, *arguments: object, **named: object) -> None:
        original(self, *arguments, **named)  # type: ignore[arg-type]
        self.arrays = {axis: Full(array) for axis, array in self.arrays.items()}  # type: ignore[misc]

    with monkeypatch.context() as patch:
        patch.setattr(BlockTranslator, "__init__", with_full_disk)
        done = program(f"volume {COMMAND}")
    assert done.status == 1
    assert "block 2 (slices 64 to 95) cannot be written: No space left on device" in done.err
    assert blocks_done() == 2
    assert program(f"volume {COMMAND}").status == 0


def test_a_bad_slice_stops_with_its_name_and_can_be_replaced(program: Program, scan: Path) -> None:
    good = rock((DEPTH, 72, 72), "float32")
    bad = good.copy()
    bad[140, 3, 4] = np.nan
    write_identity()
    write_scan(bad, "floats")
    command = f"volume floats out.ome.zarr {IDENTITY} {SIZE} --txm_range 0,1"
    done = program(command)
    assert done.status == 1
    assert "block 4 (slices 128 to 159) cannot be read" in done.err
    assert "slice 140" in done.err
    assert "140.tif" in done.err
    assert blocks_done() == 4
    write_scan(good[140:141], "replacement")
    Path("replacement/000.tif").replace("floats/140.tif")
    assert program(command).status == 0
    np.testing.assert_allclose(voxels("out.ome.zarr") / 255, good, atol=0.01)


def test_a_part_of_another_translation_is_refused(killed: Program) -> None:
    kept = blocks_done()
    for words, message in (
        (f"{NETWORK} {SIZE} --dtype uint16", "its output is uint8"),
        (f"{NETWORK} --voxel_size 30", "its voxel size"),
        (f"{NETWORK} {SIZE} --roi :150,:,:", "its input is"),
        (f"{NETWORK} {SIZE} --z_blend", "its z_blend is False"),
    ):
        done = killed(f"volume scan out.ome.zarr {words}")
        assert done.status == 1
        assert "holds a part of another output" in done.err
        assert message in done.err
    write_network(ngf=4, norm="instance")
    write_network()
    checkpoint = Path("checkpoints/network/latest_net_G.pth")
    checkpoint.write_bytes(checkpoint.read_bytes() + b" ")
    assert "its model is" in killed(f"volume {COMMAND}").err
    assert blocks_done() == kept


def test_changed_slices_of_finished_blocks_are_refused(killed: Program) -> None:
    write_scan(rock((1, 72, 72)))
    done = killed(f"volume {COMMAND}")
    assert done.status == 1
    assert "the input of block 0 (slices 0 to 31) is not the one" in done.err


def test_two_workers_one_of_them_killed(program: Program, scan: Path) -> None:
    """A real scheduler and two worker processes: the death of one costs a retry, not the run."""
    process = start(f"{COMMAND} --workers 2")

    def workers() -> list[psutil.Process]:
        children = psutil.Process(process.pid).children(recursive=True)
        return [child for child in children if "spawn_main" in " ".join(child.cmdline())]

    wait_for(lambda: blocks_done() >= 1 and len(workers()) == 2, process)
    workers()[0].kill()
    status, err = process.end()
    assert status == 0, err
    program(f"volume scan whole.ome.zarr {NETWORK} {SIZE}")
    assert np.abs(voxels("out.ome.zarr").astype(int) - voxels("whole.ome.zarr")).max() <= 1


def test_a_scheduler_elsewhere_shares_the_work(program: Program, scan: Path) -> None:
    from distributed import LocalCluster

    # Its worker is a thread, as a process would import torch anew for seconds.
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, protocol="tcp", dashboard_address=None, memory_limit=0
    ) as cluster:
        done = program(f"volume {COMMAND} --scheduler {cluster.scheduler_address}")
        assert done.status == 0, done.err
    program(f"volume scan whole.ome.zarr {NETWORK} {SIZE}")
    assert np.abs(voxels("out.ome.zarr").astype(int) - voxels("whole.ome.zarr")).max() <= 1


def test_a_scheduler_that_does_not_answer_is_an_error(
    program: Program, scan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("txm2sem.workers.cluster.CONNECT_SECONDS", 1)
    done = program(f"volume {COMMAND} --scheduler tcp://127.0.0.1:9")
    assert done.status == 1
    assert "no dask scheduler answers there" in done.err
