"""Find one SEM slice in a TXM volume: the plane that it was cut along, and its place there."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from txm2sem.errors import UserError
from txm2sem.options import TransformName
from txm2sem.registration.evidence import Correlation
from txm2sem.registration.features import Level, comparable
from txm2sem.registration.given import Given, Mask, Mirror, Scale, given, halved
from txm2sem.registration.pair import SMOOTHINGS, PairAlignment, Smoothing, block_of, model_of, registered, sem_level
from txm2sem.registration.planes import Plane, Pyramid
from txm2sem.registration.search import Space, best, correlated, distinct, finer_turns, step_of, turns
from txm2sem.registration.stacks import TileStack
from txm2sem.registration.tiles import explain
from txm2sem.registration.transforms import Field, Matrix, Model, Points, mapped, moved, reduction, scale_of
from txm2sem.registration.view import View

BESIDE = tuple(np.arange(-5.0, 6.0))
"""Planes that tiles are compared with, beside one [voxels of a level]."""

FAR = tuple(np.arange(-9.0, 9.1, 1.5))
"""The same where a tilt is not known yet."""

ROUGH = 128
"""Rows or columns of the images that are searched at all heights, at most; larger ones are halved until they fit
[pixels]."""

SURE = Space(2.0, (0.98, 1.02))
"""What is searched again on a plane that was found."""

SWEEPS = 2
"""Times that a plane is fitted anew on each level."""

FINEST: tuple[Smoothing, ...] = ((0.3, 0.3, 2.0), SMOOTHINGS[1][0])
"""How both are smoothed where a plane that is confirmed is fitted in the end, beside each of `SMOOTHINGS`: the finer
structure is, the fewer planes show it."""


@dataclass(frozen=True)
class PlaneAlignment:
    """Where a SEM slice lies in a TXM volume.

    Attributes:
        plane: on which it lies.
        pair: where it lies on the image of the plane, which has the rows and columns of the TXM.
        depth: voxels are so many times as deep as wide.
        halves: the planes that the tiles of either colour lead to, where it is confirmed and was fitted.
    """

    plane: Plane
    pair: PairAlignment
    depth: float
    halves: tuple[Plane, Plane] | None = None

    @property
    def to_txm(self) -> Matrix:
        """What maps (row, column, 1) of the SEM's pixels to (z, y, x) of the TXM's voxels, but for the field (3, 3)."""
        flat = self.pair.to_txm
        return np.vstack([np.array([self.plane.down, self.plane.right, self.plane.z]) @ flat, flat[:2]])

    def map(self, points: Points) -> NDArray[np.float64]:
        """Return where points of the SEM (N, 2), (row, column), lie in the TXM (N, 3), (z, y, x) [voxels]."""
        flat = self.pair.map(points)
        return np.column_stack([self.plane.at(flat), flat])

    def apart(self, shape: tuple[int, ...]) -> tuple[float, ...]:
        """Return by how much its halves differ: z at the middle of a SEM of a shape, and its growth from row to row and
        from column to column of the TXM [voxels]; empty: there are none."""
        if self.halves is None:
            return ()
        one, other = self.halves
        middle = mapped(self.pair.to_txm, (np.array([shape]) - 1) / 2)
        return float((one.at(middle) - other.at(middle))[0]), one.down - other.down, one.right - other.right

    @property
    def turn(self) -> float:
        """Angle from y to the direction of the SEM's rows, from there towards x, before it is tilted [degrees]."""
        down = (np.linalg.inv(self.plane.foreshortening(self.depth)) @ self.pair.to_txm)[:2, 0]
        return float(np.degrees(np.arctan2(down[1], down[0])))

    @property
    def tilt(self) -> float:
        """Angle between its normal and z [degrees]."""
        return self.plane.tilt(self.depth)

    @property
    def confident(self) -> bool:
        """Whether tiles that took no part confirm it."""
        return self.pair.confident

    @property
    def reason(self) -> str:
        """Why not; else empty."""
        return "" if self.pair.confident else self.pair.reason

    @property
    def held_out(self) -> Correlation:
        """Correlation of the tiles that took no part, on the plane as it was found, and after the pair was refined."""
        return self.pair.held_out


