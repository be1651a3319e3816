"""A phantom as a data root, or as the files of two instruments."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from txm2sem.drafts import Draft
from txm2sem.errors import UserError
from txm2sem.files import read_json, write_text
from txm2sem.options import PhantomOptions
from txm2sem.phantoms import sem, txm
from txm2sem.phantoms.instruments import TXM_BITS, facts_of_faces, write_instruments
from txm2sem.phantoms.levels import to_levels
from txm2sem.phantoms.render import Phantom, Progress, check_options, render_phantom
from txm2sem.phantoms.rock import HIGH_DENSITY, LOW_DENSITY, VOXEL_SIZE_NM, Material
from txm2sem.phantoms.tiffs import write_slice

FACTS = "phantom.json"
"""What is known of a phantom, in its folder."""


def write_phantom(folder: Path | str, options: PhantomOptions, progress: Progress | None = None) -> dict[str, Any]:
    """Make a phantom and write it as a data root, or unaligned; equal options give equal bytes.

    Aligned slices are `SPLIT/FOLDER/NUMBER.tif` for the splits train, val and test and the folders txm, sem, charge,
    lowdensity and highdensity, numbered through all splits in z order. `test/txm_full_stack` has the TXM at every z
    and `test/sem_full_stack` the SEM, numbered by z; `slice_positions.csv` has the z of each aligned slice. Masks are 0
    and 255 and tell what the rock is, not what the SEM shows of it. Files say how large their pixels are, and those
    of the full stacks how far slices lie apart. `phantom.json` has what is returned. Unaligned, there are a TXM volume
    and SEM slices instead, see `write_instruments`.

    Args:
        folder: where to write. May exist if empty. It appears whole or not at all, and the call that was killed after
            it appeared returns again.
        options: the phantom.
        progress: is told how far the work is.

    Returns:
        seed, options, shape (z, y, x) [pixels], voxel size [nm], shares of pores, materials, phases and charging in the
        field of view, split and z of each aligned slice, or where each unaligned one lies, see `facts_of_faces`, and
        the grey value of each material in the files.

    Raises:
        UserError: an option is out of its range, the folder is not empty, or the disk is full or not writable.
    """
    folder = Path(folder).resolve()
    check_options(options)
    tell = progress or (lambda done, task: None)
    draft = Draft(folder, "phantom", resumable=False)
    with draft.begin(asdict(options)) as stage:
        if stage == "whole":
            return read_json(folder / FACTS, "write the phantom anew")
        phantom = render_phantom(options, lambda done, task: tell(0.8 * done, task))
        tell(0.8, "files")
        facts = _facts(phantom, options)
        root = draft.folder / "root"
        try:
            (write_instruments if options.unaligned else _write_data_root)(root, phantom, options)
        except OSError as error:
            raise UserError(
                f"cannot write {folder}: {error.strerror or error}; make room, or name another place"
            ) from error
        write_text(root / FACTS, json.dumps(facts, indent=2) + "\n")
        draft.finish(root)
    tell(1, "done")
    return facts


def aligned_slices(options: PhantomOptions) -> list[tuple[str, int]]:
    """Return split and z of the aligned slices in z order: evenly spaced, the splits dealt evenly among them."""
    counts = {"train": options.train_slices, "val": options.val_slices, "test": options.test_slices}
    dealt = sorted(((i + 0.5) / count, split) for split, count in counts.items() for i in range(count))
    return [(split, (2 * i + 1) * options.depth // (2 * len(dealt))) for i, (_, split) in enumerate(dealt)]


def _write_data_root(root: Path, phantom: Phantom, options: PhantomOptions) -> None:
    aligned = aligned_slices(options)
    images = {"txm": phantom.txm, "sem": phantom.sem}
    masks = {"charge": phantom.charge, "lowdensity": phantom.low_density(), "highdensity": phantom.high_density()}
    for split in ("train", "val", "test"):
        for name in (*images, *masks):
            (root / split / name).mkdir(parents=True)
    for number, (split, z) in enumerate(aligned):
        for name, volume in images.items():
            image = to_levels(volume[z], name, options.bits)
            write_slice(root / split / name / f"{number:03d}.tif", image, VOXEL_SIZE_NM)
        for name, mask in masks.items():
            image = np.where(mask[z], np.uint8(255), np.uint8(0))
            write_slice(root / split / name / f"{number:03d}.tif", image, VOXEL_SIZE_NM)
    digits = max(3, len(str(options.depth - 1)))
    for name, volume in images.items():
        stack = root / "test" / f"{name}_full_stack"
        stack.mkdir()
        for z, image in enumerate(volume):
            levels = to_levels(image, name, options.bits)
            write_slice(stack / f"{z:0{digits}d}.tif", levels, VOXEL_SIZE_NM, apart=VOXEL_SIZE_NM)
    positions = [f"{number},{z}" for number, (_, z) in enumerate(aligned)]
    write_text(root / "slice_positions.csv", "\n".join(["number,z", *positions]) + "\n")


def _facts(phantom: Phantom, options: PhantomOptions) -> dict[str, Any]:
    fractions = phantom.fractions()
    txm_grey = {
        material: txm.BLACK_LEVEL + txm.CONTRAST * value
        for material, value in txm.attenuations(options.contrast).items()
    }
    sem_grey = {m: sem.WHITE - grey if options.invert_contrast else grey for m, grey in sem.GREY.items()}
    numbered = enumerate(aligned_slices(options))
    slices = (
        {"sem_slices": facts_of_faces(phantom)}
        if options.unaligned
        else {"aligned_slices": {f"{i:03d}": {"split": split, "z": z} for i, (split, z) in numbered}}
    )
    return {
        "seed": options.seed,
        "options": asdict(options),
        "shape": list(phantom.labels.shape),
        "voxel_size_nm": VOXEL_SIZE_NM,
        "porosity": fractions[Material.PORE],
        "phase_fractions": {material.name.lower(): fraction for material, fraction in fractions.items()},
        "low_density": sum(share for material, share in fractions.items() if material in LOW_DENSITY),
        "high_density": sum(share for material, share in fractions.items() if material in HIGH_DENSITY),
        "charged_fraction": float(phantom.charge[:, phantom.field_of_view].mean()),
        **slices,
        "grey_values": {
            "txm": _levels_of(txm_grey, "txm", TXM_BITS if options.unaligned else options.bits),
            "sem": _levels_of(sem_grey, "sem", options.bits),
        },
    }


def _levels_of(greys: Mapping[Material, float], name: str, bits: int) -> dict[str, int]:
    levels = to_levels(np.array(list(greys.values()), np.float32), name, bits)
    return {material.name.lower(): int(level) for material, level in zip(greys, levels, strict=True)}
