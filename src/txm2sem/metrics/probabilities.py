"""How far predicted probabilities of classes can be believed: their calibration, and what they say beside the truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Values = NDArray[np.float64]
Classes = NDArray[np.integer[Any]]

BINS = 15
"""Ranges of the probability, of equal width, of a reliability curve and of calibration errors (Guo et al. 2017)."""

DEAREST = 2.0**-30
"""A pixel whose true class has a smaller probability than this costs as much as with it: 30 bits."""

LARGEST = 100.0
"""The largest factor by which a calibration makes logits larger or smaller, and the largest size of its biases."""

PARTS = (1, 2, 4, 8)
"""Parts of the side of a patch that are blocks in space."""

FEWEST = 8
"""Blocks from which a standard error can be told."""


@dataclass(frozen=True)
class ClassCalibration:
    """Calibrated probabilities = softmax(scales * logits + biases), of each class with its own.

    Vector scaling (Guo et al. 2017, arXiv 1706.04599, section 4.2): a temperature, 1 / scale, for each class, and a
    bias, which undoes that classes had other weights in the training than in the rock.

    Attributes:
        scales: of the classes, (C,), above 0.
        biases: of the classes, (C,); their mean is 0.
    """

    scales: tuple[float, ...]
    biases: tuple[float, ...]

    def __call__(self, logits: Tensor) -> Tensor:
        """Return the probabilities of logits, both (N, C, H, W)."""
        scales, biases = (logits.new_tensor(each)[:, None, None] for each in (self.scales, self.biases))
        return (scales * logits + biases).softmax(dim=1)

    @classmethod
    def none(cls, classes: int) -> ClassCalibration:
        """Return the one that changes nothing."""
        return cls((1.0,) * classes, (0.0,) * classes)

    @classmethod
    def fit(cls, logits: NDArray[np.float32], classes: Classes) -> ClassCalibration:
        """Return the one under which pixels are the likeliest to have their classes.

        The mean probability of each class then is its share of these pixels.

        Args:
            logits: (N, C).
            classes: (N,), 0 to C - 1, each of them there.
        """
        # Which nothing but a fit needs, and take a third of a second to import.
        from scipy.optimize import minimize
        from scipy.special import log_softmax

        exact, count = logits.astype(np.float64), logits.shape[1]
        true = np.eye(count)[classes]

        def cost(parameters: Values) -> tuple[float, Values]:
            """Return the mean negative log-likelihood, which is convex, and its gradient."""
            logs = log_softmax(parameters[:count] * exact + parameters[count:], axis=1)
            excess = np.exp(logs) - true
            gradient = np.concatenate([(excess * exact).mean(axis=0), excess.mean(axis=0)])
            return -float((logs * true).sum(axis=1).mean()), gradient

        start = np.repeat([1.0, 0.0], count)
        bounds = [*[(1 / LARGEST, LARGEST)] * count, *[(-LARGEST, LARGEST)] * count]
        # By default it ends where the cost changes little, and the mean probabilities may still do.
        found = minimize(cost, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-12, "gtol": 1e-6})
        scales, biases = found.x[:count], found.x[count:]
        return cls(tuple(scales.tolist()), tuple((biases - biases.mean()).tolist()))


@dataclass(frozen=True)
class ReliabilityCurve:
    """Pixels by the probability of a class, in `BINS` ranges of which those without pixels are left out.

    Attributes:
        predicted: mean probability of each.
        true: share of its pixels that are of the class: equal to `predicted` where that is right.
        share: of all pixels.
    """

    predicted: list[float]
    true: list[float]
    share: list[float]


@dataclass(frozen=True)
class ClassReliability:
    """How probabilities of classes compare with the true classes.

    Attributes:
        pixels: that were counted.
        bits_per_pixel: mean of -log2 of the probability of the true class.
        calibration_error: expected calibration error of the likeliest class: mean over pixels, in `BINS` ranges of its
            probability, of the difference between that and how often it is right (Naeini et al. 2015, AAAI; Guo et al.
            2017, arXiv 1706.04599, eq. 3).
        class_calibration_errors: the same of each class, whether or not it is the likeliest (Kull et al. 2019,
            arXiv 1910.12656, section 2).
        expected_shares: mean probability of each class.
        true_shares: share of the pixels that are of it.
        curves: of each class.
    """

    pixels: int
    bits_per_pixel: float
    calibration_error: float
    class_calibration_errors: list[float]
    expected_shares: list[float]
    true_shares: list[float]
    curves: list[ReliabilityCurve]


class ProbabilityCounts:
    """Counts of pixels by predicted probability and true class, so that pixels need not be kept.

    Args:
        classes: C.

    Attributes:
        sums: number of pixels, sum of the probabilities, and number of true ones, by class and range, (3, C + 1, BINS);
            the last class is the likeliest, whichever that is.
        bits: sum of -log2 of the probability of the true class.
    """

    def __init__(self, classes: int) -> None:
        self.sums = np.zeros((3, classes + 1, BINS))
        self.bits = 0.0

    def add(self, probabilities: NDArray[np.float32], classes: Classes) -> None:
        """Count pixels.

        Args:
            probabilities: of each class, (C, N), 0 to 1.
            classes: true ones, (N,), 0 to C - 1.
        """
        count = len(probabilities)
        right = classes == np.arange(count)[:, None]
        likeliest, pixels = probabilities.argmax(axis=0), np.arange(len(classes))
        shown = [*zip(probabilities, right, strict=True), (probabilities.max(axis=0), likeliest == classes)]
        for row, (probability, true) in enumerate(shown):
            ranges = np.minimum((probability * BINS).astype(np.int64), BINS - 1)
            for total, weights in zip(self.sums, (None, probability, true), strict=True):
                total[row] += np.bincount(ranges, weights, minlength=BINS)
        self.bits -= float(np.log2(np.maximum(probabilities[classes, pixels], DEAREST), dtype=np.float64).sum())

    def reliability(self) -> ClassReliability:
        """Return how the probabilities compare with the true classes; of one pixel at least."""
        pixels, sums, true = self.sums
        total = float(pixels[-1].sum())
        errors = (np.abs(sums - true).sum(axis=1) / total).tolist()
        return ClassReliability(
            pixels=int(total),
            bits_per_pixel=self.bits / total,
            calibration_error=errors[-1],
            class_calibration_errors=errors[:-1],
            expected_shares=(sums[:-1].sum(axis=1) / total).tolist(),
            true_shares=(true[:-1].sum(axis=1) / total).tolist(),
            curves=[_curve(*of_class, total) for of_class in zip(pixels[:-1], sums[:-1], true[:-1], strict=True)],
        )


def _curve(pixels: Values, sums: Values, true: Values, total: float) -> ReliabilityCurve:
    there = pixels > 0
    count = pixels[there]
    return ReliabilityCurve((sums[there] / count).tolist(), (true[there] / count).tolist(), (count / total).tolist())


def share_errors(excess: NDArray[np.floating[Any]], known: NDArray[np.bool_], slices: Sequence[int]) -> list[float]:
    """Return the standard error of the mean over pixels of a quantity whose neighbouring pixels are alike, (C,).

    That of independent pixels would be too small. So pixels are put together in blocks: parts of patches, patches, and
    slices. The standard error over blocks grows with them until they are larger than what is alike, so the largest is
    taken, of those sizes of which there are `FEWEST` blocks (Flyvbjerg and Petersen 1989, J. Chem. Phys. 91, 461).

    Args:
        excess: such as a probability less 1 where its class is the true one, else 0: (patches, C, H, W).
        known: pixels that count, (patches, H, W).
        slices: which slice each patch is of, (patches,).

    Returns:
        Of each class; 1, the largest that a share can be wrong, where there are too few blocks.
    """
    counted = np.concatenate([known[:, None], np.where(known[:, None], excess, 0)], axis=1).astype(np.float64)
    found = [_standard_errors(blocks) for blocks in _blocks(counted, slices) if len(blocks) >= FEWEST]
    errors: list[float] = np.max(found, axis=0).tolist() if found else [1.0] * excess.shape[1]
    return errors


def _blocks(counted: Values, slices: Sequence[int]) -> Iterator[Values]:
    """Yield sums over blocks of several sizes, (blocks, 1 + C); the first is the number of pixels, and above 0."""
    for parts in PARTS:
        if parts <= min(counted.shape[2:]):
            rows, columns = (np.arange(parts) * side // parts for side in counted.shape[2:])
            sums = np.add.reduceat(np.add.reduceat(counted, rows, axis=2), columns, axis=3)
            blocks = np.moveaxis(sums, 1, -1).reshape(-1, counted.shape[1])
            yield blocks[blocks[:, 0] > 0]
    whole = counted.sum(axis=(2, 3))
    yield np.stack([whole[np.equal(slices, one)].sum(axis=0) for one in sorted(set(slices))])


def _standard_errors(blocks: Values) -> Values:
    """Return the standard errors of a mean over pixels from sums over blocks, which have unequal numbers of pixels.

    Those of a ratio estimator (Cochran 1977, Sampling Techniques, eq. 6.13).
    """
    pixels, sums = blocks[:, :1], blocks[:, 1:]
    left = sums - pixels * (sums.sum(axis=0) / pixels.sum())
    count = len(blocks)
    errors: Values = np.sqrt(count / (count - 1) * (left**2).sum(axis=0)) / pixels.sum()
    return errors
