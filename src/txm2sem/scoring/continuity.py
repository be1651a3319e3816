"""The continuity of volumes along z as a table for people and as values for programs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from txm2sem.data.readers.voxel_size import square_side
from txm2sem.metrics import Continuity
from txm2sem.quantities import Ruler

SHOWN_LAGS = (1, 2, 4, 8, 16)
"""Lags that the table shows [pixels]."""

TXM, PREDICTION, TRUTH = "TXM (input)", "prediction", "SEM (truth)"
KEYS = {TXM: "txm", PREDICTION: "prediction", TRUTH: "truth"}
"""Names of the volumes in tables and figures, and for programs."""


def continuity_table(measured: Mapping[str, Continuity], voxel_size: Sequence[float | None]) -> str:
    """Return a table of the continuity of volumes, two lines each; – stands where a number is not defined.

    Args:
        measured: the volumes, by their names.
        voxel_size: (z, y, x) [nm]; None: not known.
    """
    txm = measured[TXM]
    lags = [lag for lag in SHOWN_LAGS if lag <= len(txm.along_z)]
    ruler = lag_ruler(voxel_size, SHOWN_LAGS[-1])
    width = max(map(len, measured))
    lines = [
        f"{'':<{width}}  {'adjacent slices':<26}  {ruler.label('autocorrelation at lag')}",
        f"{'':<{width}}  {'|difference|':>12}  {'ratio to TXM':>12}  {'':<8}"
        + "".join(f"{ruler(lag):>7.3g}" for lag in lags),
    ]
    for name, values in measured.items():
        for direction, correlation in (("along z", values.along_z), ("in-plane", values.in_plane)):
            along_z = direction == "along z"
            difference = f"{_number(values.difference, 2):>12}  {_number(values.ratio_to(txm), 2):>12}"
            lines.append(
                f"{name if along_z else '':<{width}}  {difference if along_z else '':<26}  {direction:<8}"
                + "".join(f"{_number(correlation[lag - 1], 3):>7}" for lag in lags)
            )
    lines.append("|difference|: mean absolute difference [grey levels of 255]")
    return "\n".join(lines)


def lag_ruler(voxel_size: Sequence[float | None], longest: int) -> Ruler:
    """Return the ruler of lags up to a longest one [voxels]: they are lengths where all sides are known, and one."""
    known = [side for side in voxel_size if side is not None]
    return Ruler.lengths(square_side(known) if len(known) == 3 else None, longest, "voxels")


def continuity_values(measured: Mapping[str, Continuity]) -> dict[str, dict[str, Any]]:
    """Return the continuity of volumes for programs, by the names in `KEYS`."""
    txm = measured[TXM]
    return {
        KEYS[name]: {
            "adjacent_difference": values.difference,
            "adjacent_difference_of_txm": values.ratio_to(txm),
            "autocorrelation_along_z": list(values.along_z),
            "autocorrelation_in_plane": list(values.in_plane),
        }
        for name, values in measured.items()
    }


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "–"
