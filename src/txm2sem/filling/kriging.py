"""Fill charged regions without training: kriging from the intact pixels around them, with the TXM as drift."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import gaussian_filter

from txm2sem.arrays import grey_array, mask_array
from txm2sem.data.transforms import empty_areas
from txm2sem.errors import UserError
from txm2sem.filling.tiles import blend_tiles
from txm2sem.metrics.spectra import Spectrum, rings_of
from txm2sem.tiling import Window

LARGEST_LAG = 64
"""Distance from which on pixels count as uncorrelated [pixels]."""

LEAST_PAIRS = 0.02
"""Lags are measured where the pairs of pixels are at least this share of the observed pixels."""

LEAST_POWER = 1e-5
"""Smallest power beside the largest, or that of white noise: with less the equations are ill-conditioned."""

DRIFT_SIGMA = 1.5
"""The TXM is smoothed by a Gaussian of this standard deviation [pixels] first: its noise says nothing of the SEM."""

TEXTURE_AMPLITUDE = 0.9
"""Amplitude of the texture beside that of the model: 0.9 dB less power, which is not seen, for a smaller error."""

TILE = 2048
"""Side of the area that is solved for at once [pixels], for the sake of memory; areas overlap by half."""

TOLERANCE = 1e-2
"""The equations count as solved when their residual is this small beside their right-hand side."""

MOST_ITERATIONS = 100


class KrigingFilling:
    """Fills slices by kriging, each by itself; see `krige`.

    Args:
        texture: whether the slices get the noise and texture of the rest.
        seed: of the texture; each slice has its own.
    """

    model_checksum = ""

    def __init__(self, texture: bool, seed: int) -> None:
        self.texture = texture
        self.seed = seed

    def __call__(
        self, sem: NDArray[Any], mask: NDArray[np.bool_], txm: NDArray[Any] | None, index: int
    ) -> NDArray[np.float32]:
        """Return the grey values of a slice inside its mask; see `Filling`."""
        return krige(sem, mask, txm, np.random.default_rng([self.seed, index]) if self.texture else None)


def krige(
    sem: NDArray[Any],
    mask: NDArray[np.bool_],
    txm: NDArray[Any] | None = None,
    texture: np.random.Generator | None = None,
) -> NDArray[np.float32]:
    """Estimate what a charged SEM shows inside its mask, from its intact pixels and the TXM where there is one.

    Regression kriging (Odeh et al. 1995, https://doi.org/10.1016/0016-7061(95)00007-B): the drift is a line through the
    smoothed TXM, or the mean; what it leaves is estimated linearly with the smallest expected squared error, given its
    covariance (simple kriging). Line and covariance are fitted to the intact pixels of this one slice, so nothing has
    to be trained. The estimate is smooth inside large regions. With `texture` it is one possible image instead, with
    the noise and texture of the rest (conditional simulation; Journel 1974,
    https://doi.org/10.2113/gsecongeo.69.5.673): better to look at, and its expected squared error is up to twice as
    large.

    Args:
        sem: (H, W), grey values; 0 is not imaged, and what it shows inside the mask has no influence.
        mask: (H, W), True, or above 0, where it is to be estimated.
        txm: (H, W), grey values of the same place; areas of 0 are not imaged.
        texture: generator that texture is drawn from; None estimates without.

    Returns:
        (H, W), grey values of the SEM inside the mask; outside they mean nothing. Black, 0, where the TXM shows that
        nothing was imaged, if the intact SEM is black in such places.

    Raises:
        UserError: no pixel is intact, or the arrays are not such ones.
    """
    sem = grey_array(sem, ("rows", "columns"), "sem")
    mask = mask_array(mask, sem.shape)
    txm = None if txm is None else grey_array(txm, ("rows", "columns"), "txm", shape=sem.shape)
    empty = _empty(sem, mask, txm)
    observed = ~mask & (sem != 0) & ~empty
    if not observed.any():
        raise UserError(
            "every pixel of the SEM is charged or 0; expected intact ones to estimate the others from: check the masks"
        )
    drift = _drift(sem, observed, txm)
    rest = np.where(observed, sem - drift, 0.0)
    power = covariance_spectrum(rest, observed)
    # One field for the whole slice, so that overlapping tiles are about the same image.
    field = np.zeros(sem.shape, np.float32)
    if texture is not None:
        field = TEXTURE_AMPLITUDE * simulate(power, sem.shape, texture)

    def estimate(tile: Window) -> NDArray[np.float32]:
        return simple_kriging(power, rest[tile] - field[tile], observed[tile])

    rows, columns = (min(TILE, length) for length in sem.shape)
    estimated = blend_tiles(mask & ~empty, (rows, columns), lambda tiles: map(estimate, tiles))
    filled: NDArray[np.float32] = np.where(empty, 0, drift + field + estimated).astype(np.float32)
    return filled


def covariance_spectrum(values: NDArray[np.float64], observed: NDArray[np.bool_]) -> Spectrum:
    """Return the power spectrum of an image of which some pixels are not known [grey values squared x pixels].

    From the semivariances g(h), half the mean squared differences of observed pixels at lag h, which holes hardly
    disturb (Matheron 1963, https://doi.org/10.2113/gsecongeo.58.8.1246): the covariance is the variance minus g(h),
    tapered to 0 at `LARGEST_LAG` by Parzen's window (Blackman-Tukey; Percival & Walden 1993, chapter 6), and its
    Fourier transform is averaged over rings: the same in all directions.

    Args:
        values: (H, W), of mean 0 over the observed pixels.
        observed: (H, W), True where `values` are known.
    """
    sides = [fft.next_fast_len(length + LARGEST_LAG, real=True) for length in values.shape]
    known = np.where(observed, values, 0.0)
    image, square, one = (fft.rfft2(part, sides) for part in (known, known**2, observed.astype(np.float64)))

    lags = np.arange(-LARGEST_LAG, LARGEST_LAG + 1)
    near = np.ix_(lags % sides[0], lags % sides[1])

    def sums(product: NDArray[np.complex128]) -> NDArray[np.float64]:
        at_lags: NDArray[np.float64] = fft.irfft2(product, sides)[near]
        return at_lags

    pairs = sums(np.abs(one) ** 2)
    semivariances = (sums((square * one.conj()).real) - sums(np.abs(image) ** 2)) / np.maximum(pairs, 1)
    variance = np.mean(values[observed] ** 2)
    covariances = variance - semivariances
    measured = pairs >= LEAST_PAIRS * np.count_nonzero(observed)
    distance = np.hypot(lags[:, None], lags[None]) / LARGEST_LAG
    taper = np.where(distance < 0.5, 1 - 6 * distance**2 * (1 - distance), 2 * np.maximum(1 - distance, 0) ** 3)
    torus = np.zeros((4 * LARGEST_LAG, 4 * LARGEST_LAG))
    torus[np.ix_(lags, lags)] = np.where(measured, covariances * taper, 0)
    rings = rings_of(torus.shape)
    power = rings.mean(fft.rfft2(torus).real)
    return Spectrum(rings.frequencies, np.maximum(power, LEAST_POWER * max(power.max(), variance)))


def _empty(sem: NDArray[Any], mask: NDArray[np.bool_], txm: NDArray[Any] | None) -> NDArray[np.bool_]:
    """Return where the TXM imaged nothing, (H, W), if most intact pixels of the SEM are 0 there; else nowhere."""
    if txm is None:
        return np.zeros(sem.shape, bool)
    empty: NDArray[np.bool_] = empty_areas(torch.from_numpy(txm == 0)[None, None])[0, 0].numpy()
    seen = empty & ~mask
    return empty if seen.any() and np.mean(sem[seen] == 0) > 0.5 else np.zeros_like(empty)


def _drift(sem: NDArray[Any], observed: NDArray[np.bool_], txm: NDArray[Any] | None) -> NDArray[np.float64]:
    """Return the grey values (H, W) that are expected from the TXM alone, or the mean of the observed ones."""
    known = sem[observed].astype(np.float64)
    if txm is None:
        return np.full(sem.shape, known.mean())
    smooth = gaussian_filter(txm.astype(np.float64), DRIFT_SIGMA)
    line = np.stack([smooth[observed], np.ones(len(known))], axis=1)
    (slope, offset), *_ = np.linalg.lstsq(line, known, rcond=None)
    drift: NDArray[np.float64] = slope * smooth + offset
    return drift


def simple_kriging(
    power: Spectrum, values: NDArray[np.floating[Any]], observed: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Return the simple kriging estimate (H, W) of a field of mean 0; where it is observed, its values.

    With C the covariance, K that between observed pixels, and y their values, it is C K^-1 y. C is a convolution, so
    products with it are Fourier transforms, and conjugate gradients solve K a = y without writing K down; their
    preconditioner is the inverse that K has where every pixel is observed.

    Args:
        power: the field's power spectrum.
        values: (H, W).
        observed: (H, W), True where `values` are known.
    """
    rows, columns = values.shape
    sides, covariance = _on_torus(power, values.shape)
    # Where the field is constant there is nothing to solve: the residual is zero from the start.
    inverse = np.reciprocal(covariance, where=covariance > 0, out=np.zeros_like(covariance))

    def convolved(image: NDArray[np.float32], kernel: NDArray[np.float32]) -> NDArray[np.float32]:
        filtered: NDArray[np.float32] = fft.irfft2(fft.rfft2(image, sides) * kernel, sides)[:rows, :columns]
        return filtered

    residual = np.where(observed, values, 0).astype(np.float32)
    weights, direction, projection = np.zeros_like(residual), np.zeros_like(residual), np.float32(1)
    enough = TOLERANCE**2 * np.vdot(residual, residual)
    for _ in range(MOST_ITERATIONS):
        if np.vdot(residual, residual) <= enough:
            break
        scaled = np.where(observed, convolved(residual, inverse), 0)
        before, projection = projection, np.vdot(residual, scaled)
        direction = scaled + projection / before * direction
        product = np.where(observed, convolved(direction, covariance), 0)
        step = projection / np.vdot(direction, product)
        weights += step * direction
        residual -= step * product
    return convolved(weights, covariance)


def simulate(power: Spectrum, shape: tuple[int, ...], generator: np.random.Generator) -> NDArray[np.float32]:
    """Return a Gaussian random field (H, W) of mean 0 with a power spectrum.

    By circulant embedding (Dietrich & Newsam 1997, https://doi.org/10.1137/S1064827592240555).
    """
    rows, columns = shape
    sides, covariance = _on_torus(power, shape)
    noise = generator.standard_normal(sides, np.float32)
    field: NDArray[np.float32] = fft.irfft2(fft.rfft2(noise) * np.sqrt(covariance), sides)[:rows, :columns]
    return field


def _on_torus(power: Spectrum, shape: tuple[int, ...]) -> tuple[list[int], NDArray[np.float32]]:
    """Return the sides of a torus on which an image has no neighbours behind its edges, and a power spectrum on it.

    The spectrum is laid out as `rfft2` does.
    """
    sides = [fft.next_fast_len(length + LARGEST_LAG, real=True) for length in shape]
    frequencies = np.hypot(fft.fftfreq(sides[0])[:, None], fft.rfftfreq(sides[1])[None])
    if not power.values.any():
        return sides, np.zeros(frequencies.shape, np.float32)
    # Powers of a smooth image fall by orders of magnitude from ring to ring.
    return sides, np.exp(np.interp(frequencies, power.frequencies, np.log(power.values))).astype(np.float32)
