"""How far a phase goes on along straight lines: chords, their lengths, and the lineal path.

A run is an unbroken line of voxels of a phase along an axis. Its end is known where the next voxel is valid, so of
another phase; where what follows is not valid, or the volume ends, the phase may go on. A run with two known ends is a
chord. Boxes are tallied each for itself, and the tallies of the boxes that follow each other along the axis are joined:
together they have what the whole volume has. The runs of what is valid are found likewise, as of a phase: `tally(valid,
valid, axis)`. Lengths are in voxels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from txm2sem.morphology.boxes import slabs

Mask = NDArray[np.bool_]

Runs = NDArray[np.int64]
"""How many runs have no, one and two known ends, (3, longest + 1), by their length."""

_OTHER, _PHASE, _UNKNOWN, _FACE = range(4)


@dataclass(frozen=True)
class Tally:
    """The runs in a box along an axis: `vars(tally)` are arrays, of which `Tally(**arrays)` is made again.

    Attributes:
        inside: the runs that touch neither face of the box, (3, depth of the box + 1).
        faces: lengths of those that touch its first face, and its last one, (2, rows, columns); 0 where none does. A
            run from face to face touches both.
        known: whether their end inside the box is known, (2, rows, columns); where no run touches the face, whether
            the voxel there is valid, and so would end one that comes from beyond.
    """

    inside: Runs
    faces: NDArray[np.int32]
    known: Mask

    @property
    def depth(self) -> int:
        """Length of the box along the axis."""
        return int(self.inside.shape[1]) - 1


def tally(phase: Mask, valid: Mask, axis: int) -> Tally:
    """Return the runs of a phase in a box along an axis.

    Args:
        phase: (Z, Y, X); of voxels that are not valid it may say anything.
        valid: (Z, Y, X).
        axis: 0, 1 or 2 for runs along z, y or x.
    """
    phase, valid = np.moveaxis(phase, axis, 2), np.moveaxis(valid, axis, 2)
    rows, columns, depth = phase.shape
    inside = np.zeros((3, depth + 1), np.int64)
    faces, known = np.zeros((2, rows, columns), np.int32), np.zeros((2, rows, columns), bool)
    for slab in slabs(phase.shape):
        # Line after line, with a mark before each, and one at the end.
        states = np.full((slab.stop - slab.start) * columns * (depth + 1) + 1, _FACE, np.uint8)
        lines = states[:-1].reshape(-1, columns, depth + 1)[:, :, 1:]
        lines[...] = phase[slab].copy("K")  # voxels far apart are turned around in half the time when copied first
        if not valid[slab].all():
            lines[~valid[slab]] = _UNKNOWN
        of_phase = states == _PHASE
        changes = np.flatnonzero(of_phase[1:] != of_phase[:-1])
        before, last = changes[::2], changes[1::2]
        length, start, end = last - before, states[before], states[last + 1]
        kinds = np.bincount(
            (4 * start + end).astype(np.int64) * (depth + 1) + length, minlength=16 * (depth + 1)
        ).reshape(4, 4, -1)
        inside[0] += kinds[_UNKNOWN, _UNKNOWN]
        inside[1] += kinds[_UNKNOWN, _OTHER] + kinds[_OTHER, _UNKNOWN]
        inside[2] += kinds[_OTHER, _OTHER]
        for side, place, outer, inner in ((0, before, start, end), (1, last, end, start)):
            touching = np.flatnonzero(outer == _FACE)
            line = place[touching] // (depth + 1)
            faces[side, slab].reshape(-1)[line] = length[touching]
            known[side, slab] = lines[:, :, -side] == _OTHER
            known[side, slab].reshape(-1)[line] = inner[touching] == _OTHER
    return Tally(inside, faces, known)


def join(column: Sequence[Tally]) -> Runs:
    """Return the runs of boxes that follow each other along an axis, from one end of the volume to the other.

    What columns have adds up.

    Args:
        column: tallies along the axis, in its order.
    """
    depth = sum(box.depth for box in column)
    runs = np.zeros((3, depth + 1), np.int64)
    # Of each line where boxes meet: the length of the run that comes from before, and whether its start is known;
    # where none comes, whether that of a run would be that starts here.
    begun, start_known = np.zeros_like(column[0].faces[0]), np.zeros_like(column[0].known[0])
    for box in column:
        runs[:, : box.depth + 1] += box.inside
        through = box.faces[0] == box.depth
        length = begun + box.faces[0]
        ended = ~through & (length > 0)
        runs += _histogram(length[ended], start_known[ended].astype(np.int64) + box.known[0][ended], depth)
        begun = np.where(through, length, box.faces[1])
        start_known = np.where(through, start_known, box.known[1])
    left = begun > 0
    return runs + _histogram(begun[left], start_known[left].astype(np.int64), depth)


def _histogram(length: NDArray[np.integer], known_ends: NDArray[np.integer], longest: int) -> Runs:
    counts = np.bincount(known_ends * (longest + 1) + length, minlength=3 * (longest + 1))
    return counts.reshape(3, -1)


def mean_whole_chord(runs: Runs) -> float:
    """Return the mean length of the chords whose two ends are known; not a number where there is none.

    Long chords are cut by the volume's faces more often than short ones, so this is less than the mean of all: see
    `mean_chord`. How many chords there are of each length is `runs[2]`.
    """
    count = runs[2].sum()
    return float(runs[2] @ np.arange(runs.shape[1]) / count) if count else float("nan")


def mean_chord(runs: Runs, valid: Runs) -> float:
    """Return the mean length of all chords of a phase; not a number where none begins or ends.

    The share of the valid voxels that are of the phase, divided by the chords per pair of valid neighbours, each of its
    two ends counting a half (Underwood 1970, Quantitative Stereology, section 4.1): chords that a face cuts count with
    what is inside, so it is not biased towards short ones.

    Args:
        runs: of the phase.
        valid: runs of what is valid.
    """
    ends = int(np.arange(3) @ runs.sum(1))
    if not ends:
        return float("nan")
    inside, lines = _segments(runs), _segments(valid)
    return float(inside[0] / lines[0] / (ends / 2 / lines[1]))


def lineal_path(runs: Runs, valid: Runs) -> NDArray[np.float64]:
    """Return the probability L(r) that a line of r steps, r + 1 voxels, lies wholly in a phase, in [0, 1].

    L(0) is the phase's fraction (Lu and Torquato 1992, https://doi.org/10.1103/PhysRevA.45.922). Of all lines that are
    wholly valid: all of them count the same, so the ends of the volume count less the longer the line.

    Args:
        runs: of the phase.
        valid: runs of what is valid.

    Returns:
        L at 0, 1, ... steps, as many as the volume has voxels along the axis; not a number where no line is valid.
    """
    inside, lines = _segments(runs), _segments(valid)
    path: NDArray[np.float64] = np.divide(inside, lines, out=np.full(len(lines), np.nan), where=lines > 0)
    return path


def _segments(runs: Runs) -> NDArray[np.int64]:
    """Return how many lines of 0, 1, ... steps lie in runs: one of length n has n - r lines of r steps."""
    at_least = np.cumsum(runs.sum(0)[::-1])
    segments: NDArray[np.int64] = np.cumsum(at_least)[::-1][1:]
    return segments
