"""The files of a phantom as two instruments leave them: the TXM's volume, and the SEM's slices with their data bars."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from txm2sem.files import json_text
from txm2sem.options import PhantomOptions
from txm2sem.phantoms.faces import Face
from txm2sem.phantoms.levels import to_levels
from txm2sem.phantoms.render import Phantom
from txm2sem.phantoms.rock import VOXEL_SIZE_NM
from txm2sem.phantoms.tiffs import write_slice
from txm2sem.quantities import round_length

TXM_FILE = "txm.ome.tif"

TXM_BITS = 16

BAR_SHARE, LEAST_BAR = 1 / 10, 12
"""Rows of a data bar in units of those of the image above it, and at least [pixels]."""

FEI_TAG = 34682
"""FEI and Thermo Fisher write here what they know of an image, as lines of text."""


def write_instruments(root: Path, phantom: Phantom, options: PhantomOptions) -> None:
    """Write the TXM as one OME-TIFF, and each face as `FOLDER/NUMBER.tif`, for the SEM and its masks.

    The SEM's files say the size of their pixels in the tags of TIFF and in those of FEI, masks in those of TIFF. They
    have a data bar below, where masks are 0. `fields/NUMBER.npz` has the distortion of a face, as `Distortion` names
    its parts.

    Raises:
        OSError: the disk is full or not writable.
    """
    root.mkdir()
    _write_txm(root / TXM_FILE, phantom, options)
    masks = {"charge": phantom.charge, "lowdensity": phantom.low_density(), "highdensity": phantom.high_density()}
    for name in ("sem", "fields", *masks):
        (root / name).mkdir()
    for number, face in enumerate(phantom.faces):
        image = to_levels(face.cut(phantom.sem), "sem", options.bits)
        bar = data_bar(face)
        ink = np.iinfo(image.dtype).max // 255
        _write_sem(root / "sem" / f"{number:03d}.tif", np.vstack([image, bar * image.dtype.type(ink)]), face, len(bar))
        for name, mask in masks.items():
            cut = np.vstack([np.where(face.cut(mask), np.uint8(255), np.uint8(0)), np.zeros_like(bar)])
            write_slice(root / name / f"{number:03d}.tif", cut, _pixel_size(face))
        np.savez(root / "fields" / f"{number:03d}.npz", allow_pickle=False, **vars(face.field))


def facts_of_faces(phantom: Phantom) -> dict[str, Any]:
    """Return what is true of each SEM slice, by its number, as plain values.

    `shape` is without the data bar. The place of a pixel in the TXM is `to_txm @ (row, column, 1)` (z, y, x) [voxels],
    and the displacement that `field` has for it. `shift` is that of the middle of the slice from that of the TXM (y, x)
    and `z` its place [voxels]; angles are those of `Pose` [degrees].
    """
    middle = (np.array(phantom.labels.shape[1:]) - 1) / 2
    return {
        f"{number:03d}": {
            "file": f"sem/{number:03d}.tif",
            "shape": list(face.shape),
            "pixel_size_nm": _pixel_size(face),
            "to_txm": face.to_txm.tolist(),
            "field": f"fields/{number:03d}.npz",
            "z": face.pose.centre[0],
            "shift": (np.array(face.pose.centre[1:]) - middle).tolist(),
            "turn": face.pose.turn,
            "tilt": face.pose.tilt,
            "towards": face.pose.towards,
            "scale": face.pose.scale,
            "distortion": float(np.linalg.norm(face.field.displacement, axis=0).max()),
        }
        for number, face in enumerate(phantom.faces)
    }


def data_bar(face: Face) -> NDArray[np.uint8]:
    """Return the data bar of a face, 0 and 255 (rows, columns): a scale bar and its length."""
    columns = face.shape[1]
    rows = max(LEAST_BAR, round(BAR_SHARE * face.shape[0]))
    length = round_length(columns * _pixel_size(face) / 4)
    picture = Image.new("L", (columns, rows), 0)
    draw = ImageDraw.Draw(picture)
    draw.fontmode = "1"
    end = columns - 3
    draw.rectangle((end - length / _pixel_size(face) + 1, rows // 2 - 1, end, rows // 2), fill=255)
    draw.text((3, rows / 2), f"{length:g} nm", 255, ImageFont.load_default(0.7 * rows), anchor="lm")
    return np.asarray(picture)


def _write_txm(path: Path, phantom: Phantom, options: PhantomOptions) -> None:
    def slices() -> Iterator[NDArray[Any]]:
        for image in phantom.txm:
            yield to_levels(image, "txm", TXM_BITS)

    sizes = {f"PhysicalSize{axis}": VOXEL_SIZE_NM for axis in "XYZ"}
    units = {f"PhysicalSize{axis}Unit": "nm" for axis in "XYZ"}
    identity = {"UUID": str(uuid.uuid5(uuid.NAMESPACE_OID, json_text(asdict(options))))}
    shape = phantom.txm.shape
    tifffile.imwrite(
        path,
        slices(),
        shape=shape,
        dtype=np.uint16,
        bigtiff=phantom.txm.size * 2 > 2**32 - 2**25,
        ome=True,
        photometric="minisblack",
        resolution=(1e7 / VOXEL_SIZE_NM, 1e7 / VOXEL_SIZE_NM),
        resolutionunit="CENTIMETER",
        metadata={"axes": "ZYX", **sizes, **units, **identity},
    )


def _write_sem(path: Path, image: NDArray[Any], face: Face, bar: int) -> None:
    pixel = _pixel_size(face)
    rows, columns = face.shape
    lines = [
        "[Scan]",
        *(f"Pixel{side}={pixel * 1e-9!r}" for side in ("Width", "Height")),
        *(f"{name}Fieldsize={side * pixel * 1e-9!r}" for name, side in (("Hor", columns), ("Ver", rows))),
        "[Image]",
        f"ResolutionX={columns}",
        f"ResolutionY={rows}",
        "[PrivateFei]",
        f"DatabarHeight={bar}",
    ]
    tifffile.imwrite(
        path,
        image,
        photometric="minisblack",
        resolution=(1e7 / pixel, 1e7 / pixel),
        resolutionunit="CENTIMETER",
        extratags=[(FEI_TAG, "s", 0, "".join(f"{line}\r\n" for line in lines), True)],
        metadata=None,
        software=False,
    )


def _pixel_size(face: Face) -> float:
    return VOXEL_SIZE_NM * face.pose.scale
