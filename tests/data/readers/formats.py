"""One volume in every format."""

from __future__ import annotations

import gzip
import itertools
import zlib
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import ngff_zarr
import numpy as np
import zarr
from data_roots import write_slice
from numpy.typing import NDArray

from data.readers.compound import write_txm
from txm2sem.data.readers import VolumeInput

Writer = Callable[[Path, NDArray[Any]], VolumeInput]
"""Writes a volume into a folder."""

VOXEL_SIZE = (100.0, 40.0, 50.0)
"""(z, y, x) [nm], of the formats that say it."""


@dataclass(frozen=True)
class Format:
    """How to write a volume into a folder, and the voxel size that is then to be read [nm]."""

    write: Callable[[Path, NDArray[Any]], VolumeInput]
    voxel_size: tuple[float, float, float] | None = None


def slices(**options: Any) -> Callable[[Path, NDArray[Any]], VolumeInput]:
    def write(folder: Path, volume: NDArray[Any]) -> VolumeInput:
        for number, image in enumerate(volume, 7):
            write_slice(folder / "scan" / f"TXM_{number}.tif", image, **options)
        return VolumeInput(folder / "scan")

    return write


def matching(folder: Path, volume: NDArray[Any]) -> VolumeInput:
    slices()(folder, volume)
    write_slice(folder / "scan" / "overview_0007.tif", np.zeros((2, 3), np.uint8))
    return VolumeInput(str(folder / "scan" / "TXM_*.tif"))


def stack(name: str = "scan.tif", **options: Any) -> Callable[[Path, NDArray[Any]], VolumeInput]:
    def write(folder: Path, volume: NDArray[Any]) -> VolumeInput:
        return VolumeInput(write_slice(folder / name, volume, **options))

    return write


def inverted(**options: Any) -> Callable[[Path, NDArray[Any]], VolumeInput]:
    def write(folder: Path, volume: NDArray[Any]) -> VolumeInput:
        if volume.dtype.kind == "f":  # there are no such files
            return stack(**options)(folder, volume)
        return stack(photometric="miniswhite", **options)(folder, np.invert(volume))

    return write


LYING: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    1: np.asarray,
    2: np.fliplr,
    3: lambda image: np.rot90(image, 2),
    4: np.flipud,
    5: np.transpose,
    6: np.rot90,
    7: lambda image: np.rot90(image, 2).T,
    8: lambda image: np.rot90(image, -1),
}
"""What is stored of an upright image, by the orientation that the file says."""


def orientation(number: int) -> dict[str, Any]:
    """Return the options of tifffile that say an orientation."""
    return {"extratags": [(274, 3, 1, number, True)]}


def lying(
    number: int, write: Callable[..., Callable[[Path, NDArray[Any]], VolumeInput]], *words: str, **options: Any
) -> Callable[[Path, NDArray[Any]], VolumeInput]:
    """Store slices as an orientation says, and say it."""

    def write_lying(folder: Path, volume: NDArray[Any]) -> VolumeInput:
        stored = np.stack([LYING[number](image) for image in volume])
        return write(*words, **options, **orientation(number))(folder, stored)

    return write_lying


def ome_zarr(version: str) -> Callable[[Path, NDArray[Any]], VolumeInput]:
    def write(folder: Path, volume: NDArray[Any]) -> VolumeInput:
        scale: dict[Hashable, float] = dict(zip("zyx", (size / 1000 for size in VOXEL_SIZE), strict=True))
        units = dict.fromkeys("zyx", "micrometer")
        image = ngff_zarr.to_ngff_image(volume, dims=["z", "y", "x"], scale=scale, axes_units=units)
        scales = ngff_zarr.to_multiscales(image, scale_factors=[2], chunks=3)
        ngff_zarr.to_ngff_zarr(str(folder / "scan.zarr"), scales, version=version)
        return VolumeInput(folder / "scan.zarr")

    return write


def plain_zarr(version: Any) -> Callable[[Path, NDArray[Any]], VolumeInput]:
    def write(folder: Path, volume: NDArray[Any]) -> VolumeInput:
        zarr.create_array(folder / "scan.zarr", data=volume, chunks=(3, 4, 5), zarr_format=version)
        return VolumeInput(folder / "scan.zarr")

    return write


def hdf5(**options: Any) -> Callable[[Path, NDArray[Any]], VolumeInput]:
    def write(folder: Path, volume: NDArray[Any]) -> VolumeInput:
        with h5py.File(folder / "scan.h5", "w") as file:
            dataset = file.create_dataset("entry/data", data=volume, **options)
            dataset.attrs["element_size_um"] = np.array(VOXEL_SIZE) / 1000
            file["entry/angles"] = np.zeros(3)
        return VolumeInput(folder / "scan.h5")

    return write


