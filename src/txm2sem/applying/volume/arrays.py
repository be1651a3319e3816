"""Translate a volume that is in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from txm2sem.applying.volume.blocks import BlockTranslator
from txm2sem.applying.volume.opening import OpenVolume
from txm2sem.applying.volume.plan import base_memory, memory_limit
from txm2sem.data.writers import VoxelArray
from txm2sem.model.statistics import estimate_statistics
from txm2sem.trust.channels import NAMES


def translate_opened(opened: OpenVolume) -> NDArray[Any]:
    """Translate a volume.

    Returns:
        The predicted SEM, (z, y, x), in the type and grey values that `--dtype` and `--grey_range` name; with
        `--uncertainty` (c, z, y, x), with the channels of `TrustChannels` behind it.

    Raises:
        UserError: memory does not suffice, or what is predicted is not a number.
    """
    command = opened.command
    base = base_memory(opened.translator, command.model, opened.input_channels)
    axes = "yxz" if command.volume.z_blend else "z"
    memory = base + memory_limit(command.volume.memory)
    passes = opened.demand.plan(axes, memory, base)
    if opened.estimates_statistics:
        estimate_statistics(opened.model.predictor.generator, opened.samples())
    leading = (len(NAMES),) if opened.channels else ()
    result = np.empty((*leading, *opened.reader.shape), opened.grey.dtype)
    arrays: dict[str, VoxelArray] = {axis: np.empty(opened.reader.shape, np.float16) for axis in axes[:-1]}
    work = BlockTranslator(
        opened.reader,
        opened.translator,
        context=command.data.context_slices,
        grey=opened.grey,
        passes={item.axis: item for item in passes},
        arrays=arrays | {axes[-1]: result},
        room=opened.demand.room(passes, memory),
        channels=opened.channels,
        seed=command.run.seed,
    )
    voxels = sum(item.voxels() for item in passes)
    with tqdm(total=voxels, desc="translating", unit="voxel", unit_scale=True, disable=None) as bar:
        for item in passes:
            for block in item.blocks:
                work.write(block, work.translate(block, work.read(block), bar.update))
    return result
