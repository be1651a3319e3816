"""All slices of a data root left out in turn: data roots of links, in each of which one slice is tested.

Whatever split a slice is in, it is tested once, by trainings that have not seen it. The slice that follows it in the
order of the numbers validates (after the last one the first), and all others are trained on.
"""

from __future__ import annotations

import filecmp
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from txm2sem.data.slices import SPLIT_FOLDERS, AlignedSlices, full_stack_folder, has_split, split_folder
from txm2sem.errors import UserError, listed
from txm2sem.files import held
from txm2sem.options import DataOptions, Phase

LEAST = 3
"""One slice to test, one to validate, one to learn from."""

WHERE = ("sample_name", "txm_dir", "sem_dir", "charge_dir", "lowdens_dir", "highdens_dir", "context_slices")
"""Options that say which files of a data root are read."""


@dataclass(frozen=True)
class Fold:
    """A data root in which one slice is tested.

    Attributes:
        tested: number of that slice.
        root: the data root; a folder of links, once it is made.
        files: what is linked to, by its place in the data root.
    """

    tested: int
    root: Path
    files: Mapping[str, Path]

    def make(self) -> None:
        """Make the data root, or check that what is there is this one.

        Raises:
            UserError: it is of other slices.
            OSError: the disk is full or not writable.
        """
        if self.root.exists():
            self._check()
            return
        growing = self.root.with_name(f"{self.root.name}.partial")
        if growing.exists():
            shutil.rmtree(growing)
        for name, source in self.files.items():
            place = growing / name
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                place.symlink_to(source)
            except OSError:  # where users may not make links, as on Windows; a full disk stops the copy, too
                shutil.copy2(source, place)
        growing.rename(self.root)

    def _check(self) -> None:
        found = {path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if not path.is_dir()}
        others = found ^ self.files.keys()
        others |= {name for name in found & self.files.keys() if not _same(self.root / name, self.files[name])}
        if others:
            raise UserError(
                f"{self.root / min(others)} is not what is left out now: it is another data root, or slices have come "
                "or gone; give the sweep another --output, and its runs another --checkpoints_dir and --results_dir. "
                f"Where the same data root has only moved, remove {self.root.parent}"
            )


def leave_one_out(dataroot: Path, options: Sequence[DataOptions], folder: Path) -> list[Fold]:
    """Return a data root for each slice of a data root, in the order of their numbers; nothing is made.

    Args:
        dataroot: its slices may be in whatever splits.
        options: of all trainings: which files they read.
        folder: that the data roots belong in.

    Raises:
        UserError: there are fewer slices than three, two of one number or with the same SEM, or images or masks are
            missing.
    """
    split_folder(dataroot, "train")
    reading = {tuple(getattr(one, name) for name in WHERE): one for one in options}.values()
    slices: dict[int, dict[str, Path]] = {}
    others: dict[str, Path] = {}
    for one in reading:
        for number, files in _files_by_number(dataroot, one).items():
            slices.setdefault(number, {}).update(files)
        if one.context_slices:
            others |= _neighbours(dataroot, one)
    if len(slices) < LEAST:
        raise UserError(
            f"{dataroot}: expected {LEAST} slices or more to leave out in turn, as one is tested, another one "
            f"validates, and the others are learned from; found {len(slices)}; add slices, or take "
            "leave_one_out out of the plan"
        )
    numbers = sorted(slices)
    digits = max(3, len(str(numbers[-1])))
    folds = []
    for place, tested in enumerate(numbers):
        roles: dict[int, Phase] = dict.fromkeys(numbers, "train")
        roles |= {numbers[(place + 1) % len(numbers)]: "val", tested: "test"}
        files = {f"{roles[number]}/{name}": path for number in numbers for name, path in slices[number].items()}
        folds.append(Fold(tested, folder / f"{tested:0{digits}d}", {**files, **others}))
    return folds


def make_folds(folds: Iterable[Fold], lock: Path) -> None:
    """Make data roots; jobs that begin at the same time wait for each other.

    Args:
        folds: the data roots.
        lock: folder that who makes them holds.

    Raises:
        UserError: what is there is of other slices, or it cannot be written.
    """
    with held(lock, wait=True):
        for fold in folds:
            try:
                fold.make()
            except OSError as error:
                raise UserError(
                    f"cannot write {fold.root}: {error.strerror or error}; make room, or give another --output"
                ) from error


def _files_by_number(dataroot: Path, options: DataOptions) -> dict[int, dict[str, Path]]:
    """Return images and masks of each slice of all splits, by its number and their place in a split."""
    found: dict[int, dict[str, Path]] = {}
    seen: dict[int, Path] = {}
    first: set[str] = set()
    for phase in SPLIT_FOLDERS:
        if not has_split(dataroot, phase):
            continue
        split = split_folder(dataroot, phase)
        slices = AlignedSlices.open(dataroot, phase, options)
        folders = {stack.folder.relative_to(split).as_posix() for stack in slices.stacks}
        first = first or folders
        if folders != first:
            raise UserError(
                f"{split} has the folders {listed(sorted(folders))}, and another split has {listed(sorted(first))}; to "
                "leave slices out in turn, all need the same images and masks: add those that are missing"
            )
        for number, sem in zip(slices.numbers, slices.sem.paths, strict=True):
            if number in seen:
                raise UserError(
                    f"{sem} and {seen[number]} have the same number; to leave slices out in turn, number them through "
                    "all splits, or remove one where both show the same place"
                )
            seen[number] = sem
        for stack in slices.stacks:
            place = stack.folder.relative_to(split).as_posix()
            for number, path in zip(stack.numbers, stack.paths, strict=True):
                found.setdefault(number, {})[f"{place}/{path.name}"] = path.absolute()
    for one, other in combinations(seen.values(), 2):
        if one.stat().st_size == other.stat().st_size and _same(one, other):
            raise UserError(
                f"{one} and {other} are the same image, so that one would be learned from where the other is tested; "
                "remove one of the slices"
            )
    return found


def _neighbours(dataroot: Path, options: DataOptions) -> dict[str, Path]:
    """Return the files of the TXM's full stack, and of where slices lie in it, by their place in a data root."""
    folder = full_stack_folder(dataroot, "test", "txm", options)
    inside = folder.iterdir() if folder.is_dir() else ()
    # A volume in one file may have a second one with its voxels, of the same name.
    beside = (path for path in folder.parent.iterdir() if path.name.startswith(f"{folder.name}."))
    files = [path for path in (*inside, *beside) if path.is_file()]
    table = dataroot / f"slice_positions{options.sample_name}.csv"
    found = {f"test/{path.relative_to(folder.parent).as_posix()}": path.absolute() for path in files}
    return {**found, table.name: table.absolute()}


def _same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and (one.samefile(other) or filecmp.cmp(one, other, shallow=False))
