"""What is measured of one box of a volume, and kept until all boxes are there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.errors import UserError
from txm2sem.measuring.phases import Labels, Valid
from txm2sem.metrics.rock import quads
from txm2sem.morphology import clusters, correlation, patterns, runs, thickness
from txm2sem.morphology.boxes import Box, Region, Shape, with_halo
from txm2sem.morphology.fractions import CELL, count_cells
from txm2sem.morphology.rim import around_in_plane, ends_of, near_rim

Arrays = dict[str, NDArray[Any]]

FIRST_HALO = 16
"""Voxels around a box that are read for its local thickness at first; more where that does not suffice."""

RIM = FIRST_HALO
"""So many of the outermost voxels of each plane are the rim, of which fractions are measured, too: as many as are read
around a box in any case. In three volumes predicted of phantoms the rim was wrong up to 16 to 24 voxels."""

BYTES_PER_VOXEL = 14
"""What a voxel of a box and its halo takes while it is measured, beside what reading it takes."""

Read = Callable[[Region], tuple[Labels, Valid]]
Likelihood = Callable[[int, Region], NDArray[np.float32]]


@dataclass(frozen=True)
class Wanted:
    """What is measured of which phases.

    Attributes:
        shape: of the volume.
        spacing: sides of a voxel (z, y, x), in any unit.
        labels: numbers of all phases; their fractions are measured.
        measured: those of which everything is.
        longest: largest distance of correlations [voxels].
        room: memory for the voxels of a box [bytes].
        read_bytes: that reading a voxel takes.
    """

    shape: Shape
    spacing: tuple[float, float, float]
    labels: tuple[int, ...]
    measured: tuple[int, ...]
    longest: int
    room: float
    read_bytes: int = 0

    def bytes_of(self, shape: Shape) -> float:
        """Return what it takes to measure what was read of this shape [bytes]."""
        return float(np.prod(shape, dtype=np.float64)) * (BYTES_PER_VOXEL + self.read_bytes)

    @property
    def section(self) -> int | None:
        """The one axis along which there is a single voxel, of a volume that is a section; None where it is none."""
        flat = [axis for axis, length in enumerate(self.shape) if length == 1]
        return flat[0] if len(flat) == 1 else None

    @property
    def axes(self) -> tuple[int, ...]:
        """Axes along which there is more than one voxel."""
        return tuple(axis for axis, length in enumerate(self.shape) if length > 1)


def measure_box(box: Box, wanted: Wanted, read: Read, likelihood: Likelihood | None = None) -> Arrays:
    """Return what a box adds to what is measured of the volume, as plain arrays by name.

    Args:
        box: which one.
        wanted: what is measured.
        read: returns labels and what was imaged of a part of the volume.
        likelihood: returns how likely a phase is in a part of it, where that is known.

    Raises:
        UserError: a part cannot be read, or a phase is so thick that the memory does not suffice.
    """
    after = max(FIRST_HALO, wanted.longest)
    region, core = with_halo(box, FIRST_HALO, after, wanted.shape)
    labels, valid = read(region)
    rim = _rim(valid, region, box, wanted)
    found: Arrays = {"valid.cells": count_cells(valid[core]), "rim.cells": count_cells(valid[core] & rim)}
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        found[f"valid.profile_{axis}"] = valid[core].sum(others, dtype=np.int64)
        if axis in wanted.axes:
            found |= _named(f"valid.runs_{axis}", vars(runs.tally(valid[core], valid[core], axis)))
    for label in wanted.labels:
        phase = (labels == label) & valid
        found[f"{label}.cells"] = count_cells(phase[core])
        found[f"{label}.rim"] = count_cells(phase[core] & rim)
        if likelihood is not None:
            likely = np.where(valid[core], likelihood(label, box.window), 0)
            found[f"{label}.expected"] = count_cells(likely)
            found[f"{label}.rim"] = count_cells(np.where(rim, likely, 0))
        for axis in range(3):
            others = tuple(other for other in range(3) if other != axis)
            found[f"{label}.profile_{axis}"] = phase[core].sum(others, dtype=np.int64)
        if label in wanted.measured:
            found |= _of_phase(label, phase, valid, box, core, wanted)
            found |= _named(f"{label}.thickness", _thickness(label, phase, valid, box, wanted, read).to_arrays())
    return found


def _rim(valid: Valid, read: Region, box: Box, wanted: Wanted) -> Valid:
    """Return which voxels of a box are of the rim, of what was imaged of the part that was read."""
    region, core = around_in_plane(box.window, RIM, wanted.shape)
    z, y, x = (
        slice(side.start - first.start, side.stop - first.start) for side, first in zip(region, read, strict=True)
    )
    return near_rim(valid[z, y, x], RIM, ends_of(region, wanted.shape))[core]


def _of_phase(label: int, phase: Valid, valid: Valid, box: Box, core: Region, wanted: Wanted) -> Arrays:
    if wanted.section is None:
        found: Arrays = {f"{label}.octants": patterns.octants(phase, valid, core)}
    else:
        # Patterns whose first pixel is in the box, as those of voxels are.
        window = tuple(slice(side.start, side.stop + 1) for side in core)
        flat = (part[window].squeeze(wanted.section) for part in (phase, valid))
        found = {f"{label}.quads": quads(*flat)}
    tally = clusters.ClusterTally.of(phase[core], valid[core], box, wanted.shape)
    found |= _named(f"{label}.clusters", tally.to_arrays())
    for axis in wanted.axes:
        found |= _named(f"{label}.runs_{axis}", vars(runs.tally(phase[core], valid[core], axis)))
        found[f"{label}.pairs_{axis}"] = correlation.pairs(phase, valid, axis, wanted.longest, core)
    return found


def _thickness(label: int, phase: Valid, valid: Valid, box: Box, wanted: Wanted, read: Read) -> thickness.Thickness:
    """Return the local thickness of a phase in a box, reading more around it until that is enough."""
    halo = FIRST_HALO
    # What was read reaches further behind the box than before it.
    region, _ = with_halo(box, FIRST_HALO, FIRST_HALO, wanted.shape)
    part = tuple(slice(0, side.stop - side.start) for side in region)
    phase, valid = phase[part], valid[part]
    while True:
        try:
            return thickness.local_thickness(phase, valid, box, halo, wanted.shape, wanted.spacing)
        except thickness.NarrowHaloError as narrow:
            halo = narrow.halo
        region, _ = with_halo(box, halo, halo, wanted.shape)
        z, y, x = (side.stop - side.start for side in region)
        if wanted.bytes_of((z, y, x)) > wanted.room:
            raise UserError(
                f"phase {label} is so thick that {halo} voxels around a box count, which do not fit into the memory; "
                "pass a larger --memory, or leave the phase out of --measured"
            )
        labels, valid = read(region)
        phase = (labels == label) & valid


def read_shape(side: Shape, wanted: Wanted) -> Shape:
    """Return what is read at most for a box of these sides, before it proves too little for the local thickness."""
    around = FIRST_HALO + max(FIRST_HALO, wanted.longest)
    z, y, x = (min(own + around, length) for own, length in zip(side, wanted.shape, strict=True))
    return z, y, x


def side_for(wanted: Wanted) -> Shape:
    """Return the sides of boxes, multiples of `CELL`: as large as fits with what is read around them.

    Raises:
        UserError: not even the smallest fits.
    """
    for side in (256, 192, 128, 96, 64, 48, 32, 16):
        z, y, x = (min(side, -(-length // CELL) * CELL) for length in wanted.shape)
        if wanted.bytes_of(read_shape((z, y, x), wanted)) <= wanted.room:
            return z, y, x
    raise UserError("--memory is too little for the smallest boxes; pass a larger one, fewer --workers, or --longest")


def part_of(arrays: Mapping[str, NDArray[Any]], name: str) -> Arrays:
    """Return the arrays whose names begin with a name and a point, by what is behind that."""
    prefix = f"{name}."
    return {key.removeprefix(prefix): arrays[key] for key in arrays if key.startswith(prefix)}


def _named(name: str, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    return {f"{name}.{key}": value for key, value in arrays.items()}
