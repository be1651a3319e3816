"""Maps of the plane: 3 x 3 matrices of (row, column, 1), fitted to displaced points, and a smooth field on a grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
"""3 x 3, maps (row, column, 1) to (row, column, 1); affine."""
Points = NDArray[np.float64]
"""(N, 2), (row, column) [pixels]."""
Model = Literal["shift", "rigid", "similarity", "affine"]

BAND = 64
"""Rows that are resampled at a time with a field: the coordinates of all would take several times the image's memory.
"""


def mapped(matrix: Matrix, points: Points) -> Points:
    """Return where a matrix maps points (N, 2)."""
    result: Points = points @ matrix[:2, :2].T + matrix[:2, 2]
    return result


def scale_of(matrix: Matrix) -> float:
    """Return by how much a matrix enlarges, the root of by how much it enlarges areas."""
    return float(np.sqrt(abs(np.linalg.det(matrix[:2, :2]))))


def turned(angle: float, scale: float, mirror: bool, source: Points, target: Points) -> Matrix:
    """Return the map that mirrors columns, turns, enlarges, and takes one point to another.

    Args:
        angle: from the row axis towards the column axis [degrees].
        scale: by which it enlarges.
        mirror: whether columns are turned around first.
        source: the point (2,) that is mapped ...
        target: ... to this one (2,).
    """
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    matrix = np.eye(3)
    matrix[:2, :2] = scale * np.array([[cos, -sin], [sin, cos]]) @ np.diag([1, -1 if mirror else 1])
    matrix[:2, 2] = target - matrix[:2, :2] @ source
    return matrix


def moved(by: NDArray[np.int64]) -> Matrix:
    """Return the map that shifts by (row, column)."""
    matrix = np.eye(3)
    matrix[:2, 2] = by
    return matrix


def reduction(factor: int) -> Matrix:
    """Return the map from pixels of an image to those of the image reduced by a whole factor."""
    matrix = np.diag([1 / factor, 1 / factor, 1.0])
    matrix[:2, 2] = (1 - factor) / (2 * factor)
    return matrix


def fitted(model: Model, points: Points, displaced: Points, weights: NDArray[np.float64]) -> Matrix:
    """Return the map of a kind, without mirroring, that takes points closest to others, by weighted least squares.

    In closed form: a turn and a scale of the plane are a product with a complex number (Umeyama 1991,
    https://doi.org/10.1109/34.88573, in two dimensions).

    Args:
        model: shift; rigid: and a turn; similarity: and a scale; affine: and two shears.
        points: (N, 2).
        displaced: where they should come to lie (N, 2).
        weights: of the points, not negative, not all 0 (N,).
    """
    total = weights.sum()
    middle, aim = weights @ points / total, weights @ displaced / total
    source, target = points - middle, displaced - aim
    matrix = np.eye(3)
    if model == "affine":
        root = np.sqrt(weights)[:, None]
        matrix[:2, :2] = np.linalg.lstsq(root * source, root * target, rcond=1e-6)[0].T
    elif model != "shift":
        ours, theirs = source @ [1, 1j], target @ [1, 1j]
        product = complex(np.sum(weights * ours.conj() * theirs))
        factor = product / max(float(np.sum(weights * abs(ours) ** 2)), 1e-12)
        if model == "rigid":
            factor /= max(abs(factor), 1e-12)
        matrix[:2, :2] = [[factor.real, -factor.imag], [factor.imag, factor.real]]
    matrix[:2, 2] = aim - matrix[:2, :2] @ middle
    return matrix


@dataclass(frozen=True)
class Field:
    """A smooth displacement, cubic between the nodes of a grid, constant beyond its border.

    Attributes:
        rows: of the nodes, evenly spaced (R,) [pixels].
        columns: of the nodes, evenly spaced (C,) [pixels].
        displacement: at the nodes (R, C, 2), (row, column) [pixels].
    """

    rows: NDArray[np.float64]
    columns: NDArray[np.float64]
    displacement: NDArray[np.float64]

    def at(self, points: Points) -> Points:
        """Return the displacement at points (N, 2)."""
        down, right = (
            ((points[:, axis] - nodes[0]) / step).astype(np.float32).reshape(-1, 1)
            for axis, (nodes, step) in enumerate(self._axes)
        )
        # A map of one column must not have more rows than OpenCV's 32767.
        return np.concatenate(
            [
                cv2.remap(
                    self.displacement.astype(np.float32),
                    right[first : first + 30000],
                    down[first : first + 30000],
                    cv2.INTER_CUBIC,
                    borderMode=cv2.BORDER_REPLICATE,
                ).reshape(-1, 2)
                for first in range(0, len(points), 30000)
            ]
            or [np.empty((0, 2))]
        ).astype(np.float64)

    def over(self, rows: range, columns: int) -> NDArray[np.float32]:
        """Return the displacement at all pixels of some rows, from the first column on (rows, columns, 2)."""
        (down, deep), (right, wide) = self._axes
        to_nodes = np.array([[1 / wide, 0, -right[0] / wide], [0, 1 / deep, (rows.start - down[0]) / deep]])
        found = cv2.warpAffine(
            self.displacement.astype(np.float32),
            to_nodes,
            (columns, len(rows)),
            flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return np.asarray(found, np.float32)

    def moved(self, by: NDArray[np.int64]) -> Field:
        """Return it where all pixels have other numbers."""
        return Field(self.rows + by[0], self.columns + by[1], self.displacement)

    @property
    def _axes(self) -> list[tuple[NDArray[np.float64], float]]:
        """Nodes along rows and along columns, and their distance."""
        return [(nodes, float(nodes[1] - nodes[0]) if len(nodes) > 1 else 1.0) for nodes in (self.rows, self.columns)]


def resampled(
    image: NDArray[Any], to_target: Matrix, shape: tuple[int, int], field: Field | None = None, order: int = 1
) -> NDArray[np.float32]:
    """Return an image on the grid of another, 0 where there is none.

    Args:
        image: (H, W) or (H, W, channels), any grey values.
        to_target: maps pixels of the image to those of the grid, but for the field.
        shape: rows and columns of the grid.
        field: what `to_target` maps to x + field(x) belongs at x; None: at x.
        order: 0 nearest neighbour, 1 linear, 3 cubic.
    """
    flag = {0: cv2.INTER_NEAREST, 1: cv2.INTER_LINEAR, 3: cv2.INTER_CUBIC}[order]
    grey = np.ascontiguousarray(image, np.float32)
    back = np.asarray(np.linalg.inv(to_target), np.float64)
    if field is None:
        # OpenCV has (column, row).
        flipped = np.ascontiguousarray(back[[1, 0]][:, [1, 0, 2]])
        found = cv2.warpAffine(grey, flipped, shape[::-1], flags=flag | cv2.WARP_INVERSE_MAP)
        return np.asarray(found, np.float32)
    placed = np.empty((*shape, *grey.shape[2:]), np.float32)
    for first in range(0, shape[0], BAND):
        rows = range(first, min(first + BAND, shape[0]))
        down, right = np.moveaxis(field.over(rows, shape[1]), -1, 0)
        down, right = down + np.array(rows, np.float32)[:, None], right + np.arange(shape[1], dtype=np.float32)
        y, x = (a * down + b * right + c for a, b, c in back[:2].astype(np.float32))
        placed[rows.start : rows.stop] = cv2.remap(grey, x, y, flag)
    return placed
