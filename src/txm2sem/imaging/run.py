"""A data root whose SEM slices are those of another one, and whose TXM is what the phantom's TXM sees of them."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from txm2sem.data.grey import GreyRange, measure_range
from txm2sem.data.images import Kept, open_image, write_image
from txm2sem.data.slices import SPLIT_FOLDERS, AlignedSlices, has_split
from txm2sem.drafts import Draft
from txm2sem.errors import UserError
from txm2sem.files import json_text, read_json, write_text
from txm2sem.options import DataOptions, PhantomOptions
from txm2sem.phantoms.levels import to_levels
from txm2sem.phantoms.render import Progress
from txm2sem.phantoms.seen import see_slice
from txm2sem.phantoms.write import FACTS

OF_TXM = ("seed", "bits", "contrast", "blur", "photons", "artefacts")
"""Options of a phantom that count where the rock is real."""

SEM_ALONE = DataOptions(txm_dir=DataOptions.sem_dir)
"""Slices of which no TXM is read: the SEM stands in its place."""


def image_slices(
    folder: Path | str, dataroot: Path, options: PhantomOptions, progress: Progress | None = None
) -> dict[str, Any]:
    """Write a data root with the SEM and the masks of another one, and the TXM that is seen of its SEM.

    The same options give the same bytes, and a slice the same noise whatever split it is in. SEM and masks are copied
    as they are; the TXM is `SPLIT/txm/NUMBER.tif`, with pixels of the size that the SEM says. 8-bit grey values of the
    SEM are taken as they are, of other types the range that training would measure for 0 to 255. `phantom.json` has
    what is returned.

    Args:
        folder: where to write. May exist if empty. It appears whole or not at all.
        dataroot: has `train`, and `val` and `test` if they are there, each with `sem` and, if they are known, masks.
        options: `OF_TXM` count here.
        progress: is told how far the work is.

    Returns:
        the data root, options and seed, and the numbers of the slices of each split.

    Raises:
        UserError: a slice is missing or damaged, or shows nothing but charge; the folder is not empty, or cannot be
            written.
    """
    folder = Path(folder).resolve()
    tell = progress or (lambda done, task: None)
    phases = [phase for phase in SPLIT_FOLDERS if has_split(dataroot, phase)]
    if "train" not in phases:
        raise UserError(
            f"--sem_from {dataroot}: expected a data root, a folder with train/sem in it; pass that of yours"
        )
    splits = {phase: AlignedSlices.open(dataroot, phase, SEM_ALONE) for phase in phases}
    facts: dict[str, Any] = {
        "sem_from": str(dataroot.resolve()),
        "options": {name: value for name, value in asdict(options).items() if name in OF_TXM},
        "slices": {phase: list(slices.numbers) for phase, slices in splits.items()},
    }
    draft = Draft(folder, "phantom", resumable=False)
    with draft.begin(facts) as stage:
        if stage == "whole":
            return read_json(folder / FACTS, "write the data root anew")
        root, grey = draft.folder / "root", measure_range(splits["train"], "sem")
        places = [(phase, index) for phase, slices in splits.items() for index in range(len(slices))]
        try:
            for done, (phase, index) in enumerate(places):
                tell(done / len(places), f"{phase}, slice {splits[phase].numbers[index]}")
                _write_slice(root / phase, splits[phase], index, grey, options)
            write_text(root / FACTS, json_text(facts))
        except OSError as error:
            raise UserError(
                f"cannot write {folder}: {error.strerror or error}; make room, or name another place"
            ) from error
        draft.finish(root)
    tell(1, "done")
    return facts


def _write_slice(split: Path, slices: AlignedSlices, index: int, grey: GreyRange, options: PhantomOptions) -> None:
    """Write the TXM of a slice, and copy its SEM and masks, into the folder of a split."""
    whole, number = (slice(None), slice(None)), slices.numbers[index]
    sem, charge = slices.image("sem", index, *whole), slices.mask("charge", index, *whole)
    if not np.any((sem != 0) & ~charge):
        raise UserError(
            f"{slices.sem.paths[index]}: every pixel that was imaged is charged, so that nothing is known of the rock; "
            "leave the slice out"
        )
    seen = np.where(sem == 0, np.float32(0), np.clip(255 / 2 * (grey.normalise(sem) + 1), 1, 255))
    rng = np.random.default_rng([options.seed, number])
    txm = to_levels(see_slice(seen, charge, options, rng), "txm", options.bits)
    for source in {stack.paths[index] for stack in slices.stacks}:
        place = split / source.parent.name / source.name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, place)
    (split / "txm").mkdir(exist_ok=True)
    size = open_image(slices.sem.paths[index]).pixel_size
    write_image(split / "txm" / f"{number:03d}.tif", txm, Kept(size))
