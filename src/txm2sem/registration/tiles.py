"""How far tiles of the SEM lie beside the TXM, and the map or the field that explains most of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags, identity, kron
from scipy.sparse.linalg import spsolve

from txm2sem.metrics import Agreement, Edges
from txm2sem.registration.features import Level
from txm2sem.registration.transforms import Field, Matrix, Model, Points, fitted, mapped, resampled

AT_ONCE = 32
"""Tiles that are compared at a time: one by one, calls would take longer than what they compute; all at once, memory.
"""

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
    ours = np.pad(txm.values, largest), np.pad(txm.counts, largest) > 0.5
    values, counts = (
        np.pad(resampled(part, to_txm, txm.values.shape, field), largest) for part in (sem.values, sem.counts)
    )
    theirs = sign * values, counts > 0.5
    wide = side + 2 * largest
    inner = np.zeros((wide, wide), np.bool_)
    inner[largest : largest + side, largest : largest + side] = True

    def edges_of(
        image: tuple[NDArray[np.float32], NDArray[np.bool_]], some: Sequence[Window], inside: NDArray[np.bool_]
    ) -> Edges:
        cuts = [(slice(row, row + wide), slice(column, column + wide)) for row, column in some]
        values, counts = np.stack([image[0][cut] for cut in cuts]), np.stack([image[1][cut] for cut in cuts]) & inside
        return Edges((values * counts).astype(np.complex64), counts, values)

    kept: list[Window] = []
    for row, column in windows:
        window = slice(row + largest, row + side + largest), slice(column + largest, column + side + largest)
        if (ours[1][window] & theirs[1][window]).mean() >= MIN_COUNTS:
            kept.append((row, column))
    surfaces: list[NDArray[np.float64]] = []
    together: Agreement | None = None
    for first in range(0, len(kept), AT_ONCE):
        some = kept[first : first + AT_ONCE]
        agreement = Agreement.of(edges_of(ours, some, inner), edges_of(theirs, some, np.ones_like(inner)), largest)
        surfaces += [agreement[index].correlation() for index in range(len(some))]
        summed = Agreement(*(part.sum(axis=0) for part in (agreement.product, agreement.first, agreement.second)))
        together = summed if together is None else together + summed
    return Tiles(
        np.array(kept, np.float64).reshape(-1, 2) + (side - 1) / 2,
        np.stack(surfaces) if surfaces else np.empty((0, 2 * largest + 1, 2 * largest + 1)),
        together,
    )


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
    bend = _bending(shape) * stiffness + 1e-4 * identity(len(nodes))
    for spread in SPREADS:
        found, heights = near(tiles, already - values[index], spread)
        weights = np.maximum(heights, 0.0) ** 2
        weights /= max(float(np.median(weights)), 1e-9)
        for _ in range(3):
            trusted = weights * _trust(already - found - values[index])
            matrix = bend + diags(np.bincount(index, trusted, len(nodes)))
            aims = [np.bincount(index, trusted * (already - found)[:, axis], len(nodes)) for axis in (0, 1)]
            values = np.stack([spsolve(csr_matrix(matrix), aim) for aim in aims], axis=1)
    return Field(rows, columns, values.reshape(*shape, 2))


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
