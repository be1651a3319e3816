"""Where to begin: every turn, scale and mirroring is tried on small images, all shifts at once by Fourier transform."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
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
        number: of the image of the TXM, where there are several.
    """

    matrix: Matrix
    score: float
    sign: int
    number: int = 0


def search(txm: Level, sem: Level, start: Matrix, space: Space) -> Candidate:
    """Return the best place to begin.

    All of the space is tried in coarse steps, then what is around the best few in finer ones.

    Args:
        txm: reduced; what does not count takes no part.
        sem: reduced.
        start: from pixels of the SEM to those of the TXM, both reduced.
        space: what is searched around it.
    """
    step = step_of(txm, sem, start)
    found = distinct(correlated([txm], sem, turns(sem, start, space, step)), sem)
    return best(one for begun in found for one in correlated([txm], sem, finer_turns(sem, begun.matrix, space, step)))


def best(found: Iterable[Candidate]) -> Candidate:
    """Return the one of the highest score."""
    return max(found, key=lambda one: one.score)


def step_of(txm: Level, sem: Level, start: Matrix) -> float:
    """Return the distance at which turns [radians] and logarithms of scales are tried."""
    side = min(max(txm.values.shape), max(sem.values.shape) * scale_of(start))
    return float(STEP * 128 / max(side, 32))


def turns(sem: Level, start: Matrix, space: Space, step: float) -> list[Matrix]:
    """Return the maps to try around a start."""
    middle = (np.array(sem.values.shape) - 1) / 2
    return [start @ turned(*change, middle, middle) for change in space.changes(step)]


def finer_turns(sem: Level, start: Matrix, space: Space, step: float) -> list[Matrix]:
    """Return the maps to try around one that was found in steps of this size."""
    finer = Space(
        angle=np.degrees(step) / 2 if space.angle > 0 else 0.0,
        scales=(np.exp(-step / 2), np.exp(step / 2)) if space.scales[0] < space.scales[1] else (1.0, 1.0),
    )
    return turns(sem, start, finer, step / 2)


def correlated(txms: Sequence[Level], sem: Level, turns: Sequence[Matrix]) -> list[Candidate]:
    """Return for each turn and each image of the TXM the shift at which it agrees best with the SEM.

    The middle of the SEM stays on the TXM.

    Args:
        txms: of one shape.
        sem: what is moved.
        turns: from pixels of the SEM to those of the TXM; how they shift changes nothing.
    """
    shape = txms[0].values.shape
    middle = (np.array(sem.values.shape) - 1) / 2
    corners = np.array(list(itertools.product((-1, 1), (-1, 1)))) * middle
    # The canvas holds the SEM however it is turned.
    half = int(np.ceil(max(float(np.abs(corners @ turn[:2, :2].T).max()) for turn in turns)))
    side = 2 * half + 1
    padded = [next_fast_len(length + half, real=True) for length in shape]
    lags = np.ix_(*((np.arange(length) - half) % total for length, total in zip(shape, padded, strict=True)))

    def transform(part: NDArray[np.float32]) -> NDArray[np.complex64]:
        transformed: NDArray[np.complex64] = rfft2(part, padded)
        return transformed

    def product(ours: NDArray[np.complex64], theirs: NDArray[np.complex64]) -> NDArray[np.float32]:
        surface: NDArray[np.float32] = irfft2(ours * theirs, padded)[lags]
        return surface

    ours = [transform(txm.values) for txm in txms]
    # Many images count where others do: what they have in common with a turn is worked out once.
    kinds: list[NDArray[np.float32]] = []
    kind_of = []
    for txm in txms:
        kind_of.append(next((i for i, kind in enumerate(kinds) if np.array_equal(kind, txm.counts)), len(kinds)))
        kinds += [txm.counts] if kind_of[-1] == len(kinds) else []
    counts = [transform(part) for part in kinds]
    found = []
    for turn in turns:
        placed = turn.copy()
        placed[:2, 2] = half - turn[:2, :2] @ middle
        theirs, their_counts = (
            transform(resampled(part, placed, (side, side))).conj() for part in (sem.values, sem.counts)
        )
        roots = []
        for part in counts:
            number = product(part, their_counts)
            roots.append(np.sqrt(np.maximum(number, MIN_OVERLAP * number.max() + 1)))
        for index, kind in enumerate(kind_of):
            score = product(ours[index], theirs) / roots[kind]
            row, column = np.unravel_index(np.argmax(np.abs(score)), score.shape)
            matrix = placed.copy()
            matrix[:2, 2] += row - half, column - half
            value = float(score[row, column])
            found.append(Candidate(matrix, abs(value), 1 if value >= 0 else -1, index))
    return found


def distinct(found: Sequence[Candidate], sem: Level) -> list[Candidate]:
    """Return the best that differ from each other, best first."""
    kept: list[Candidate] = []
    middle = (np.array(sem.values.shape) - 1) / 2
    points = middle + np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]]) * middle / 2
    for one in sorted(found, key=lambda one: -one.score):
        away = [
            np.hypot(*(mapped(one.matrix, points) - mapped(other.matrix, points)).T).mean()
            + abs(one.number - other.number)
            for other in kept
        ]
        if len(kept) < MOST and all(distance > DIFFERENT for distance in away):
            kept.append(one)
    return kept
