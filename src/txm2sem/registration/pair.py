"""Register one SEM image to one TXM image of the same rock, and say whether tiles that took no part confirm it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from txm2sem.options import TransformName
from txm2sem.registration.evidence import Correlation, compared, confirms, strength
from txm2sem.registration.features import Level, comparable, reduced
from txm2sem.registration.given import Given, Scale, given
from txm2sem.registration.search import search
from txm2sem.registration.tiles import Tiles
from txm2sem.registration.transforms import Field, Matrix, Model, Points, mapped, reduction, resampled, scale_of
from txm2sem.registration.view import View

BLOCK = 16
"""Side of the squares of the checkerboard, of which one colour is fitted and the other judges [pixels of the images
that are searched]."""

Smoothing = tuple[float, float, float]

SMOOTHINGS: tuple[tuple[Smoothing, Smoothing], ...] = (
    ((0.7, 0.7, 4.0), (1.0, 1.5, 7.0)),
    ((1.0, 2.0, 8.0), (2.0, 4.0, 16.0)),
)
"""Standard deviations by which TXM and SEM are smoothed, and of what each pixel is seen relative to, in the search and
after it [pixels of a level].

Sharp is surer and finer where the TXM shows as much, as bedding makes all that is coarse alike; what a TXM of little
contrast has in common with the SEM is coarse. The second is tried where the first finds nothing.
"""

SWEEPS = 2
"""Times that tiles are compared and explained anew on each level."""

CLEAR = 1.6
"""From this strength on, tiles that were held out are believed at once. Below it the squares that judge are searched
alone, too: many places were tried, and one may agree with both colours by chance, but hardly each of them by itself."""

MAX_APART = 3.0
"""Both places lie upon each other within this [pixels of the images that are searched]."""

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
        start: 3 x 3, like `to_txm`: what the search began with, by centres and sizes, or as it was given.
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
    start: Matrix
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
            order: 0 nearest neighbour, for masks; 1 linear, 3 cubic: of means over as many pixels as lie in one of the
                TXM.
        """
        factor = int(1 / scale_of(self.to_txm)) if order else 1
        if factor < 2:
            return resampled(image, self.to_txm, self.shape, self.field, order)
        means, _ = reduced(image, np.ones(image.shape, np.bool_), factor)
        to_txm = np.asarray(self.to_txm @ np.linalg.inv(reduction(factor)), np.float64)
        return resampled(means, to_txm, self.shape, self.field, order)


