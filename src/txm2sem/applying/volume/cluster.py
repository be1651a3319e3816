"""Spread the blocks of a volume over the workers of a dask cluster, which see the same files.

A block is read, translated and written by one worker; only its name travels. A worker that dies costs its block, which
dask gives to another one.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from txm2sem.applying.volume.passes import Block
from txm2sem.applying.volume.run import VolumeRun
from txm2sem.applying.volume.workers import DEATH, RETRIES, Job
from txm2sem.errors import UserError

if TYPE_CHECKING:
    from distributed import Client

CONNECT_SECONDS = 30
"""How long to wait for a scheduler."""

AHEAD = 1000
"""Blocks that the scheduler knows of at a time."""

_ONE_AT_A_TIME = threading.Lock()


def translate_on_cluster(run: VolumeRun, progress: Callable[[int], Any]) -> None:
    """Translate the missing blocks of a run on the workers of `--scheduler`.

    Args:
        run: begun.
        progress: is told how many voxels have been done.

    Raises:
        UserError: there is no scheduler or no dask, a block cannot be read, translated or written, workers keep dying
            or have not this program.
    """
    with _client(run.command.volume.scheduler) as client:
        for item in run.passes:
            for block in _translated(client, Job.of(run), run.store.missing(item.axis)):
                run.store.add(block)
                progress(item.voxels(block))


def translate_block(job: Job, block: Block) -> None:
    """Translate one block, in a worker.

    Raises:
        UserError: it cannot be read, translated or written.
    """
    with _ONE_AT_A_TIME:
        _opened(job)(block)


@lru_cache(maxsize=1)
def _opened(job: Job) -> Callable[[Block], None]:
    """Open volume and model once for all blocks of this worker, which computes with as many threads as dask gave it."""
    from distributed import get_worker

    return job.open(get_worker().state.nthreads)


def _translated(client: Client, job: Job, blocks: Iterator[Block]) -> Iterator[Block]:
    """Yield blocks as they are done."""
    from distributed import KilledWorker, as_completed

    def submit(block: Block) -> Any:
        future = client.submit(translate_block, job, block, pure=False, retries=RETRIES)
        waiting[future] = block
        return future

    waiting: dict[Any, Block] = {}
    finished = as_completed(map(submit, islice(blocks, AHEAD)))
    try:
        for future in finished:
            block = waiting.pop(future)
            try:
                future.result()
            except KilledWorker as error:
                raise UserError(DEATH.format(block=block)) from error
            except UserError:
                raise
            except Exception as error:  # whatever another machine lacks
                raise UserError(
                    f"{block} cannot be translated on the cluster ({type(error).__name__}: {error}); workers need the "
                    "same files and this version of the program, and a scheduler that goes on: see to that, then run "
                    "the same command again"
                ) from error
            for following in islice(blocks, 1):
                finished.add(submit(following))
            yield block
    finally:
        client.cancel(list(waiting))


@contextmanager
def _client(address: str) -> Iterator[Client]:
    try:
        from distributed import Client
    except ImportError:
        raise UserError("--scheduler needs dask, which is not installed; pip install txm2sem[cluster]") from None
    for name in ("distributed", "distributed.client"):  # what stops the work is said in one message
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=CONNECT_SECONDS)
    except (OSError, ValueError, TypeError, RuntimeError) as error:  # as odd addresses and certificates make it raise
        raise UserError(
            f"--scheduler {address}: no dask scheduler answers there ({error}); start one with `dask scheduler`, and "
            "workers that see the same files with `dask worker ADDRESS`"
        ) from error
    with client:
        yield client
