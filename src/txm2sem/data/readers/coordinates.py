"""Where voxels are, as the metadata of a file say it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.data.readers.units import nanometres

TOLERANCE = 0.01
"""How far coordinates may be from those of a regular grid [steps]."""

SAME = 1.01
"""Two distances that differ by no more than this factor are one."""

MOST_COORDINATES = 2**20
"""Coordinates of an axis, at most."""

Along = tuple[float | None, float | None]
"""Distance of neighbours along an axis, and where the first voxel is [nm]; None for what is not said."""

NOWHERE: Along = (None, None)


def grid_of(coordinates: NDArray[Any], unit: str | None) -> Along:
    """Return the grid along an axis that has a coordinate for each voxel.

    The distance is None where they are not regular or have no unit of length, the place where they descend, too.
    """
    size = nanometres(1.0, unit)
    if size is None or coordinates.ndim != 1 or len(coordinates) < 2 or coordinates.dtype.kind not in "uif":
        return NOWHERE
    values = coordinates.astype(np.float64)
    step = float(values[-1] - values[0]) / (len(values) - 1)
    # Single precision far from 0 rounds to more than the tolerance.
    rounding = 2 * float(np.spacing(np.abs(coordinates).max())) if coordinates.dtype.kind == "f" else 0.0
    deviation = np.abs(values - (values[0] + step * np.arange(len(values)))).max()
    if not (np.isfinite(values).all() and deviation <= TOLERANCE * abs(step) + rounding):
        return NOWHERE
    return nanometres(abs(step), unit), float(values[0]) * size if step > 0 else None


def in_nanometres(step: float, place: float, unit: str | None) -> Along:
    """Return the grid along an axis from its distance and place in a unit."""
    size = nanometres(1.0, unit)
    return nanometres(step, unit), place * size if size and np.isfinite(place) else None


def agreed(said: Sequence[Sequence[Along]], axes: int) -> tuple[Along, ...]:
    """Return the grid along each axis from all that say something of it.

    A distance that they contradict each other about is None, so that the user is asked.
    """
    return tuple(
        (_agreed([grid[axis][0] for grid in said]), _first([grid[axis][1] for grid in said])) for axis in range(axes)
    )


def _agreed(steps: Sequence[float | None]) -> float | None:
    known = [step for step in steps if step is not None]
    return known[0] if known and max(known) <= SAME * min(known) else None


def _first(places: Sequence[float | None]) -> float | None:
    return next((place for place in places if place is not None), None)
