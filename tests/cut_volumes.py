"""A TXM volume and SEM slices that were cut from the same rock, whose true places are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from txm2sem.phantoms.faces import Face, Pose, draw_field


@dataclass(frozen=True)
class Rock:
    """Grey values (z, y, x), no voxel 0: as it is, and as a TXM sees it."""

    sharp: NDArray[np.float32]
    txm: NDArray[np.float32]

    @classmethod
    def made(cls, seed: int, shape: tuple[int, int, int] = (40, 176, 176)) -> Rock:
        """Return a rock with structure of several sizes."""
        rng = np.random.default_rng(seed)
        noise = sum(gaussian_filter(rng.standard_normal(shape, np.float32), sigma) * sigma**1.5 for sigma in (2.0, 6.0))
        sharp = np.asarray(100 + 25 * noise / noise.std(), np.float32)
        blurred = gaussian_filter(sharp, 1.5) + 6 * rng.standard_normal(shape, np.float32)
        return cls(np.maximum(sharp, 1), np.maximum(blurred, 1).astype(np.float32))


@dataclass(frozen=True)
class Cut:
    """A SEM slice, and where it was cut.

    Attributes:
        face: where.
        image: grey values, 0 where it leaves the rock.
    """

    face: Face
    image: NDArray[np.float32]

    @classmethod
    def of(cls, rock: Rock, shape: tuple[int, int], pose: Pose, seed: int = 0, distortion: float = 0.0) -> Cut:
        """Return a noisy slice of a rock."""
        rng = np.random.default_rng(seed)
        face = Face(shape, pose, draw_field(shape, pose, distortion, rng))
        grey = face.cut(rock.sharp)
        noisy = np.maximum(grey + 15 * rng.standard_normal(shape, np.float32), 1)
        return cls(face, np.where(grey > 0, noisy, 0).astype(np.float32))

    def points(self) -> NDArray[np.float64]:
        """Return pixels all over the slice (N, 2)."""
        ends = (np.linspace(0, side - 1, 7) for side in self.face.shape)
        return np.stack(np.meshgrid(*ends, indexing="ij"), axis=-1).reshape(-1, 2)

    def error(self, found: Any) -> tuple[float, float]:
        """Return how far a place that was found is off at most, along z and within a slice of the TXM [voxels]."""
        points = self.points()
        away = found.map(points) - self.face.places(*points.T).T
        return float(np.abs(away[:, 0]).max()), float(np.linalg.norm(away[:, 1:], axis=1).max())
