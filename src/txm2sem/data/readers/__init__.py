"""TXM volumes of any common format, read lazily and part by part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from txm2sem.addresses import Address, Place, place_of
from txm2sem.arrays import plain_array
from txm2sem.data.files import check_is_file, check_is_volume, is_pattern
from txm2sem.data.readers.amira import AmiraVolume
from txm2sem.data.readers.arrays import ArrayVolume, NumpyVolume
from txm2sem.data.readers.base import CACHE_BYTES, StoredVolume
from txm2sem.data.readers.channels import channel_names, channels_of
from txm2sem.data.readers.metaimage import MetaImageVolume
from txm2sem.data.readers.nrrd import NrrdVolume
from txm2sem.data.readers.tiff_slices import TiffSlicesVolume, matching_slices
from txm2sem.data.readers.tiff_stack import TiffStackVolume
from txm2sem.data.readers.txrm import TxrmVolume
from txm2sem.data.readers.volume import VolumeReader
from txm2sem.data.readers.voxel_size import VoxelSize, parse_voxel_size
from txm2sem.data.stacks import find_slices
from txm2sem.errors import UserError

__all__ = [
    "CACHE_BYTES",
    "PLAIN_SUFFIXES",
    "VolumeInput",
    "VolumeReader",
    "channel_names",
    "open_channels",
    "open_stored",
    "open_volume",
    "parse_voxel_size",
]

_TIFF = (".tif", ".tiff", ".btf", ".tf8")
_HDF5 = (".h5", ".hdf5", ".hdf", ".nxs", ".nx5", ".nc", ".ims")
_OTHERS: dict[str, Callable[[Path], StoredVolume]] = {
    **dict.fromkeys((".txm", ".txrm"), TxrmVolume),
    **dict.fromkeys((".mha", ".mhd"), MetaImageVolume),
    **dict.fromkeys((".nrrd", ".nhdr"), NrrdVolume),
    ".am": AmiraVolume,
    ".npy": NumpyVolume,
}
"""What opens files of the formats that have no options of their own."""

PLAIN_SUFFIXES = (*_OTHERS, ".raw")
"""What the names of such files end with."""

SUFFIXES = (*_TIFF, *_HDF5, *_OTHERS)
"""What the names of files end with that are volumes."""


@dataclass(frozen=True)
class VolumeInput:
    """Where a TXM volume is and how to read it. It can be pickled: other processes open it anew.

    Attributes:
        path: a file, a folder of TIFF slices, a Zarr folder, or a pattern of TIFF slices such as `scan/*.tif`; or the
            address of a Zarr folder, such as `s3://bucket/scan.ome.zarr` or `https://server/scan.ome.zarr`.
        dataset: path of the data set inside HDF5 or Zarr; "" finds it.
        axes: axes of the stored array in its order, such as `zyx` or `xyz`; "" takes what the file says.
        voxel_size: size of a voxel (z, y, x) [nm]; None: what the file says.
        roi: part to read, `z0:z1,y0:y1,x0:x1` [voxels]; each bound may be left out; "": all.
        missing: `refuse` a volume of which voxels are not stored, or take them for `black`.
        labels: voxels are numbers of phases: any whole numbers, and colour tables of files are for display.

    Raises:
        UserError: the path is an address of another kind.
    """

    path: Place | str
    dataset: str = ""
    axes: str = ""
    voxel_size: VoxelSize | None = None
    roi: str = ""
    missing: str = "refuse"
    labels: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", place_of(self.path))

    @property
    def place(self) -> Place:
        """Where it is."""
        return place_of(self.path)


def open_volume(volume: VolumeInput | NDArray[Any]) -> VolumeReader:
    """Open a volume, or take an array (z, y, x); of files, only headers and metadata are read.

    Raises:
        UserError: there is nothing there, it is of an unknown format, damaged, incomplete or not one grey volume, or
            the input does not fit it.
    """
    if not isinstance(volume, VolumeInput):
        return VolumeReader(ArrayVolume(plain_array(volume, ArrayVolume.name)))
    return _reader(open_stored(volume), volume)


def open_channels(volume: VolumeInput, names: Sequence[str]) -> list[VolumeReader]:
    """Open each channel of an image as a volume, in their order.

    Args:
        volume: the image.
        names: of all channels, see `channel_names`.

    Raises:
        UserError: as `open_volume`, or it has not as many channels.
    """
    return [_reader(channel, volume) for channel in channels_of(open_stored(volume), names)]


def open_stored(volume: VolumeInput) -> StoredVolume:
    """Open a volume as it is stored, with all its axes.

    Raises:
        UserError: as `open_volume`.
    """
    path = volume.place
    return _open_remote(path, volume) if isinstance(path, Address) else _open_local(path, volume)


def _reader(stored: StoredVolume, volume: VolumeInput) -> VolumeReader:
    return VolumeReader(stored, volume.axes, volume.voxel_size, volume.roi, volume.missing, labels=volume.labels)


def _open_local(path: Path, volume: VolumeInput) -> StoredVolume:
    suffix = path.suffix.lower()
    if path.is_dir():
        return _open_folder(path, volume)
    if path.exists() and not path.is_file():
        raise UserError(f"{path} is a pipe, a socket or a device; expected a file or a folder")
    if path.exists() and suffix in _HDF5:
        from txm2sem.data.readers.hdf5 import Hdf5Volume

        return Hdf5Volume(path, volume.dataset)
    _refuse_dataset(volume.dataset, path)
    check_is_volume(path)
    if is_pattern(path) and not path.exists() and not path.is_symlink():
        return TiffSlicesVolume(matching_slices(str(path)), str(path), labels=volume.labels)
    check_is_file(path)
    if suffix in _TIFF:
        return TiffStackVolume(path, labels=volume.labels)
    if suffix in _OTHERS:
        return _OTHERS[suffix](path)
    if suffix == ".raw":
        return _open_beside(path)
    raise UserError(
        f"{path} is of no known format; expected a folder of TIFF slices, a Zarr folder, or a file that ends in "
        f"{', '.join(SUFFIXES)}: convert it"
    )


def _open_remote(address: Address, volume: VolumeInput) -> StoredVolume:
    from txm2sem.data.readers.ome_zarr import ZarrVolume, is_zarr

    if address.name.lower().endswith((*SUFFIXES, ".raw")):
        raise UserError(
            f"{address} is of a format that is read from disks alone, as it is not made to be read in parts from far "
            "away; expected OME-Zarr or Zarr: convert it, or copy it here first"
        )
    if not is_zarr(address):
        raise UserError(
            f"{address} holds no Zarr: expected a group or an array, with zarr.json, .zgroup or .zarray in it, such as "
            "s3://bucket/scan.ome.zarr; check the address. An output that is not whole yet has none either: run the "
            "command that makes it again"
        )
    return ZarrVolume(address, volume.dataset)


def _open_folder(folder: Path, volume: VolumeInput) -> StoredVolume:
    from txm2sem.data.readers.ome_zarr import ZarrVolume, is_zarr

    if is_zarr(folder):
        return ZarrVolume(folder, volume.dataset)
    if (folder / "attributes.json").is_file():
        raise UserError(f"{folder} is of the format N5, which is not read; write it anew as Zarr or HDF5")
    _refuse_dataset(volume.dataset, folder)
    return TiffSlicesVolume(find_slices(folder), str(folder), labels=volume.labels)


def _open_beside(path: Path) -> StoredVolume:
    """Open a file of nothing but voxels by the header beside it.

    Raises:
        UserError: there is none, or it is one of other voxels.
    """
    header = next((path.with_suffix(suffix) for suffix in (".mhd", ".nhdr") if path.with_suffix(suffix).exists()), None)
    if header is not None:
        volume = (MetaImageVolume if header.suffix == ".mhd" else NrrdVolume)(header)
        if volume.data.name != path.name:
            raise UserError(f"{header} is the header of {volume.data}, not of {path}; pass the header, or correct it")
        return volume
    lines = (
        "NDims = 3",
        "DimSize = COLUMNS ROWS SLICES",
        "ElementType = MET_UCHAR (8 bits), MET_USHORT (16) or MET_FLOAT",
        "BinaryDataByteOrderMSB = False",
        "HeaderSize = BYTES BEFORE THE VOXELS, 0",
        f"ElementDataFile = {path.name}",
    )
    raise UserError(
        f"{path} has {path.stat().st_size} bytes of voxels, and nothing says how many along each axis, nor of what "
        f"type; expected a header beside it, {path.with_suffix('.mhd').name}: write it, a text file of the lines "
        f"{'; '.join(lines)}"
    )


def _refuse_dataset(dataset: str, path: Path) -> None:
    if dataset:
        raise UserError(f"--dataset {dataset}: {path} has no data sets, only HDF5 and Zarr have; leave it out")
