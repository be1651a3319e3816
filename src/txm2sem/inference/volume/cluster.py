"""Spread the blocks of a volume over dask workers: processes on this machine, or a cluster that sees the same files.

A block is read, translated and written by one worker; only its name travels. A worker that dies costs its block, which
dask gives to another one.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import torch

from txm2sem.config import VolumeCommand
from txm2sem.data.readers import VolumeInput
from txm2sem.devices import keep_freed_memory
from txm2sem.errors import UserError
from txm2sem.inference.volume.blocks import BlockTranslator
from txm2sem.inference.volume.passes import Block, Pass

if TYPE_CHECKING:
    from distributed import Client

    from txm2sem.inference.volume.run import VolumeRun

RETRIES = 2
"""How often a block that has failed is tried again; blocks of workers that died are tried again besides."""

CONNECT_SECONDS = 30
"""How long to wait for a scheduler."""

_ONE_AT_A_TIME = threading.Lock()


def translate_on_cluster(run: VolumeRun, item: Pass, progress: Callable[[int], Any]) -> None:
    """Translate the missing blocks of a pass on dask workers.

    Args:
        run: prepared.
        item: the pass.
        progress: is told how many voxels have been done.

    Raises:
        UserError: there is no scheduler or no dask, a block cannot be read or written, or workers keep dying.
    """
    try:
        from distributed import KilledWorker, as_completed
    except ImportError:
        raise UserError(
            "--workers and --scheduler need dask, which is not installed; pip install txm2sem[cluster]"
        ) from None
    assert run.store is not None
    # Workers of a cluster have other current folders.
    places = dataclasses.replace(run.command.run, checkpoints_dir=run.command.run.checkpoints_dir.absolute())
    command = dataclasses.replace(run.command, run=places)
    run_of_blocks = (command, run.source, run.paths.output, run.store.begun)
    with _client(run.command) as client:
        futures = {
            client.submit(translate_block, *run_of_blocks, block, pure=False, retries=RETRIES): block
            for block in run.missing(item)
        }
        try:
            for future in as_completed(futures):
                future.result()
                progress(item.voxels(futures[future]))
        except KilledWorker as error:
            raise UserError(
                f"the workers that translated a block have died, each of them ({error}); they may need more memory: "
                "pass fewer --workers or a smaller --memory. The same command goes on with the missing blocks"
            ) from error
        finally:
            client.cancel(list(futures))


def translate_block(command: VolumeCommand, source: VolumeInput, output: Path, begun: str, block: Block) -> None:
    """Translate one block, in a worker.

    Args:
        command, source, output: those of the run.
        begun: names the run, so that a worker that outlives it opens the next one anew.
        block: which block.

    Raises:
        UserError: it cannot be read or written.
    """
    with _ONE_AT_A_TIME:
        run, work = _opened(command, source, output, begun)
        run.keep(work, block, work.translate(block, work.read(block), lambda voxels: None))


@lru_cache(maxsize=1)
def _opened(command: VolumeCommand, source: VolumeInput, output: Path, begun: str) -> tuple[VolumeRun, BlockTranslator]:
    """Open volume and model once for all blocks of this worker, which computes with as many threads as dask gave it."""
    from distributed import get_worker

    from txm2sem.inference.volume.run import VolumeRun

    keep_freed_memory()
    torch.set_num_threads(get_worker().state.nthreads)
    run = VolumeRun(command, source, output)
    return run, run.attach()


@contextmanager
def _client(command: VolumeCommand) -> Iterator[Client]:
    from distributed import Client, LocalCluster

    options = command.volume
    if options.scheduler:
        try:
            client = Client(options.scheduler, timeout=CONNECT_SECONDS)
        except (OSError, ValueError) as error:
            raise UserError(
                f"--scheduler {options.scheduler}: no dask scheduler answers there ({error}); start one with `dask "
                "scheduler`, and workers that see the same files with `dask worker ADDRESS`"
            ) from error
        with client:
            yield client
        return
    cores = psutil.cpu_count(logical=False) or 1
    with (
        LocalCluster(
            n_workers=options.workers,
            threads_per_worker=max(cores // options.workers, 1),
            memory_limit=0,  # the plan bounds it; dask would pause a worker that comes near
            dashboard_address=None,
            silence_logs=logging.ERROR,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client