def numpy_file(folder: Path, volume: NDArray[Any]) -> VolumeInput:
    np.save(folder / "scan.npy", volume)
    return VolumeInput(folder / "scan.npy")


def transposed(folder: Path, volume: NDArray[Any]) -> VolumeInput:
    np.save(folder / "scan.npy", volume.transpose(2, 0, 1)[:, None])
    return VolumeInput(folder / "scan.npy", axes="xzy")


def txm(folder: Path, volume: NDArray[Any]) -> VolumeInput:
    return VolumeInput(write_txm(folder / "scan.txm", volume, pixel_size=0.0625))


def metaimage(*, local: bool = False, big: bool = False, compressed: bool = False, text: bool = False) -> Writer:
    def write(folder: Path, volume: NDArray[Any]) -> VolumeInput:
        header = {
            "ObjectType": "Image",
            "NDims": 3,
            "BinaryData": not text,
            "BinaryDataByteOrderMSB": big,
            "CompressedData": compressed,
            "DistanceUnits": "mm",
            "DimSize": " ".join(map(str, volume.shape[::-1])),
            "ElementSpacing": " ".join(f"{size / 1e6}" for size in VOXEL_SIZE[::-1]),
            "ElementType": {"uint16": "MET_USHORT", "float32": "MET_FLOAT"}[str(volume.dtype)],
            "ElementDataFile": "LOCAL" if local else "scan.raw",
        }
        voxels = written(volume) if text else stored(volume, big=big)
        voxels = zlib.compress(voxels) if compressed else voxels
        lines = "".join(f"{name} = {value}\n" for name, value in header.items()).encode()
        path = folder / ("scan.mha" if local else "scan.mhd")
        path.write_bytes(lines + voxels if local else lines)
        if not local:
            (folder / "scan.raw").write_bytes(voxels)
        return VolumeInput(path)

    return write


def nrrd_file(*, beside: bool = False, big: bool = False, encoding: str = "raw", spacings: bool = False) -> Writer:
    def write(folder: Path, volume: NDArray[Any]) -> VolumeInput:
        x, y, z = (size / 1000 for size in VOXEL_SIZE[::-1])
        place = (
            [f"spacings: {x} {y} {z}", 'units: "um" "um" "um"']
            if spacings
            else [
                "space dimension: 3",
                f"space directions: ({x},0,0) (0,{y},0) (0,0,{z})",
                'space units: "um" "um" "um"',
            ]
        )
        lines = [
            "NRRD0004",
            "# a comment",
            f"type: {volume.dtype if volume.dtype.kind == 'u' else 'float'}",
            "dimension: 3",
            *place,
            f"sizes: {' '.join(map(str, volume.shape[::-1]))}",
            f"encoding: {encoding}",
            f"endian: {'big' if big else 'little'}",
            "made by:=somebody",
            *(["data file: scan.bin"] if beside else []),
        ]
        voxels = written(volume) if encoding == "ascii" else stored(volume, big=big)
        voxels = gzip.compress(voxels) if encoding == "gzip" else voxels
        head = ("\n".join(lines) + "\n").encode()
        path = folder / ("scan.nhdr" if beside else "scan.nrrd")
        path.write_bytes(head if beside else head + b"\n" + voxels)
        if beside:
            (folder / "scan.bin").write_bytes(voxels)
        return VolumeInput(path)

    return write


def amira(first: str = "AmiraMesh BINARY-LITTLE-ENDIAN 3.0", encoding: str = "") -> Writer:
    def write(folder: Path, volume: NDArray[Any]) -> VolumeInput:
        kind = {"uint8": "byte", "uint16": "ushort", "float32": "float"}[str(volume.dtype)]
        voxels = written(volume) if "ASCII" in first else stored(volume, big="LITTLE" not in first)
        if encoding:
            voxels = zlib.compress(voxels) if encoding == "HxZip" else in_runs(voxels)
        ends = ((length - 1) * size / 1000 for length, size in zip(volume.shape[::-1], VOXEL_SIZE[::-1], strict=True))
        lines = [
            f"# {first}",
            "",
            f"define Lattice {' '.join(map(str, volume.shape[::-1]))}",
            "Parameters {",
            '    Units { Coordinates "µm" }',
            f'    Content "{volume.shape} {kind}, uniform coordinates",',
            f"    BoundingBox {' '.join(f'0 {end}' for end in ends)},",
            '    CoordType "uniform"',
            "}",
            f"Lattice {{ {kind} Data }} @1{f'({encoding},{len(voxels)})' if encoding else ''}",
            "",
            "# Data section follows",
            "@1",
        ]
        path = folder / "scan.am"
        path.write_bytes("\n".join(lines).encode("latin-1") + b"\n" + voxels + b"\n")
        return VolumeInput(path)

    return write


