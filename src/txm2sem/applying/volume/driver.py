"""Translate the blocks of a volume that are missing: in this process, in others on this machine, or on a cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tqdm import tqdm

from txm2sem.applying.volume.blocks import BlockResult
from txm2sem.applying.volume.passes import Block
from txm2sem.applying.volume.run import VolumeRun
from txm2sem.applying.volume.stream import stream
from txm2sem.applying.volume.workers import translate_in_workers
from txm2sem.devices import return_freed_memory


def translate_missing(run: VolumeRun) -> None:
    """Translate the missing blocks of a run that has begun, with a progress bar.

    Raises:
        UserError: a block cannot be read or written; what was done stays.
    """
    missing = run.missing_voxels
    with tqdm(
        total=run.voxels, initial=run.voxels - missing, desc="translating", unit="voxel", unit_scale=True, disable=None
    ) as bar:
        if not missing:
            return
        if run.command.volume.scheduler:
            from txm2sem.applying.volume.cluster import translate_on_cluster

            translate_on_cluster(run, bar.update)
        elif run.command.volume.workers:
            translate_in_workers(run, bar.update)
        else:
            _translate_here(run, bar.update)
    return_freed_memory()
    run.store.clear()  # what processes that died have left


def _translate_here(run: VolumeRun, progress: Callable[[int], Any]) -> None:
    work = run.attach(run.room)

    def keep(block: Block, result: BlockResult) -> None:
        run.keep(work, block, result)
        run.store.add(block)

    for item in run.passes:
        stream(
            run.store.missing(item.axis),
            work.read,
            lambda block, voxels: work.translate(block, voxels, progress),
            keep,
        )
