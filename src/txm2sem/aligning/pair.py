"""Register one SEM image to one TXM image of the same rock, and say whether tiles that took no part confirm it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from txm2sem.aligning.evidence import Correlation, compared, confirms
from txm2sem.aligning.features import Level, comparable
from txm2sem.aligning.given import Given, Mask, Scale, Transform, given
from txm2sem.aligning.search import search
from txm2sem.aligning.tiles import Tiles, explain, measured, smooth
from txm2sem.aligning.transforms import Field, Matrix, Model, Points, mapped, reduction, resampled, scale_of

COARSE = 160
"""Rows or columns of the images that are searched, at most; larger ones are halved until they fit [pixels]."""

BLOCK = 16
"""Side of the squares of the checkerboard, of which one colour is fitted and the other judges [pixels of the images
that are searched]."""

TILE = 64
"""Side of the tiles that are compared, or that of a square where it is less [pixels of a level]."""

SEARCHED, FINE = (0.7, 0.7, 4.0), (1.0, 1.5, 7.0)
"""Standard deviations by which TXM and SEM are smoothed, and of what each pixel is seen relative to, in the search and
after it [pixels of a level]. Sharper is surer: bedding makes all that is coarse alike."""

LARGEST = 8
"""Displacements of tiles are looked for up to this [pixels of a level]."""

STIFFNESS = 0.3
"""Weight of the second differences of a smooth field, where a tile of usual clarity has 1."""

FIELD_TILES = (1.5, 1.0, 1.0)
"""Sides of the tiles that a smooth field is found by, one after the other, beside those of other tiles: large ones are
not mistaken for others."""

SWEEPS = 2
"""Times that tiles are compared and explained anew on each level."""

LEFT = (
    "no map of this kind explains tiles that took no part in fitting better than the start does; it is left as it was"
)


@dataclass(frozen=True)
class PairAlignment:
    """Where a SEM image lies on a TXM image.

    Attributes:
        shape: rows and columns of the TXM.
        to_txm: 3 x 3, maps (row, column, 1) of pixels of the SEM to those of the TXM, but for the field.
        field: what `to_txm` maps to x + field(x) belongs at x [pixels of the TXM]; None: there is none.
        inverted: what is bright in one image is dark in the other.
        fitted: correlation of the tiles that were fitted, before (by the start) and after.
        held_out: the same of tiles that took no part.
        improved: the map was fitted; else it is the start.
        confident: tiles that took no part confirm it.
        reason: why it is not confident, or why the start was kept; else empty.
    """

    shape: tuple[int, int]
    to_txm: Matrix
    field: Field | None
    inverted: bool
    fitted: Correlation
    held_out: Correlation
    improved: bool
    confident: bool
    reason: str

    def map(self, points: Points) -> Points:
        """Return where points of the SEM (N, 2), (row, column), lie on the TXM [pixels]."""
        reached = mapped(self.to_txm, np.asarray(points, np.float64))
        found = reached
        # A fixed point: the field changes by far less than a pixel from pixel to pixel.
        for _ in range(10 if self.field is not None else 0):
            assert self.field is not None
            found = reached - self.field.at(found)
        return found

    def resample(self, image: NDArray[Any], order: Literal[0, 1, 3] = 1) -> NDArray[np.float32]:
        """Return an image of the SEM's shape on the grid of the TXM, 0 where there is none.

        Args:
            image: (H, W), of the SEM, or a mask of it.
            order: 0 nearest neighbour, for masks; 1 linear, 3 cubic.
        """
        return resampled(image, self.to_txm, self.shape, self.field, order)


def align_pair(
    txm: NDArray[Any],
    sem: NDArray[Any],
    *,
    txm_valid: Mask | None = None,
    sem_valid: Mask | None = None,
    scale: Scale = None,
    transform: Transform = "similarity",
    search_angle: float = 10.0,
    mirror: Literal["auto", "yes", "no"] = "auto",
    quarter_turns: bool = False,
    start: Matrix | None = None,
) -> PairAlignment:
    """Register a SEM image to a TXM image of the same place.

    The TXM is divided like a checkerboard. By the squares of one colour alone all turns, scales and shifts are tried on
    small images, and the best is refined by the displacements of tiles, from coarse to fine. The squares of the other
    colour then say whether to believe it: had it been found by chance, they would know nothing of it. Only then is it
    refined by all of them. The same images give the same result: nothing in it is random.

    Args:
        txm: (H, W), any grey values.
        sem: (h, w), any grey values.
        txm_valid, sem_valid: pixels that count, of the same shapes; None: those that are not 0.
        scale: pixels of the TXM in one of the SEM, or the lowest and highest that it may be; None: 0.78 to 1.28 times
            the start's where the transform has a scale, else the start's.
        transform: what is fitted: none; shift; rigid: and a turn; similarity: and a scale; affine: and two shears;
            smooth: and a smooth displacement.
        search_angle: turns up to this to either side of the start are tried [degrees].
        mirror: whether the SEM is seen from behind: its columns are turned around before all else.
        quarter_turns: whether turns by 90, 180 and 270 degrees are tried, too.
        start: where to begin, 3 x 3, maps (row, column, 1) of the SEM to those of the TXM; None: the centres lie upon
            each other.

    Raises:
        UserError: an image is no such array, blank or too small; sizes contradict; a word or number is none of these.
    """
    known = given(txm, sem, txm_valid, sem_valid, scale, transform, search_angle, mirror, quarter_turns, start)
    work = _Work(known)
    if transform == "none":
        return work.judged()
    return work.registered("affine" if transform == "smooth" else transform, transform == "smooth")


class _Work:
    """The pair on one level after the other."""

    def __init__(self, known: Given) -> None:
        self.known = known
        self.factor = 1
        while known.extent() > COARSE * self.factor:
            self.factor *= 2
        self.block = BLOCK * max(self.factor, 2)

    def level(self, factor: int, to_txm: Matrix, smoothing: tuple[float, float, float]) -> _View:
        """Return both images reduced to a level, the SEM to pixels of about the same size."""
        known = self.known
        scale = scale_of(to_txm)
        sem_factor = max(round(factor / scale), 1)
        # The SEM is smoothed on its own grid.
        size = factor / (scale * sem_factor)
        ours, theirs, surroundings = smoothing
        return _View(
            comparable(known.txm, known.txm_valid, factor, ours, surroundings),
            comparable(known.sem, known.sem_valid, sem_factor, theirs * size, surroundings * size),
            self.block // factor,
        )

    def registered(self, model: Model, smoothly: bool) -> PairAlignment:
        """Search, refine, judge, and refine by all."""
        known = self.known
        view = self.level(self.factor, known.start, SEARCHED)
        found = search(view.fitted_only(), view.sem, view.reduce(known.start), known.space)
        matrix, sign = view.enlarge(found.matrix), found.sign
        factor = self.factor
        while factor >= 1:
            view = self.level(factor, matrix, FINE)
            matrix = view.refined(matrix, sign, model, 0)
            factor //= 2
        field = view.field(matrix, sign, None, 0) if smoothly else None
        tiles = view.tiles(matrix, field, sign, 1)
        without = view.tiles(matrix, None, sign, 1) if smoothly else tiles
        if field is not None and tiles.here.mean() <= without.here.mean():
            field, tiles, smoothly = None, without, False
        doubt = confirms(tiles)
        before = [self.level(1, known.start, FINE).tiles(known.start, None, sign, parity) for parity in (0, 1)]
        fitted = compared(before[0], view.tiles(matrix, field, sign, 0))
        held_out = compared(before[1], tiles)
        stays = not held_out.gained()
        if doubt or (stays and not confirms(before[1])):
            return self.judged(doubt, fitted, held_out)
        matrix = view.refined(matrix, sign, model, None)
        field = view.field(matrix, sign, field, None) if smoothly else None
        return PairAlignment(
            known.shape, known.whole(matrix), known.whole_field(field), sign < 0, fitted, held_out, True, True, ""
        )

    def judged(
        self, doubt: str = "", fitted: Correlation | None = None, held_out: Correlation | None = None
    ) -> PairAlignment:
        """Judge the start itself, which was fitted to nothing: all tiles took no part."""
        known = self.known
        view = self.level(1, known.start, FINE)
        plain = view.tiles(known.start, None, 1, None)
        sign = -1 if len(plain.here) and plain.here.mean() < 0 else 1
        start_doubt = confirms(view.tiles(known.start, None, sign, None))
        reason = doubt if start_doubt and doubt else start_doubt
        nothing = compared(plain, plain)
        return PairAlignment(
            known.shape,
            known.whole(known.start),
            None,
            sign < 0,
            fitted or nothing,
            held_out or nothing,
            False,
            not start_doubt,
            reason if start_doubt else LEFT if held_out else "",
        )


@dataclass(frozen=True)
class _View:
    """Both images on a level.

    Attributes:
        txm, sem: comparable.
        block: side of the squares of the checkerboard [pixels of the level].
    """

    txm: Level
    sem: Level
    block: int

    def reduce(self, to_txm: Matrix) -> Matrix:
        """Return a map between whole images as one between those of the level."""
        return reduction(self.txm.factor) @ to_txm @ np.linalg.inv(reduction(self.sem.factor))

    def enlarge(self, to_txm: Matrix) -> Matrix:
        """Return a map between images of the level as one between whole images."""
        return np.linalg.inv(reduction(self.txm.factor)) @ to_txm @ reduction(self.sem.factor)

    def fitted_only(self) -> Level:
        """Return the TXM with nothing in the squares that are held out."""
        rows, columns = (np.arange(side) // self.block for side in self.txm.values.shape)
        fitted = np.add.outer(rows, columns) % 2 == 0
        return Level(self.txm.values * fitted, self.txm.counts * fitted, self.txm.factor)

    def tiles(self, to_txm: Matrix, field: Field | None, sign: int, parity: int | None, side: int = TILE) -> Tiles:
        """Compare tiles by a map between whole images.

        Args:
            to_txm: the map.
            field: on top of it, on the level of whole images.
            sign: -1 where bright and dark are exchanged.
            parity: colour of the squares within which tiles lie side by side; None: tiles lie all over, and overlap by
                half.
            side: of the tiles, or that of a square where it is less [pixels of the level].
        """
        height, width = self.txm.values.shape
        if parity is None:
            windows = list(itertools.product(starts(height, side), starts(width, side)))
        else:
            side = min(side, self.block)
            windows = [
                (row, column)
                for row in _within(height, self.block, side)
                for column in _within(width, self.block, side)
                if (row // self.block + column // self.block) % 2 == parity
            ]
        return measured(self.txm, self.sem, sign, self.reduce(to_txm), field, windows, side, LARGEST)

    def refined(self, to_txm: Matrix, sign: int, model: Model, parity: int | None) -> Matrix:
        """Return a map between whole images that explains the displacement of tiles better."""
        best = to_txm
        tiles = self.tiles(best, None, sign, parity)
        for _ in range(SWEEPS):
            if len(tiles.centres) < 4:
                break
            tried = self.enlarge(explain(tiles, model) @ self.reduce(best))
            after = self.tiles(tried, None, sign, parity)
            if len(after.here) < 4 or after.here.mean() <= tiles.here.mean():
                break
            best, tiles = tried, after
        return best

    def field(self, to_txm: Matrix, sign: int, field: Field | None, parity: int | None) -> Field:
        """Return a smooth field that explains what displacement of tiles remains; on the level of whole images."""
        for times in FIELD_TILES:
            side = round(times * min(self.block, TILE))
            rows, columns = (
                np.array(starts(length, side), np.float64) + (side - 1) / 2 for length in self.txm.values.shape
            )
            field = smooth(self.tiles(to_txm, field, sign, parity, side), rows, columns, field, STIFFNESS)
        assert field is not None
        return field


def starts(length: int, side: int) -> Sequence[int]:
    """Return first rows, or columns, of half overlapping tiles."""
    return range(0, max(length - side, 0) + 1, side // 2)


def _within(length: int, block: int, side: int) -> list[int]:
    """Return first rows, or columns, of tiles side by side within squares."""
    return [
        first + step
        for first in range(0, length, block)
        for step in range(0, block - side + 1, side)
        if first + step + side <= length
    ]
