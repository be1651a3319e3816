"""Cubes of the full stacks: all slices of a volume in z order, uncropped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.config import DataOptions, Phase, VolumeOptions
from txm2sem.data.slices import ImageName, split_folder
from txm2sem.data.stacks import TiffStack
from txm2sem.errors import UserError


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

    def slice_of(self, stack: TiffStack, index: int) -> NDArray[Any]:
        """Return slice `index` of the cube, from 0, as (rows, columns) in the stack's dtype.

        Raises:
            UserError: the file is damaged, black all over, or has pixels that are not finite.
        """
        rows, columns = slice(self.row, self.row + self.size), slice(self.column, self.column + self.size)
        return stack.read(self.z + index, rows, columns)


def full_stack_folder(dataroot: Path, phase: Phase, name: ImageName, options: DataOptions) -> Path:
    """Return the folder of a full stack, `dataroot/test/txm_full_stackNAME` with NAME the option `sample_name`.

    Raises:
        UserError: the data root has no such split.
    """
    return split_folder(dataroot, phase) / f"{name}_full_stack{options.sample_name}"


def open_full_stack(dataroot: Path, phase: Phase, options: DataOptions) -> TiffStack:
    """Open the TXM's full stack, reading headers only.

    Raises:
        UserError: it is not there, or a slice is damaged or does not fit the others.
    """
    folder = full_stack_folder(dataroot, phase, "txm", options)
    if not folder.is_dir():
        raise UserError(
            f"there is no folder {folder}; --dataset_mode txm2sem3d translates the uncropped TXM slices of a volume: "
            "put them there as 000.tif, 001.tif, ... in z order"
        )
    return TiffStack(folder)


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


def choose_cube(stack: TiffStack, size: int, options: VolumeOptions, seed: int) -> Cube:
    """Return the cube that the options name; a row or column that they leave open is drawn from the seed.

    Args:
        stack: the TXM's full stack.
        size: side of the cube [pixels].
        options: `x_ind` is the first column, `y_ind` the first row, `z_ind` the position of the first slice.
        seed: 0 or above.

    Raises:
        UserError: the cube does not fit the stack, or a slice of it is missing.
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
    _check_no_gaps(stack, cube)
    return cube


def _check_no_gaps(stack: TiffStack, cube: Cube) -> None:
    numbers = stack.numbers[cube.z : cube.z + cube.size]
    missing = sorted(set(range(numbers[0], numbers[-1])) - set(numbers))
    if missing:
        shown = ", ".join(map(str, missing[:10])) + (f" and {len(missing) - 10} more" if len(missing) > 10 else "")
        first, last = (stack.paths[index].name for index in (cube.z, cube.z + cube.size - 1))
        raise UserError(
            f"expected every slice from {first} to {last} in {stack.folder}, as neighbours along z are compared, but "
            f"{shown} {'is' if len(missing) == 1 else 'are'} missing; add them, number the slices without gaps, or "
            "pass another --z_ind"
        )


def _extent(stack: TiffStack) -> str:
    names = f"{stack.paths[0].name} to {stack.paths[-1].name}"
    return f"{len(stack)} slices ({names}) of {stack.shape[0]} x {stack.shape[1]} pixels"
