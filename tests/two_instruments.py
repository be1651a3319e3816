"""Folders of slices as two instruments leave them, in small: moved, of other pixels, with a data bar."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from moved_pairs import Moved, moved, two_images
from numpy.typing import NDArray

from txm2sem.registration.transforms import Matrix, turned

SIZE, BAR = 192, 20


@dataclass(frozen=True)
class Instruments:
    """What was written.

    Attributes:
        txm, sem, charge: folders.
        truth: of each slice.
    """

    txm: Path
    sem: Path
    charge: Path
    truth: list[Moved]


def motion(angle: float = 0.0, scale: float = 1.0, down: float = 0.0, right: float = 0.0) -> Matrix:
    """Return a map from the SEM to the TXM that turns it around the middle."""
    middle = np.full(2, (SIZE - 1) / 2)
    return turned(angle, scale, False, middle, middle + np.array([down, right]))


def write_instruments(folder: Path, motions: list[Matrix | None], *, nm: float | None = 30.0) -> Instruments:
    """Write slices 3, 4, ... of both: the TXM in 8 bits, the SEM in 16 with a data bar below.

    Args:
        folder: of all.
        motions: true maps of the SEM to the TXM; None: the SEM is of other rock.
        nm: size of the pixels of both, as the files say it; None: they do not.
    """
    places = {name: folder / name for name in ("txm", "sem", "charge")}
    for place in places.values():
        place.mkdir(parents=True)
    size = {} if nm is None else {"resolution": (1e7 / nm, 1e7 / nm), "resolutionunit": "CENTIMETER"}
    truth = []
    for index, matrix in enumerate(motions):
        txm, sem = two_images(20 + index, SIZE)
        if matrix is None:
            sem = two_images(90 + index, SIZE)[1]
        true = moved(sem, motion() if matrix is None else matrix)
        truth.append(true)
        name = f"{index + 3:03d}.tif"
        tifffile.imwrite(places["txm"] / name, np.rint(txm).clip(1, 255).astype(np.uint8), **size)  # type: ignore[arg-type]
        image = np.where(true.image > 0, np.rint(true.image * 200), 0).astype(np.uint16)
        tifffile.imwrite(places["sem"] / f"SEM_{name}", np.vstack([image, _bar()]), **size)  # type: ignore[arg-type]
        charged = np.zeros((SIZE + BAR, SIZE), np.uint8)
        charged[60:80, 90:120] = 255
        tifffile.imwrite(places["charge"] / name, charged)
    return Instruments(**places, truth=truth)


def _bar() -> NDArray[np.uint16]:
    """Return a data bar: strokes on black."""
    bar = np.zeros((BAR, SIZE), np.uint16)
    for column in range(8, 120, 6):
        bar[6:14, column : column + 2] = 60000
        bar[6 + column % 5, column : column + 4] = 60000
    return bar
