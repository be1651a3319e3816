"""Random fields over a volume, and the cut of a field that leaves a given share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatVolume = NDArray[np.float32]


def smooth_noise(
    rng: np.random.Generator, shape: tuple[int, int, int], sigma: tuple[float, float, float]
) -> FloatVolume:
    """Return smooth Gaussian noise of mean 0 and standard deviation 1.

    Gaussian bumps with random weights stand on a grid whose spacing is `sigma`, close enough to leave no trace of the
    grid. A Gaussian being separable, their sum is one matrix product per axis, cheaper the smoother the noise.

    Args:
        rng: source of the weights.
        shape: size of the field (z, y, x) [pixels].
        sigma: standard deviation of a bump (z, y, x) [pixels].

    Returns:
        noise (z, y, x), periodic in y: shifted along y, a column enters again on the other side without a seam.
    """
    depth, height, width = shape
    over_z = _bumps(_knots(depth, sigma[0]), depth, sigma[0])
    over_y = _bumps(_periodic_knots(height, sigma[1]), height, sigma[1], period=height)
    over_x = _bumps(_knots(width, sigma[2]), width, sigma[2])
    weights = rng.standard_normal((over_z.shape[1], over_y.shape[1], over_x.shape[1]), dtype=np.float32)
    planes = over_y @ (weights @ over_x.T)
    return (over_z @ planes.reshape(len(planes), -1)).reshape(shape)


def _knots(length: int, sigma: float) -> NDArray[np.float64]:
    spacing = max(sigma, 1.0)
    return np.arange(-3 * spacing, length + 3 * spacing, spacing)


def _periodic_knots(length: int, sigma: float) -> NDArray[np.float64]:
    return np.linspace(0, length, max(1, round(length / max(sigma, 1.0))), endpoint=False)


def _bumps(knots: NDArray[np.float64], length: int, sigma: float, period: float = np.inf) -> FloatVolume:
    """Return a bump around each knot (position, knot); rows of unit norm give noise of unit variance everywhere."""
    distance = np.abs(np.arange(length)[:, None] - knots)
    distance = np.minimum(distance, period - distance)
    bumps = np.exp(-0.5 * (distance / sigma) ** 2)
    return np.asarray(bumps / np.linalg.norm(bumps, axis=1, keepdims=True), np.float32)


def highest(field: FloatVolume, field_of_view: NDArray[np.bool_], share: float) -> NDArray[np.bool_]:
    """Return where `field` is highest, cut so that this is a given share of the field of view.

    Args:
        field: values (z, y, x).
        field_of_view: where to count (y, x).
        share: 0 to 1.

    Returns:
        mask (z, y, x), outside the field of view too.
    """
    values = field[:, field_of_view].ravel()
    count = round(share * values.size)
    if count == 0:
        return np.zeros(field.shape, np.bool_)
    values.partition(values.size - count)
    return np.asarray(field >= values[values.size - count])
