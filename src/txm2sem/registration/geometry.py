"""What all slices of a specimen have in common: one direction of milling, one turn and scale, a constant spacing."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from txm2sem.options import TransformName
from txm2sem.registration.given import Mask
from txm2sem.registration.planes import Plane, Pyramid
from txm2sem.registration.transforms import Matrix
from txm2sem.registration.volume import PlaneAlignment, find_slice

MIN_SLICES = 4
"""Slices that a geometry is fitted to, at least: any two lie on a line, and of three it cannot be said which is off."""

MIN_ALLOWED = 3.0
"""A slice counts as an outlier from here, at least, however well the others are explained [voxels]."""

TIMES = 3.0
"""It does from so many standard deviations of the others."""

MAX_ALLOWED = 0.1
"""What leaves the slices further apart explains nothing [of the diagonal of a slice]."""

AGAIN_ANGLE, AGAIN_TILT, AGAIN_SCALE = 2.0, 1.0, 1.03
"""What is searched around where a slice is expected: turns and tilts [degrees], and a factor of the scale."""


class Lying(Protocol):
    """Where a slice lies, such as a `PlaneAlignment`."""

    @property
    def to_txm(self) -> Matrix:
        """What maps (row, column, 1) to (z, y, x) of the TXM's voxels (3, 3)."""

    @property
    def depth(self) -> float:
        """Voxels are so many times as deep as wide."""

    @property
    def confident(self) -> bool:
        """Whether it is confirmed."""


@dataclass(frozen=True)
class Geometry:
    """Where slices lie in a TXM volume by their numbers.

    Attributes:
        directions: along which row and column of a slice grow, (z, y, x) each (3, 2) [voxels].
        first: place of the middle of slice 0 (3,), (z, y, x) [voxels].
        step: from a slice to the next (3,) [voxels].
        middle: of the slices (2,), (row, column) [pixels].
        away: by how far a corner of each slice that was given lies from where it is expected, at most [voxels].
        allowed: outliers lie further away than this [voxels].
    """

    directions: NDArray[np.float64]
    first: NDArray[np.float64]
    step: NDArray[np.float64]
    middle: NDArray[np.float64]
    away: Mapping[int, float]
    allowed: float

    @property
    def outliers(self) -> tuple[int, ...]:
        """Numbers of the slices that it does not explain."""
        return tuple(number for number, away in sorted(self.away.items()) if away > self.allowed)

    def to_txm(self, number: int) -> Matrix:
        """Return what is expected to map (row, column, 1) of a slice to (z, y, x) (3, 3)."""
        return np.column_stack([self.directions, self.first + number * self.step - self.directions @ self.middle])

    def heights(self, number: int) -> tuple[float, float]:
        """Return between which z the middle of a slice is expected [voxels]."""
        z = float(self.first[0] + number * self.step[0])
        return z - self.allowed, z + self.allowed


def geometry_of(slices: Mapping[int, Lying], shape: tuple[int, int], spacing: float | None = None) -> Geometry | None:
    """Return the geometry that explains most slices of a specimen; None: they are too few, or nothing does.

    Turn, tilt and scale are medians; places are explained by a line, by the median of the slopes of all pairs (Theil
    1950, Sen 1968, https://doi.org/10.1080/01621459.1968.10480934). What is left is fitted by least squares without
    the outliers.

    Args:
        slices: by their numbers; those that are not confident take no part.
        shape: of the slices [pixels].
        spacing: from a slice to the next, along their normal [voxels, as wide]; None: it is constant.
    """
    known = {number: one for number, one in sorted(slices.items()) if one.confident}
    if len(known) < MIN_SLICES:
        return None
    depth = next(iter(known.values())).depth
    size = np.array([depth, 1, 1])
    middle = (np.array(shape) - 1) / 2
    numbers = np.array(list(known), np.float64)
    # Lengths are compared where voxels are as deep as wide.
    matrices = np.stack([size[:, None] * one.to_txm for one in known.values()])
    places = matrices @ [*middle, 1]
    pairs = [(i, j) for i, j in itertools.combinations(range(len(numbers)), 2)]
    some, others = np.array(pairs).T
    step = np.median((places[others] - places[some]) / (numbers[others] - numbers[some])[:, None], axis=0)
    model = _Model(np.median(matrices[:, :, :2], axis=0), np.median(places - numbers[:, None] * step, axis=0), step)
    model = model.spaced(spacing, places, numbers)
    corners = np.array(list(itertools.product((-1, 1), (-1, 1)))) * middle
    diagonal = 2 * float(np.linalg.norm(model.directions @ middle))
    for _ in range(2):
        away = model.away(matrices, places, numbers, corners)
        allowed = max(MIN_ALLOWED, TIMES * 1.4826 * float(np.median(away)))
        if allowed > MAX_ALLOWED * diagonal:
            return None
        kept = away <= allowed
        design = np.column_stack([np.ones(kept.sum()), numbers[kept]])
        first, step = np.linalg.lstsq(design, places[kept], rcond=None)[0]
        model = _Model(matrices[kept][:, :, :2].mean(axis=0), first, step)
        model = model.spaced(spacing, places[kept], numbers[kept])
    away = model.away(matrices, places, numbers, corners)
    return Geometry(
        model.directions / size[:, None],
        model.first / size,
        model.step / size,
        middle,
        dict(zip(known, away.tolist(), strict=True)),
        allowed,
    )


