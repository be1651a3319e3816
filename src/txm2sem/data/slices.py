"""The aligned slices of one split: TXM, SEM and masks of the same places."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from txm2sem.data.neighbours import Neighbours
from txm2sem.data.stacks import SliceCache, TiffStack, find_slices
from txm2sem.errors import UserError, listed
from txm2sem.options import DataOptions, Phase

ImageName = Literal["txm", "sem"]
MaskName = Literal["charge", "lowdensity", "highdensity"]

MASK_NAMES: tuple[MaskName, ...] = ("charge", "lowdensity", "highdensity")

SPLIT_FOLDERS: Mapping[Phase, tuple[str, ...]] = {
    "train": ("train", "training"),
    "val": ("val", "validation"),
    "test": ("test",),
}
"""Names that the folder of a split may have."""


def has_split(dataroot: Path, phase: Phase) -> bool:
    """Say whether a data root has a folder for a split."""
    return any((dataroot / name).is_dir() for name in SPLIT_FOLDERS[phase])


def check_instruments(txm: Path, sem: Path) -> None:
    """Check that of what two instruments left the SEM is a folder of slices.

    Raises:
        UserError: it is not; where it is a folder above one, or exchanged with the TXM, that is said.
    """
    if sem.is_file() and txm.is_dir():
        raise UserError(
            f"{sem} is a file, and expected there is the folder of the SEM slices; the TXM comes first: did you mean "
            f"{shlex.join([str(sem), str(txm)])}?"
        )
    try:
        find_slices(sem)
    except UserError as error:
        if (sem / "sem").is_dir():
            raise UserError(f"{sem} is no folder of SEM slices ({error}); did you mean {sem / 'sem'}?") from None
        raise


def advice_without_splits(folder: Path) -> str:
    """Return what to do where a folder is no data root, by what it has in place of splits; "": nothing shows it."""
    parent = folder.parent
    if folder.name in chain(*SPLIT_FOLDERS.values()) and any(has_split(parent, phase) for phase in SPLIT_FOLDERS):
        return f"did you mean {parent}?"
    if (folder / "sem").is_dir():
        others = [path for path in sorted(folder.iterdir()) if path.name.lower().startswith("txm")]
        places = [str(others[0]) if others else "TXM", str(folder / "sem")]
        return f"this looks like what two instruments left: begin with txm2sem align {shlex.join(places)} images"
    return ""


def split_folder(dataroot: Path, phase: Phase) -> Path:
    """Return the folder of a split.

    Raises:
        UserError: there is none, or there are two.
    """
    names = SPLIT_FOLDERS[phase]
    if not dataroot.is_dir():
        raise UserError(f"there is no folder {dataroot}; pass the folder of the images as --dataroot")
    folders = [dataroot / name for name in names if (dataroot / name).is_dir()]
    if not folders:
        found = listed(sorted(path.name for path in dataroot.iterdir())) or "nothing"
        advice = advice_without_splits(dataroot) or "make it, or pass another --dataroot"
        raise UserError(f"{dataroot} has no folder {' or '.join(names)}, found {found}; {advice}")
    if len(folders) > 1:
        raise UserError(f"{dataroot} has the folders {' and '.join(names)}, which mean the same; keep one of them")
    return folders[0]


def full_stack_folder(dataroot: Path, phase: Phase, name: ImageName, options: DataOptions) -> Path:
    """Return the folder of a full stack, `dataroot/test/txm_full_stackNAME` with NAME the option `sample_name`.

    Raises:
        UserError: the data root has no such split.
    """
    return split_folder(dataroot, phase) / f"{name}_full_stack{options.sample_name}"


@dataclass(frozen=True)
class AlignedSlices:
    """Stacks of the same places, slice by slice and pixel by pixel.

    Attributes:
        txm: the source images.
        sem: the target images.
        charge: masks of charged regions; None: nothing is charged.
        lowdensity: masks of low density regions; None: not known.
        highdensity: masks of high density regions; None: not known.
        neighbours: the TXM slices below and above each; None: they are not seen.

    Raises:
        UserError: a slice is missing in one of the stacks, or their sizes differ.
    """

    txm: TiffStack
    sem: TiffStack
    charge: TiffStack | None = None
    lowdensity: TiffStack | None = None
    highdensity: TiffStack | None = None
    neighbours: Neighbours | None = None

    def __post_init__(self) -> None:
        known = set().union(*(stack.numbers for stack in self.stacks))
        gaps = [(stack.folder, sorted(known - set(stack.numbers))) for stack in self.stacks]
        if any(numbers for _, numbers in gaps):
            missing = "; ".join(f"{_listed(numbers)} missing in {folder}" for folder, numbers in gaps if numbers)
            raise UserError(f"every slice must be in all image folders, by its number: {missing}. Add or remove them")
        for stack in self.stacks:
            if stack.shape != self.txm.shape:
                raise UserError(
                    f"{stack.paths[0]} is {stack.shape[0]} x {stack.shape[1]} pixels, but {self.txm.paths[0]} is "
                    f"{self.shape[0]} x {self.shape[1]}; aligned slices have one size: register and crop them first"
                )

    @classmethod
    def open(cls, dataroot: Path, phase: Phase, options: DataOptions, cache: SliceCache | None = None) -> AlignedSlices:
        """Open the slices of a split, reading headers only.

        Folders are `dataroot/train/txmNAME` and so on, with NAME the option `sample_name`. `txm` and `sem` are
        required; a mask folder may be absent, but where it is there it has a mask for every slice. With
        `context_slices` their neighbours are in `dataroot/test/txm_full_stackNAME`, at the places that
        `dataroot/slice_positionsNAME.csv` says; that is checked on some rows of each slice.

        Raises:
            UserError: a folder, slice or position is missing, damaged, or does not fit the others.
        """
        split = split_folder(dataroot, phase)

        def folder(name: str) -> Path:
            return split / (name.rstrip("/") + options.sample_name)

        def stack(name: str, *, mask: bool = False) -> TiffStack:
            return TiffStack(folder(name), mask=mask, most=options.max_dataset_size, cache=cache)

        def masks(name: str) -> TiffStack | None:
            return stack(name, mask=True) if folder(name).exists() else None

        txm = stack(options.txm_dir)
        return cls(
            txm=txm,
            sem=stack(options.sem_dir),
            charge=masks(options.charge_dir),
            lowdensity=masks(options.lowdens_dir),
            highdensity=masks(options.highdens_dir),
            neighbours=_neighbours(dataroot, txm, options) if options.context_slices else None,
        )

    def __len__(self) -> int:
        return len(self.txm)

    @property
    def folder(self) -> Path:
        """Folder of the split."""
        return self.txm.folder.parent

    @property
    def stacks(self) -> list[TiffStack]:
        """Images and masks, as far as there are any, without neighbours."""
        return [stack for stack in (self.txm, self.sem, *map(self._mask, MASK_NAMES)) if stack is not None]

    @property
    def files(self) -> list[Path]:
        """All files that are read, neighbours included."""
        found = [path for stack in self.stacks for path in stack.paths]
        if self.neighbours is not None:
            seen = {position for index in range(len(self)) for position in self.neighbours.around(index)}
            found += [self.neighbours.stack.paths[position] for position in sorted(seen)]
        return found

    @property
    def numbers(self) -> tuple[int, ...]:
        """Number of each slice, ascending."""
        return self.txm.numbers

    @property
    def has_densities(self) -> bool:
        """Whether there are masks of both low and high density regions."""
        return self.lowdensity is not None and self.highdensity is not None

    @property
    def names(self) -> tuple[str, ...]:
        """File name of each TXM slice."""
        return tuple(path.name for path in self.txm.paths)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of every slice [pixels]."""
        return self.txm.shape

    def valid(self, index: int, rows: slice, columns: slice) -> NDArray[np.bool_]:
        """Return which pixels of a part of a slice are uncharged and not 0 in TXM and SEM, (rows, columns)."""
        window = (index, rows, columns)
        imaged = (self.image("txm", *window) != 0) & (self.image("sem", *window) != 0)
        valid: NDArray[np.bool_] = imaged & ~self.mask("charge", *window)
        return valid

    def txm_channels(self, index: int, rows: slice, columns: slice, shift: tuple[int, int]) -> NDArray[Any]:
        """Return a part of a TXM slice between those of its neighbours, (channels, rows, columns), in the files' dtype.

        The slice itself is in the middle, the channels are in z order; without `neighbours` it is the only one.

        Args:
            index: position of the slice, from 0 (not its number).
            rows: which rows.
            columns: which columns.
            shift: the part is taken so many (rows, columns) further down and right. What lies beyond the slices is 0,
                like everything that was not imaged.

        Raises:
            UserError: a file is damaged, black all over, or has pixels that are not finite.
        """
        planes = [(self.txm, index)]
        if self.neighbours is not None:
            around = [(self.neighbours.stack, position) for position in self.neighbours.around(index)]
            planes = [*around[: len(around) // 2], *planes, *around[len(around) // 2 + 1 :]]
        return np.stack(
            [read_shifted(partial(stack.read, place), stack.shape, rows, columns, shift) for stack, place in planes]
        )

    def image(self, name: ImageName, index: int, rows: slice, columns: slice) -> NDArray[Any]:
        """Return a part of an image, (rows, columns), in its file's dtype.

        Args:
            name: which stack.
            index: position of the slice, from 0 (not its number).
            rows: which rows.
            columns: which columns.

        Raises:
            UserError: the file is damaged, black all over, or has pixels that are not finite.
        """
        return (self.txm if name == "txm" else self.sem).read(index, rows, columns)

    def mask(self, name: MaskName, index: int, rows: slice, columns: slice) -> NDArray[np.bool_]:
        """Return a part of a mask, (rows, columns): True where the file is above 0, all False where there is no file.

        Arguments and errors are those of `image`.
        """
        stack = self._mask(name)
        if stack is None:
            return np.broadcast_to(np.False_, self.shape)[rows, columns].copy()
        return stack.read(index, rows, columns) > 0

    def _mask(self, name: MaskName) -> TiffStack | None:
        stack: TiffStack | None = getattr(self, name)
        return stack


def _neighbours(dataroot: Path, txm: TiffStack, options: DataOptions) -> Neighbours:
    # There is one volume for all splits, and its stack is where a volume is tested.
    folder = full_stack_folder(dataroot, "test", "txm", options)
    table = dataroot / f"slice_positions{options.sample_name}.csv"
    return Neighbours.open(folder, table, txm, options.context_slices)


def read_shifted(
    read: Callable[[slice, slice], NDArray[Any]],
    shape: tuple[int, int],
    rows: slice,
    columns: slice,
    shift: tuple[int, int],
) -> NDArray[Any]:
    """Return a part of a slice, taken `shift` (rows, columns) further down and right, with 0 beyond the slice.

    Args:
        read: reads a part of it, (rows, columns).
        shape: of the whole slice (H, W).
        rows: which rows.
        columns: which columns.
        shift: `--y_misalign` and `--x_misalign` [pixels].
    """
    if shift == (0, 0):
        return read(rows, columns)
    windows = [
        (window.start + offset, window.stop + offset) for window, offset in zip((rows, columns), shift, strict=True)
    ]
    inside = [
        slice(min(max(start, 0), side), min(max(stop, 0), side))
        for (start, stop), side in zip(windows, shape, strict=True)
    ]
    margins = [(part.start - start, stop - part.stop) for (start, stop), part in zip(windows, inside, strict=True)]
    padded: NDArray[Any] = np.pad(read(*inside), margins)
    return padded


def _listed(numbers: list[int]) -> str:
    return f"slice {listed(numbers)}" if len(numbers) == 1 else f"slices {listed(numbers)}"