def stored(volume: NDArray[Any], *, big: bool) -> bytes:
    return volume.astype(volume.dtype.newbyteorder(">" if big else "<")).tobytes()


def written(volume: NDArray[Any]) -> bytes:
    return "\n".join(" ".join(map(repr, row)) for row in volume.reshape(-1, volume.shape[-1]).tolist()).encode()


def in_runs(content: bytes) -> bytes:
    """Shorten bytes as Amira does: runs of equal ones, and others in parts of up to 127."""
    found, others = bytearray(), bytearray()
    for value, run in ((value, len(list(run))) for value, run in itertools.groupby(content)):
        if run == 1:
            others.append(value)
        if others and (run > 1 or len(others) == 127):
            found += bytes([128 + len(others)]) + others
            others.clear()
        for count in [127] * (run // 127) + [run % 127]:
            found += bytes([count, value]) if run > 1 and count else b""
    return bytes(found + (bytes([128 + len(others)]) + others if others else b""))


RESOLUTION: dict[str, Any] = {"resolution": (20, 25), "resolutionunit": "none"}
OME = {"axes": "ZYX"} | {f"PhysicalSize{axis}": size / 1000 for axis, size in zip("ZYX", VOXEL_SIZE, strict=True)}
TURNED_OME = OME | {"PhysicalSizeX": OME["PhysicalSizeY"], "PhysicalSizeY": OME["PhysicalSizeX"]}
IMAGEJ = {"axes": "ZYX", "spacing": 0.1, "unit": "um"}

FORMATS = {
    "slices": Format(slices()),
    "slices-compressed": Format(slices(compression="lzw")),
    "slices-matching": Format(matching),
    "tiff": Format(stack(metadata=None, **RESOLUTION)),
    "tiff-big": Format(stack("scan.btf", bigtiff=True, byteorder=">")),
    "tiff-compressed": Format(stack(compression="deflate", predictor=True, rowsperstrip=4)),
    "tiff-tiled": Format(stack(tile=(16, 16), metadata=None)),
    "tiff-inverted": Format(inverted()),
    "tiff-inverted-compressed": Format(inverted(compression="lzw")),
    "slices-upside-down": Format(lying(4, slices)),
    "slices-turned-compressed": Format(lying(6, slices, compression="lzw")),
    "tiff-rotated-compressed": Format(lying(3, stack, compression="deflate")),
    "ome-tiff-turned": Format(lying(8, stack, "scan.ome.tif", metadata=TURNED_OME), VOXEL_SIZE),
    "imagej": Format(stack(imagej=True, metadata=IMAGEJ, **RESOLUTION), VOXEL_SIZE),
    "ome-tiff": Format(stack("scan.ome.tif", metadata=OME), VOXEL_SIZE),
    "ome-tiff-compressed": Format(stack("scan.ome.tif", metadata=OME, compression="zstd"), VOXEL_SIZE),
    "ome-zarr-0.4": Format(ome_zarr("0.4"), VOXEL_SIZE),
    "ome-zarr-0.5": Format(ome_zarr("0.5"), VOXEL_SIZE),
    "zarr-2": Format(plain_zarr(2)),
    "zarr-3": Format(plain_zarr(3)),
    "hdf5": Format(hdf5(), VOXEL_SIZE),
    "hdf5-chunked": Format(hdf5(chunks=(3, 4, 5), compression="gzip"), VOXEL_SIZE),
    "numpy": Format(numpy_file),
    "numpy-transposed": Format(transposed),
    "txm": Format(txm, (62.5, 62.5, 62.5)),
    "metaimage": Format(metaimage(), VOXEL_SIZE),
    "metaimage-local-big-endian": Format(metaimage(local=True, big=True), VOXEL_SIZE),
    "metaimage-compressed": Format(metaimage(local=True, compressed=True), VOXEL_SIZE),
    "nrrd": Format(nrrd_file(), VOXEL_SIZE),
    "nrrd-beside-big-endian": Format(nrrd_file(beside=True, big=True, spacings=True), VOXEL_SIZE),
    "nrrd-compressed": Format(nrrd_file(beside=True, encoding="gzip"), VOXEL_SIZE),
    "amira-big-endian": Format(amira("AmiraMesh 3D BINARY 2.0"), VOXEL_SIZE),
    "amira-text": Format(amira("AmiraMesh 3D ASCII 2.0"), VOXEL_SIZE),
    "amira-zip": Format(amira("Avizo BINARY-LITTLE-ENDIAN 2.1", "HxZip"), VOXEL_SIZE),
}


def noise(shape: tuple[int, ...] = (7, 11, 18), dtype: str = "uint16", seed: int = 0) -> NDArray[Any]:
    """Return a volume without structure, using the whole range of its dtype."""
    values = np.random.default_rng(seed).random(shape)
    return (values * (np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1)).astype(dtype)
