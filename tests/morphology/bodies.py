"""Volumes that tests measure."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from txm2sem.morphology.boxes import Shape

Mask = NDArray[np.bool_]


def everything(phase: Mask) -> Mask:
    """Return a mask that has all voxels."""
    return np.ones_like(phase)


def blobs(shape: Shape, fraction: float, seed: int = 0, width: float = 2) -> Mask:
    """Return the highest part of a smooth random field, which hangs together where its fraction is above a sixth."""
    field = gaussian_filter(np.random.default_rng(seed).normal(size=shape), width)
    return np.asarray(field > np.quantile(field, 1 - fraction))


def ball(radius: float, size: int, centre: tuple[float, float, float] | None = None) -> Mask:
    """Return the voxels of a cube whose centres are within a radius of a place; of its middle, if none is named."""
    z, y, x = np.indices((size, size, size)) - np.reshape(centre or ((size - 1) / 2,) * 3, (3, 1, 1, 1))
    return np.asarray(z**2 + y**2 + x**2 <= radius**2)


@st.composite
def volumes(draw: st.DrawFn, longest: int = 12) -> tuple[Mask, Mask]:
    """Draw a phase of random voxels or blobs, and a mask that leaves out none or some."""
    length = st.integers(1, longest)
    shape = draw(st.tuples(length, length, length))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    fraction, width = draw(st.sampled_from([0.1, 0.3, 0.5, 0.9])), draw(st.sampled_from([0.0, 0.7, 1.5]))
    phase = blobs(shape, fraction, int(rng.integers(2**16)), width)
    valid = rng.random(shape) < draw(st.sampled_from([0.8, 1.0]))
    return phase, np.asarray(valid)
