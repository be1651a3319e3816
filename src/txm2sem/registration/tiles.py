"""How far tiles of the SEM lie beside the TXM, and the map or the field that explains most of them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.fft import rfft2
from scipy.linalg import solveh_banded
from scipy.sparse import coo_matrix, csr_matrix, diags, identity, kron, triu

from txm2sem.metrics import Agreement, near_lags
from txm2sem.registration.features import Level
from txm2sem.registration.transforms import Field, Matrix, Model, Points, fitted, mapped, moved, resampled

AT_ONCE = 32
"""Tiles that are compared at a time: one by one, calls would take longer than what they compute; all at once, memory.
"""

BAND = 256
"""Rows in which tiles are compared by one thread: of all at once, what is made on the way would take a multiple of the
image's memory."""

MIN_COUNTS = 0.4
"""Share of a tile that must count."""

SPREADS = (4.0, 2.0, 1.5)
"""Standard deviations of the displacements of tiles around what the others let expect, one after the other [pixels]."""

Window = tuple[int, int]
"""First row and column of a tile."""


@dataclass(frozen=True)
class Tiles:
    """Correlations of tiles at all displacements.

    Attributes:
        centres: of the tiles on the TXM (K, 2) [pixels].
        surfaces: correlation at each displacement of the TXM against the SEM, none in the middle,
            (K, 2 M + 1, 2 M + 1).
        together: that of all tiles together.
    """

    centres: Points
    surfaces: NDArray[np.float64]
    together: Agreement | None

    @property
    def largest(self) -> int:
        """Largest displacement M [pixels]."""
        return int(self.surfaces.shape[-1]) // 2

    @property
    def here(self) -> NDArray[np.float64]:
        """Correlation of each tile without displacement (K,)."""
        return self.surfaces[:, self.largest, self.largest]

    @property
    def mean(self) -> float:
        """Mean of these, 0 where there are no tiles."""
        return float(self.here.mean()) if len(self.here) else 0.0

    def signed(self, sign: int) -> Tiles:
        """Return them as with bright and dark of one image exchanged, where the sign is -1."""
        if self.together is None:
            return self
        together = Agreement(sign * self.together.product, self.together.first, self.together.second)
        return Tiles(self.centres, sign * self.surfaces, together)