def find_slice(
    txm: Pyramid,
    sem: NDArray[np.generic],
    *,
    sem_valid: Mask | None = None,
    scale: Scale = None,
    transform: TransformName = "similarity",
    search_angle: float = 10.0,
    mirror: Mirror = "auto",
    quarter_turns: bool = False,
    tilt: float = 5.0,
    z: tuple[float, float] | None = None,
    start: Matrix | None = None,
) -> PlaneAlignment:
    """Find a SEM slice in a TXM volume.

    Planes at all heights, then at all tilts around the best, are searched on small images as `align_pair` searches one.
    From coarse to fine, tiles are compared with several planes side by side: a plane and a map are fitted to where they
    agree best. All this by the squares of one colour of a checkerboard; those of the other judge, as there.

    Args:
        txm: the volume.
        sem: (h, w), any grey values.
        sem_valid: pixels that count, of the same shape; None: those that are not 0.
        scale, transform, search_angle, mirror, quarter_turns: as of `align_pair`; the scale is that on the plane.
        tilt: planes are searched whose normal leans by up to this away from that of the start [degrees].
        z: lowest and highest z of the middle of the SEM; None: all of the volume [voxels].
        start: where to begin, 3 x 3, maps (row, column, 1) of the SEM to (z, y, x); its z counts for nothing but the
            tilt, unless the transform is none; None: the centres lie upon each other, without a tilt.

    Raises:
        UserError: as of `align_pair`; z or tilt is out of range.
    """
    low, high = z if z is not None else (0.0, txm.shape[0] - 1.0)
    if not (low <= high and low < txm.shape[0] and high >= 0):
        raise UserError(f"z is {z}; expected lowest, highest within 0 and {txm.shape[0] - 1}, the slices of the TXM")
    if not 0 <= tilt <= 30:
        raise UserError(f"tilt is {tilt}; expected 0 to 30 degrees")
    flat, plane = None, Plane((low + high) / 2)
    if start is not None:
        begin = np.asarray(start, np.float64)
        if begin.shape != (3, 3):
            raise UserError("start is no map; expected 3 x 3 numbers, from (row, column, 1) to (z, y, x)")
        flat = np.vstack([begin[1:], [0, 0, 1]])
    middle = txm.image(Plane(float(np.clip(round((low + high) / 2), 0, txm.shape[0] - 1))))
    known = given(middle, sem, None, sem_valid, scale, transform, search_angle, mirror, quarter_turns, flat)
    if flat is not None:
        plane = Plane.of(begin)
    return _Finder(txm, known, transform, plane, tilt, (low, high)).found()


@dataclass(frozen=True)
class _Place:
    """Where the SEM may lie.

    Attributes:
        plane: in voxels of the TXM.
        matrix: from pixels of the SEM, cut, to rows and columns of the TXM.
        sign: -1 where bright and dark are exchanged.
    """

    plane: Plane
    matrix: Matrix
    sign: int


@dataclass(frozen=True)
class _Box:
    """Rows and columns of the TXM that are looked at."""

    rows: slice
    columns: slice

    @property
    def first(self) -> NDArray[np.int64]:
        """First row and column (2,)."""
        return np.array([self.rows.start, self.columns.start])


