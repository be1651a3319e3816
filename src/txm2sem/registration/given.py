"""What `align_pair` is given, checked, and cut to what counts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from txm2sem.arrays import grey_array, mask_array, plain_array
from txm2sem.errors import UserError
from txm2sem.options import TransformName
from txm2sem.registration.search import Space
from txm2sem.registration.transforms import Field, Matrix, moved, scale_of

Mask = NDArray[np.bool_]
Scale = float | tuple[float, float] | None
Mirror = Literal["auto", "yes", "no"]

MIN_SIDE = 96
"""Rows and columns of what counts in an image, at least, and of the SEM where it lies on the TXM [pixels]."""

COARSE = 160
"""Rows or columns of the images that are searched, at most; larger ones are halved until they fit [pixels]."""

SCALES = 0.78, 1.28
"""Scales that are tried where none is known, relative to the start's."""


@dataclass(frozen=True)
class Given:
    """A pair, cut to the boxes that hold all that counts.

    Attributes:
        shape: of the whole TXM.
        txm, sem: grey values, cut.
        txm_valid, sem_valid: pixels that count, cut.
        start: from pixels of the SEM to those of the TXM, both cut.
        space: what is searched around the start.
        txm_first, sem_first: first row and column that remain (2,).
        factor: by which the images that are searched are reduced.
        untouched: colour of the squares of the checkerboard that took no part in finding the start; None: both.
    """

    shape: tuple[int, int]
    txm: NDArray[Any]
    sem: NDArray[Any]
    txm_valid: Mask
    sem_valid: Mask
    start: Matrix
    space: Space
    txm_first: NDArray[np.int64]
    sem_first: NDArray[np.int64]
    factor: int
    untouched: int | None = None

    def whole(self, to_txm: Matrix) -> Matrix:
        """Return a map between images that are cut as one between whole images."""
        return moved(self.txm_first) @ to_txm @ moved(-self.sem_first)

    def whole_field(self, field: Field | None) -> Field | None:
        """Return a field on the TXM that is cut as one on the whole."""
        return None if field is None else field.moved(self.txm_first)


def halved(side: float, most: int) -> int:
    """Return the power of two by which an image has to be reduced, so that its side is at most so long [pixels]."""
    return int(2 ** np.ceil(np.log2(max(side / most, 1))))


def given(
    txm: object,
    sem: object,
    txm_valid: object,
    sem_valid: object,
    scale: Scale,
    transform: TransformName,
    search_angle: float,
    mirror: Mirror,
    quarter_turns: bool,
    start: object,
) -> Given:
    """Check what `align_pair` is given, which says what it is.

    Raises:
        UserError: as there.
    """
    for name, word, words in (("transform", transform, get_args(TransformName)), ("mirror", mirror, get_args(Mirror))):
        if word not in words:
            raise UserError(f"{name} is {word!r}; expected one of {', '.join(words)}")
    if not 0 <= search_angle <= 180:
        raise UserError(f"search_angle is {search_angle}; expected 0 to 180 degrees")
    txm_grey, sem_grey = (grey_array(image, ("row", "column"), name) for image, name in ((txm, "txm"), (sem, "sem")))
    shapes = txm_grey.shape, sem_grey.shape
    ours, our_valid, our_first = _cut(txm_grey, txm_valid, "txm")
    theirs, their_valid, their_first = _cut(sem_grey, sem_valid, "sem")
    begin, scales = _start(start, scale, transform, shapes)
    side = scale_of(begin) * min(theirs.shape)
    if side * scales[1] < MIN_SIDE or min(ours.shape) * 4 < side * scales[0]:
        raise UserError(
            f"sizes contradict: by the scale {scale_of(begin):g}, the SEM of {theirs.shape} pixels is {side:.0f} "
            f"pixels of the TXM, which has {ours.shape}; expected at least {MIN_SIDE} and at most four times "
            "the TXM: correct the pixel sizes, or pass a range of scales"
        )
    fixed = transform in ("none", "shift")
    space = Space(
        angle=0.0 if fixed else search_angle,
        scales=scales,
        mirrors={"auto": (False, True), "yes": (True,), "no": (False,)}[mirror],
        quarters=(0, 1, 2, 3) if quarter_turns else (0,),
    )
    cut = moved(-our_first) @ begin @ moved(their_first)
    # The side of the square that has as many pixels as count in the smaller image.
    ours_wide, theirs_wide = (float(np.sqrt(np.count_nonzero(valid))) for valid in (our_valid, their_valid))
    factor = halved(min(ours_wide, theirs_wide * scale_of(begin)), COARSE)
    return Given(shapes[0], ours, theirs, our_valid, their_valid, cut, space, our_first, their_first, factor)


def _start(
    start: object, scale: Scale, transform: TransformName, shapes: tuple[tuple[int, ...], tuple[int, ...]]
) -> tuple[Matrix, tuple[float, float]]:
    """Return where to begin, and the scales to try relative to it."""
    ends = scale if isinstance(scale, tuple) else (scale, scale) if scale is not None else None
    if ends is not None and not (0 < ends[0] <= ends[1] < math.inf):
        raise UserError(
            f"scale is {scale}; expected pixels of the TXM in one of the SEM, above 0, or the lowest, highest"
        )
    if start is None:
        begin = np.diag([*[math.sqrt(ends[0] * ends[1]) if ends else 1.0] * 2, 1.0])
        middles = [(np.array(shape) - 1) / 2 for shape in shapes]
        begin[:2, 2] = middles[0] - begin[:2, :2] @ middles[1]
    else:
        begin = plain_array(start, "start").astype(np.float64)
        if begin.shape != (3, 3) or not np.isfinite(begin).all() or np.any(begin[2] != (0, 0, 1)):
            raise UserError("start is no map; expected 3 x 3 finite numbers, the last row of which is 0, 0, 1")
        if scale_of(begin) < 1e-6:
            raise UserError("start maps the SEM to a line; expected a map that can be inverted")
    if ends is not None:
        return begin, (ends[0] / scale_of(begin), ends[1] / scale_of(begin))
    return begin, (1.0, 1.0) if transform in ("none", "shift", "rigid") else SCALES


def _cut(grey: NDArray[Any], valid: object, name: str) -> tuple[NDArray[Any], Mask, NDArray[np.int64]]:
    """Return an image and what counts in it, cut to what counts, and the first row and column."""
    counts = grey != 0 if valid is None else mask_array(valid, grey.shape, f"{name}_valid")
    box = [np.flatnonzero(counts.any(axis=1 - axis)) for axis in (0, 1)]
    if not counts.any() or np.ptp(grey[counts]) == 0:
        raise UserError(f"{name} is blank: expected an image with contrast where it counts, found one grey value")
    first, last = (np.array([places[end] for places in box]) for end in (0, -1))
    if min(last - first) + 1 < MIN_SIDE or np.count_nonzero(counts) < MIN_SIDE**2:
        raise UserError(
            f"{name} is too small: {np.count_nonzero(counts)} pixels count, in {last - first + 1} rows and columns; "
            f"expected at least {MIN_SIDE} x {MIN_SIDE}"
        )
    part = slice(first[0], last[0] + 1), slice(first[1], last[1] + 1)
    return grey[part], counts[part], first
