"""How far a predicted standard deviation can be believed: its calibration, intervals, and order.

Standard deviations and errors are in grey levels of 255. All that is asked of them follows from counts of pixels by
both, so that pixels need not be kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

LEVELS = 256
"""Absolute errors of 8-bit images, 0 to 255."""

SMALLEST, LARGEST = 1e-3, 1e3
"""Standard deviations beyond these are counted with them [grey levels]."""

PER_DECADE = 40
"""Classes of standard deviations in a factor of ten."""

CLASSES = 1 + round(PER_DECADE * float(np.log10(LARGEST / SMALLEST)))

INTERVALS = {"68": 1.0, "95": 1.959964}
"""Half widths, in standard deviations, of the intervals that hold 68.3 and 95 % of a normal distribution."""

POINTS = 10
"""Points of a calibration curve, each of about as many pixels."""

REMOVED = np.arange(0, 1, 0.05)
"""Shares of the pixels that are left out for a sparsification curve."""

SHARES = np.linspace(0, 1, 1001)
"""Shares of the mean variance that a fit may find in the raw one."""


class SpreadCounts:
    """Counts of pixels by standard deviation and absolute error.

    Attributes:
        counts: pixels by class of the standard deviation and by error, (CLASSES, LEVELS).
        variances: sum of the variances in each class [grey levels²].
    """

    def __init__(self) -> None:
        self.counts = np.zeros((CLASSES, LEVELS), np.int64)
        self.variances = np.zeros(CLASSES)

    def add(self, spread: NDArray[np.float32], error: NDArray[np.integer]) -> None:
        """Count pixels.

        Args:
            spread: standard deviation of each, (N,) [grey levels].
            error: absolute error of each, (N,), whole numbers from 0 to 255.
        """
        decades = np.log10(np.clip(spread, SMALLEST, LARGEST) / SMALLEST)
        classes = np.rint(decades * PER_DECADE).astype(np.int64)
        size = CLASSES * LEVELS
        self.counts += np.bincount(classes * LEVELS + error, minlength=size).reshape(CLASSES, LEVELS)
        self.variances += np.bincount(classes, spread.astype(np.float64) ** 2, minlength=CLASSES)

    @property
    def pixels(self) -> Values:
        """Pixels of each class that has any, (K,)."""
        pixels: Values = self._counted.sum(axis=1).astype(np.float64)
        return pixels

    @property
    def raw(self) -> Values:
        """Mean variance of each class that has pixels, (K,) [grey levels²], ascending."""
        variances: Values = self.variances[self.counts.any(axis=1)] / self.pixels
        return variances

    @property
    def squared(self) -> Values:
        """Mean squared error of each class that has pixels, (K,) [grey levels²]."""
        squares: Values = self._counted @ np.arange(LEVELS, dtype=np.float64) ** 2 / self.pixels
        return squares

    @property
    def errors(self) -> NDArray[np.int64]:
        """Pixels by error, (LEVELS,)."""
        errors: NDArray[np.int64] = self.counts.sum(axis=0)
        return errors

    def within(self, spreads: Values, width: float) -> float:
        """Return the share of pixels whose error is at most `width` standard deviations; `spreads` has those of the
        classes, (K,)."""
        reached = np.floor(width * spreads).clip(0, LEVELS - 1).astype(np.int64)
        inside = np.cumsum(self._counted, axis=1)[np.arange(len(reached)), reached]
        return float(inside.sum() / self.pixels.sum())

    @property
    def _counted(self) -> NDArray[np.int64]:
        counted: NDArray[np.int64] = self.counts[self.counts.any(axis=1)]
        return counted


@dataclass(frozen=True)
class VarianceCalibration:
    """Calibrated variance = offset + slope * raw variance [grey levels²].

    Attributes:
        offset: what the raw variance does not see, 0 or above.
        slope: 0 or above; 0 where the raw variance says nothing of the error.
    """

    offset: float
    slope: float

    def __call__(self, spread: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return calibrated standard deviations of raw ones, of any shape [grey levels]."""
        calibrated: NDArray[np.float32] = np.sqrt(np.float32(self.offset) + np.float32(self.slope) * spread**2)
        return calibrated

    @classmethod
    def fit(cls, counted: SpreadCounts) -> VarianceCalibration:
        """Return the one under which the errors counted are the most likely.

        It minimises the mean over pixels of log s² + e² / s², with s² the calibrated variance and e the error: the
        negative log-likelihood of a normal distribution. Whatever the distribution of e is, its mean square then is s²
        (quasi-likelihood; Wedderburn 1974, Biometrika 61, 439), and errors count relative to s: least squares would see
        to the pixels with the largest ones only. For each share of the raw variance in the whole, the best s² is known
        but for its scale, which is a mean; so the shares are tried one by one, and 0 and 1 bound them.
        """
        pixels, raw, squared = counted.pixels, counted.raw, counted.squared
        weights = pixels / pixels.sum()
        mean_raw, mean_squared = float(weights @ raw), float(weights @ squared)
        if mean_raw == 0 or mean_squared == 0:
            return cls(mean_squared, 0.0)
        form = (1 - SHARES)[:, None] + SHARES[:, None] * raw / mean_raw
        with np.errstate(divide="ignore", invalid="ignore"):
            scales = (squared / form) @ weights
            costs = np.log(form) @ weights + np.log(scales)
        best = int(np.nanargmin(np.where(np.isfinite(costs), costs, np.inf)))
        scale, share = float(scales[best]), float(SHARES[best])
        return cls(scale * (1 - share), scale * share / mean_raw)


