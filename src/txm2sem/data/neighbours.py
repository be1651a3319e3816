"""Neighbouring slices: the TXM below and above an aligned slice, which a network may see beside it."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.data.stacks import TiffStack, missing_between
from txm2sem.data.volume_stacks import open_stack, volume_file
from txm2sem.errors import UserError, listed

HEADER = ["number", "z"]
"""First line of the table of positions."""

MIN_CORRELATION = 0.9
"""An aligned slice and the full stack's slice at its position correlate at least so much; otherwise they show different
places. They need not be equal: one of them may have been filtered, or have another contrast."""

CLEARLY_NEARER = 0.5
"""Where the slice above or below differs from the aligned slice by less than this share of what the one at its position
does, the position is wrong, by one for example. The difference is 1 - correlation."""

COMPARED_PIXELS = 2**16
"""About so many pixels of a slice are compared."""


def context_indices(z: int, slices: int, context: int) -> list[int]:
    """Return the positions of a slice and its neighbours in a stack: from `context` below it to `context` above it.

    Beyond the ends of the stack, the slice there is repeated.

    Args:
        z: position of the slice, from 0 (not its number).
        slices: of the stack.
        context: neighbours on each side.

    Returns:
        2 * context + 1 positions in z order, the slice itself in the middle.
    """
    return [min(max(z + offset, 0), slices - 1) for offset in range(-context, context + 1)]


def check_no_gaps(stack: TiffStack, first: int, last: int, why: str, remedy: str) -> None:
    """Check that no slice is missing between two others.

    Args:
        stack: numbered in z order.
        first: position of the first slice, from 0 (not its number).
        last: position of the last one.
        why: what needs all of them, for the error.
        remedy: what to do instead of adding slices, for the error.

    Raises:
        UserError: there are numbers between theirs without a slice.
    """
    missing = missing_between(stack.numbers[first : last + 1])
    if missing:
        raise UserError(
            f"expected every slice from {stack.paths[first].name} to {stack.paths[last].name} in {stack.folder}, as "
            f"{why}, but these are missing: {missing}; add them, number the slices without gaps, or {remedy}"
        )


@dataclass(frozen=True)
class Neighbours:
    """Where the slices of a split lie in the TXM's full stack, and how many of it are seen around each.

    Attributes:
        stack: the TXM's full stack; its slices fit those of the split pixel by pixel, and have their size and dtype.
        positions: position in the stack, from 0 (not the number), of each slice of the split.
        context: neighbours seen on each side.
    """

    stack: TiffStack
    positions: tuple[int, ...]
    context: int

    @classmethod
    def open(cls, folder: Path, table: Path, txm: TiffStack, context: int) -> Neighbours:
        """Find the slices of a split in the full stack. Reads headers, and some rows of each slice to compare them.

        Args:
            folder: of the full stack.
            table: says where aligned slices lie in it, see `read_positions`.
            txm: the TXM slices of the split.
            context: neighbours seen on each side.

        Raises:
            UserError: stack or table is missing or damaged, has not all that is needed, or does not fit the slices.
        """
        if not folder.is_dir() and volume_file(folder) is None:
            raise UserError(
                f"there is no folder {folder}, from which --context_slices {context} takes the TXM slices below and "
                "above the aligned ones: put all TXM slices of the volume there as 000.tif, 001.tif, ... in z order, "
                "or train a model without the option"
            )
        stack = open_stack(folder)
        if (stack.shape, stack.dtype) != (txm.shape, txm.dtype):
            raise UserError(
                f"with --context_slices {context} a network sees slices of {folder} beside those of {txm.folder}, so "
                f"they must fit pixel by pixel: expected {_described(txm)}, found {_described(stack)}; crop or convert "
                "one of them"
            )
        numbers = read_positions(table, context)
        unknown = [number for number in txm.numbers if number not in numbers]
        if unknown:
            raise UserError(
                f"{table} does not say where all slices of {txm.folder} lie in {folder}: {listed(unknown)} "
                f"{'is' if len(unknown) == 1 else 'are'} missing; add a line number,z for each, such as "
                f"{unknown[0]},{stack.numbers[0]} if slice {unknown[0]} is {stack.paths[0].name} there"
            )
        found = {number: position for position, number in enumerate(stack.numbers)}
        for number in txm.numbers:
            if numbers[number] not in found:
                raise UserError(
                    f"{table} says that slice {number} lies at z {numbers[number]}, but {folder} has no slice of that "
                    f"number: expected one of {stack.paths[0].name} to {stack.paths[-1].name}; correct the line"
                )
        neighbours = cls(stack, tuple(found[numbers[number]] for number in txm.numbers), context)
        for index, position in enumerate(neighbours.positions):
            seen = neighbours.around(index)
            why = f"--context_slices {context} shows them together"
            check_no_gaps(stack, seen[0], seen[-1], why, "train a model with fewer")
            _check_same_place(txm, index, stack, position, table)
        return neighbours

    def around(self, index: int) -> list[int]:
        """Return the positions in the stack of what is seen of slice `index` of the split, see `context_indices`."""
        return context_indices(self.positions[index], len(self.stack), self.context)


def read_positions(table: Path, context: int) -> dict[int, int]:
    """Read where aligned slices lie in the full stack: the number that a slice has there, by the number it has here.

    The table is a text file with a line `number,z` and then one line for each slice, such as `8,120`.

    Args:
        table: the file.
        context: value of `--context_slices`, for the error.

    Raises:
        UserError: the file is missing or unreadable, or a line is not of that form, or names a slice again.
    """
    if not table.is_file():
        raise UserError(
            f"there is no file {table}, in which --context_slices {context} looks up where aligned slices lie in the "
            "full TXM stack: write a line number,z and then one line for each slice, such as 8,120 where slice 8 is "
            "120.tif there, or train a model without the option"
        )
    try:
        # Spreadsheets mark UTF-8 at the beginning of the file.
        reader = csv.reader(table.read_text(encoding="utf-8-sig").splitlines())
        lines = [(reader.line_num, [word.strip() for word in line]) for line in reader if line]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"cannot read {table} ({error}); expected text lines number,z such as 8,120") from error
    if not lines or lines[0][1] != HEADER:
        found = ",".join(lines[0][1]) if lines else "an empty file"
        raise UserError(f"{table}: expected the first line number,z, found {found}; put it above the positions")
    positions: dict[int, int] = {}
    for place, words in lines[1:]:
        try:
            number, z = map(int, words)
        except ValueError:
            raise UserError(
                f"{table}, line {place}: expected two whole numbers number,z such as 8,120, found {','.join(words)}; "
                "correct the line"
            ) from None
        if number in positions:
            raise UserError(
                f"{table}, line {place}: slice {number} is there already, at z {positions[number]}, and now at z {z}; "
                "remove one of the lines"
            )
        positions[number] = z
    return positions


def _check_same_place(txm: TiffStack, index: int, stack: TiffStack, position: int, table: Path) -> None:
    rows, columns = txm.shape
    window = slice(0, rows, max(1, rows * columns // COMPARED_PIXELS)), slice(0, columns)
    image = txm.read(index, *window)
    found = {z: _correlation(image, stack.read(z, *window)) for z in context_indices(position, len(stack), 1)}
    says = f"{table} says that slice {txm.numbers[index]} lies at z {stack.numbers[position]}, but {txm.paths[index]}"
    if found[position] < MIN_CORRELATION:
        raise UserError(
            f"{says} and {stack.paths[position]} do not show the same place pixel by pixel: expected a correlation of "
            f"at least {MIN_CORRELATION}, found {found[position]:.2f}; correct the line, or crop and register the "
            "stack as the slices"
        )
    nearest = max(found, key=lambda z: found[z])
    # Rounding errors are no difference.
    if 1 - found[nearest] + 1e-6 < CLEARLY_NEARER * (1 - found[position]):
        raise UserError(
            f"{says} shows what {stack.paths[nearest].name} shows there: expected {stack.paths[position].name} to be "
            f"the most similar, found correlations of {found[nearest]:.4f} and {found[position]:.4f}; correct the line "
            "(z is the number of a file, not its position)"
        )


def _correlation(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Return the correlation of the pixels that are 0 in neither image; 0 where it is not defined."""
    if np.array_equal(one, other):
        return 1.0
    # An empty margin in both would make any two slices alike.
    imaged = (one != 0) & (other != 0)
    if not imaged.any():
        return 0.0
    a, b = (image[imaged].astype(np.float64) for image in (one, other))
    a, b = a - a.mean(), b - b.mean()
    scale = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / scale if scale > 0 else 0.0


def _described(stack: TiffStack) -> str:
    return f"{stack.shape[0]} x {stack.shape[1]} pixels of type {stack.dtype}"
