"""Cubes of the full stacks: all slices of a volume in z order, uncropped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.data.neighbours import check_no_gaps, context_indices
from txm2sem.data.slices import full_stack_folder
from txm2sem.data.stacks import TiffStack
from txm2sem.data.volume_stacks import open_stack, volume_file
from txm2sem.errors import UserError
from txm2sem.options import DataOptions, Phase, VolumeOptions


@dataclass(frozen=True)
class Cube:
    """Where a cube lies in a stack.

    Attributes:
        z: position of its first slice in the stack, from 0 (not its number).
        row: its first row [pixels].
        column: its first column [pixels].
        size: its side [pixels].
    """

    z: int
    row: int
    column: int
    size: int

    @property
    def first(self) -> tuple[int, int, int]:
        """Its first voxel, (z, y, x)."""
        return self.z, self.row, self.column

    def slice_of(self, stack: TiffStack, index: int) -> NDArray[Any]:
        """Return slice `index` of the cube, from 0, as (rows, columns) in the stack's dtype.

        Raises:
            UserError: the file is damaged, black all over, or has pixels that are not finite.
        """
        image: NDArray[Any] = self.channels_of(stack, index, 0)[0]
        return image

    def channels_of(self, stack: TiffStack, index: int, context: int) -> NDArray[Any]:
        """Return slice `index` of the cube, from 0, between its neighbours, (2 * context + 1, rows, columns).

        They are in z order, in the stack's dtype, see `context_indices`: taken from the stack beyond the cube, too.

        Raises:
            UserError: a file is damaged, black all over, or has pixels that are not finite.
        """
        rows, columns = slice(self.row, self.row + self.size), slice(self.column, self.column + self.size)
        positions = context_indices(self.z + index, len(stack), context)
        return np.stack([stack.read(position, rows, columns) for position in positions])


def open_full_stack(dataroot: Path, phase: Phase, options: DataOptions) -> TiffStack:
    """Open the TXM's full stack, reading headers only.

    Raises:
        UserError: it is not there, or a slice is damaged or does not fit the others.
    """
    folder = full_stack_folder(dataroot, phase, "txm", options)
    if not folder.is_dir() and volume_file(folder) is None:
        raise UserError(
            f"there is no folder {folder}; --dataset_mode txm2sem3d translates the uncropped TXM slices of a volume: "
            f"put them there as 000.tif, 001.tif, ... in z order, or the volume beside it, such as {folder.name}.txm"
        )
    return open_stack(folder)


def open_truth(dataroot: Path, phase: Phase, options: DataOptions, txm: TiffStack) -> TiffStack | None:
    """Open the SEM's full stack, which is there where the truth is known, as for a phantom; None where it is not.

    Raises:
        UserError: it does not have the TXM's slices and size, or one of its slices is damaged.
    """
    folder = full_stack_folder(dataroot, phase, "sem", options)
    if not folder.is_dir():
        return None
    truth = TiffStack(folder)
    if (truth.numbers, truth.shape) != (txm.numbers, txm.shape):
        raise UserError(
            f"{folder} shows the truth of {txm.folder}, so both must have the same slices and size: expected "
            f"{_extent(txm)}, found {_extent(truth)}; correct it, or rename it to go without the truth"
        )
    return truth


def choose_cube(stack: TiffStack, size: int, options: VolumeOptions, seed: int, context: int = 0) -> Cube:
    """Return the cube that the options name; a row or column that they leave open is drawn from the seed.

    Args:
        stack: the TXM's full stack.
        size: side of the cube [pixels].
        options: `x_ind` is the first column, `y_ind` the first row, `z_ind` the position of the first slice.
        seed: 0 or above.
        context: neighbours of the cube's slices that are seen on each side, beyond the cube, too.

    Raises:
        UserError: the cube does not fit the stack, or a slice of it, or of its neighbours, is missing.
    """
    rows, columns = stack.shape
    if size > min(rows, columns):
        raise UserError(
            f"--patch_size {size} does not fit {stack.folder}, whose slices are {rows} x {columns} pixels; pass a "
            f"--patch_size of at most {min(rows, columns)}"
        )
    if size > len(stack):
        raise UserError(
            f"--patch_size {size} takes {size} slices of {stack.folder}, found {len(stack)} "
            f"({stack.paths[0].name} to {stack.paths[-1].name}); add slices, or pass a smaller --patch_size"
        )
    taken = {"x_ind": ("column", columns), "y_ind": ("row", rows), "z_ind": ("slice", len(stack))}
    for option, (name, extent) in taken.items():
        value, last = getattr(options, option), extent - size
        if value > last:
            raise UserError(
                f"--{option} {value}: expected a first {name} from 0 to {last}, as {stack.folder} has {extent} "
                f"{name}s and --patch_size {size} takes {size}; {max(extent - value, 0)} remain from there"
            )
    # Both are drawn in any case, so that passing one of them does not change the other.
    row, column = np.random.default_rng(seed).integers((rows - size + 1, columns - size + 1)).tolist()
    cube = Cube(
        z=options.z_ind,
        row=row if options.y_ind < 0 else options.y_ind,
        column=column if options.x_ind < 0 else options.x_ind,
        size=size,
    )
    first = context_indices(cube.z, len(stack), context)[0]
    last = context_indices(cube.z + cube.size - 1, len(stack), context)[-1]
    check_no_gaps(stack, first, last, "neighbours along z belong together", "pass another --z_ind")
    return cube


def _extent(stack: TiffStack) -> str:
    names = f"{stack.paths[0].name} to {stack.paths[-1].name}"
    return f"{len(stack)} slices ({names}) of {stack.shape[0]} x {stack.shape[1]} pixels"
