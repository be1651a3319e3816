"""Work spread over processes of this machine, or over a cluster."""

from __future__ import annotations

from collections.abc import Iterator

from txm2sem.workers.job import Job, Part
from txm2sem.workers.processes import finished_in_processes


def finished_parts(job: Job[Part], parts: Iterator[Part], workers: int, scheduler: str = "") -> Iterator[Part]:
    """Yield the parts of a work as they are done, by processes of this machine or by workers of a cluster.

    Args:
        job: theirs.
        parts: what is to be done; each can be pickled and hashed, and its text names it in messages.
        workers: processes of this machine.
        scheduler: address of that of a dask cluster, which is taken instead where there is one.

    Raises:
        UserError: a part cannot be done, or its processes keep dying; there is no scheduler, or no dask.
    """
    if scheduler:
        from txm2sem.workers.cluster import finished_on_cluster

        yield from finished_on_cluster(job, parts, scheduler)
        return
    yield from finished_in_processes(job, parts, workers)
