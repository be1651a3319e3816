"""Where patches are taken: at random for training, at fixed places for evaluation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np

from txm2sem.data.slices import AlignedSlices
from txm2sem.errors import UserError

MIN_UNCHARGED = 0.95
"""A patch is used if more than this share of its pixels is uncharged ..."""

MIN_USABLE = 0.75
"""... and more than this share is usable: uncharged, non-zero in the SEM and non-zero in the TXM."""

MAX_TRIES = 100_000
"""Places tried for one patch before the search is given up (seconds; patches of 1 in 1000 places are still found)."""

EVALUATION_SEED = 999
"""Seed of the fixed patches of the original code."""


@dataclass(frozen=True)
class PatchLocation:
    """A square patch of a slice.

    Attributes:
        slice_index: position of the slice among the aligned slices, from 0 (not its number).
        row: first row [pixels].
        column: first column [pixels].
        size: side [pixels].
    """

    slice_index: int
    row: int
    column: int
    size: int

    def to_slices(self) -> tuple[int, slice, slice]:
        """Return the patch as (slice index, rows, columns), in the order in which pixels are read."""
        return (
            self.slice_index,
            slice(self.row, self.row + self.size),
            slice(self.column, self.column + self.size),
        )


@dataclass(frozen=True)
class PatchShares:
    """Shares of a patch's pixels, 0 to 1, that decide whether it is used.

    Attributes:
        uncharged: share of uncharged pixels.
        usable: share of pixels that are uncharged and imaged; not measured, and 0, where too many are charged anyway.
    """

    uncharged: float
    usable: float = 0.0

    @property
    def accepted(self) -> bool:
        """Whether the patch is used."""
        return self.uncharged > MIN_UNCHARGED and self.usable > MIN_USABLE


def patch_shares(slices: AlignedSlices, location: PatchLocation, *, wrapped_product: bool = False) -> PatchShares:
    """Measure how much of a patch is uncharged and how much is usable.

    Args:
        slices: the slices.
        location: the patch.
        wrapped_product: take pixels whose product SEM * TXM is a multiple of 256 for black, as the original code does
            by multiplying in 8 bits.
    """
    window, pixels = location.to_slices(), location.size**2
    uncharged = ~slices.mask("charge", *window)
    share = np.count_nonzero(uncharged) / pixels
    if share <= MIN_UNCHARGED:
        return PatchShares(share)
    sem, txm = slices.image("sem", *window), slices.image("txm", *window)
    imaged = sem * txm != 0 if wrapped_product else (sem != 0) & (txm != 0)
    return PatchShares(share, np.count_nonzero(uncharged & imaged) / pixels)


def draw_training_location(
    slices: AlignedSlices, patch_size: int, rng: np.random.Generator, *, max_tries: int = MAX_TRIES
) -> PatchLocation:
    """Draw a patch uniformly in row, column and slice until it is uncharged and usable enough.

    Raises:
        UserError: the patch does not fit the slices, or `max_tries` places were not enough.
    """
    check_patch_fits(slices, patch_size)
    places = np.array([*(side - patch_size + 1 for side in slices.shape), len(slices)])

    def draw() -> PatchLocation:
        row, column, index = rng.integers(places).tolist()
        return PatchLocation(index, row, column, patch_size)

    return _search(slices, draw, max_tries)


def evaluation_locations(
    slices: AlignedSlices, patch_size: int, count: int, *, max_tries: int = MAX_TRIES
) -> list[PatchLocation]:
    """Return the fixed patches on which results of the original code were published.

    They depend on the slices, the patch size and nothing else; a smaller `count` gives the first of them. To be the
    same patches, they keep what is odd about the original search:

    - numpy's legacy generator, which is left one draw further by each accepted patch;
    - the last row and column at which a patch would fit are never drawn (where it fits only once, that place is used,
      at which the original code stopped with an error);
    - in 8-bit data the product of SEM and TXM wraps around, so that pixels whose product is a multiple of 256 count as
      black. Data of other types have no such history and follow the plain rule.

    Raises:
        UserError: the patch does not fit the slices, or `max_tries` places were not enough for one patch.
    """
    check_patch_fits(slices, patch_size)
    random = np.random.RandomState(EVALUATION_SEED)
    rows, columns = (max(side - patch_size, 1) for side in slices.shape)
    wrapped_product = slices.txm.dtype == slices.sem.dtype == np.uint8

    def draw() -> PatchLocation:
        row, column, index = (int(random.randint(0, high)) for high in (rows, columns, len(slices)))
        return PatchLocation(index, row, column, patch_size)

    locations = []
    for _ in range(count):
        locations.append(_search(slices, draw, max_tries, wrapped_product=wrapped_product))
        random.randint(2147483647)  # seeded the augmentation of the patch
    return locations


def grid_locations(slices: AlignedSlices, patch_size: int, most: int) -> list[PatchLocation]:
    """Return patches side by side over all slices, none upon another: `most` at most, evenly spread.

    Raises:
        UserError: the patch does not fit the slices.
    """
    check_patch_fits(slices, patch_size)
    rows, columns = (range(0, side - patch_size + 1, patch_size) for side in slices.shape)
    places = list(product(range(len(slices)), rows, columns))
    chosen = np.linspace(0, len(places) - 1, min(len(places), most)).round().astype(int)
    return [PatchLocation(index, row, column, patch_size) for index, row, column in (places[one] for one in chosen)]


def check_patch_fits(slices: AlignedSlices, patch_size: int) -> None:
    """Check that slices are as large as a patch.

    Raises:
        UserError: they are not.
    """
    rows, columns = slices.shape
    if not 1 <= patch_size <= min(rows, columns):
        raise UserError(
            f"--patch_size {patch_size} does not fit {slices.txm.paths[0]}, which is {rows} x {columns} pixels; pass a "
            f"--patch_size from 1 to {min(rows, columns)}"
        )


def _search(
    slices: AlignedSlices, draw: Callable[[], PatchLocation], max_tries: int, *, wrapped_product: bool = False
) -> PatchLocation:
    uncharged = usable = 0.0
    for _ in range(max_tries):
        location = draw()
        shares = patch_shares(slices, location, wrapped_product=wrapped_product)
        if shares.accepted:
            return location
        uncharged, usable = max(uncharged, shares.uncharged), max(usable, shares.usable)
    raise UserError(
        f"no usable patch of {location.size} x {location.size} pixels in {slices.folder} after {max_tries} tries: "
        f"expected more than {MIN_UNCHARGED:.0%} of its pixels uncharged and more than {MIN_USABLE:.0%} uncharged and "
        f"non-zero in SEM and TXM, found at most {uncharged:.1%} and {usable:.1%}; pass a smaller --patch_size, or "
        "check the charge masks (above 0 is charged) and the slices"
    )
