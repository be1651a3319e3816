"""Spread parts of a work over the workers of a dask cluster, which see the same files.

A part is read, done and written by one worker; only its name travels. A worker that dies costs its part, which dask
gives to another one.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from txm2sem.errors import UserError, extra
from txm2sem.workers.job import DEATH, RETRIES, Job, Part

if TYPE_CHECKING:
    from distributed import Client

CONNECT_SECONDS = 30
"""How long to wait for a scheduler."""

AHEAD = 1000
"""Parts that the scheduler knows of at a time."""

_ONE_AT_A_TIME = threading.Lock()


def finished_on_cluster(job: Job[Part], parts: Iterator[Part], scheduler: str) -> Iterator[Part]:
    """Yield the parts of a work as they are done by the workers of a cluster.

    Args:
        job, parts: see `finished_parts`.
        scheduler: its address.

    Raises:
        UserError: there is no scheduler or no dask, a part cannot be done, workers keep dying or have not this program.
    """
    with _client(scheduler) as client:
        yield from _finished(client, job, parts)


def do_part(job: Job[Part], part: Part) -> None:
    """Do one part, in a worker.

    Raises:
        UserError: it cannot be done.
    """
    with _ONE_AT_A_TIME:
        _opened(job)(part)


@lru_cache(maxsize=1)
def _opened(job: Job[Any]) -> Callable[[Any], None]:
    """Open what is worked on once for all parts of this worker, which computes with as many threads as dask gave it."""
    from distributed import get_worker

    return job.open(get_worker().state.nthreads)


def _finished(client: Client, job: Job[Part], parts: Iterator[Part]) -> Iterator[Part]:
    """Yield parts as they are done."""
    from distributed import KilledWorker, as_completed

    def submit(part: Part) -> Any:
        future = client.submit(do_part, job, part, pure=False, retries=RETRIES)
        waiting[future] = part
        return future

    waiting: dict[Any, Part] = {}
    finished = as_completed(map(submit, islice(parts, AHEAD)))
    try:
        for future in finished:
            part = waiting.pop(future)
            try:
                future.result()
            except KilledWorker as error:
                raise UserError(DEATH.format(part=part)) from error
            except UserError:
                raise
            except Exception as error:  # whatever another machine lacks
                raise UserError(
                    f"{part} cannot be done on the cluster ({type(error).__name__}: {error}); workers need the "
                    "same files and this version of the program, and a scheduler that goes on: see to that, then run "
                    "the same command again"
                ) from error
            for following in islice(parts, 1):
                finished.add(submit(following))
            yield part
    finally:
        client.cancel(list(waiting))


@contextmanager
def _client(address: str) -> Iterator[Client]:
    try:
        from distributed import Client
    except ImportError:
        raise UserError(f"--scheduler needs dask, which is not installed; {extra('cluster')}") from None
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
