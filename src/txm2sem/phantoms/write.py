"""A phantom as a data root."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from txm2sem.drafts import Draft
from txm2sem.errors import UserError
from txm2sem.files import read_json, write_text
from txm2sem.options import PhantomOptions
from txm2sem.phantoms import sem, txm
from txm2sem.phantoms.render import Phantom, Progress, check_options, render_phantom
from txm2sem.phantoms.rock import Material

VOXEL_SIZE_NM = 32.0
"""Side of a voxel, at which grains, pores and blur have their real sizes [nm]."""

FACTS = "phantom.json"
"""What is known of a phantom, in its folder."""

SIXTEEN_BITS = {"txm": (20000.0, 80.0), "sem": (4000.0, 160.0)}
"""Level of grey value 0 and levels per grey value in 16-bit files: detectors have an offset and leave room above."""


def write_phantom(folder: Path | str, options: PhantomOptions, progress: Progress | None = None) -> dict[str, Any]:
    """Make a phantom and write it as a data root; equal options give equal bytes.

    Aligned slices are `SPLIT/FOLDER/NUMBER.tif` for the splits train, val and test and the folders txm, sem, charge,
    lowdensity and highdensity, numbered through all splits in z order. `test/txm_full_stack` has the TXM at every z
    and `test/sem_full_stack` the SEM, numbered by z; `slice_positions.csv` has the z of each aligned slice. Masks are 0
    and 255 and tell what the rock is, not what the SEM shows of it. `phantom.json` has what is returned.

    Args:
        folder: where to write. May exist if empty. It appears whole or not at all, and the call that was killed after
            it appeared returns again.
        options: the phantom.
        progress: is told how far the work is.

    Returns:
        seed, options, shape (z, y, x) [pixels], voxel size [nm], shares of pores, materials and charging in the field
        of view, split and z of each aligned slice, and the grey value of each material in the files.

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
        aligned = aligned_slices(options)
        facts = _facts(phantom, options, aligned)
        root = draft.folder / "root"
        try:
            _write_images(root, phantom, options, aligned)
        except OSError as error:
            raise UserError(
                f"cannot write {folder}: {error.strerror or error}; make room, or name another place"
            ) from error
        positions = [f"{number},{z}" for number, (_, z) in enumerate(aligned)]
        write_text(root / "slice_positions.csv", "\n".join(["number,z", *positions]) + "\n")
        write_text(root / FACTS, json.dumps(facts, indent=2) + "\n")
        draft.finish(root)
    tell(1, "done")
    return facts


def aligned_slices(options: PhantomOptions) -> list[tuple[str, int]]:
    """Return split and z of the aligned slices in z order: evenly spaced, the splits dealt evenly among them."""
    counts = {"train": options.train_slices, "val": options.val_slices, "test": options.test_slices}
    dealt = sorted(((i + 0.5) / count, split) for split, count in counts.items() for i in range(count))
    return [(split, (2 * i + 1) * options.depth // (2 * len(dealt))) for i, (_, split) in enumerate(dealt)]


def _write_images(root: Path, phantom: Phantom, options: PhantomOptions, aligned: list[tuple[str, int]]) -> None:
    images = {"txm": phantom.txm, "sem": phantom.sem}
    masks = {"charge": phantom.charge, "lowdensity": phantom.low_density(), "highdensity": phantom.high_density()}
    for split in ("train", "val", "test"):
        for name in (*images, *masks):
            (root / split / name).mkdir(parents=True)
    for number, (split, z) in enumerate(aligned):
        for name, volume in images.items():
            _write(root / split / name / f"{number:03d}.tif", to_levels(volume[z], name, options.bits))
        for name, mask in masks.items():
            _write(root / split / name / f"{number:03d}.tif", np.where(mask[z], np.uint8(255), np.uint8(0)))
    digits = max(3, len(str(options.depth - 1)))
    for name, volume in images.items():
        stack = root / "test" / f"{name}_full_stack"
        stack.mkdir()
        for z, image in enumerate(volume):
            _write(stack / f"{z:0{digits}d}.tif", to_levels(image, name, options.bits))


def to_levels(grey: NDArray[np.float32], name: str, bits: int) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Return grey values of the `txm` or the `sem` as the files have them; 0, outside the field of view, stays 0."""
    if bits == 8:
        return np.asarray(np.rint(np.minimum(grey, 255)), np.uint8)
    offset, slope = SIXTEEN_BITS[name]
    levels = np.asarray(np.minimum(np.rint(offset + slope * grey), 65535), np.uint16)
    levels[grey == 0] = 0
    return levels


def _write(path: Path, image: NDArray[np.generic]) -> None:
    tifffile.imwrite(path, image, photometric="minisblack", compression="zlib")


def _facts(phantom: Phantom, options: PhantomOptions, aligned: list[tuple[str, int]]) -> dict[str, Any]:
    fractions = phantom.fractions()
    txm_grey = {material: txm.BLACK_LEVEL + txm.CONTRAST * value for material, value in txm.ATTENUATION.items()}
    return {
        "seed": options.seed,
        "options": asdict(options),
        "shape": list(phantom.labels.shape),
        "voxel_size_nm": VOXEL_SIZE_NM,
        "porosity": fractions[Material.PORE],
        "phase_fractions": {material.name.lower(): fraction for material, fraction in fractions.items()},
        "charged_fraction": float(phantom.charge[:, phantom.field_of_view].mean()),
        "aligned_slices": {f"{i:03d}": {"split": split, "z": z} for i, (split, z) in enumerate(aligned)},
        "grey_values": {
            "txm": _levels_of(txm_grey, "txm", options.bits),
            "sem": _levels_of(sem.GREY, "sem", options.bits),
        },
    }


def _levels_of(greys: Mapping[Material, float], name: str, bits: int) -> dict[str, int]:
    levels = to_levels(np.array(list(greys.values()), np.float32), name, bits)
    return {material.name.lower(): int(level) for material, level in zip(greys, levels, strict=True)}