def align_pair(
    txm: ArrayLike,
    sem: ArrayLike,
    *,
    txm_valid: ArrayLike | None = None,
    sem_valid: ArrayLike | None = None,
    scale: Scale = None,
    transform: TransformName = "smooth",
    search_angle: float = 10.0,
    mirror: Literal["auto", "yes", "no"] = "auto",
    quarter_turns: bool = False,
    start: ArrayLike | None = None,
) -> PairAlignment:
    """Register a SEM image to a TXM image of the same place.

    The TXM is divided like a checkerboard. By the squares of one colour alone all turns, scales and shifts are tried on
    small images, and the best is refined by the displacements of tiles, from coarse to fine. The squares of the other
    colour then say whether to believe it: had it been found by chance, they would know nothing of it. Only then is it
    refined by all of them. The same images give the same result: nothing in it is random.

    Args:
        txm: (H, W), any grey values.
        sem: (h, w), any grey values.
        txm_valid: pixels that count, of the same shape; None: those that are not 0.
        sem_valid: the same of the SEM.
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
    return registered(known, transform)


def registered(known: Given, transform: TransformName) -> PairAlignment:
    """Register a pair that was checked."""
    work = _Work(known)
    if transform == "none":
        return work.judged()
    return work.registered(model_of(transform), transform == "smooth")


def model_of(transform: TransformName) -> Model:
    """Return the map that is fitted, but for a field."""
    return "affine" if transform == "smooth" else "shift" if transform == "none" else transform


def block_of(known: Given) -> int:
    """Return the side of the squares of the checkerboard [pixels of the TXM]."""
    return BLOCK * max(known.factor, 2)


def sem_level(known: Given, factor: int, to_txm: Matrix, smoothing: Smoothing) -> Level:
    """Return the SEM reduced to pixels of about the size that those of the TXM have on a level."""
    scale = scale_of(to_txm)
    sem_factor = max(round(factor / scale), 1)
    # The SEM is smoothed on its own grid.
    size = factor / (scale * sem_factor)
    _, theirs, surroundings = smoothing
    return comparable(known.sem, known.sem_valid, sem_factor, theirs * size, surroundings * size)


class _Work:
    """The pair on one level after the other."""

    def __init__(self, known: Given) -> None:
        self.known = known
        self.txm_levels: dict[tuple[int, Smoothing], Level] = {}

    def level(self, factor: int, to_txm: Matrix, smoothing: Smoothing) -> View:
        """Return both images reduced to a level; how the SEM is depends on its scale."""
        known, key = self.known, (factor, smoothing)
        ours, _, surroundings = smoothing
        if key not in self.txm_levels:
            self.txm_levels[key] = comparable(known.txm, known.txm_valid, factor, ours, surroundings)
        return View(self.txm_levels[key], sem_level(known, factor, to_txm, smoothing), block_of(known) // factor)

    def registered(self, model: Model, smoothly: bool) -> PairAlignment:
        """Search, refine, judge, and refine by all; where nothing is confirmed, judge the start."""
        best: _Attempt | None = None
        for searched, fine in SMOOTHINGS:
            start = self.level(1, self.known.start, fine)
            before = start.tiles(self.known.start, None, 1, 0), start.tiles(self.known.start, None, 1, 1)
            for matrix, sign in self.beginnings(searched, before[0]):
                attempt = self.attempt(matrix, sign, fine, model, smoothly, before)
                if attempt.counts and (attempt.strength >= CLEAR or self.seconded(attempt, searched, model)):
                    return self.finished(attempt, model)
                # By what was fitted: chosen by what was held out, that would no longer be held out.
                if best is None or attempt.fitted.after > best.fitted.after:
                    best = attempt
        return self.judged(best)

    def beginnings(self, smoothing: Smoothing, before: Tiles) -> Iterator[tuple[Matrix, int]]:
        """Yield where to begin to refine, with the sign of the contrast: the best of the search, and the start."""
        start = self.known.start
        view = self.level(self.known.factor, start, smoothing)
        found = search(view.only(0), view.sem, view.reduce(start), self.known.space)
        yield view.enlarge(found.matrix), found.sign
        if before.together is not None and False in self.known.space.mirrors:
            surface = before.together.correlation()
            yield start, 1 if surface.max() >= -surface.min() else -1

    def seconded(self, attempt: _Attempt, smoothing: Smoothing, model: Model) -> bool:
        """Say whether the squares that judge lead to the same place where they alone are searched."""
        view = self.level(self.known.factor, self.known.start, smoothing)
        found = search(view.only(1), view.sem, view.reduce(self.known.start), self.known.space)
        alone = view.refined(view.enlarge(found.matrix), found.sign, model, 1, SWEEPS)
        points = np.stack(np.meshgrid(*(np.linspace(0, side - 1, 5) for side in self.known.sem.shape)), axis=-1)
        places = [mapped(matrix, points.reshape(-1, 2)) for matrix in (alone, attempt.matrix)]
        return float(np.median(np.linalg.norm(places[1] - places[0], axis=1))) <= MAX_APART * self.known.factor

    def attempt(
        self,
        matrix: Matrix,
        sign: int,
        smoothing: Smoothing,
        model: Model,
        smoothly: bool,
        before: tuple[Tiles, Tiles],
    ) -> _Attempt:
        """Refine by the squares of one colour, and judge by those of the other.

        Args:
            matrix: where to begin.
            sign: -1 where bright and dark are exchanged.
            smoothing: one of `SMOOTHINGS`, after the search.
            model: that is fitted.
            smoothly: with a field on top.
            before: the tiles of both colours by the start.
        """
        factor = max(self.known.factor // 2, 1)
        view = self.level(factor, matrix, smoothing)
        while factor > 1:
            matrix = view.refined(matrix, sign, model, 0, 1)
            factor //= 2
            view = self.level(factor, matrix, smoothing)
        matrix = view.refined(matrix, sign, model, 0, SWEEPS)
        field, tiles = None, view.tiles(matrix, None, sign, 1)
        if smoothly and not confirms(tiles):
            tried = view.field(matrix, sign, None, 0)
            with_field = view.tiles(matrix, tried, sign, 1)
            if with_field.mean > tiles.mean:
                field, tiles = tried, with_field
        began, stays = (part.signed(sign) for part in before)
        held_out, doubt = compared(stays, tiles), confirms(tiles)
        return _Attempt(
            view,
            matrix,
            field,
            sign,
            compared(began, view.tiles(matrix, field, sign, 0)),
            held_out,
            doubt,
            strength=strength(tiles),
            counts=not doubt and (held_out.gained() or bool(confirms(stays))),
        )

    def finished(self, attempt: _Attempt, model: Model) -> PairAlignment:
        """Refine what was confirmed by all tiles."""
        view, sign, known = attempt.view, attempt.sign, self.known
        matrix = view.refined(attempt.matrix, sign, model, None, 1)
        field = view.field(matrix, sign, attempt.field, None) if attempt.field is not None else None
        return PairAlignment(
            shape=known.shape,
            to_txm=known.whole(matrix),
            field=known.whole_field(field),
            start=known.whole(known.start),
            inverted=sign < 0,
            fitted=attempt.fitted,
            held_out=attempt.held_out,
            improved=True,
            confident=True,
            reason="",
        )

    def judged(self, attempt: _Attempt | None = None) -> PairAlignment:
        """Judge the start itself, by all tiles that took no part in finding it.

        Args:
            attempt: the best fit, which does not count.
        """
        known, doubts = self.known, []
        for _, fine in SMOOTHINGS:
            tiles = self.level(1, known.start, fine).tiles(known.start, None, 1, known.untouched)
            inverted = tiles.mean < 0
            tiles = tiles.signed(-1 if inverted else 1)
            doubts.append(confirms(tiles))
            if not doubts[-1]:
                break
        stands = not doubts[-1]
        reason = (attempt.doubt if attempt else "") or doubts[0]
        nothing = compared(tiles, tiles)
        return PairAlignment(
            shape=known.shape,
            to_txm=known.whole(known.start),
            field=None,
            start=known.whole(known.start),
            inverted=inverted,
            fitted=attempt.fitted if attempt else nothing,
            held_out=attempt.held_out if attempt else nothing,
            improved=False,
            confident=stands,
            reason=reason if not stands else LEFT if attempt else "",
        )


@dataclass(frozen=True)
class _Attempt:
    """A map that was fitted by the squares of one colour.

    Attributes:
        view: both images on the finest level.
        matrix, field: between what is left of the images.
        sign: -1 where bright and dark are exchanged.
        fitted, held_out: correlations of both colours.
        doubt: why the other colour does not confirm it; nothing where it does.
        strength: how clear that is, see `strength`.
        counts: it is confirmed, and better than the start where that is confirmed, too.
    """

    view: View
    matrix: Matrix
    field: Field | None
    sign: int
    fitted: Correlation
    held_out: Correlation
    doubt: str
    strength: float
    counts: bool
