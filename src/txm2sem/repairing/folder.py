"""Repair the charged regions of a folder of SEM slices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from txm2sem.data import TiffStack
from txm2sem.data.bars import DataBar, find_bar, without_bar
from txm2sem.data.images import Kept, kept_of, open_image, said_bar, write_image
from txm2sem.data.microscopes import text_beside
from txm2sem.data.pixels import to_dtype
from txm2sem.data.readers.base import stamp
from txm2sem.data.volume_stacks import open_stack
from txm2sem.drafts import Draft
from txm2sem.errors import UserError
from txm2sem.files import write_whole
from txm2sem.filling.charge import dilated, find_charge, saturation_of
from txm2sem.options import RepairCommand, to_mapping

RESULT_OPTIONS = (
    *("name", "saturation", "min_area", "dilation", "texture", "seed"),
    *("txm_range", "sem_range", "gamma", "hist_eq", "patch_size", "precision"),
)
"""Options that the result depends on, besides the checkpoint."""

FOUND_DILATION = 2
"""How far what is repaired reaches beyond saturated regions by default [pixels]: their edges are bright, too."""


class Filling(Protocol):
    """A way to fill the charged regions of a slice.

    Attributes:
        model_checksum: SHA-256 of the checkpoint that it fills with; empty where there is none.
    """

    model_checksum: str

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
        bar: its data bar, which was left as it was.
    """

    name: str
    before: NDArray[Any]
    after: NDArray[Any]
    mask: NDArray[np.bool_]
    bar: DataBar | None = None

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
        draft: the output while it grows.
        stage: what there is of it.
        sem: the slices.
        saturation: grey value from which pixels count as saturated; None where masks are given.

    Raises:
        UserError: model, slices and masks do not fit each other, `out` is not empty, or what there is of it belongs to
            another repair; nothing is written.
    """

    def __init__(self, command: RepairCommand, folder: Path, out: Path) -> None:
        options = command.repair
        self.command = command
        self.options = options
        self.draft = Draft(out, "repair")
        self.sem = TiffStack(folder)
        self.txm = None if options.txm is None else aligned(open_stack(options.txm), self.sem)
        self.charge = None if options.charge is None else aligned(TiffStack(options.charge, mask=True), self.sem)
        self.fill = self._filling()
        self.saturation = None if self.charge is not None else saturation_of(self.sem, options.saturation)
        self.stage = self.draft.look(self.identity)

    def __len__(self) -> int:
        return len(self.sem)

    def _filling(self) -> Filling:
        # Only now, when the slices are there: both take seconds to import.
        if self.command.run.name:
            from txm2sem.filling.network import NetworkFilling

            return NetworkFilling(self.command, self.sem, self.txm, self.charge)
        from txm2sem.filling.kriging import KrigingFilling

        return KrigingFilling(self.options.texture, self.command.run.seed)

    @property
    def identity(self) -> dict[str, Any]:
        """What the result depends on: plain values by name."""
        stacks = {"sem": self.sem, "txm": self.txm, "charge": self.charge}
        options = to_mapping(self.command)
        return {
            **{name: [stamp(path) for path in stack.paths] if stack else [] for name, stack in stacks.items()},
            "model_sha256": self.fill.model_checksum,
            **{name: str(options[name]) for name in RESULT_OPTIONS},
        }

    @property
    def result(self) -> Path:
        """What becomes the output: the folder of the repaired slices."""
        return self.draft.folder / "slices"

    @property
    def done(self) -> int:
        """Slices that are repaired already."""
        return len(self) if self.stage == "whole" else sum(map(self._is_done, self.sem.paths))

    @property
    def dilation(self) -> int:
        """How far what is repaired reaches beyond the masks [pixels]."""
        if self.options.dilation >= 0:
            return self.options.dilation
        return 0 if self.saturation is None else FOUND_DILATION

    def run(self) -> Iterator[RepairedSlice]:
        """Repair and write every slice that is missing, yielding each slice as it is done; the draft was begun.

        Masks that were found here are written, too, as `OUT/charge/NAME`: to look at, to correct, and to pass as
        `--charge`.

        Raises:
            UserError: a file cannot be read or written, or nothing of a slice is intact. What was done stays, and the
                same call goes on there.
        """
        for index, path in enumerate(self.sem.paths):
            sem = read(self.sem, index)
            bar = find_bar(sem, said_bar(path))
            seen = without_bar(sem, bar)
            mask = self._mask(index, seen)
            if self._is_done(path):
                yield RepairedSlice(path.name, sem, open_image(self.result / path.name).read(), mask, bar)
                continue
            repaired = RepairedSlice(path.name, sem, self._repair(index, sem, seen, mask), mask, bar)
            if self.saturation is not None:
                levels = mask.astype(np.uint8) * 255
                write_image(self.result / "charge" / path.name, levels, Kept(open_image(path).pixel_size))
            beside = text_beside(path)
            if beside is not None:
                write_whole(self.result / beside.name, partial(_copy, beside))
            # Last, as it says that the slice is done.
            write_image(self.result / path.name, repaired.after, kept_of(path))
            yield repaired

    def _is_done(self, path: Path) -> bool:
        """Say whether a slice has been repaired: its file is the last one written."""
        return (self.result / path.name).exists()

    def _mask(self, index: int, sem: NDArray[Any]) -> NDArray[np.bool_]:
        if self.saturation is None:
            assert self.charge is not None
            mask = self._beside(self.charge, index) > 0
        else:
            mask = find_charge(sem, self.saturation, min_area=self.options.min_area)
        charged: NDArray[np.bool_] = dilated(mask, self.dilation) & (sem != 0)
        return charged

    def _repair(self, index: int, sem: NDArray[Any], seen: NDArray[Any], mask: NDArray[np.bool_]) -> NDArray[Any]:
        repaired = sem.copy()
        if not mask.any():
            return repaired
        txm = None if self.txm is None else self._beside(self.txm, index)
        try:
            filled = self.fill(seen, mask, txm, index)
        except UserError as error:
            raise UserError(f"{self.sem.paths[index]}: {error}") from error
        repaired[mask] = to_dtype(filled[mask], sem.dtype)
        return repaired

    def _beside(self, stack: TiffStack, index: int) -> NDArray[Any]:
        """Return the slice of an aligned stack that has the number of a SEM slice."""
        return read(stack, stack.numbers.index(self.sem.numbers[index]))


def _copy(path: Path, target: BytesIO) -> None:
    target.write(path.read_bytes())


def read(stack: TiffStack, index: int) -> NDArray[Any]:
    """Return a whole slice (rows, columns)."""
    return stack.read(index, *map(slice, stack.shape))


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
