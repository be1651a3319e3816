"""Say what a translation will do and take, before it starts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import psutil

from txm2sem.addresses import Address
from txm2sem.applying.volume.plan import seconds_per_pixel
from txm2sem.applying.volume.run import VolumeRun
from txm2sem.data.classes import MEANING
from txm2sem.memory import memory_limit
from txm2sem.quantities import format_bytes, format_seconds

TIMED_SIDE = 256
"""Side of the tile that tells how long all of them will take, where tiles are as large [pixels]."""


def describe(run: VolumeRun) -> list[str]:
    """Return the plan for people: input, model, output, blocks and tiles, memory, disk and time.

    The time is that of a small tile, measured now.
    """
    opened, model = run.opened, run.command.model
    factor = f", downsample factor {model.downsample_factor}" if model.downsample_factor > 1 else ""
    statistics = "estimated on this volume, then fixed" if opened.estimates_statistics else "those of training"
    return [
        f"input:      {opened.reader.name}: {_sides(opened.reader.shape)} voxels (z, y, x), {opened.reader.dtype}, "
        f"{_sides(run.voxel_size)} nm",
        f"model:      {opened.model.name}: {model.model}, {model.netG}{factor}; normalisation statistics: {statistics}",
        *(f"note:       {note}" for note in (*_reader_notes(run), *opened.model.predictor.notes, *_trust_notes(run))),
        f"output:     {run.paths.output}: {_content(run)}",
        *([f"labels:     of {opened.model.segments}: {MEANING}"] if opened.classes else []),
        *([f"channels:   {', '.join(opened.channel_names)}"] if opened.channel_names else []),
        *_pass_lines(run),
        _memory_line(run),
        _disk_line(run),
        _time_line(run),
    ]


def _content(run: VolumeRun) -> str:
    """Return what the output has."""
    if run.opened.classes is None:
        return str(run.opened.grey)
    return "labels" if run.is_file else f"labels beside the image, {run.opened.grey}"


def _pass_lines(run: VolumeRun) -> list[str]:
    lines = []
    for item in run.passes:
        tiling, missing = item.tiling, item.count - sum(block.axis == item.axis for block in run.store.done())
        done = f", {missing} of them missing" if missing < item.count else ""
        lines.append(
            f"across {item.axis}:   {item.count} blocks of {item.depth} planes{done}; "
            f"planes in {_sides(tiling.grid)} tiles of up to {_sides(tiling.largest)} pixels, halo {tiling.halo}: "
            f"{tiling.area / np.prod(item.plane_shape):.2f} times the pixels"
        )
    return lines


def _memory_line(run: VolumeRun) -> str:
    options, base = run.command.volume, run.base_memory
    memory, shared = run.opened.demand.memory(run.passes, base), ""
    if options.workers:
        memory, shared = base + options.workers * memory, f" for {options.workers} processes and this one"
    return f"memory:     about {format_bytes(memory)}{shared}, of {format_bytes(memory_limit(options.memory))} in all"


def _disk_line(run: VolumeRun) -> str:
    result = run.opened.demand.output_bytes * (2 if run.is_file else 1)
    # Passes across y and x are kept in half precision until they are fused.
    scratch = 2 * run.opened.model.predictor.predicted * (len(run.passes) - 1)
    needed = run.passes[-1].voxels() * (result + scratch)
    if isinstance(run.paths.work, Address):
        return f"storage:    up to {format_bytes(needed)} at {run.paths.work.parent} while it runs; nothing on disk"
    free = psutil.disk_usage(str(_existing(run.paths.work))).free
    return f"disk:       up to {format_bytes(needed)} while it runs; {format_bytes(free)} are free"


def _time_line(run: VolumeRun) -> str:
    options = run.command.volume
    side = min(TIMED_SIDE, *run.passes[-1].tiling.largest)
    seconds = seconds_per_pixel(run.opened.translator, side)
    if run.opened.channels:
        seconds *= run.opened.channels.trust.sampler.passes
    whole = seconds * sum(item.length * item.tiling.area for item in run.passes)
    left = whole * run.missing_voxels / run.voxels
    shared = " of work, shared by all workers" if options.workers > 1 or options.scheduler else ""
    rate = run.passes[-1].voxels() / whole / 1e6
    return f"time:       about {format_seconds(left)}{shared} ({rate:.2g} million voxels/s)"


def _trust_notes(run: VolumeRun) -> tuple[str, ...]:
    channels = run.opened.channels
    if channels is None:
        return ()
    own = (
        "the calibration is that of patches with normalisation statistics of training, or their own; here they are "
        "those of the volume"
    )
    return (*channels.trust.notes, *([own] if run.opened.estimates_statistics else []))


def _reader_notes(run: VolumeRun) -> list[str]:
    absent = [
        f"{reader.absent_share:.2%} of the voxels of {reader.name} are not stored and taken for black"
        for reader in (run.opened.reader, run.opened.truth)
        if reader is not None and reader.absent_share
    ]
    return [note for note in (run.opened.reader.note, *absent) if note]


def _sides(sides: tuple[float, ...]) -> str:
    return " x ".join(f"{side:g}" for side in sides)


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.parent)
