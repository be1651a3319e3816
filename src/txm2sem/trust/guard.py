"""The hallucination guard: where the TXM that a prediction would have given is not the one that was measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from txm2sem.metrics import TERMS, RidgeSums, degradation_terms, gaussian, gaussian_over

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]

FALSE_ALARMS = 0.01
"""Share of the validation pixels whose true SEM contradicts the TXM, by the choice of the threshold."""

SMOOTHINGS = (1.0, 2.0, 4.0, 6.0)
"""Widths to which differences are smoothed, of which one is chosen [pixels]."""

BACKGROUND = 4.0
"""What differences have in common within so many times that width is taken off: shading, and how bright a slice is."""

LITTLE_EXPLAINED, FEW_NOTICED = 0.05, 0.1
"""A guard that explains less of the TXM's variance, or notices less of what is planted, can tell little."""

PLANTED_RADIUS = 8
"""Radius of the discs of other SEM that the guard is tried on [pixels]."""

PLANTED_DIFFERENCE = 0.5
"""Pixels of a disc count where its SEM differs by this from the true one (a quarter of the grey range), blurred by
`PLANTED_BLUR` pixels: elsewhere there is nothing to notice."""

PLANTED_BLUR = 2.0


class Pair(NamedTuple):
    """TXM and SEM of one place.

    Attributes:
        txm: (H, W) in [-1, 1], as the network sees it.
        sem: (H, W) in [-1, 1].
        valid: pixels that are imaged and uncharged, (H, W); None: all.
    """

    txm: Image
    sem: Image
    valid: Mask | None


@dataclass(frozen=True)
class Guard:
    """A model that makes TXM from SEM, and how far it usually is from the TXM.

    TXM = sum over widths s of c_s G_s * SEM + d_s (G_s * SEM)² + background, with G_s * a Gaussian blur. The difference
    from the TXM is smoothed, less its background, and measured by what it is for the true SEM of the validation split.

    Attributes:
        coefficients: of the terms of `degradation_terms`.
        smoothing: of differences, standard deviation of the Gaussian [pixels]: the one of `SMOOTHINGS` with which most
            of the planted SEM is noticed.
        centre, spread: mean and standard deviation of the smoothed difference for the true SEM.
        threshold: size of the score that `FALSE_ALARMS` of the pixels of the true SEM reach.
        explained_variance: share of the TXM's variance on the validation split, smoothed and less its background, that
            the model explains from the true SEM; below 0 where none at all would be nearer.
        noticed: share of the pixels that reach the threshold where SEM from elsewhere, in discs of 16 pixels planted
            into the true SEM of the validation split, differs from it by a quarter of the grey range: what the guard
            can see.
    """

    coefficients: tuple[float, ...]
    smoothing: float
    centre: float
    spread: float
    threshold: float
    explained_variance: float
    noticed: float

    def scores(self, pair: Pair) -> Image:
        """Return how far the TXM is from what a SEM (or a prediction) would have given, (H, W) float32.

        In standard deviations of what it is for the true SEM; positive where the TXM is brighter than it should be. 0
        where pixels do not count.
        """
        found = _smoothed(_difference(pair, self.coefficients), self.smoothing, pair.valid)
        scores = (found - np.float32(self.centre)) / np.float32(self.spread)
        return scores if pair.valid is None else np.where(pair.valid, scores, np.float32(0))

    def contradicts(self, scores: Image) -> Mask:
        """Return where scores, of any shape, reach the threshold."""
        return np.abs(scores) >= self.threshold


def fit_guard(training: Iterable[Pair], validation: Sequence[Pair]) -> Guard:
    """Fit the model on pairs of the training split, and measure it on those of the validation split."""
    sums = RidgeSums(TERMS)
    for pair in training:
        counted = np.ones(pair.txm.shape, np.bool_) if pair.valid is None else pair.valid
        terms = np.stack([term[counted] for term in degradation_terms(pair.sem, pair.valid)])
        sums.add(terms, pair.txm[counted])
    coefficients = tuple(sums.solve().tolist())
    guards = [_measured(coefficients, smoothing, validation) for smoothing in SMOOTHINGS]
    return max(guards, key=lambda guard: guard.noticed)


def _measured(coefficients: tuple[float, ...], smoothing: float, validation: Sequence[Pair]) -> Guard:
    """Return the guard with a smoothing: its scale, threshold and sensitivity on pairs of the validation split."""

    def found(pair: Pair) -> Image:
        return _smoothed(_difference(pair, coefficients), smoothing, pair.valid)

    grey = np.concatenate([_counted(_smoothed(pair.txm, smoothing, pair.valid), pair.valid) for pair in validation])
    left = np.concatenate([_counted(found(pair), pair.valid) for pair in validation])
    centre, spread = float(left.mean()), max(float(left.std()), 1e-6)
    threshold = float(np.quantile(np.abs(left - centre) / spread, 1 - FALSE_ALARMS))
    planted = [_planted(pair, other) for pair, other in zip(validation, _others(validation), strict=True)]
    there = np.concatenate([found(pair)[place] for pair, place in planted])
    return Guard(
        coefficients=coefficients,
        smoothing=smoothing,
        centre=centre,
        spread=spread,
        threshold=threshold,
        explained_variance=1 - float(np.mean(left**2)) / max(float(np.mean(grey**2)), 1e-12),
        noticed=float(np.mean(np.abs(there - centre) / spread >= threshold)) if there.size else 0.0,
    )


def _difference(pair: Pair, coefficients: Sequence[float]) -> Image:
    """Return TXM - model(SEM), (H, W), with its background."""
    difference = pair.txm.copy()
    for coefficient, term in zip(coefficients, degradation_terms(pair.sem, pair.valid), strict=True):
        difference -= np.float32(coefficient) * term
    return difference


def _smoothed(image: Image, smoothing: float, valid: Mask | None) -> Image:
    """Return an image (H, W) smoothed, less its background."""
    near, background = (gaussian_over(image, valid, sigma)[0] for sigma in (smoothing, BACKGROUND * smoothing))
    return near - background


def _others(pairs: Sequence[Pair]) -> list[Image]:
    """Return SEM from elsewhere for each pair: that of the next one, upside down."""
    return [pairs[(number + 1) % len(pairs)].sem[::-1] for number in range(len(pairs))]


def _planted(pair: Pair, other: Image) -> tuple[Pair, Mask]:
    """Return a pair with a disc of another SEM in its middle, and where that can be noticed."""
    rows, columns = (np.arange(side) - (side - 1) / 2 for side in pair.sem.shape)
    disc = np.hypot(rows[:, None], columns[None]) < min(PLANTED_RADIUS, *(side / 4 for side in pair.sem.shape))
    differs = np.abs(gaussian(other - pair.sem, PLANTED_BLUR)) >= PLANTED_DIFFERENCE
    place = disc & differs if pair.valid is None else disc & differs & pair.valid
    return pair._replace(sem=np.where(disc, other, pair.sem)), place


def _counted(image: Image, valid: Mask | None) -> Image:
    return image.ravel() if valid is None else image[valid]
