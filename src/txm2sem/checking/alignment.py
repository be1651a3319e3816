"""Whether pairs lie upon each other, by tiles that took no part in fitting; of some slices, as it takes seconds."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from txm2sem.checking.sources import Place, SlicePixels
from txm2sem.errors import UserError

if TYPE_CHECKING:
    from txm2sem.registration import PairAlignment

MOST_ALIGNED = 8
"""Slices that are looked at, evenly spread."""

LARGEST = 512
"""Rows or columns at most; larger slices are reduced [pixels]."""

ANGLE, SCALE = 3.0, 1.05
"""Turns up to this [degrees], and scales within this factor, are tried where a pair is not confirmed as it is."""

POINTS = 9
"""Rows and columns of points that tell how far a pair is off."""


@dataclass(frozen=True)
class AlignmentMeasure:
    """How a pair lies.

    Attributes:
        confirmed: tiles that took no part say where it lies: as it is, or `away` from there.
        away: median distance of the SEM's points from where they belong [pixels]; 0: as it is, or not known.
        reason: why it is not confirmed; empty where it is.
    """

    confirmed: bool
    away: float
    reason: str


def places_to_align(places: Sequence[Place]) -> set[Place]:
    """Return the slices that are looked at."""
    spread = np.linspace(0, len(places) - 1, min(len(places), MOST_ALIGNED)).round().astype(int)
    return {places[index] for index in spread.tolist()}


def measure_alignment(pixels: SlicePixels) -> AlignmentMeasure:
    """Look how a pair lies: as it is, then, where that is not confirmed, turned, enlarged and shifted a little.

    Args:
        pixels: of a slice with TXM and SEM; charged and empty pixels take no part.
    """
    from txm2sem.registration import align_pair
    from txm2sem.registration.features import reduced

    valid = pixels.valid()
    factor = -(-max(valid.shape) // LARGEST)
    (txm, share), (sem, _) = (reduced(pixels.images[name], valid, factor) for name in ("txm", "sem"))
    counts = share >= 0.5
    try:
        as_it_is = align_pair(txm, sem, txm_valid=counts, sem_valid=counts, transform="none")
        if as_it_is.confident:
            return AlignmentMeasure(confirmed=True, away=0.0, reason="")
        found = align_pair(
            txm,
            sem,
            txm_valid=counts,
            sem_valid=counts,
            transform="similarity",
            scale=(1 / SCALE, SCALE),
            search_angle=ANGLE,
            mirror="no",
        )
    except UserError as error:  # too small, or blank where it counts
        return AlignmentMeasure(confirmed=False, away=0.0, reason=str(error))
    # One that was kept has a reason for that, too.
    return AlignmentMeasure(found.confident, _away(found) * factor, "" if found.confident else found.reason)


def align_command(dataroot: Path) -> str:
    """Return the command that aligns a data root."""
    return shlex.join(["txm2sem", "align", str(dataroot), f"{dataroot.resolve().name}_aligned"])


def _away(found: PairAlignment) -> float:
    if not (found.confident and found.improved):
        return 0.0
    lines = [np.linspace(0, side - 1, POINTS) for side in found.shape]
    points = np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1).reshape(-1, 2)
    return float(np.median(np.linalg.norm(found.map(points) - points, axis=1)))
