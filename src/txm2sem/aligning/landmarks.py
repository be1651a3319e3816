"""Pairs of points that people have marked in both images, as BigWarp and napari save them."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.errors import UserError
from txm2sem.files import read_text
from txm2sem.registration.transforms import Matrix, Points, fitted, mapped

FEWEST = 2
"""Pairs of points that a start is fitted to, at least: they tell shift, turn and scale."""

BIGWARP_COLUMNS = 6
"""Name, whether it is active, and x, y in the moving and in the fixed image."""

REMEDY = "save it again from BigWarp (moving: SEM, fixed: TXM) or napari"


@dataclass(frozen=True)
class MarkedPoints:
    """Pairs of points.

    Attributes:
        path: what they were read from.
        sem: (N, 2), (row, column) [pixels of the SEM].
        txm: (N, 2), (row, column) [pixels of the TXM].
    """

    path: Path
    sem: Points
    txm: Points

    def start(self) -> Matrix:
        """Return the similarity, mirrored or not, that takes the points of the SEM closest to those of the TXM."""
        weights = np.ones(len(self.sem))
        found = []
        for flip in (np.eye(3), np.diag([1.0, -1.0, 1.0])):
            matrix = fitted("similarity", mapped(flip, self.sem), self.txm, weights) @ flip
            found.append((float(np.sum((mapped(matrix, self.sem) - self.txm) ** 2)), matrix))
        # Two points fit both: they are taken as they are.
        return found[1][1] if found[1][0] < 0.5 * found[0][0] and len(self.sem) > FEWEST else found[0][1]

    def check(self, sem: tuple[int, ...], txm: tuple[int, ...]) -> None:
        """Check that the points lie in images of these shapes, and that there are enough.

        Raises:
            UserError: they do not, or there are too few.
        """
        if len(self.sem) < FEWEST:
            raise UserError(f"{self.path} has {len(self.sem)} pairs of points; expected {FEWEST} at least: mark more")
        for name, points, shape in (("SEM", self.sem, sem), ("TXM", self.txm, txm)):
            outside = np.flatnonzero(((points < -0.5) | (points > np.array(shape) - 0.5)).any(axis=1))
            if outside.size:
                row, column = points[outside[0]]
                raise UserError(
                    f"{self.path}: point {outside[0]} of the {name} is at row {row:g}, column {column:g}, outside of "
                    f"its {shape[0]} x {shape[1]} pixels; expected places in pixels: save them from images without a "
                    "calibration"
                )


def read_landmarks(place: Path, numbers: list[int]) -> Mapping[int, MarkedPoints]:
    """Return pairs of points by the number of their slice.

    A file of BigWarp is of the slice whose number its name ends with, or of the only one; a folder has several. Or it
    has `sem.csv` and `txm.csv` as napari saves layers of points, pair by pair, with (row, column), or (slice, row,
    column) with the position of the slice from 0.

    Args:
        place: the file or folder.
        numbers: of the slices, in their order.

    Raises:
        UserError: there is nothing there, or it is not such a file.
    """
    if place.is_dir() and (place / "sem.csv").exists():
        return _of_napari(place, numbers)
    files = sorted(place.glob("*.csv")) if place.is_dir() else [place]
    if not files:
        raise UserError(
            f"{place} has no .csv; expected files of BigWarp such as 003.csv, or sem.csv and txm.csv of napari"
        )
    found = {}
    for path in files:
        digits = re.findall("[0-9]+", path.stem)
        number = numbers[0] if len(numbers) == 1 else int(digits[-1]) if digits else None
        if number not in numbers:
            raise UserError(
                f"{path} is of no slice: expected a name that ends with the number of one, such as {numbers[0]:03d}.csv"
            )
        found[number] = _of_bigwarp(path)
    return found


def _of_bigwarp(path: Path) -> MarkedPoints:
    rows = [row for row in _rows(path) if row[1:2] != ["false"]]
    if any(len(row) != BIGWARP_COLUMNS for row in rows):
        raise UserError(
            f"{path}: expected {BIGWARP_COLUMNS} columns, the name of a point, whether it is active, and its x, y in "
            f"both images; {REMEDY}"
        )
    points = _numbers(path, [row[2:] for row in rows]).reshape(-1, 2, 2)[..., ::-1]
    return MarkedPoints(path, points[:, 0], points[:, 1])


def _of_napari(folder: Path, numbers: list[int]) -> Mapping[int, MarkedPoints]:
    sem, txm = (_of_layer(folder / f"{name}.csv") for name in ("sem", "txm"))
    if len(sem) != len(txm):
        raise UserError(
            f"{folder} has {len(sem)} points in sem.csv and {len(txm)} in txm.csv; expected pairs: {REMEDY}"
        )
    slices = sem[:, 0].round().astype(int) if sem.shape[1] > 2 else np.zeros(len(sem), int)
    if sem.shape[1] == 2 and len(numbers) > 1:
        raise UserError(f"{folder / 'sem.csv'} does not say of which slice its points are; expected axis-0 to axis-2")
    if slices.min(initial=0) < 0 or slices.max(initial=0) >= len(numbers):
        raise UserError(f"{folder / 'sem.csv'} has a slice {slices.max()}; expected 0 to {len(numbers) - 1}")
    return {
        numbers[index]: MarkedPoints(folder / "sem.csv", sem[slices == index, -2:], txm[slices == index, -2:])
        for index in np.unique(slices).tolist()
    }


def _of_layer(path: Path) -> NDArray[np.float64]:
    """Return the points of a layer, with as many axes as it has (N, 2 or 3)."""
    head, *rows = _rows(path)
    axes = [column for column, name in enumerate(head) if name.startswith("axis-")]
    if len(axes) not in (2, 3) or any(len(row) != len(head) for row in rows):
        raise UserError(f"{path}: expected the columns axis-0 and axis-1, or axis-0 to axis-2; {REMEDY}")
    return _numbers(path, [[row[column] for column in axes] for row in rows]).reshape(-1, len(axes))


def _rows(path: Path) -> list[list[str]]:
    rows = [row for row in csv.reader(read_text(path, REMEDY).splitlines()) if row]
    if not rows:
        raise UserError(f"{path} is empty; {REMEDY}")
    return rows


def _numbers(path: Path, rows: list[list[str]]) -> NDArray[np.float64]:
    try:
        points: NDArray[Any] = np.array(rows, np.float64)
    except ValueError as error:
        raise UserError(f"{path}: expected numbers ({error}); {REMEDY}") from error
    if not np.isfinite(points).all():  # BigWarp writes infinity for a point that is in one image only
        raise UserError(f"{path} has a point that is in one image only; mark it in the other, or leave it out")
    return points
