"""Tiles compared with planes of a volume side by side, and the plane that most agrees with them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from txm2sem.registration.planes import Plane
from txm2sem.registration.tiles import SPREADS, Tiles
from txm2sem.registration.transforms import Matrix, mapped

DEEP = 2.0
"""Standard deviation of the Gaussian through which correlation along z is seen [voxels of a level]."""

UNCLEAR = 0.3
"""What a tile weighs that agrees with no plane, where a usual one weighs 3 or so."""


@dataclass(frozen=True)
class TileStack:
    """Tiles compared with planes side by side.

    Attributes:
        offsets: of the planes, beside one of them [voxels of the level].
        tiles: with all planes together, those in the middle counting most.
        surfaces: of the tiles with each plane (K, planes, 2 M + 1, 2 M + 1); not a number beyond the TXM.
    """

    offsets: NDArray[np.float64]
    tiles: Tiles
    surfaces: NDArray[np.float64]

    @classmethod
    def of(cls, offsets: NDArray[np.float64], planes: Sequence[Tiles]) -> TileStack:
        """Return the tiles of the plane in the middle."""
        centres = planes[len(planes) // 2].centres
        surfaces = np.full((len(centres), len(planes), *planes[0].surfaces.shape[1:]), np.nan)
        index = {tuple(centre): number for number, centre in enumerate(centres.tolist())}
        for number, one in enumerate(planes):
            for centre, surface in zip(one.centres.tolist(), one.surfaces, strict=True):
                if tuple(centre) in index:
                    surfaces[index[tuple(centre)], number] = surface
        weights = _seen(offsets)
        blended = np.tensordot(np.nan_to_num(surfaces), weights / weights.sum(), axes=(1, 0))
        together = [one.together for one in planes if one.together is not None]
        return cls(
            offsets,
            Tiles(centres, blended, reduce(add, together) if together else None),
            surfaces,
        )

    def plane(self, matrix: Matrix, steepest: float = 0.0) -> tuple[float, Plane]:
        """Return the plane that most agrees with the tiles, as z beside the one in the middle, at pixels of the level.

        On each plane, a tile is followed to where it agrees best beside where the map expects it: structure that dips
        moves from plane to plane. The correlation there, along z, is seen through a Gaussian, whose place is the
        plane's: by tiles one by one, z would be lost in noise. Near the plane, tiles that agree with it count more.

        Args:
            matrix: from pixels of the SEM as it lies to where it belongs.
            steepest: planes that lean by up to this are tried first; 0: it is near [voxels].

        Returns:
            how well it agrees, and the plane.
        """
        reached = mapped(matrix, self.tiles.centres)
        expected = reached - self.tiles.centres
        lags = np.arange(-self.tiles.largest, self.tiles.largest + 1)
        away = ((lags - expected[:, :1]) ** 2)[:, :, None] + ((lags - expected[:, 1:]) ** 2)[:, None, :]
        spread = np.nanstd(self.surfaces, axis=(1, 2, 3), keepdims=True) + 1e-9
        profiles = (self.surfaces / spread - away[:, None] / (2 * SPREADS[0] ** 2)).max(axis=(2, 3))
        # What is not known says nothing.
        profiles = np.nan_to_num(profiles - np.nanmean(profiles, axis=1, keepdims=True))
        if steepest == 0:
            clear = np.maximum(profiles @ _seen(self.offsets), 0) + UNCLEAR
            profiles *= (clear / clear.mean())[:, None]
        middle = reached.mean(axis=0)
        size = np.abs(reached - middle).max() + 1
        design = np.column_stack([np.ones(len(reached)), (reached - middle) / size])

        def missed(numbers: NDArray[np.float64]) -> float:
            return -float(np.sum(profiles * _seen(self.offsets - (design @ numbers)[:, None])))

        begin = np.zeros(3)
        if steepest > 0:
            slopes = np.linspace(-steepest, steepest, 2 * int(np.ceil(steepest * size / DEEP)) + 1) * size
            leaning = [(a, b) for a, b in itertools.product(slopes, slopes) if np.hypot(a, b) <= 1.1 * steepest * size]
            begin = min((np.array([z, *lean]) for z in self.offsets for lean in leaning), key=missed)
        found = minimize(missed, begin, method="BFGS")
        down, right = found.x[1:] / size
        z = float(found.x[0] - middle @ [down, right])
        return -float(found.fun) / np.sqrt(len(reached)), Plane(z, float(down), float(right))


def _seen(away: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return with which weight a plane counts for another [voxels of a level]."""
    weights: NDArray[np.float64] = np.exp(-0.5 * (away / DEEP) ** 2)
    return weights
