"""Choose blocks and tiles that fit into memory, and say what the work will take."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from txm2sem.config import ModelOptions
from txm2sem.data.readers import CACHE_BYTES
from txm2sem.errors import UserError
from txm2sem.inference.volume.passes import Pass, plane_shape
from txm2sem.inference.volume.planes import PlaneTranslator, padded_shape
from txm2sem.networks import KEPT_BYTES, peak_bytes, size_multiple, smallest_side
from txm2sem.tiling import Tiling, choose_tiling

DEPTHS = (32, 16, 8, 4, 2, 1)
"""Planes of a block: as many of them as fit beside a tile, for few files and little reading twice."""

BUFFER_SHARE = 0.5
"""Blocks may take this share of the memory that is left beside program and network; tiles have the rest."""

CONTAINER_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where Linux says how much memory the processes of a job or container may take."""

KEPT = CACHE_BYTES + KEPT_BYTES
"""What caches of the reader and of the C library keep besides, whatever the plan [bytes]."""

JUDGING_PLANES = 24
"""Planes of float32 that are alive while one is judged."""

SAMPLING_TILES = 6
"""Tiles of float32 that are alive beside the network while several predictions of one are made."""

_UNITS = {"": 1, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


@dataclass(frozen=True)
class Demand:
    """What a translation needs beside its plan.

    Attributes:
        shape: of the volume, (z, y, x) [voxels].
        model: the network.
        context: slices above and below that it sees.
        halo: of its tiles [pixels].
        input_bytes: per voxel of the TXM, and of the truth where that is read, too.
        output_bytes: per voxel of the result.
        half_precision: the network computes in 16 bits.
        judged: it is found where not to believe the prediction, too.
        advice: what the user can do where the memory is too little.
    """

    shape: tuple[int, int, int]
    model: ModelOptions
    context: int
    halo: int
    input_bytes: int
    output_bytes: int
    half_precision: bool
    judged: bool = False
    advice: str = "pass a larger --memory, fewer --workers, or a smaller --halo"

    def plan(self, axes: str, memory: float, base: float) -> list[Pass]:
        """Return the passes across `axes`, the last one to fuse the others, with blocks and tiles as large as fit.

        Args:
            axes: such as `z`, or `yxz`.
            memory: that one process may take [bytes].
            base: of it, what the program with the network takes [bytes].

        Raises:
            UserError: not even the smallest blocks and tiles fit.
        """
        return [self._search(axis, len(axes) - 1 if axis == axes[-1] else 0, memory, base) for axis in axes]

    def reopen(self, axes: str, plan: Any) -> list[Pass]:
        """Return the passes across `axes` that `Pass.to_plain` was called for.

        Raises:
            KeyError, TypeError, ValueError: they cannot be of this volume and network.
        """
        if [values["axis"] for values in plan] != list(axes):
            raise ValueError(f"its passes are {plan}")
        return [self._pass_of(**values) for values in plan]

    def _pass_of(self, axis: str, depth: int, grid: Sequence[int]) -> Pass:
        rows, columns = grid
        if not all(type(number) is int for number in (depth, rows, columns)):
            raise TypeError(f"depth {depth} and grid {grid} are not whole numbers")
        return Pass(axis, self.shape, depth, Tiling(self._padded(axis), (rows, columns), self.halo, self._multiple))

    def _search(self, axis: str, others: int, memory: float, base: float) -> Pass:
        padded = self._padded(axis)
        length = self.shape["zyx".index(axis)]
        least = np.inf
        for depth in sorted({min(depth, length) for depth in DEPTHS}, reverse=True):
            buffers = self.block_bytes(axis, depth, others)
            room = memory - base - KEPT
            least = min(least, base + KEPT + buffers + self.tile_bytes_per_pixel() * (2 * self.halo + 64) ** 2)
            if buffers > BUFFER_SHARE * room and depth > 1:
                continue
            tiling = choose_tiling(padded, self.halo, self._multiple, (room - buffers) / self.tile_bytes_per_pixel())
            if tiling:
                return Pass(axis, self.shape, depth, tiling)
        raise UserError(
            f"--memory {format_bytes(memory)} is too little for planes of {padded[0]} x {padded[1]} pixels with a halo "
            f"of {self.halo}: expected about {format_bytes(least)} for a process; {self.advice}"
        )

    def block_bytes(self, axis: str, depth: int, others: int) -> float:
        """Return what blocks and caches take: one is read, one translated, one written."""
        rows, columns = plane_shape(self.shape, axis)
        # Beside what is read and written, the 8-bit volumes that are scored; the writer makes two of them for a while.
        read = (depth + 2 * self.context) * self.input_bytes + depth * 2 * others
        written = depth * (self.output_bytes + 1)
        planes = (2 * self.context + 4 + JUDGING_PLANES * self.judged) * 4
        return float(rows * columns * (3 * read + 2 * written + 3 * depth + planes))

    def tile_bytes_per_pixel(self) -> float:
        """Return what the network takes per pixel of a tile."""
        # Large enough for what does not grow with the tile, such as copies of weights, to count little.
        side = self._multiple * max(1024 // self._multiple, 1)
        bytes_of_tile = peak_bytes(self.model, side, side, element_bytes=2 if self.half_precision else 4)
        return float(bytes_of_tile / side**2) + 4 * SAMPLING_TILES * self.judged

    def memory(self, passes: list[Pass], base: float) -> float:
        """Return what a process will take at most [bytes]."""
        tiles = [float(np.prod(item.tiling.largest)) * self.tile_bytes_per_pixel() for item in passes]
        blocks = [
            self.block_bytes(item.axis, item.depth, len(passes) - 1 if item is passes[-1] else 0) for item in passes
        ]
        return base + KEPT + max(tile + block for tile, block in zip(tiles, blocks, strict=True))

    @property
    def _multiple(self) -> int:
        return size_multiple(self.model)

    def _padded(self, axis: str) -> tuple[int, int]:
        return padded_shape(plane_shape(self.shape, axis), self._multiple, smallest_side(self.model))


def seconds_per_pixel(translator: PlaneTranslator, model: ModelOptions, channels: int) -> float:
    """Measure what the network takes per pixel of a tile [s]: the second of two tiles of about 256 x 256 pixels."""
    side = padded_shape((256, 256), size_multiple(model), smallest_side(model))
    tiling = Tiling(side, (1, 1), halo=0, multiple=size_multiple(model))
    planes = np.zeros((channels, *side), np.float32)
    for _ in range(2):
        started = time.perf_counter()
        translator.translate(planes, tiling)
    return (time.perf_counter() - started) / (side[0] * side[1])


def memory_limit(text: str) -> float:
    """Return the memory that `--memory` names [bytes]; `auto` is a quarter of the machine's.

    Raises:
        UserError: the text is neither a size nor `auto`.
    """
    if text == "auto":
        return machine_memory() / 4
    match = re.fullmatch(r"([0-9]*\.?[0-9]+) *([kmgt]i?|)b", text.strip().lower())
    if not match or float(match[1]) <= 0:
        raise UserError(f"--memory {text}: expected a size such as 8GB or 500MB, or auto")
    return float(match[1]) * _UNITS[match[2]]


def machine_memory() -> float:
    """Return the memory that programs may take: the machine's, or what its job or container is limited to [bytes]."""
    limits = [float(psutil.virtual_memory().total)]
    for path in CONTAINER_LIMITS:
        with suppress(OSError, ValueError):  # no such file, or "max"
            limits.append(float(int(path.read_text())))
    return min(limits)


def format_bytes(count: float) -> str:
    """Return a number of bytes for people."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count / 1e3:.0f} kB"


def format_seconds(seconds: float) -> str:
    """Return a time for people."""
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
