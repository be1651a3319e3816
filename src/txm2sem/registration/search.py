"""Where to begin: every turn, scale and mirroring is tried on small images, all shifts at once by Fourier transform."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, next_fast_len, rfft2

from txm2sem.registration.features import Level
from txm2sem.registration.transforms import Matrix, mapped, resampled, scale_of, turned

STEP = 0.045
"""Turns [radians] and logarithms of scales are tried at this distance on 128 pixels: those between move structure by
a pixel or so, less than its size after smoothing."""

DIFFERENT = 4.0
"""Two places to begin count as one where they lie closer than this, on average [pixels]."""

MOST = 6
"""Places around which is searched in finer steps."""

MIN_OVERLAP = 0.25
"""Fewer pixels that both have than this share of the most count as so many: few agree well by chance."""


@dataclass(frozen=True)
class Space:
    """What is searched around a start.

    Attributes:
        angle: turns up to this to either side [degrees].
        scales: lowest and highest scale, relative to the start's.
        mirrors: mirrored first or not.
        quarters: turns by so many times 90 degrees in addition.
    """

    angle: float
    scales: tuple[float, float]
    mirrors: tuple[bool, ...] = (False,)
    quarters: tuple[int, ...] = (0,)

    def changes(self, step: float) -> Iterator[tuple[float, float, bool]]:
        """Yield (angle, scale, mirror) to try, with a largest step of turns [radians] and logarithms of scales."""
        low, high = np.log(self.scales)
        scales = np.exp(_between(low, high, step))
        angles = _between(-self.angle, self.angle, np.degrees(step))
        for mirror, quarter, scale, angle in itertools.product(self.mirrors, self.quarters, scales, angles):
            yield angle + 90 * quarter, scale, mirror


def _between(low: float, high: float, step: float) -> NDArray[np.float64]:
    """Return values at most a step apart, both ends among them."""
    return np.linspace(low, high, int(np.ceil((high - low) / step - 1e-9)) + 1) if high > low else np.array([low])


@dataclass(frozen=True)
class Candidate:
    """A place to begin.

    Attributes:
        matrix: from pixels of the SEM to those of the TXM, both reduced.
        score: sum of the products where both count : the root of their number, which is 1 where there is only noise.
        sign: 1, or -1 where bright and dark are exchanged.
    """

    matrix: Matrix
    score: float
    sign: int


def search(txm: Level, sem: Level, start: Matrix, space: Space) -> Candidate:
    """Return the best place to begin.

    All of the space is tried in coarse steps, then what is around the best few in finer ones.

    Args:
        txm: reduced; what does not count takes no part.
        sem: reduced.
        start: from pixels of the SEM to those of the TXM, both reduced.
        space: what is searched around it.
    """
    rows, columns = sem.values.shape
    side = min(max(txm.values.shape), max(rows, columns) * scale_of(start))
    step = STEP * 128 / max(side, 32)
    middle = (np.array([rows, columns]) - 1) / 2

    def turns(centre: Matrix, around: Space, by: float) -> list[Matrix]:
        return [centre @ turned(*change, middle, middle) for change in around.changes(by)]

    found = _correlated(txm, sem, turns(start, space, step))
    finer = Space(
        angle=np.degrees(step) / 2 if space.angle > 0 else 0.0,
        scales=(np.exp(-step / 2), np.exp(step / 2)) if space.scales[0] < space.scales[1] else (1.0, 1.0),
    )
    found = [
        max(_correlated(txm, sem, turns(one.matrix, finer, step / 2)), key=lambda one: one.score)
        for one in _distinct(found, middle)
    ]
    return max(found, key=lambda one: one.score)


def _correlated(txm: Level, sem: Level, turns: Sequence[Matrix]) -> list[Candidate]:
    """Return for each turn the shift at which the images agree best; the middle of the SEM stays on the TXM."""
    middle = (np.array(sem.values.shape) - 1) / 2
    corners = np.array(list(itertools.product((-1, 1), (-1, 1)))) * middle
    # The canvas holds the SEM however it is turned.
    half = int(np.ceil(max(float(np.abs(corners @ turn[:2, :2].T).max()) for turn in turns)))
    side = 2 * half + 1
    padded = [next_fast_len(length + half, real=True) for length in txm.values.shape]
    lags = np.ix_(*((np.arange(length) - half) % total for length, total in zip(txm.values.shape, padded, strict=True)))

    def transform(part: NDArray[np.float32]) -> NDArray[np.complex64]:
        transformed: NDArray[np.complex64] = rfft2(part, padded)
        return transformed

    values, counts = transform(txm.values), transform(txm.counts)
    found = []
    for turn in turns:
        placed = turn.copy()
        placed[:2, 2] = half - turn[:2, :2] @ middle
        product, number = (
            irfft2(ours * transform(resampled(theirs, placed, (side, side))).conj(), padded)[lags]
            for ours, theirs in ((values, sem.values), (counts, sem.counts))
        )
        score = product / np.sqrt(np.maximum(number, MIN_OVERLAP * number.max() + 1))
        row, column = np.unravel_index(np.argmax(np.abs(score)), score.shape)
        placed[:2, 2] += row - half, column - half
        value = float(score[row, column])
        found.append(Candidate(placed, abs(value), 1 if value >= 0 else -1))
    return found


def _distinct(found: Sequence[Candidate], middle: NDArray[np.float64]) -> list[Candidate]:
    """Return the best that differ from each other, best first."""
    kept: list[Candidate] = []
    points = middle + np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]]) * middle / 2
    for one in sorted(found, key=lambda one: -one.score):
        away = [np.hypot(*(mapped(one.matrix, points) - mapped(other.matrix, points)).T).mean() for other in kept]
        if len(kept) < MOST and all(distance > DIFFERENT for distance in away):
            kept.append(one)
    return kept
