"""Repair the charged regions of a folder of SEM slices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from txm2sem.config import RepairCommand
from txm2sem.data import TiffStack
from txm2sem.data.images import Kept, kept_of, open_image, write_image
from txm2sem.errors import UserError
from txm2sem.inference.repair.charge import dilated, find_charge, saturation_of
from txm2sem.inference.repair.kriging import KrigingFilling
from txm2sem.inference.repair.network import NetworkFilling

FOUND_DILATION = 2
"""How far what is repaired reaches beyond saturated regions by default [pixels]: their edges are bright, too."""


class Filling(Protocol):
    """A way to fill the charged regions of a slice."""

    def __call__(
        self, sem: NDArray[Any], mask: NDArray[np.bool_], txm: NDArray[Any] | None, index: int
    ) -> NDArray[np.float32]:
        """Return grey values of the SEM, (H, W); only those inside the mask count.

        Args:
            sem: (H, W), grey values as they are in the file.
            mask: (H, W), True where it is charged; somewhere it is.
            txm: (H, W), grey values of the aligned TXM, where there is one.
            index: which slice of the folder it is, from 0.
        """


@dataclass(frozen=True)
class RepairedSlice:
    """One repaired slice.

    Attributes:
        name: its file name.
        before: the SEM as it was, (rows, columns), in the file's dtype.
        after: the same with the charge repaired.
        mask: (rows, columns), True where it was repaired.
    """

    name: str
    before: NDArray[Any]
    after: NDArray[Any]
    mask: NDArray[np.bool_]

    @property
    def fringe(self) -> float:
        """Brightness of the pixels next to the mask: 0 is that of the other pixels, 1 that in the mask (medians).

        Where it is well above 0, the charge reaches beyond the mask. 0 where nothing is repaired.
        """
        intact = ~self.mask & (self.before != 0)
        next_to_it = dilated(self.mask, 1) & intact
        if not next_to_it.any():
            return 0.0
        rest, edge, charge = (float(np.median(self.before[where])) for where in (intact, next_to_it, self.mask))
        return (edge - rest) / (charge - rest) if charge > rest else 0.0


class FolderRepair:
    """Repairs the slices of a folder, one after the other, and writes them into another under the same names.

    By kriging, or by the model that the command names. Pixels outside the charge keep their bits, as do those of 0,
    where nothing was imaged.

    Args:
        command: method, masks and how they are found.
        folder: the SEM slices.
        out: where to write; new, or empty.

    Attributes:
        sem: the slices.
        saturation: grey value from which pixels count as saturated; None where masks are given.

    Raises:
        UserError: model, slices and masks do not fit each other, or `out` is not empty; nothing is written.
    """

    def __init__(self, command: RepairCommand, folder: Path, out: Path) -> None:
        options = command.repair
        check_empty(out)
        self.options = options
        self.out = out
        self.sem = TiffStack(folder)
        self.txm = None if options.txm is None else aligned(TiffStack(options.txm), self.sem)
        self.charge = None if options.charge is None else aligned(TiffStack(options.charge, mask=True), self.sem)
        self.fill: Filling = (
            NetworkFilling(command, self.sem, self.txm, self.charge)
            if command.run.name
            else KrigingFilling(options.texture, command.run.seed)
        )
        self.saturation = None if self.charge is not None else saturation_of(self.sem, options.saturation)

    def __len__(self) -> int:
        return len(self.sem)

    @property
    def dilation(self) -> int:
        """How far what is repaired reaches beyond the masks [pixels]."""
        if self.options.dilation >= 0:
            return self.options.dilation
        return 0 if self.saturation is None else FOUND_DILATION

    def run(self) -> Iterator[RepairedSlice]:
        """Repair and write every slice, yielding each as it is done.

        Masks that were found here are written, too, as `OUT/charge/NAME`: to look at, to correct, and to pass as
        `--charge`.

        Raises:
            UserError: a file cannot be read or written, or nothing of a slice is intact.
        """
        for index, path in enumerate(self.sem.paths):
            sem, mask = read(self.sem, index), self._mask(index)
            repaired = RepairedSlice(path.name, sem, self._repair(index, sem, mask), mask)
            write_image(self.out / path.name, repaired.after, kept_of(path))
            if self.saturation is not None:
                levels = mask.astype(np.uint8) * 255
                write_image(self.out / "charge" / path.name, levels, Kept(open_image(path).pixel_size))
            yield repaired

    def _mask(self, index: int) -> NDArray[np.bool_]:
        sem = read(self.sem, index)
        if self.saturation is None:
            assert self.charge is not None
            mask = self._beside(self.charge, index) > 0
        else:
            mask = find_charge(sem, self.saturation, min_area=self.options.min_area)
        charged: NDArray[np.bool_] = dilated(mask, self.dilation) & (sem != 0)
        return charged

    def _repair(self, index: int, sem: NDArray[Any], mask: NDArray[np.bool_]) -> NDArray[Any]:
        repaired = sem.copy()
        if not mask.any():
            return repaired
        txm = None if self.txm is None else self._beside(self.txm, index)
        try:
            filled = self.fill(sem, mask, txm, index)
        except UserError as error:
            raise UserError(f"{self.sem.paths[index]}: {error}") from error
        repaired[mask] = to_dtype(filled[mask], sem.dtype)
        return repaired

    def _beside(self, stack: TiffStack, index: int) -> NDArray[Any]:
        """Return the slice of an aligned stack that has the number of a SEM slice."""
        return read(stack, stack.numbers.index(self.sem.numbers[index]))


def read(stack: TiffStack, index: int) -> NDArray[Any]:
    """Return a whole slice (rows, columns)."""
    return stack.read(index, *map(slice, stack.shape))


def to_dtype(grey: NDArray[np.float32], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return grey values in a file's dtype: rounded and clipped for integers."""
    if dtype.kind == "f":
        return grey.astype(dtype)
    limits = np.iinfo(dtype)
    return np.clip(np.rint(grey.astype(np.float64)), limits.min, limits.max).astype(dtype)


def aligned(stack: TiffStack, sem: TiffStack) -> TiffStack:
    """Return a stack after a check that it has every slice of the SEM, by its number, in the same size.

    Raises:
        UserError: it has not.
    """
    missing = sorted(set(sem.numbers) - set(stack.numbers))
    if missing:
        raise UserError(
            f"{stack.folder} has no slice {', '.join(map(str, missing[:10]))}, but {sem.folder} has; expected every "
            "slice of the SEM, by the last number of its name: add or remove slices"
        )
    if stack.shape != sem.shape:
        raise UserError(
            f"{stack.paths[0]} is {stack.shape[0]} x {stack.shape[1]} pixels, but {sem.paths[0]} is {sem.shape[0]} x "
            f"{sem.shape[1]}; expected one size: register and crop them first"
        )
    return stack


def check_empty(out: Path) -> None:
    """Check that a folder is not there yet, or has nothing in it.

    Raises:
        UserError: it has, or it is a file.
    """
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file; expected a folder to write the repaired slices into: choose another name")
    if out.is_dir() and (there := sorted(path.name for path in out.iterdir())):
        raise UserError(
            f"the folder {out} is not empty (it holds {there[0]}); repaired slices go into a new folder: choose "
            "another name, or empty it"
        )
