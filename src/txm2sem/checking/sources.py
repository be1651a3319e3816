"""The files of a data root, each opened on its own: one that cannot be read does not keep the others from a look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from txm2sem.checking.findings import Finding
from txm2sem.data.bars import DataBar, find_bar, without_bar
from txm2sem.data.images import said_bar
from txm2sem.data.pixel_side import common_side
from txm2sem.data.pixels import are_grey
from txm2sem.data.slices import MASK_NAMES, advice_without_splits, has_split, split_folder
from txm2sem.data.stacks import SliceCache, TiffSlices, find_slices
from txm2sem.errors import UserError, listed
from txm2sem.options import DataOptions, Phase

Kind = Literal["txm", "sem", "charge", "lowdensity", "highdensity"]

IMAGES: tuple[Literal["txm", "sem"], ...] = ("txm", "sem")
TITLES = {"txm": "TXM", "sem": "SEM"}

_LATEST = SliceCache(0)
"""Slices are read one by one, each once: none need stay in memory."""

MOST_NAMED = 4
"""Slices that a finding names."""


@dataclass(frozen=True, order=True)
class Place:
    """A slice of a split."""

    split: Phase
    number: int

    def __str__(self) -> str:
        return f"{self.split} {self.number:03d}"


@dataclass
class Sources:
    """The files of a data root that can be opened.

    Attributes:
        files: by slice, in the order of splits and numbers, then by kind.
        findings: what could not be opened or is not there.
    """

    files: dict[Place, dict[Kind, TiffSlices]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def read(self, place: Place, kind: Kind) -> NDArray[Any]:
        """Return all pixels of a file, (H, W), in its dtype.

        Raises:
            UserError: it cannot be decoded.
        """
        whole = slice(None)
        return self.files[place][kind].read(0, whole, whole)

    def pixel_size(self) -> float | None:
        """Return the side of the pixels [nm], as the first slice of each kind of image says it; None: not known."""
        first: dict[Kind, Path] = {}
        for files in self.files.values():
            for kind in IMAGES:
                if kind in files:
                    first.setdefault(kind, files[kind].paths[0])
        side, note = common_side(first.values())
        if note:
            self.findings.append(Finding("note", "pixel_size", "", note, "It is of the figures alone."))
        return side


@dataclass(frozen=True)
class SlicePixels:
    """The pixels of one slice, as far as they could be read.

    Attributes:
        images: TXM and SEM, (H, W), in their dtypes; pixels that were not finite are 0.
        masks: True inside, (H, W); those that are absent or could not be read are missing.
        bars: data bars of the images, which are 0 in them.
    """

    images: Mapping[Literal["txm", "sem"], NDArray[Any]]
    masks: Mapping[Kind, NDArray[np.bool_]]
    bars: Mapping[Literal["txm", "sem"], DataBar] = field(default_factory=dict)

    def valid(self) -> NDArray[np.bool_]:
        """Return which pixels are uncharged and not 0 in the images that are there, (H, W)."""
        counts = np.logical_and.reduce([image != 0 for image in self.images.values()])
        charge = self.masks.get("charge")
        valid: NDArray[np.bool_] = counts if charge is None else counts & ~charge
        return valid


def open_sources(dataroot: Path, options: DataOptions) -> Sources:
    """Open all slices of all splits, reading headers only.

    Raises:
        UserError: there is no such folder, or it has no split at all.
    """
    if not dataroot.is_dir():
        raise UserError(f"there is no folder {dataroot}; pass the folder that has train, val and test")
    splits: list[Phase] = [phase for phase in get_args(Phase) if has_split(dataroot, phase)]
    if not splits:
        found = ", ".join(sorted(path.name for path in dataroot.iterdir())[:5]) or "nothing"
        advice = advice_without_splits(dataroot) or "pass another folder"
        raise UserError(f"expected the folders train, val and test in {dataroot}, found {found}; {advice}")
    sources = Sources()
    for phase in get_args(Phase):
        if phase in splits:
            _open_split(sources, dataroot, phase, options)
        else:
            _report_missing_split(sources, dataroot, phase)
    return sources


def read_slice(sources: Sources, place: Place) -> tuple[SlicePixels, list[Finding]]:
    """Read one slice, and return what is wrong with its files.

    What cannot be read, or does not fit the TXM's size, is left out.
    """
    found: dict[Kind, NDArray[Any]] = {}
    findings: list[Finding] = []
    for kind, file in sources.files[place].items():
        try:
            found[kind] = sources.read(place, kind)
        except UserError as error:
            findings.append(_unreadable(place, error))
            continue
        grey = are_grey(found[kind])
        bad = grey.size - int(np.count_nonzero(grey))
        if bad:
            findings.append(
                Finding(
                    "problem",
                    "not_finite",
                    str(place),
                    f"{file.paths[0]} has {bad} pixels that are not finite, or beyond all grey values",
                    "Replace such pixels, with 0 where nothing was imaged; training stops at them.",
                )
            )
            found[kind] = np.where(grey, found[kind], 0)
    expected = next((image.shape for image in found.values()), (0, 0))
    for kind in [kind for kind, image in found.items() if image.shape != expected]:
        rows, columns = found.pop(kind).shape
        findings.append(
            Finding(
                "problem",
                "size",
                str(place),
                f"{kind} is {rows} x {columns} pixels, but {next(iter(found))} is {expected[0]} x {expected[1]}",
                "All images and masks of a slice must show the same pixels: register and crop them first.",
            )
        )
    files = sources.files[place]
    bars = {kind: find_bar(found[kind], said_bar(files[kind].paths[0])) for kind in IMAGES if kind in found}
    pixels = SlicePixels(
        images={kind: without_bar(found[kind], bar) for kind, bar in bars.items()},
        masks={kind: found[kind] > 0 for kind in MASK_NAMES if kind in found},
        bars={kind: bar for kind, bar in bars.items() if bar is not None},
    )
    return pixels, findings


def _open_split(sources: Sources, dataroot: Path, phase: Phase, options: DataOptions) -> None:
    try:
        split = split_folder(dataroot, phase)
    except UserError as error:
        sources.findings.append(Finding("problem", "folders", phase, str(error), "Keep one of the two folders."))
        return
    folders: dict[Kind, str] = {
        "txm": options.txm_dir,
        "sem": options.sem_dir,
        "charge": options.charge_dir,
        "lowdensity": options.lowdens_dir,
        "highdensity": options.highdens_dir,
    }
    known: dict[Kind, set[int]] = {}
    opened: dict[Place, dict[Kind, TiffSlices]] = {}
    for kind, name in folders.items():
        folder = split / (name.rstrip("/") + options.sample_name)
        if kind not in IMAGES and not folder.exists():
            continue
        try:
            numbered = dict(list(find_slices(folder).items())[: options.max_dataset_size])
        except UserError as error:
            advice = "Without both images of a split there is nothing to train or test on."
            sources.findings.append(Finding("problem", "folders", phase, str(error), advice))
            continue
        known[kind] = set(numbered)
        for number, path in numbered.items():
            place = Place(phase, number)
            try:
                opened.setdefault(place, {})[kind] = TiffSlices({number: path}, mask=kind not in IMAGES, cache=_LATEST)
            except UserError as error:
                sources.findings.append(_unreadable(place, error))
    every = set().union(*known.values()) if known else set()
    for kind, numbers in known.items():
        if every - numbers:
            sources.findings.append(
                Finding(
                    "problem",
                    "missing",
                    phase,
                    f"slice {listed(sorted(every - numbers))} missing in {split / folders[kind]}{options.sample_name}",
                    "Every slice must be in all image folders, by its number: add it, or remove it from the others.",
                )
            )
    sources.files |= {place: opened[place] for place in sorted(opened, key=lambda place: place.number)}


def _report_missing_split(sources: Sources, dataroot: Path, phase: Phase) -> None:
    text = f"{dataroot} has no folder {phase}"
    if phase == "train":
        finding = Finding("problem", "folders", phase, text, "Put the slices to learn from there.")
    else:
        use = "watch a training with" if phase == "val" else "test on, which the model never sees"
        finding = Finding("warning", "folders", phase, text, f"Keep a slice or more to {use}.")
    sources.findings.append(finding)


def _unreadable(place: Place, error: UserError) -> Finding:
    advice = "Training stops at this file: replace it, or remove the slice from all folders."
    return Finding("problem", "unreadable", str(place), str(error), advice)
