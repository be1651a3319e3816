"""Pairs of images whose true alignment is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from txm2sem.registration.transforms import Matrix, mapped, resampled


def rock(seed: int, size: int = 256, sigma: float = 2.0) -> NDArray[np.float64]:
    """Return structure of several sizes, grey values around 100."""
    rng = np.random.default_rng(seed)
    noise = np.sum(
        [gaussian_filter(rng.standard_normal((size, size)), width) * width for width in (sigma, 3 * sigma)], axis=0
    )
    grey: NDArray[np.float64] = 100 + 40 * noise / noise.std()
    return grey


def two_images(seed: int, size: int = 256) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a TXM and a SEM of one rock: blurred and noisy, and sharp and noisy; no pixel is 0."""
    structure, rng = rock(seed, size), np.random.default_rng(seed + 1)
    txm = gaussian_filter(structure, 1.5) + 10 * rng.standard_normal(structure.shape)
    sem = np.tanh((structure - 100) / 40) * 60 + 120 + 15 * rng.standard_normal(structure.shape)
    return np.maximum(txm, 1), np.maximum(sem, 1)


@dataclass(frozen=True)
class Moved:
    """A SEM image that was moved away from its TXM.

    Attributes:
        image: what the microscope shows then, 0 where there is nothing.
        points: some of its pixels that show something (N, 2) ...
        truth: ... and where on the TXM they belong (N, 2).
    """

    image: NDArray[np.float32]
    points: NDArray[np.float64]
    truth: NDArray[np.float64]

    def error(self, found: Any) -> NDArray[np.float64]:
        """Return by how much an alignment is off at these points (N,) [pixels]."""
        away: NDArray[np.float64] = np.linalg.norm(found.map(self.points) - self.truth, axis=1)
        return away


def moved(sem: NDArray[Any], to_txm: Matrix, wobble: NDArray[np.float64] | None = None, margin: int = 8) -> Moved:
    """Move a SEM that lies on its TXM, such that `to_txm` and then a displacement would move it back.

    Args:
        sem: (H, W), no pixel that counts is 0.
        to_txm: true map, but for the wobble.
        wobble: what `to_txm` maps to x belongs at x + wobble(x) (H, W, 2) [pixels]; None: there is none.
        margin: of the TXM in which no points are taken [pixels].
    """
    shape = sem.shape
    grid = np.indices(shape).reshape(2, -1).T.astype(np.float64)
    truth = mapped(to_txm, grid)
    if wobble is not None:
        back = np.asarray(np.linalg.inv(to_txm), np.float64)
        truth = truth + np.stack([resampled(wobble[..., axis], back, shape).ravel() for axis in (0, 1)], axis=1)
    down, right = truth.T.astype(np.float32).reshape(2, *shape)
    image = np.asarray(cv2.remap(np.asarray(sem, np.float32), right, down, cv2.INTER_LINEAR), np.float32)
    known = cv2.remap((np.asarray(sem) != 0).astype(np.float32), right, down, cv2.INTER_LINEAR) > 0.99
    inside = known.ravel() & (truth.min(axis=1) >= margin) & (truth < np.array(shape) - margin).all(axis=1)
    some = np.flatnonzero(inside)[::17]
    return Moved(np.where(known, image, 0).astype(np.float32), grid[some], truth[some])


def wobble(rng: np.random.Generator, size: int, largest: float) -> NDArray[np.float64]:
    """Return a smooth displacement (size, size, 2), of a sixth of the side, the longest of which is given [pixels]."""
    wide = size // 4
    field = np.stack(
        [
            gaussian_filter(rng.standard_normal((size + 2 * wide,) * 2), size / 6)[wide:-wide, wide:-wide]
            for _ in range(2)
        ],
        axis=-1,
    )
    scaled: NDArray[np.float64] = field * largest / np.linalg.norm(field, axis=-1).max()
    return scaled