def measured(
    txm: Level,
    sem: Level,
    sign: int,
    to_txm: Matrix,
    field: Field | None,
    windows: Sequence[Window],
    side: int,
    largest: int,
) -> Tiles:
    """Compare tiles of the TXM with what a map puts there of the SEM, and around it.

    Args:
        txm, sem: comparable.
        sign: -1 where bright and dark are exchanged.
        to_txm: from pixels of the SEM to those of the TXM, as reduced.
        field: displacement on top, in pixels of the TXM, as reduced.
        windows: of the tiles on the TXM.
        side: of the tiles [pixels].
        largest: displacement [pixels].
    """
    layers = np.dstack([sem.values, sem.counts])

    def compared(some: Sequence[Window]) -> Tiles:
        band = _Band.of(txm, layers, sign, to_txm, field, (some[0][0], some[-1][0] + side), largest)
        return band.tiles(some, side, largest)

    bands = [list(some) for _, some in itertools.groupby(windows, lambda window: window[0] // BAND)]
    with ThreadPoolExecutor(max(cv2.getNumThreads(), 1)) as pool:
        parts = list(pool.map(compared, bands))
    none = Tiles(np.empty((0, 2)), np.empty((0, 2 * largest + 1, 2 * largest + 1)), None)
    return Tiles(
        np.concatenate([part.centres for part in (none, *parts)]),
        np.concatenate([part.surfaces for part in (none, *parts)]),
        reduce(add, together) if (together := [part.together for part in parts if part.together]) else None,
    )


@dataclass(frozen=True)
class _Band:
    """Both images in some rows of the TXM and all columns, with room around them for the largest displacement.

    Attributes:
        first: row that has no room above it.
        txm, sem: values, 0 where they do not count (H, W).
        txm_counts, sem_counts: where they are known (H, W).
    """

    first: int
    txm: NDArray[np.float32]
    txm_counts: NDArray[np.bool_]
    sem: NDArray[np.float32]
    sem_counts: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        txm: Level,
        layers: NDArray[np.float32],
        sign: int,
        to_txm: Matrix,
        field: Field | None,
        rows: tuple[int, int],
        room: int,
    ) -> _Band:
        """Cut the TXM, and resample the SEM, of which there are values and counts, one behind the other."""
        height = len(txm.values)
        origin = np.array([rows[0] - room, -room])
        low, high = max(rows[0] - room, 0), min(rows[1] + room, height)
        beyond = (low - (rows[0] - room), rows[1] + room - high), (room, room)
        counts = np.pad(txm.counts[low:high] > 0.5, beyond)
        values = np.pad(txm.values[low:high], beyond) * counts
        theirs = resampled(
            layers, moved(-origin) @ to_txm, counts.shape, field.moved(-origin) if field is not None else None
        )
        known = theirs[..., 1] > 0.5
        return cls(rows[0], values, counts, sign * theirs[..., 0] * known, known)

    def tiles(self, windows: Sequence[Window], side: int, largest: int) -> Tiles:
        """Compare tiles."""
        shared = _boxes((self.txm_counts & self.sem_counts).astype(np.float32), side) / side**2
        squares = _boxes(self.sem**2, side)
        kept = [
            (row, column)
            for row, column in windows
            if shared[row - self.first + largest, column + largest] >= MIN_COUNTS
        ]
        surfaces = np.empty((len(kept), 2 * largest + 1, 2 * largest + 1))
        together: Agreement | None = None
        for first in range(0, len(kept), AT_ONCE):
            some = kept[first : first + AT_ONCE]
            agreement = self.agreement(some, squares, side, largest)
            surfaces[first : first + len(some)] = [agreement[index].correlation() for index in range(len(some))]
            summed = Agreement(*(part.sum(axis=0) for part in (agreement.product, agreement.first, agreement.second)))
            together = summed if together is None else together + summed
        return Tiles(np.array(kept, np.float64).reshape(-1, 2) + (side - 1) / 2, surfaces, together)

    def agreement(self, windows: Sequence[Window], squares: NDArray[np.float32], side: int, largest: int) -> Agreement:
        """Compare tiles of the TXM with what lies around them in the SEM, at all displacements.

        Most tiles count all over: what would have to be summed for each displacement is then known.

        Args:
            windows: of the tiles on the TXM.
            squares: see `_boxes`, of the squares of the SEM's values.
            side: of the tiles [pixels].
            largest: displacement [pixels].
        """
        wide = side + 2 * largest
        rows, columns = np.array(windows).T - [[self.first], [0]]
        inner = np.zeros((wide, wide), np.bool_)
        inner[largest : largest + side, largest : largest + side] = True
        down, right = near_lags((wide, wide), largest)

        def cut(image: NDArray[Any]) -> NDArray[Any]:
            parts: NDArray[Any] = sliding_window_view(image, (wide, wide))[rows, columns]
            return parts

        def summed(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float64]:
            """Return sums of products at each displacement; no tile reaches round the edge of the transform."""
            product = rfft2(one.astype(np.float32)) * rfft2(other.astype(np.float32)).conj()
            found: NDArray[np.float64] = (down @ product @ right).real.astype(np.float64)
            return found

        tiles, counts = cut(self.txm) * inner, cut(self.txm_counts) & inner
        around, around_counts = cut(self.sem), cut(self.sem_counts)
        product = summed(tiles, around)
        first, second = np.empty_like(product), np.empty_like(product)
        whole = around_counts.all(axis=(1, 2))
        first[whole] = np.sum(tiles[whole] ** 2, axis=(1, 2))[:, None, None]
        first[~whole] = summed(tiles[~whole] ** 2, around_counts[~whole])
        whole = counts[:, inner].all(axis=1)
        second[whole] = sliding_window_view(squares, product.shape[1:])[rows[whole], columns[whole], ::-1, ::-1]
        second[~whole] = summed(counts[~whole], around[~whole] ** 2)
        return Agreement(product, first, second)


def _boxes(image: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Return the sum of the square of pixels that begins at each pixel; nothing lies beyond the image."""
    sums = cv2.boxFilter(image, -1, (side, side), anchor=(0, 0), normalize=False, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(sums, np.float32)


def near(tiles: Tiles, expected: Points, spread: float) -> tuple[Points, NDArray[np.float64]]:
    """Return the displacement of each tile, with an expectation of where it is, and how clear it is.

    The peak of: height in standard deviations of the surface, less half the squared distance from what is expected.

    Args:
        tiles: K of them.
        expected: displacements (K, 2) [pixels].
        spread: standard deviation of the displacements around what is expected [pixels].

    Returns:
        displacements (K, 2) [pixels], and the heights (K,).
    """
    surfaces = tiles.surfaces
    lags = np.arange(-tiles.largest, tiles.largest + 1)
    heights = (surfaces - surfaces.mean(axis=(1, 2), keepdims=True)) / (surfaces.std(axis=(1, 2), keepdims=True) + 1e-9)
    away = ((lags - expected[:, :1]) ** 2)[:, :, None] + ((lags - expected[:, 1:]) ** 2)[:, None, :]
    likely = heights - away / (2 * spread**2)
    best = likely.reshape(len(likely), -1).argmax(axis=1)
    rows, columns = (part.clip(1, 2 * tiles.largest - 1) for part in np.unravel_index(best, surfaces.shape[1:]))
    each = np.arange(len(best))
    found = np.stack(
        [
            rows - tiles.largest + _vertex(*(heights[each, rows + step, columns] for step in (-1, 0, 1))),
            columns - tiles.largest + _vertex(*(heights[each, rows, columns + step] for step in (-1, 0, 1))),
        ],
        axis=1,
    )
    return found, heights[each, rows, columns]


def _vertex(before: NDArray[np.float64], peak: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where parabolas through three values have their vertex, within half a pixel of the middle."""
    curvature = before - 2 * peak + after
    moved = np.divide(0.5 * (before - after), curvature, out=np.zeros_like(peak), where=curvature < 0)
    return moved.clip(-0.5, 0.5)


def explain(tiles: Tiles, model: Model) -> Matrix:
    """Return the map that explains the displacement of most tiles: of pixels of the TXM, to where they belong.

    What each tile shows is looked for where the others expect it, ever closer; tiles far from the rest count less
    (Cauchy's weights).
    """
    matrix = np.eye(3)
    if tiles.together is not None:
        surface = tiles.together.correlation()
        matrix[:2, 2] = np.array(np.unravel_index(np.argmax(surface), surface.shape)) - tiles.largest
    for spread in SPREADS:
        found, heights = near(tiles, mapped(matrix, tiles.centres) - tiles.centres, spread)
        weights = np.maximum(heights, 0.0) ** 2 + 1e-6
        for _ in range(4):
            trust = _trust(tiles.centres + found - mapped(matrix, tiles.centres))
            matrix = fitted(model, tiles.centres, tiles.centres + found, weights * trust)
    return matrix


def _trust(rest: Points) -> NDArray[np.float64]:
    """Return the weights of Cauchy for what is not explained, in units of its median."""
    squares = np.sum(rest**2, axis=1)
    weights: NDArray[np.float64] = 1 / (1 + squares / max(0.25, float(np.median(squares))))
    return weights


def smooth(
    tiles: Tiles,
    rows: NDArray[np.float64],
    columns: NDArray[np.float64],
    before: Field | None,
    stiffness: float,
) -> Field:
    """Return the smooth field that explains the displacement of most tiles, on a grid of nodes.

    Args:
        tiles: centred on nodes, measured with the field `before`.
        rows, columns: of the nodes.
        before: field that the displacements add to.
        stiffness: weight of the squared second differences of neighbouring nodes.
    """
    shape = (len(rows), len(columns))
    row, column = (
        np.abs(tiles.centres[:, [axis]] - nodes).argmin(axis=1) for axis, nodes in enumerate((rows, columns))
    )
    index = row * len(columns) + column
    already = before.at(tiles.centres) if before is not None else np.zeros_like(tiles.centres)
    nodes = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
    values = before.at(nodes) if before is not None else np.zeros_like(nodes)
    bend = _banded(_bending(shape) * stiffness + 1e-4 * identity(len(nodes)), 2 * shape[1])
    for spread in SPREADS:
        found, heights = near(tiles, already - values[index], spread)
        weights = np.maximum(heights, 0.0) ** 2
        weights /= max(float(np.median(weights)), 1e-9)
        for _ in range(3):
            trusted = weights * _trust(already - found - values[index])
            matrix = bend.copy()
            matrix[-1] += np.bincount(index, trusted, len(nodes))
            aims = [np.bincount(index, trusted * (already - found)[:, axis], len(nodes)) for axis in (0, 1)]
            values = solveh_banded(matrix, np.stack(aims, axis=1), overwrite_ab=True)
    return Field(rows, columns, values.reshape(*shape, 2))


def _banded(matrix: csr_matrix, wide: int) -> NDArray[np.float64]:
    """Return the upper diagonals of a symmetric matrix, the main one last (wide + 1, N), as LAPACK has them."""
    part = coo_matrix(triu(matrix))
    diagonals = np.zeros((wide + 1, matrix.shape[0]))
    diagonals[wide + part.row - part.col, part.col] = part.data
    return diagonals


def _bending(shape: tuple[int, int]) -> csr_matrix:
    """Return the sum of squared second differences of values on a grid, as a quadratic form."""

    def second(length: int) -> csr_matrix:
        return csr_matrix(diags([1.0, -2.0, 1.0], [0, 1, 2], shape=(max(length - 2, 0), length)))

    def first(length: int) -> csr_matrix:
        return csr_matrix(diags([-1.0, 1.0], [0, 1], shape=(max(length - 1, 0), length)))

    rows, columns = shape
    down, right = kron(second(rows), identity(columns)), kron(identity(rows), second(columns))
    mixed = kron(first(rows), first(columns))
    return csr_matrix(down.T @ down + right.T @ right + 2 * mixed.T @ mixed)
