"""From what was measured of all boxes to what is true of the volume: plain values by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.measuring.boxes import Wanted, part_of
from txm2sem.metrics.rock import euler_density, specific_perimeter
from txm2sem.morphology import clusters, correlation, patterns, runs, thickness
from txm2sem.morphology.boxes import Box, Grid
from txm2sem.morphology.fractions import CELL, Counts, cells_of, sampling_error

LEVEL = 0.9
"""Share of intervals that hold the truth."""

AXES = "zyx"

ALONG = ("chords", "lineal_path", "correlation")
"""What is measured along each axis."""

QUANTILES = {"p10": 0.1, "median": 0.5, "p90": 0.9}

Open = Callable[[Box], Mapping[str, NDArray[Any]]]
Plain = dict[str, Any]


@dataclass(frozen=True)
class Joined:
    """What was measured of all boxes of a volume.

    Args:
        grid: the boxes.
        wanted: what was measured.
        opened: returns the arrays of a box, see `measure_box`.
    """

    grid: Grid
    wanted: Wanted
    opened: Open

    @cached_property
    def valid(self) -> Counts:
        """Imaged voxels in each cell."""
        return self.cells("valid.cells")

    @cached_property
    def _valid_along(self) -> dict[int, tuple[NDArray[np.int64], runs.Runs]]:
        """Imaged voxels of each plane across an axis, and the runs of them along it, by the axis."""
        return {axis: (self._profile("valid", axis), self._runs("valid", axis)) for axis in self.wanted.axes}

    def cells(self, name: str) -> Counts:
        """Return the sums in all cells of the volume."""
        whole = np.zeros(cells_of(self.grid.shape))
        for box in self.grid.boxes:
            place = tuple(slice(side.start // CELL, -(-side.stop // CELL)) for side in box.window)
            whole[place] = self.opened(box)[name]
        return whole

    def fraction(self, name: str, others: float = 0.0) -> Plain:
        """Return a fraction with its interval.

        Args:
            name: of the sums of the phase in cells.
            others: standard error from what tells the phase.
        """
        return _fraction(self.cells(name), self.valid, others)

    def rim(self, label: int, name: str) -> Plain | None:
        """Return the fraction of a phase near the rim of what was imaged and inside of it; None where one is empty.

        Args:
            label: of the phase.
            name: of its sums in cells, of all voxels.
        """
        near = self._rim_cells
        inside = self.valid - near
        if not near.any() or not inside.any():
            return None
        found = self.cells(f"{label}.rim")
        return {"near": _fraction(found, near), "inside": _fraction(self.cells(name) - found, inside)}

    @property
    def share_of_rim(self) -> float:
        """Share of the imaged voxels that are of the rim."""
        return float(self._rim_cells.sum() / self.valid.sum()) if self.valid.any() else math.nan

    @cached_property
    def _rim_cells(self) -> Counts:
        """Imaged voxels of the rim in each cell."""
        return self.cells("rim.cells")

    def profiles(self, label: int) -> Plain:
        """Return the fraction of a phase in each plane across z, y and x; None where nothing was imaged."""
        found = {}
        for axis in self.wanted.axes:
            phase, valid = self._profile(str(label), axis), self._valid_along[axis][0]
            found[AXES[axis]] = [int(one) / int(all_) if all_ else None for one, all_ in zip(phase, valid, strict=True)]
        return found

    def morphology(self, label: int) -> Plain:
        """Return all else that was measured of a phase; lengths in the unit of the spacing."""
        along = {AXES[axis]: self._along(label, axis) for axis in self.wanted.axes}
        lengths = [one["correlation"]["length"] for one in along.values()]
        return {
            **self._surface(label),
            "clusters": self._clusters(label),
            "thickness": self._thickness(label),
            "anisotropy": max(lengths) / min(lengths) if len(lengths) > 1 else math.nan,
            **{name: {axis: one[name] for axis, one in along.items()} for name in ALONG},
        }

    def _surface(self, label: int) -> Plain:
        """Return surface and Euler number per volume; of a section, its perimeter and Euler number per area."""
        spacing, section = self.wanted.spacing, self.wanted.section
        if section is None:
            octants = self._sum(f"{label}.octants")
            return {
                "surface": patterns.specific_surface(octants, spacing),
                "euler_number": patterns.euler_density(octants, spacing),
            }
        counts = self._sum(f"{label}.quads")
        down, across = (side for axis, side in enumerate(spacing) if axis != section)
        square = math.isclose(down, across)
        return {
            "perimeter": specific_perimeter(counts) / down if square else math.nan,
            "euler_number": euler_density(counts) / (down * across),
        }

    def _clusters(self, label: int) -> Plain:
        tallies = (clusters.ClusterTally.from_arrays(self._part(box, f"{label}.clusters")) for box in self.grid.boxes)
        found = clusters.join(self.grid, tallies)
        number = int(found.number.sum())
        used = np.flatnonzero(found.number)
        volume = float(self.valid.sum()) * math.prod(self.wanted.spacing)
        through = {AXES[axis]: found.percolating_share[axis] for axis in self.wanted.axes}
        return {
            "number": number,
            "number_per_volume": number / volume if volume else math.nan,
            "largest_share": found.largest_share,
            "percolates": {axis: bool(share > 0) for axis, share in through.items()},
            "percolating_share": through,
            "voxels_from": [2 ** int(size) for size in used],
            "clusters": [int(found.number[size]) for size in used],
            "volume_share": [int(found.voxels[size]) / found.total for size in used],
        }

    def _thickness(self, label: int) -> Plain:
        parts = (thickness.Thickness.from_arrays(self._part(box, f"{label}.thickness")) for box in self.grid.boxes)
        found: thickness.Thickness = reduce(add, parts)
        total = int(found.voxels.sum())
        diameters = found.diameters(self.wanted.spacing)
        cumulated = np.cumsum(found.voxels)
        used = np.flatnonzero(found.voxels)
        return {
            "mean": float(diameters @ found.voxels / total) if total else math.nan,
            **{
                name: float(diameters[np.searchsorted(cumulated, share * total)]) if total else math.nan
                for name, share in QUANTILES.items()
            },
            "largest": found.largest_diameter(self.wanted.spacing),
            "boundless": bool(found.boundless),
            "diameters": [float(diameters[rung]) for rung in used],
            "volume_share": [int(found.voxels[rung]) / total for rung in used],
        }

    def _along(self, label: int, axis: int) -> Plain:
        """Return what is measured along an axis."""
        step = self.wanted.spacing[axis]
        phase, valid = self._runs(str(label), axis), self._valid_along[axis][1]
        both, pairs = self._sum(f"{label}.pairs_{axis}")
        s2 = np.divide(both, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)
        known = int(np.isfinite(s2).sum())
        path = runs.lineal_path(phase, valid)[:known]
        chords = np.flatnonzero(phase[2])
        return {
            "chords": {
                "mean": step * runs.mean_chord(phase, valid),
                "mean_of_whole": step * runs.mean_whole_chord(phase),
                "lengths": [step * int(length) for length in chords],
                "counts": [int(phase[2][length]) for length in chords],
            },
            "lineal_path": {"distances": [step * lag for lag in range(len(path))], "probability": path.tolist()},
            "correlation": {
                "distances": [step * lag for lag in range(known)],
                "probability": s2[:known].tolist(),
                "length": step * correlation.correlation_length(s2[:known]),
            },
        }

    def _runs(self, name: str, axis: int) -> runs.Runs:
        """Return the runs along an axis in all columns of boxes."""
        total = np.zeros((3, self.grid.shape[axis] + 1), np.int64)
        for column in self._columns(axis):
            total = total + runs.join([runs.Tally(**self._part(box, f"{name}.runs_{axis}")) for box in column])
        return total

    def _columns(self, axis: int) -> Iterable[list[Box]]:
        """Return the boxes that follow each other along an axis, column by column."""
        columns: dict[tuple[int, ...], list[Box]] = {}
        for box in self.grid.boxes:
            columns.setdefault((*box.index[:axis], *box.index[axis + 1 :]), []).append(box)
        return columns.values()

    def _profile(self, name: str, axis: int) -> NDArray[np.int64]:
        whole = np.zeros(self.grid.shape[axis], np.int64)
        for box in self.grid.boxes:
            whole[box.window[axis]] += self.opened(box)[f"{name}.profile_{axis}"]
        return whole

    def _sum(self, name: str) -> NDArray[np.int64]:
        total: NDArray[np.int64] = np.sum([self.opened(box)[name] for box in self.grid.boxes], axis=0)
        return total

    def _part(self, box: Box, name: str) -> dict[str, NDArray[Any]]:
        return part_of(self.opened(box), name)


def _fraction(phase: Counts, valid: Counts, others: float = 0.0) -> Plain:
    """Return a fraction with its interval, of sums in cells; `others` is as in `Joined.fraction`."""
    value = float(phase.sum() / valid.sum()) if valid.any() else math.nan
    error = sampling_error(phase, valid)
    margin = error.margin(LEVEL, others)
    return {
        "value": value,
        "low": max(value - margin, 0.0) if math.isfinite(margin) else math.nan,
        "high": min(value + margin, 1.0) if math.isfinite(margin) else math.nan,
        "sampling_error": error.standard_error,
        "calibration_error": others,
    }