class _Finder:
    """A SEM slice and a volume on one level after the other."""

    def __init__(
        self, txm: Pyramid, known: Given, transform: TransformName, plane: Plane, tilt: float, z: tuple[float, float]
    ) -> None:
        self.txm = txm
        wide = scale_of(known.start) * float(np.sqrt(np.count_nonzero(known.sem_valid)))
        self.rough = halved(wide, ROUGH)
        self.known = replace(known, factor=max(self.rough // 2, 1))
        self.transform: TransformName = transform
        self.model: Model = model_of(transform)
        self.plane = plane
        self.tilt = tilt
        self.z = z
        self.start: Matrix = moved(known.txm_first) @ known.start
        self.middle: Points = (np.array(known.sem.shape) - 1) / 2

    def found(self) -> PlaneAlignment:
        """Search, refine and judge; the first that is confirmed counts, else what fits best."""
        if self.transform == "none":
            place = _Place(self.plane, self.start, 1)
            return self.alignment(place, self.pair(place, self.whole(), None))
        tried = []
        for (smoothing, _), finest in zip(SMOOTHINGS, FINEST, strict=True):
            place = self.beginning(smoothing)
            box = self.around(place)
            factor = max(self.known.factor // 2, 1)
            while True:
                place = self.refined(place, box, factor, smoothing, 0)
                if factor == 1:
                    break
                factor //= 2
            pair = self.pair(place, box, 0)
            if pair.confident:
                return self.finished(place, pair, box, finest)
            tried.append(self.alignment(place, pair))
        return max(tried, key=lambda one: one.pair.fitted.after)

    def beginning(self, smoothing: Smoothing) -> _Place:
        """Return the best place of the search, with a tilt."""
        known = self.known
        factor = self.rough
        deep, _ = self.txm.factors(factor)
        sem = sem_level(known, factor, self.start, smoothing)
        box = self.whole()
        base = self.at_height(self.plane, self.start, 0.0)
        heights = np.arange(self.z[0] / deep, self.z[1] / deep + 0.5)
        views = [
            View(level, sem, block_of(known) // factor) for level in self.levels(base, heights, box, factor, smoothing)
        ]
        planes = [view.only(0) for view in views]
        start = views[0].reduce(self.start)
        step = step_of(planes[0], sem, start)
        found = distinct(correlated(planes, sem, turns(sem, start, known.space, step)), sem)
        tried = []
        for one in found:
            finest = best(correlated([planes[one.number]], sem, finer_turns(sem, one.matrix, known.space, step)))
            whole = views[0].enlarge(finest.matrix)
            place = _Place(self.at_height(base, whole, float(heights[one.number] * deep)), whole, finest.sign)
            tried.append(self.leaning(place, known.factor, smoothing))
        return max(tried, key=lambda one: one[0])[1]

    def leaning(self, place: _Place, factor: int, smoothing: Smoothing) -> tuple[float, _Place]:
        """Return the best tilt of a place that was found without, and how well it agrees there."""
        box = self.around(place)
        stack = self.stack(place, FAR, box, factor, smoothing, 0)
        if len(stack.tiles.centres) < 4:
            return 0.0, place
        deep, wide = self.txm.factors(factor)
        steepest = np.tan(np.radians(self.tilt)) / self.txm.depth * wide / deep
        agreement, plane = stack.plane(np.eye(3), steepest)
        return agreement, self.placed(place, np.eye(3), plane, box, factor)

    def at_height(self, plane: Plane, matrix: Matrix, z: float) -> Plane:
        """Return the parallel plane that has this z at the middle of the SEM."""
        return plane.plus(Plane(z - float(plane.at(mapped(matrix, self.middle[None]))[0])))

    def foreshortened(self, matrix: Matrix, before: Plane, after: Plane) -> Matrix:
        """Return a map to the image of a plane as one to that of another; the middle of the SEM stays."""
        depth = self.txm.depth
        result = after.foreshortening(depth) @ np.linalg.inv(before.foreshortening(depth)) @ matrix
        result[:2, 2] += (mapped(matrix, self.middle[None]) - mapped(result, self.middle[None]))[0]
        return result

    def whole(self) -> _Box:
        """Return all rows and columns of the TXM."""
        return _Box(slice(0, self.txm.shape[1]), slice(0, self.txm.shape[2]))

    def around(self, place: _Place) -> _Box:
        """Return what the SEM lies on, and a little more; squares of the checkerboard stay where they are."""
        corners = np.array(list(itertools.product((0, 1), (0, 1)))) * 2 * self.middle
        reached = mapped(place.matrix, corners)
        each = 2 * block_of(self.known)
        low, high = reached.min(axis=0) - each / 2, reached.max(axis=0) + each / 2
        rows, columns = (
            slice(
                int(np.clip(first // each * each, 0, max(side - each, 0) // each * each)),
                int(np.clip(-(-last // each) * each, min(each, side), side)),
            )
            for first, last, side in zip(low, high, self.txm.shape[1:], strict=True)
        )
        return _Box(rows, columns)

    def levels(
        self,
        plane: Plane,
        offsets: Sequence[float] | NDArray[np.float64],
        box: _Box,
        factor: int,
        smoothing: Smoothing,
    ) -> list[Level]:
        """Return images of planes side by side, comparable."""
        ours, _, surroundings = smoothing
        images = self.txm.images(plane, list(offsets), factor, box.rows, box.columns)
        return [replace(comparable(image, image != 0, 1, ours, surroundings), factor=factor) for image in images]

    def refined(
        self,
        place: _Place,
        box: _Box,
        factor: int,
        smoothing: Smoothing,
        parity: int,
    ) -> _Place:
        """Return a plane and a map that explain where tiles agree best with planes side by side."""
        for _ in range(SWEEPS):
            stack = self.stack(place, BESIDE, box, factor, smoothing, parity)
            if len(stack.tiles.centres) < 4:
                break
            matrix = explain(stack.tiles, self.model)
            place = self.placed(place, matrix, stack.plane(matrix)[1], box, factor)
        return place

    def stack(
        self,
        place: _Place,
        offsets: Sequence[float],
        box: _Box,
        factor: int,
        smoothing: Smoothing,
        parity: int | None,
        field: Field | None = None,
    ) -> TileStack:
        """Compare tiles with planes side by side."""
        sem = sem_level(self.known, factor, place.matrix, smoothing)
        matrix = moved(-box.first) @ place.matrix
        views = [
            View(level, sem, block_of(self.known) // factor)
            for level in self.levels(place.plane, offsets, box, factor, smoothing)
        ]
        return TileStack.of(
            np.array(offsets),
            [view.tiles(matrix, field, place.sign, parity, view.side) for view in views],
        )

    def placed(self, place: _Place, matrix: Matrix, plane: Plane, box: _Box, factor: int) -> _Place:
        """Return a place changed by what was found on a level.

        Args:
            place: as it was.
            matrix: from pixels of the SEM as it lay to where it belongs.
            plane: z beside the plane as it was.
            box: that was looked at.
            factor: of the level.
        """
        deep, wide = self.txm.factors(factor)
        # Of the whole TXM: z of the level times its depth, at pixels of the level.
        down, right = plane.down * deep / wide, plane.right * deep / wide
        corner = box.first + (wide - 1) / 2
        after = place.plane.plus(Plane(plane.z * deep - float(corner @ [down, right]), down, right))
        to_level = reduction(factor) @ moved(-box.first)
        change = np.linalg.inv(to_level) @ matrix @ to_level @ place.matrix
        return replace(
            place,
            plane=after,
            matrix=change if self.model == "affine" else self.foreshortened(change, place.plane, after),
        )

    def pair(self, place: _Place, box: _Box, fitted_colour: int | None) -> PairAlignment:
        """Register the SEM on the image of a plane that was found by the squares of a colour, or was given."""
        image = self.txm.images(place.plane, (0.0,), 1, box.rows, box.columns)[0]
        space = self.known.space
        known = replace(
            self.known,
            txm=image,
            txm_valid=image != 0,
            start=moved(-box.first) @ place.matrix,
            space=Space(min(SURE.angle, space.angle), SURE.scales if space.scales[0] < space.scales[1] else (1.0, 1.0)),
            txm_first=box.first,
            untouched=None if fitted_colour is None else 1 - fitted_colour,
        )
        return registered(known, self.transform)

    def finished(self, place: _Place, pair: PairAlignment, box: _Box, smoothing: Smoothing) -> PlaneAlignment:
        """Fit the plane of what was confirmed to all tiles, where the pair puts them; and to either half of them."""
        sign = -1 if pair.inverted else 1
        place = replace(place, matrix=pair.to_txm @ moved(self.known.sem_first), sign=sign)
        field = pair.field
        if field is not None:
            field = Field(field.rows - box.first[0], field.columns - box.first[1], field.displacement)

        def fitted(place: _Place, parity: int | None) -> _Place:
            stack = self.stack(place, BESIDE, box, 1, smoothing, parity, field)
            if len(stack.tiles.centres) < 4:
                return place
            matrix = np.eye(3)
            return replace(self.placed(place, matrix, stack.plane(matrix)[1], box, 1), matrix=place.matrix)

        one, other = (fitted(place, parity).plane for parity in (0, 1))
        return replace(self.alignment(fitted(place, None), pair), halves=(one, other))

    def alignment(self, place: _Place, pair: PairAlignment) -> PlaneAlignment:
        return PlaneAlignment(place.plane, pair, self.txm.depth)
