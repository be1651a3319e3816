"""How a phase hangs together: its clusters, and whether they reach through the volume.

Voxels of a phase are of one cluster where they share a face (6-connectivity). A box knows its clusters but for those
that reach its faces; these are joined with those of its neighbours when all boxes are there. The result is that of the
whole volume, however it was cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from txm2sem.morphology.boxes import Box, Grid, Shape

Mask = NDArray[np.bool_]
Counts = NDArray[np.int64]

SIZES = 64
"""Classes of sizes: k holds clusters of 2^k voxels, and up to below 2^(k + 1)."""

_FACES = [(axis, end) for axis in range(3) for end in (0, -1)]
"""The faces of a box: first and last voxels along z, y and x."""


@dataclass(frozen=True, eq=False)
class ClusterTally:
    """The clusters of a phase in a box.

    Attributes:
        number: clusters that touch no face of the box, by size, (SIZES,).
        voxels: theirs, by the cluster's size, (SIZES,).
        largest: voxels of the largest of them.
        open: voxels of each cluster that touches a face, (N,).
        ends: which faces of the volume each of those touches, (N, 3, 2): first and last voxels along z, y and x.
        faces: where they lie on the six faces of the box: 0 for no cluster, n + 1 for the cluster n of `open`.
    """

    number: Counts
    voxels: Counts
    largest: int
    open: Counts
    ends: Mask
    faces: list[NDArray[np.unsignedinteger[Any]]]

    @classmethod
    def of(cls, phase: Mask, valid: Mask, box: Box, shape: Shape) -> ClusterTally:
        """Return the clusters of the valid voxels of a phase in a box.

        Args:
            phase: (z, y, x), of the box.
            valid: the same; what is not valid is of no phase.
            box: where this is.
            shape: of the volume.
        """
        labels = cc3d.connected_components(phase & valid, connectivity=6, binary_image=True)
        sizes = np.bincount(labels.ravel())
        sizes[0] = 0
        faces = [labels.take(end, axis) for axis, end in _FACES]
        touching = np.unique(np.concatenate([face.ravel() for face in faces]))
        touching = touching[touching > 0]
        place = np.zeros(len(sizes), np.min_scalar_type(len(touching)))
        place[touching] = np.arange(1, len(touching) + 1)
        renumbered = [np.asarray(place[face]) for face in faces]
        ends = np.zeros((len(touching) + 1, 3, 2), bool)
        for (axis, end), face in zip(_FACES, renumbered, strict=True):
            side = box.window[axis]
            if side.start == 0 if end == 0 else side.stop == shape[axis]:
                ends[face, axis, end] = True
        closed = np.delete(sizes, touching)
        return cls(*_by_size(closed), int(closed.max()), sizes[touching], ends[1:], renumbered)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return plain arrays, for a file; `from_arrays` makes the same tally of them."""
        named = {f"face_{index}": face for index, face in enumerate(self.faces)}
        closed = {"number": self.number, "voxels": self.voxels, "largest": np.array(self.largest)}
        return {**closed, "open": self.open, "ends": self.ends, **named}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> ClusterTally:
        """Return the tally that `to_arrays` has written.

        Raises:
            KeyError: part of it is missing.
        """
        faces = [arrays[f"face_{index}"] for index in range(len(_FACES))]
        number, voxels, largest = (arrays[name] for name in ("number", "voxels", "largest"))
        return cls(number, voxels, int(largest), arrays["open"], arrays["ends"], faces)


@dataclass(frozen=True, eq=False)
class Clusters:
    """The clusters of a phase in a volume.

    Attributes:
        number: how many there are of each size, (SIZES,).
        voxels: theirs, by the cluster's size, (SIZES,).
        largest: voxels of the largest; 0 without any.
        percolating: voxels of the clusters that touch both ends of the volume along z, y and x.
    """

    number: Counts
    voxels: Counts
    largest: int
    percolating: tuple[int, int, int]

    @property
    def total(self) -> int:
        """Voxels of the phase."""
        return int(self.voxels.sum())

    @property
    def largest_share(self) -> float:
        """Share of the phase in its largest cluster; not a number where there is none."""
        return self.largest / self.total if self.total else float("nan")

    @property
    def percolating_share(self) -> tuple[float, float, float]:
        """Share of the phase in clusters from end to end along z, y and x: 0 where it does not percolate; not a number
        where there is no phase."""
        z, y, x = (voxels / self.total if self.total else float("nan") for voxels in self.percolating)
        return z, y, x


def join(grid: Grid, tallies: Iterable[ClusterTally]) -> Clusters:
    """Return the clusters of a volume.

    Clusters of neighbouring boxes that share a face of two voxels are one; which hang together through others, too, are
    the connected components of the graph of those pairs. Of tallies already seen, only faces that wait for the next box
    are held: those of a layer of boxes.

    Args:
        grid: the boxes of the volume.
        tallies: of its boxes, in their order; may be read one after the other.
    """
    number, voxels, largest = np.zeros(SIZES, np.int64), np.zeros(SIZES, np.int64), 0
    # Clusters that are open are counted through the volume; 0 stands for none.
    sizes, ends, pairs, count = [np.zeros(1, np.int64)], [np.zeros((1, 3, 2), bool)], [np.zeros((0, 2), np.int64)], 1
    waiting: dict[tuple[int, Shape], NDArray[np.int64]] = {}
    for box, tally in zip(grid.boxes, tallies, strict=True):
        number, voxels, largest = number + tally.number, voxels + tally.voxels, max(largest, tally.largest)
        for (axis, end), face in zip(_FACES, tally.faces, strict=True):
            labels = np.where(face > 0, face + np.int64(count - 1), 0)
            if end == 0 and box.index[axis]:
                touching = np.stack([waiting.pop((axis, box.index)), labels], axis=-1).reshape(-1, 2)
                pairs.append(np.unique(touching[touching.all(axis=1)], axis=0))
            elif end and box.index[axis] + 1 < grid.count[axis]:
                z, y, x = (index + (axis == other) for other, index in enumerate(box.index))
                waiting[axis, (z, y, x)] = labels
        sizes.append(tally.open)
        ends.append(tally.ends)
        count += len(tally.open)
    first, second = np.concatenate(pairs).T
    graph = coo_array((np.ones(len(first), bool), (first, second)), shape=(count, count))
    joined, cluster = connected_components(graph, directed=False)
    joint_sizes, joint_ends = np.zeros(joined, np.int64), np.zeros((joined, 3, 2), bool)
    np.add.at(joint_sizes, cluster, np.concatenate(sizes))
    np.logical_or.at(joint_ends, cluster, np.concatenate(ends))
    of_open = _by_size(joint_sizes)
    z, y, x = (int(joint_sizes[joint_ends[:, axis].all(axis=1)].sum()) for axis in range(3))
    return Clusters(number + of_open[0], voxels + of_open[1], max(largest, int(joint_sizes.max())), (z, y, x))


def _by_size(sizes: Counts) -> tuple[Counts, Counts]:
    """Return how many clusters each class of sizes has, and their voxels, (SIZES,) each; those of none are left out."""
    sizes = sizes[sizes > 0]
    classes = np.frexp(sizes.astype(np.float64))[1] - 1
    voxels = np.zeros(SIZES, np.int64)
    np.add.at(voxels, classes, sizes)
    return np.bincount(classes, minlength=SIZES).astype(np.int64), voxels
