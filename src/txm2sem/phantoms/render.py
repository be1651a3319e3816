"""A rock and its two images, in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from txm2sem.errors import UserError
from txm2sem.options import PhantomOptions
from txm2sem.phantoms.faces import Face, check_faces, draw_faces
from txm2sem.phantoms.fields import FloatVolume
from txm2sem.phantoms.rock import HIGH_DENSITY, LOW_DENSITY, Material, make_rock
from txm2sem.phantoms.sem import render_sem
from txm2sem.phantoms.txm import render_txm

Progress = Callable[[float, str], None]
"""Is told which share of the work is done, 0 to 1, and what comes next."""

FIELD_OF_VIEW = 0.94
"""Diameter of the field of view in units of the side of a slice."""


@dataclass(frozen=True)
class Phantom:
    """A synthetic rock and its registered images; where it is unaligned, also the faces to cut out of the SEM's.

    Args:
        labels: `Material` of every voxel (z, y, x), outside the field of view too.
        txm: grey values (z, y, x), 0 outside the field of view, from 1 inside; 255 is the white of 8 bits, which
            pyrite exceeds.
        sem: grey values (z, y, x), 1 to 255 in what the SEM sees, 0 elsewhere.
        charge: where the SEM is charged (z, y, x), nowhere outside what it sees.
        field_of_view: what the TXM sees (y, x), and no more does the SEM, but for an unaligned one, which sees all.
        faces: where the SEM slices of an unaligned phantom lie.
    """

    labels: NDArray[np.uint8]
    txm: FloatVolume
    sem: FloatVolume
    charge: NDArray[np.bool_]
    field_of_view: NDArray[np.bool_]
    faces: tuple[Face, ...] = ()

    def low_density(self) -> NDArray[np.bool_]:
        """Return where there is organic matter or a pore in what the SEM sees (z, y, x)."""
        return np.isin(self.labels, LOW_DENSITY) & (self.sem > 0)

    def high_density(self) -> NDArray[np.bool_]:
        """Return where there is pyrite or another heavy mineral in what the SEM sees (z, y, x)."""
        return np.isin(self.labels, HIGH_DENSITY) & (self.sem > 0)

    def fractions(self) -> dict[Material, float]:
        """Return each material's share of the field of view."""
        counts = np.bincount(self.labels[:, self.field_of_view].ravel(), minlength=len(Material))
        return {material: float(counts[material] / counts.sum()) for material in Material}


def render_phantom(options: PhantomOptions, progress: Progress | None = None) -> Phantom:
    """Return the phantom that `options` describe; equal options give equal arrays.

    Takes about 35 bytes per voxel at its peak.

    Raises:
        UserError: an option is out of its range.
    """
    check_options(options)
    tell = progress or (lambda done, task: None)
    rock_rng, txm_rng, sem_rng, face_rng = np.random.default_rng(options.seed).spawn(4)
    field_of_view = _disc(options.size)
    tell(0, "rock")
    rock = make_rock(options, field_of_view, rock_rng)
    tell(0.55, "TXM")
    txm = render_txm(rock, options, field_of_view, txm_rng)
    tell(0.7, "SEM")
    sem, charge = render_sem(rock, options, field_of_view, sem_rng)
    faces = draw_faces(options, face_rng) if options.unaligned else ()
    tell(1, "done")
    return Phantom(rock.materials, txm, sem, charge, field_of_view, faces)


def check_options(options: PhantomOptions) -> None:
    """Raise a UserError where there are fewer slices than the aligned ones need, or unaligned ones do not fit in."""
    if options.unaligned:
        check_faces(options)
        return
    aligned = options.train_slices + options.val_slices + options.test_slices
    if 2 * aligned > options.depth:
        raise UserError(
            f"--depth: expected at least {2 * aligned} slices, so that the {aligned} aligned ones have gaps between "
            f"them, found {options.depth}; raise --depth or lower --train_slices, --val_slices or --test_slices"
        )


def _disc(size: int) -> NDArray[np.bool_]:
    offset = np.arange(size) - (size - 1) / 2
    return np.asarray(np.hypot(offset[:, None], offset) <= FIELD_OF_VIEW * size / 2)
