"""Translate blocks: those of a file that are missing, here, in other processes or on a cluster; all of an array."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from txm2sem.applying.volume.blocks import BlockResult, BlockTranslator
from txm2sem.applying.volume.job import VolumeJob
from txm2sem.applying.volume.opening import OpenVolume
from txm2sem.applying.volume.passes import Block
from txm2sem.applying.volume.plan import base_memory
from txm2sem.applying.volume.run import VolumeRun
from txm2sem.data.writers import VoxelArray
from txm2sem.memory import memory_limit, return_freed_memory
from txm2sem.model.statistics import estimate_statistics
from txm2sem.progress import progress_bar
from txm2sem.workers import finished_parts

Item = TypeVar("Item")
Read = TypeVar("Read")
Result = TypeVar("Result")


def translate_missing(run: VolumeRun) -> None:
    """Translate the missing blocks of a run that has begun, with a progress bar.

    Raises:
        UserError: a block cannot be read or written; what was done stays.
    """
    missing = run.missing_voxels
    with progress_bar(
        total=run.voxels, initial=run.voxels - missing, desc="translating", unit="voxel", unit_scale=True
    ) as bar:
        if not missing:
            return
        if run.is_shared:
            _translate_elsewhere(run, bar.update)
        else:
            _translate_here(run, bar.update)
    return_freed_memory()
    run.store.clear()  # what processes that died have left


def translate_opened(opened: OpenVolume) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Translate a volume, or segment it.

    Returns:
        The predicted SEM, (z, y, x), in the type and grey values that `--dtype` and `--grey_range` name; with
        `--uncertainty` (c, z, y, x), with the channels of `TrustChannels` behind it. Of a segmentation it is the image
        that was segmented, with those of `ClassChannels`. And its labels, (z, y, x); nothing of the SEM.

    Raises:
        UserError: memory does not suffice, or what is predicted is not a number.
    """
    command = opened.command
    base = base_memory(opened.translator)
    axes = "yxz" if command.volume.z_blend else "z"
    memory = base + memory_limit(command.volume.memory)
    passes = opened.demand.plan(axes, memory, base)
    if opened.estimates_statistics:
        estimate_statistics(opened.model.predictor.generator, opened.samples())
    shape, predicted = opened.reader.shape, opened.model.predictor.predicted
    leading = (len(opened.channel_names),) if opened.channel_names else ()
    result = np.empty((*leading, *shape), opened.grey.dtype)
    labels = np.empty(shape if opened.classes else 0, np.uint8)
    arrays: dict[str, VoxelArray] = {axis: np.empty((predicted, *shape), np.float16) for axis in axes[:-1]}
    work = BlockTranslator(
        opened.reader,
        opened.translator,
        context=command.data.context_slices,
        grey=opened.grey,
        passes={item.axis: item for item in passes},
        arrays=arrays | {axes[-1]: result},
        room=opened.demand.room(passes, memory),
        channels=opened.channels,
        classes=opened.classes,
        drawn=opened.drawn,
        labels=labels if opened.classes else None,
        seed=command.run.seed,
    )
    voxels = sum(item.voxels() for item in passes)
    with progress_bar(total=voxels, desc="translating", unit="voxel", unit_scale=True) as bar:
        for item in passes:
            for block in item.blocks:
                work.write(block, work.translate(block, work.read(block), bar.update))
    return result, labels


def stream(
    items: Iterable[Item],
    read: Callable[[Item], Read],
    compute: Callable[[Item, Read], Result],
    write: Callable[[Item, Result], None],
) -> None:
    """Read, compute and write every item in order, the three at once for three neighbouring items.

    So what one item takes is in memory three times at most: one that is read, one computed, one written. Items are
    written in order. An error in any of the three ends it after the items before have been written; so does Ctrl-C.
    """
    upcoming = iter(items)
    item = next(upcoming, None)
    if item is None:
        return
    with ThreadPoolExecutor(1, "reader") as reader, ThreadPoolExecutor(1, "writer") as writer:
        ahead: Future[Read] = reader.submit(read, item)
        behind: Future[None] | None = None
        try:
            while item is not None:
                current, following = ahead.result(), next(upcoming, None)
                if following is not None:
                    ahead = reader.submit(read, following)
                result = compute(item, current)
                del current
                if behind is not None:
                    behind.result()
                behind = writer.submit(write, item, result)
                del result
                item = following
        finally:
            if behind is not None:
                behind.result()


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


def _translate_elsewhere(run: VolumeRun, progress: Callable[[int], Any]) -> None:
    asked = run.command.volume
    for item in run.passes:
        for block in finished_parts(VolumeJob.of(run), run.store.missing(item.axis), asked.workers, asked.scheduler):
            run.store.add(block)
            progress(item.voxels(block))
