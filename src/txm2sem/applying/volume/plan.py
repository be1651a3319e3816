"""Choose blocks and tiles that fit into memory, and say what the work will take."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from txm2sem.applying.volume.passes import Pass, plane_shape
from txm2sem.data.readers import CACHE_BYTES
from txm2sem.errors import UserError
from txm2sem.memory import resident_memory, return_freed_memory
from txm2sem.model.network import padded_shape
from txm2sem.model.planes import PlaneTranslator
from txm2sem.networks import KEPT_BYTES, Chain
from txm2sem.quantities import format_bytes
from txm2sem.tiling import Tiling, choose_tiling

DEPTHS = (32, 16, 8, 4, 2, 1)
"""Planes of a block: as many of them as fit beside a tile, for few files and little reading twice."""

BUFFER_SHARE = 0.5
"""Blocks may take this share of the memory that is left beside program and network; tiles have the rest."""

SCRATCH_BYTES = 2
"""Of a voxel of a pass that is fused later: half precision."""

SCORING_PLANES = 5
"""Planes of float32 that are alive while slices are brought to 8 bits to be scored."""

COMPARING_PLANES = 32
"""Planes of float32 that are alive while a slice is compared with its truth."""

JUDGING_PLANES = 24
"""Planes of float32 that are alive while one is judged."""

SURE_SIDE = 64
"""Of the tile from which it is known that a plane surely fits: long enough for margins and weights to count little."""

CLASS_TILES = 12
"""Tiles of float32 that are alive beside the network while logits become probabilities, beside the image."""

SAMPLING_TILES = 6
"""Tiles of float32 that are alive beside the network while several predictions of one are made."""


@dataclass(frozen=True)
class Demand:
    """What a translation needs beside its plan.

    Attributes:
        shape: of the volume, (z, y, x) [voxels].
        networks: what planes go through.
        context: slices above and below that they see.
        halo: of its tiles [pixels].
        input_bytes: per voxel of the TXM, and of the truth where that is read, too.
        output_bytes: per voxel of the result.
        predicted: numbers that are predicted of each pixel.
        half_precision: the network computes in 16 bits.
        judged: it is found where not to believe the prediction, too.
        compared: slices are compared with their truth.
        held_bytes: what readers hold besides what they return.
        advice: what the user can do where the memory is too little.
    """

    shape: tuple[int, int, int]
    networks: Chain
    context: int
    halo: int
    input_bytes: int
    output_bytes: int
    half_precision: bool
    predicted: int = 1
    judged: bool = False
    compared: bool = False
    held_bytes: int = CACHE_BYTES
    advice: str = "pass a larger --memory, fewer --workers, or a smaller --halo"

    def plan(self, axes: str, memory: float, base: float, workers: int = 0) -> list[Pass]:
        """Return the passes across `axes`, the last one to fuse the others, with blocks and tiles as large as fit.

        Args:
            axes: such as `z`, or `yxz`.
            memory: that all processes may take [bytes].
            base: of it, what a process with the program and the network takes [bytes].
            workers: processes beside this one that do the work; 0: this one does.

        Raises:
            UserError: not even the smallest blocks and tiles fit.
        """
        each = (memory - base) / workers if workers else memory
        passes, least = [], base
        for axis in axes:
            found, needed = self._largest(axis, axes, each, base)
            passes += found
            least = max(least, needed)
        if len(passes) < len(axes):
            rows, columns = self._padded(axes[0])
            total = base + workers * least if workers else least
            raise UserError(
                f"--memory {format_bytes(memory)} is too little for planes of {rows} x {columns} pixels with a halo of "
                f"{self.halo}: expected about {format_bytes(total)}"
                f"{f' for {workers} processes beside this one' if workers else ''}; {self.advice}"
            )
        return passes

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

    def _largest(self, axis: str, axes: str, memory: float, base: float) -> tuple[list[Pass], float]:
        """Return the pass with the largest blocks and tiles that fit, or none, and the least that one could take."""
        length = self.shape["zyx".index(axis)]
        room = memory - self._kept(base)
        least = np.inf
        for depth in sorted({min(depth, length) for depth in DEPTHS}, reverse=True):
            buffers = self.block_bytes(axis, depth, axes)
            least = min(least, self._kept(base) + buffers + self.tile_bytes_per_pixel() * (2 * self.halo + 64) ** 2)
            if buffers > BUFFER_SHARE * room and depth > 1:
                continue
            area = (room - buffers) / self.tile_bytes_per_pixel()
            tiling = choose_tiling(self._padded(axis), self.halo, self._multiple, area)
            if tiling:
                return [Pass(axis, self.shape, depth, tiling)], least
        return [], least

    def _kept(self, base: float) -> float:
        """Return what a process takes besides blocks and tiles."""
        return base + self.held_bytes + KEPT_BYTES

    def block_bytes(self, axis: str, depth: int, axes: str) -> float:
        """Return what blocks across an axis take, of passes across `axes`: one is read, one translated, one written."""
        rows, columns = plane_shape(self.shape, axis)
        final, scratch = axis == axes[-1], SCRATCH_BYTES * self.predicted
        read = (depth + 2 * self.context) * self.input_bytes + depth * scratch * final * (len(axes) - 1)
        voxel = self.output_bytes if final else scratch
        # What is read is copied once. The writer has all of a block in compressed pieces, and then joins them; when it
        # has, 8-bit volumes are made to score it.
        written = depth * (2 * (voxel + final) + max(2 * voxel, 4 * final))
        planes = 2 * self.context + 4 * self.predicted + SCORING_PLANES
        planes += JUDGING_PLANES * self.judged + COMPARING_PLANES * self.compared
        return float(rows * columns * (4 * read + written + 4 * planes))

    def fits_whole(self, memory: float, base: float) -> bool:
        """Say whether a plane across z, whole in one tile and one block, surely fits into memory.

        Unlike `plan` it needs no compiler of torch's, see `most_bytes_per_pixel`. `memory` and `base` are as there.
        """
        rows, columns = self._padded("z")
        side, _ = padded_shape((min(rows, columns, SURE_SIDE),) * 2, self.networks)
        each = self.networks.most_bytes_per_pixel(side, self._element_bytes) + self._other_bytes
        return self._kept(base) + self.block_bytes("z", 1, "z") + rows * columns * each <= memory

    def tile_bytes_per_pixel(self) -> float:
        """Return what the network takes per pixel of a tile."""
        # Large enough for what does not grow with the tile, such as copies of weights, to count little.
        side = self._multiple * max(1024 // self._multiple, 1)
        return self.networks.peak_bytes(side, side, self._element_bytes) / side**2 + self._other_bytes

    def tile_bytes(self, item: Pass) -> float:
        """Return what the network takes for the largest tile of a pass."""
        return float(np.prod(item.tiling.largest)) * self.tile_bytes_per_pixel()

    def room(self, passes: list[Pass], memory: float) -> dict[str, float]:
        """Return what a process may have in memory before it translates a plane, by the axis of the pass [bytes].

        Args:
            passes: all of them.
            memory: that it may take [bytes].
        """
        return {item.axis: memory - self.tile_bytes(item) - KEPT_BYTES for item in passes}

    def memory(self, passes: list[Pass], base: float) -> float:
        """Return what a process that does the work will take at most [bytes]."""
        axes = "".join(item.axis for item in passes)
        return self._kept(base) + max(
            self.tile_bytes(item) + self.block_bytes(item.axis, item.depth, axes) for item in passes
        )

    @property
    def _element_bytes(self) -> int:
        return 2 if self.half_precision else 4

    @property
    def _other_bytes(self) -> int:
        """What is alive beside the network per pixel of a tile."""
        return 4 * (SAMPLING_TILES * self.judged + CLASS_TILES * (self.predicted > 1))

    @property
    def _multiple(self) -> int:
        return self.networks.multiple

    def _padded(self, axis: str) -> tuple[int, int]:
        return padded_shape(plane_shape(self.shape, axis), self.networks)


def base_memory(translator: PlaneTranslator, *, plans: bool = True) -> float:
    """Return what this process takes besides blocks and tiles, once it has translated something [bytes].

    Args:
        translator: what it does.
        plans: it plans tiles, too. (Both load libraries, which stay.)
    """
    if plans:
        translator.predictor.chain.peak_bytes(*padded_shape((1, 1), translator.predictor.chain))
    _seconds_of_tile(translator, 1)
    return_freed_memory()
    return float(resident_memory())


def seconds_per_pixel(translator: PlaneTranslator, side: int) -> float:
    """Measure what the network takes per pixel of a tile of about `side` x `side` pixels, the second time [s]."""
    _seconds_of_tile(translator, side)
    return _seconds_of_tile(translator, side)


def _seconds_of_tile(translator: PlaneTranslator, side: int) -> float:
    """Translate a tile, and return what that took per pixel [s]."""
    chain = translator.predictor.chain
    shape = padded_shape((side, side), chain)
    tiling = Tiling(shape, (1, 1), halo=0, multiple=chain.multiple)
    started = time.perf_counter()
    translator.translate(np.zeros((chain.input_channels, *shape), np.float32), tiling)
    return (time.perf_counter() - started) / (shape[0] * shape[1])