@dataclass(frozen=True)
class _Model:
    """A `Geometry` where voxels are as deep as wide."""

    directions: NDArray[np.float64]
    first: NDArray[np.float64]
    step: NDArray[np.float64]

    def spaced(self, spacing: float | None, places: NDArray[np.float64], numbers: NDArray[np.float64]) -> _Model:
        """Return it with a spacing along the normal, where that is known."""
        if spacing is None:
            return self
        normal = np.cross(*self.directions.T)
        normal /= np.linalg.norm(normal)
        along = float(self.step @ normal)
        step = self.step + (np.copysign(spacing, along) - along) * normal
        return _Model(self.directions, np.median(places - numbers[:, None] * step, axis=0), step)

    def away(
        self,
        matrices: NDArray[np.float64],
        places: NDArray[np.float64],
        numbers: NDArray[np.float64],
        corners: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Return by how far the corners of slices lie from where they are expected, at most (N,)."""
        shifted = places - self.first - numbers[:, None] * self.step
        reached = shifted[:, None] + np.einsum("cj,nij->nci", corners, matrices[:, :, :2] - self.directions)
        away: NDArray[np.float64] = np.linalg.norm(reached, axis=2).max(axis=1)
        return away


def together(slices: Mapping[int, Lying], apart: Mapping[int, Sequence[float]], geometry: Geometry) -> dict[int, Plane]:
    """Return the planes of slices, each drawn towards what all have in common as far as they are not known better.

    Heights are explained by a line along the numbers, slopes by their mean. What is left of each is noise, and what
    really differs from slice to slice. How much is noise is told by the two halves of each slice, for heights and
    slopes at once, as tiles that lie evenly all over a slice tell one as well as the others; that share of what is left
    is taken away (Efron and Morris 1973, https://doi.org/10.1080/01621459.1973.10481350).

    Args:
        slices: by their numbers.
        apart: by how much the planes of both halves of a slice differ, see `PlaneAlignment.apart`.
        geometry: of the slices; its outliers, and slices that are not confident or have no halves, take no part.
    """
    numbers = [
        number
        for number, one in sorted(slices.items())
        if one.confident and apart.get(number) and number not in geometry.outliers
    ]
    if len(numbers) < MIN_SLICES:
        return {}
    matrices = [np.asarray(slices[number].to_txm, np.float64) for number in numbers]
    middles = np.array([matrix[1:] @ [*geometry.middle, 1] for matrix in matrices])
    planes = [Plane.of(matrix) for matrix in matrices]
    found = np.array(
        [(plane.at(middle[None])[0], plane.down, plane.right) for plane, middle in zip(planes, middles, strict=True)]
    )
    differences = np.array([apart[number] for number in numbers])
    within = np.array([matrix[1:, :2] for matrix in matrices])
    places = np.mean(within * (geometry.middle**2 / 3) @ within.transpose(0, 2, 1), axis=0)
    # Variances of z at the middle and of slopes by such tiles, in units of the first.
    variances = np.array([1.0, *np.diag(np.linalg.inv(places))])
    # The mean of two halves has a quarter of the variance of their difference.
    noise = np.mean(differences**2 / variances) / 4 * variances
    line = np.column_stack([np.ones(len(numbers)), numbers])
    after = np.empty_like(found)
    for index, design in enumerate((line, line[:, :1], line[:, :1])):
        expected = design @ np.linalg.lstsq(design, found[:, index], rcond=None)[0]
        rest = found[:, index] - expected
        scatter = np.sum(rest**2) / (len(numbers) - design.shape[1])
        after[:, index] = expected + rest * max(0.0, 1 - noise[index] / max(scatter, 1e-12))
    return {
        number: Plane(float(z - [down, right] @ middle), float(down), float(right))
        for number, (z, down, right), middle in zip(numbers, after, middles, strict=True)
    }


def find_again(
    txm: Pyramid,
    sem: NDArray[Any],
    geometry: Geometry,
    number: int,
    *,
    sem_valid: Mask | None = None,
    transform: TransformName = "similarity",
) -> PlaneAlignment:
    """Find a slice close to where the others let expect it, as `find_slice` does it anywhere."""
    start = geometry.to_txm(number)
    steep = np.linalg.svd(start[:, :2] * [[txm.depth], [1], [1]], compute_uv=False)
    scale = float(np.sqrt(steep.prod()))
    return find_slice(
        txm,
        sem,
        sem_valid=sem_valid,
        scale=(scale / AGAIN_SCALE, scale * AGAIN_SCALE),
        transform=transform,
        search_angle=AGAIN_ANGLE,
        mirror="no",
        tilt=AGAIN_TILT,
        z=geometry.heights(number),
        start=start,
    )
