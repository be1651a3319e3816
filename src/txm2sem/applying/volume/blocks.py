"""Read, translate and write one block of a volume."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.applying.volume.classes import ClassChannels
from txm2sem.applying.volume.draws import DrawChannels
from txm2sem.applying.volume.measures import ClassSums, TrustSums, VolumeMeasures, measure_slices
from txm2sem.applying.volume.passes import AXES, Block, Pass
from txm2sem.data import OutputGrey, context_indices, to_uint8
from txm2sem.data.classes import likeliest
from txm2sem.data.readers import VolumeReader
from txm2sem.data.writers import VoxelArray
from txm2sem.errors import UserError
from txm2sem.memory import resident_memory, return_freed_memory
from txm2sem.metrics import SeamSums
from txm2sem.model.planes import PlaneTranslator
from txm2sem.model.predictor import Place
from txm2sem.tiling import Tiling
from txm2sem.trust.channels import TrustChannels

Progress = Callable[[int], Any]
"""Is told how many more voxels have been translated."""


@dataclass(frozen=True)
class BlockVoxels:
    """What is read for a block.

    Attributes:
        txm: its planes and, on both sides, the neighbours that the model sees: (planes, rows, columns), in the file's
            dtype.
        first: plane of the volume that `txm` starts with.
        truth: SEM of its planes, where it is known.
        others: predictions of its planes along other axes, to be fused with this one, (predicted, planes, rows,
            columns).
    """

    txm: NDArray[Any]
    first: int
    truth: NDArray[Any] | None
    others: list[NDArray[np.float16]]


@dataclass(frozen=True)
class BlockResult:
    """What a block is written and measured from.

    Attributes:
        voxels: its planes as they are written: (planes, rows, columns), or (channels, planes, rows, columns).
        labels: of a segmentation; empty where there are none, and in all passes but the last.
        levels: its planes with 0 to 255, for scores; empty in all passes but the last.
        source: what was read for it.
        network_seconds: wall time in the network.
        seams: steps at the borders of tiles, in the plane in its middle.
        trust: what was found of where not to believe it.
        classes: what a segmentation has found.
    """

    voxels: NDArray[Any]
    labels: NDArray[np.uint8]
    levels: NDArray[np.uint8]
    source: BlockVoxels
    network_seconds: float
    seams: SeamSums
    trust: TrustSums
    classes: ClassSums


class BlockTranslator:
    """Does the work of a block in three steps, of which the middle one computes and the others wait for disks.

    Args:
        reader: the TXM.
        translator: of its planes.
        context: slices above and below that the model sees.
        grey: how the prediction, or the image that is segmented, is written.
        passes: all passes; the last one is across z and fuses the others.
        arrays: where the result of each pass goes, by its axis: that of the last pass as it is written, others as half
            precision, (predicted, z, y, x).
        room: what the process may have in memory before a plane is translated, by the axis of the pass [bytes].
        truth: the SEM, where it is known.
        channels: what is written beside the prediction, and what it is found with; None for nothing.
        classes: how the classes of a segmentation are written; None for the SEM.
        labels: where the labels of a segmentation go.
        drawn: how several draws are written; None for one prediction.
        seed: of what is random in that.
    """

    def __init__(
        self,
        reader: VolumeReader,
        translator: PlaneTranslator,
        *,
        context: int,
        grey: OutputGrey,
        passes: Mapping[str, Pass],
        arrays: Mapping[str, VoxelArray],
        room: Mapping[str, float],
        truth: VolumeReader | None = None,
        channels: TrustChannels | None = None,
        classes: ClassChannels | None = None,
        labels: VoxelArray | None = None,
        drawn: DrawChannels | None = None,
        seed: int = 0,
    ) -> None:
        self.reader = reader
        self.translator = translator
        self.context = context
        self.grey = grey
        self.passes = passes
        self.arrays = arrays
        self.room = room
        self.truth = truth
        self.channels = channels
        self.classes = classes
        self.labels = labels
        self.drawn = drawn
        self.seed = seed
        self.last = list(passes)[-1]

    def read(self, block: Block) -> BlockVoxels:
        """Read what a block is translated from.

        Raises:
            UserError: a slice cannot be read; the message names it and the block.
        """
        try:
            window = block.window(self.context, self.passes[block.axis].length)
            txm = _planes(self.reader.read(*window), block.axis)
            truth, others = None, []
            if block.axis == self.last:
                truth = None if self.truth is None else self.truth.read(*block.window())
                others = [self.arrays[axis][slice(None), *block.window()] for axis in self.passes if axis != self.last]
            return BlockVoxels(txm, max(block.start - self.context, 0), truth, others)
        except UserError as error:
            raise UserError(f"{block} cannot be read: {error}") from error

    def translate(self, block: Block, source: BlockVoxels, progress: Progress) -> BlockResult:
        """Translate the planes of a block, one after the other.

        Raises:
            UserError: the model predicts something that is not a number.
        """
        this = self.passes[block.axis]
        rows, columns = this.plane_shape
        final = block.axis == self.last
        planes = block.stop - block.start
        leading = self._leading if final else (self.translator.predictor.predicted,)
        voxels = np.empty((*leading, planes, rows, columns), self.grey.dtype if final else np.float16)
        written = voxels[0] if leading else voxels
        labels = np.empty((planes if final and self.classes else 0, rows, columns), np.uint8)
        trust, classes = TrustSums(), ClassSums()
        levels = np.empty((planes if final else 0, rows, columns), np.uint8)
        before = self.translator.network_seconds
        seams = SeamSums()
        inputs: dict[int, NDArray[np.float32]] = {}
        for plane in range(block.start, block.stop):
            # Now no tensor is alive: gaps between those of the plane before can go back to the system.
            if plane == block.start or resident_memory() > self.room[block.axis]:
                return_freed_memory()
            wanted = context_indices(plane, this.length, self.context)
            inputs = {
                index: inputs[index]
                if index in inputs
                else self.translator.network_input(source.txm[index - source.first])
                for index in wanted
            }
            channels = np.stack([inputs[index] for index in wanted]) if self.context else inputs[plane][None]
            position = plane - block.start
            imaged = source.txm[plane - source.first] != 0
            if self.channels is None:
                prediction = self.translator.translate(channels, this.tiling, self._place(plane))
            else:
                sampled = self.translator.sample(channels, this.tiling, self.channels.trust.sampler, (self.seed, plane))
                _check_numbers(sampled, block, plane)
                prediction = sampled[:1]
                judged = self.channels.trust.model.judge(inputs[plane], sampled[0], sampled[1], imaged)
                voxels[1:, position] = self.channels.of(judged)
                trust += TrustSums.of(judged, self.channels.trust.model, imaged)
            if position == planes // 2:
                seams = self._seams(channels, prediction, this.tiling, self._place(plane))
            if final:
                fused = _fused(prediction, [other[:, position] for other in source.others])
                _check_numbers(fused, block, plane)
                levels[position] = to_uint8(fused[0])
                written[position] = levels[position] if self.grey.is_uint8_of_model else self.grey.of(fused[0])
                if self.drawn is not None:
                    voxels[1:, position] = self.drawn.of(fused[1:])
                if self.classes is not None:
                    probabilities = np.where(imaged, fused[1:], np.float32(0))
                    labels[position] = likeliest(probabilities, imaged)
                    classes += ClassSums.of(labels[position], probabilities)
                    if self.classes.written:
                        voxels[1:, position] = self.classes.of(probabilities)
            else:
                _check_numbers(prediction, block, plane)
                voxels[:, position] = prediction
            progress(rows * columns)
        seconds = self.translator.network_seconds - before
        return BlockResult(voxels, labels, levels, source, seconds, seams, trust, classes)

    @property
    def _leading(self) -> tuple[int, ...]:
        further = self.channels or self.classes or self.drawn
        return (len(further.names),) if further and further.names else ()

    def _place(self, plane: int) -> Place:
        """Return where a plane lies in all of the volume: a part of it has the noise of the whole."""
        z, row, column = self.reader.offset
        return z + plane, row, column

    def _seams(
        self, channels: NDArray[np.float32], prediction: NDArray[np.float32], tiling: Tiling, place: Place
    ) -> SeamSums:
        """Compare a plane with itself in tiles that meet elsewhere; one plane of a block is enough."""
        if tiling.grid == (1, 1):
            return SeamSums()
        other = tiling.with_other_borders()
        # Of a segmentation, how likely the first class is: that shows the borders of all others.
        shown = 0 if self.classes is None else 1
        reference = self.translator.translate(channels, other, place)[shown]
        rows, columns = reference.shape
        # Borders in the padding are not seen; few can be the same where tiles are small.
        row_borders = [border for border in tiling.row_borders if border < rows and border not in other.row_borders]
        column_borders = [
            border for border in tiling.column_borders if border < columns and border not in other.column_borders
        ]
        return SeamSums.of(prediction[shown], reference, row_borders, column_borders)

    def write(self, block: Block, result: BlockResult) -> None:
        """Write a block.

        Raises:
            OSError: the disk is full or not writable.
        """
        everything = (slice(None),) * (result.voxels.ndim - 3)
        self.arrays[block.axis][*everything, *block.window()] = _planes_back(result.voxels, block.axis)
        if self.labels is not None and block.axis == self.last:
            self.labels[block.window()] = _planes_back(result.labels, block.axis)

    def measure(self, block: Block, result: BlockResult) -> VolumeMeasures:
        """Measure a block: seams, and in the last pass continuity and, where the truth is known, fidelity."""
        voxels = self.passes[block.axis].voxels(block)
        measures = VolumeMeasures(
            voxels,
            sum(result.classes.voxels),
            result.network_seconds,
            {block.axis: result.seams},
            trust=result.trust,
            classes=result.classes,
        )
        # Grey values of what is segmented are not a prediction that could be scored.
        scored = block.axis == self.last and self.classes is None
        return measures + self._scores(block, result) if scored else measures

    def _scores(self, block: Block, result: BlockResult) -> VolumeMeasures:
        source = result.source
        first = block.start - source.first
        txm = source.txm[first : first + len(result.levels)]
        inside = txm != 0
        volumes = {"txm": _levels(txm, self.translator.network_input), "prediction": result.levels}
        if source.truth is not None:
            inside &= source.truth != 0
            volumes["truth"] = _levels(source.truth, self.grey.model.normalise)
        return measure_slices(volumes, inside)


def _fused(prediction: NDArray[np.float32], others: list[NDArray[np.float16]]) -> NDArray[np.float32]:
    """Return the mean of the predictions of a plane along all axes."""
    planes: list[NDArray[Any]] = [prediction, *others]
    fused: NDArray[np.float32] = np.mean(planes, axis=0) if others else prediction
    return fused


def _check_numbers(prediction: NDArray[np.float32], block: Block, plane: int) -> None:
    """Check what a model has predicted of a plane of a block, before it becomes integers.

    Raises:
        UserError: it is not a number somewhere.
    """
    if not np.isfinite(prediction.sum(dtype=np.float64)):
        raise UserError(
            f"{block} cannot be translated: what the model predicts of plane {plane} is not a number everywhere; its "
            "weights are damaged, or the TXM is far from what it was trained with: choose another checkpoint with "
            "--epoch, or train it again"
        )


def _levels(planes: NDArray[Any], normalise: Callable[[NDArray[Any]], NDArray[np.float32]]) -> NDArray[np.uint8]:
    levels = np.empty(planes.shape, np.uint8)
    for position, plane in enumerate(planes):
        levels[position] = to_uint8(normalise(plane))
    return levels


def _planes(volume: NDArray[Any], axis: str) -> NDArray[Any]:
    """Return a volume (z, y, x) as planes across an axis, each in one piece of memory: (planes, rows, columns)."""
    return np.ascontiguousarray(np.moveaxis(volume, AXES.index(axis), 0))


def _planes_back(planes: NDArray[Any], axis: str) -> NDArray[Any]:
    """Return planes across an axis, (..., planes, rows, columns), as a volume (..., z, y, x)."""
    return np.moveaxis(planes, -3, AXES.index(axis) - 3)