@dataclass(frozen=True)
class CalibrationCurve:
    """Points of about as many pixels each, in the order of their standard deviation [grey levels].

    Attributes:
        raw: root of the mean raw variance of each.
        calibrated: the same, calibrated.
        rms_error: root of the mean squared error: equal to `calibrated` where that is right.
        share: of the pixels, 0 to 1.
    """

    raw: list[float]
    calibrated: list[float]
    rms_error: list[float]
    share: list[float]


@dataclass(frozen=True)
class Sparsification:
    """Error of what is left when the pixels with the largest standard deviations are left out.

    Ilg et al. 2018 (arXiv 1802.07095), section 5.1.

    Attributes:
        removed: shares of the pixels that are left out.
        rms_error: of the rest, relative to that of all.
        best: the same, where the pixels with the largest errors are left out.
        area: between the two curves: 0 where the standard deviation puts the pixels in the order of their errors.
        area_of_constant: the same for one that is the same everywhere.
    """

    removed: list[float]
    rms_error: list[float]
    best: list[float]
    area: float
    area_of_constant: float


@dataclass(frozen=True)
class Reliability:
    """How a standard deviation compares with the errors that were made.

    Attributes:
        pixels: that were counted.
        rms_error: root of their mean squared error [grey levels].
        mean_spread: root of their mean calibrated variance [grey levels].
        curve: errors by standard deviation.
        coverage: share of the pixels within the intervals of 68 and 95 %, of `raw` and of `calibrated` ones.
        sparsification: how well it orders the errors.
    """

    pixels: int
    rms_error: float
    mean_spread: float
    curve: CalibrationCurve
    coverage: dict[str, dict[str, float]]
    sparsification: Sparsification

    @classmethod
    def of(cls, counted: SpreadCounts, calibration: VarianceCalibration) -> Reliability:
        """Return how raw and calibrated standard deviations compare with the errors counted."""
        pixels, raw, squared = counted.pixels, counted.raw, counted.squared
        weights = pixels / pixels.sum()
        calibrated = calibration.offset + calibration.slope * raw
        coverage = {
            name: {level: counted.within(np.sqrt(variance), width) for level, width in INTERVALS.items()}
            for name, variance in (("raw", raw), ("calibrated", calibrated))
        }
        return cls(
            pixels=int(pixels.sum()),
            rms_error=float(np.sqrt(weights @ squared)),
            mean_spread=float(np.sqrt(weights @ calibrated)),
            curve=_curve(weights, raw, calibrated, squared),
            coverage=coverage,
            sparsification=_sparsify(counted),
        )


def _curve(weights: Values, raw: Values, calibrated: Values, squared: Values) -> CalibrationCurve:
    middles = np.cumsum(weights) - weights / 2
    points = np.minimum((middles * POINTS).astype(int), POINTS - 1)
    members = [points == point for point in np.unique(points)]

    def root_means(values: Values) -> list[float]:
        return [float(np.sqrt(np.average(values[one], weights=weights[one]))) for one in members]

    shares = [float(weights[one].sum()) for one in members]
    return CalibrationCurve(root_means(raw), root_means(calibrated), root_means(squared), shares)


def _sparsify(counted: SpreadCounts) -> Sparsification:
    levels = np.arange(LEVELS, dtype=np.float64) ** 2
    left = _rest(counted.pixels, counted.squared)
    best = _rest(counted.errors.astype(np.float64), levels)
    whole = left[0]
    if whole == 0:
        return Sparsification(REMOVED.tolist(), left.tolist(), best.tolist(), 0.0, 0.0)
    left, best = left / whole, best / whole
    return Sparsification(
        REMOVED.tolist(), left.tolist(), best.tolist(), float(np.mean(left - best)), float(np.mean(1 - best))
    )


def _rest(pixels: Values, squared: Values) -> Values:
    """Return the RMS error of what is left when the last of ordered classes are left out, for each of `REMOVED`."""
    counts, sums = (np.concatenate([[0], np.cumsum(part)]) for part in (pixels, pixels * squared))
    kept = (1 - REMOVED) * counts[-1]
    rest: Values = np.sqrt(np.interp(kept, counts, sums) / kept)
    return rest
