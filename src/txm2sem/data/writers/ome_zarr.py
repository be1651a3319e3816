"""OME-Zarr 0.5 (https://ngff.openmicroscopy.org/0.5/): sharded chunks, a pyramid, physical scale and provenance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from typing import Any, Protocol, cast

import numpy as np
import zarr
from numpy.typing import NDArray
from yaozarrs import v05
from zarr.abc.buffer import Buffer
from zarr.codecs import BloscCodec
from zarr.storage import MemoryStore, StoreLike

from txm2sem.addresses import AnyPlace, Place
from txm2sem.data.zarr_stores import PROVENANCE, writing
from txm2sem.files import content_of, write_text

CHUNK = 128
"""Rows and columns of a chunk, the least that a viewer reads [voxels]."""

SHARD = 1024
"""Rows and columns of a shard, which is a file of many chunks [voxels]."""

SMALLEST_LEVEL = 256
"""The pyramid ends with the first level that has no longer side than this [voxels]."""

ALL_CHUNKS = {"array.write_empty_chunks": True}
"""Setting of Zarr with which arrays are opened: a chunk is stored whatever is in it, also nothing but 0, so that one
that is not there has not been written, or was lost."""

Shape = tuple[int, int, int]


class VoxelArray(Protocol):
    """What voxels are written to and read from, window by window: a NumPy or Zarr array (z, y, x)."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(z, y, x), or (c, z, y, x)."""

    @property
    def ndim(self) -> int:
        """Number of axes."""

    @property
    def dtype(self) -> Any:
        """Type of the voxels."""

    def __getitem__(self, window: tuple[slice, ...], /) -> NDArray[Any]: ...

    def __setitem__(self, window: tuple[slice, ...], voxels: NDArray[Any], /) -> None: ...


@dataclass(frozen=True)
class Channel:
    """A channel of an image besides its first.

    Attributes:
        name: for viewers.
        text: what its values mean.
        window: values that viewers show as black and white.
    """

    name: str
    text: str
    window: tuple[float, float]


@dataclass(frozen=True)
class Label:
    """What a value of a label image means.

    Attributes:
        value: of its voxels.
        name: for people.
        colour: (red, green, blue), 0 to 255.
        opaque: viewers show it over the image.
    """

    value: int
    name: str
    colour: tuple[int, int, int]
    opaque: bool = True


@dataclass(frozen=True)
class Description:
    """What is known about a volume besides its voxels.

    Attributes:
        name: for viewers.
        voxel_size: (z, y, x) [nm].
        origin: where its first voxel is, (z, y, x) [nm].
        window: grey values that viewers show as black and white.
        provenance: where it comes from: plain values by name.
        channels: those besides the first, where there are any; then arrays are (c, z, y, x).
        first: what the first channel shows.
        labels: what the values mean, of a label image.
    """

    name: str
    voxel_size: tuple[float, float, float]
    origin: tuple[float, float, float]
    window: tuple[float, float]
    provenance: dict[str, Any]
    channels: tuple[Channel, ...] = ()
    first: str = "predicted SEM"
    labels: tuple[Label, ...] = ()


def create_image(path: Place, shape: tuple[int, ...], dtype: np.dtype[Any], depth: int) -> None:
    """Make the metadata of the array of an image, to be written in slabs of whole slices; voxels that are there stay.

    Chunks have one channel and are up to 128 x 128 pixels wide, shards up to 1024 x 1024. A slab fills its shards, so
    that slabs can be written at once by several processes; each shard appears whole or not at all.

    Args:
        path: the folder of the image.
        shape: (z, y, x), or (c, z, y, x), [voxels].
        dtype: of the voxels.
        depth: slices of a slab, of a chunk and of a shard.

    Raises:
        UserError: the disk is full or not writable.
    """
    with _metadata(path) as store:
        _create_level(store, 0, shape, dtype, depth)


def create_labels(image: AnyPlace, name: str, shape: Shape, depth: int) -> AnyPlace:
    """Make the metadata of a label image of an image, and return its folder; see `create_image`."""
    with _metadata(image / "labels", image / "labels" / "zarr.json") as store:
        labels = v05.LabelsGroup(labels=[name])
        zarr.create_group(store, attributes={"ome": labels.model_dump(mode="json")}, zarr_format=3)
    create_image(image / "labels" / name, shape, np.dtype(np.uint8), depth)
    return image / "labels" / name


def create_scratch(path: Place, shape: tuple[int, ...], chunks: tuple[int, ...]) -> None:
    """Make the metadata of an array of half-precision numbers for passing use, (c, z, y, x); see `create_image`."""
    with _metadata(path, path / "zarr.json") as store:
        zarr.create_array(store, shape=shape, chunks=chunks, dtype="float16", compressors=None, zarr_format=3)


def open_array(path: Place, level: int | None = None) -> VoxelArray:
    """Open an array to read and write slabs: a level of an image, or, without one, a scratch array."""
    with zarr.config.set(ALL_CHUNKS):
        return cast(VoxelArray, zarr.open_array(writing(_level_path(path, level)), mode="r+", zarr_format=3))


def stored_files(path: Place, level: int | None, window: tuple[slice, ...], array: Any) -> list[Place]:
    """Return the files that a part of an array is stored in, whether they are there or not.

    Args:
        path, level: as in `open_array`.
        window: (z, y, x); of all channels.
        array: as `open_array` has opened it.
    """
    folder = _level_path(path, level)
    everything = (slice(None),) * (array.ndim - len(window))
    indices = []
    for part, length, side in zip((*everything, *window), array.shape, array.shards or array.chunks, strict=True):
        start, stop, _ = part.indices(length)
        indices.append(range(start // side, -(-stop // side)))
    return [folder / array.metadata.encode_chunk_key(index) for index in product(*indices)]


def build_pyramid(
    path: Place, depth: int, description: Description, progress: Callable[[int], Any], root: Place | None = None
) -> None:
    """Add the coarser levels to a whole image, and then the metadata that make it an OME-Zarr image.

    A voxel of a level is the mean of 2 x 2 x 2 of the level before; at the ends of odd sides, of those that there are.
    Of labels, which have no mean, it is the first of them.
    Levels that an interrupted call has left are written anew.

    Args:
        path: the folder of the image.
        depth: as in `create_image`.
        description: of the image.
        progress: is told how many voxels of the level before have been done.
        root: the file of these metadata; None: that of the folder.
    """
    finer, levels = open_array(path, 0), 1
    # A shard is made of pieces that come from whole chunks, so that it takes little more memory than its own.
    pieces = (depth if depth % 2 else depth // 2, CHUNK, SHARD)
    while max(finer.shape[-3:]) > SMALLEST_LEVEL:
        z, y, x = (-(-side // 2) for side in finer.shape[-3:])
        with _metadata(path) as store:
            _create_level(store, levels, (*finer.shape[:-3], z, y, x), finer.dtype, depth)
        coarser = open_array(path, levels)
        whole = (slice(0, z), slice(0, y), slice(0, x))
        for channel, shard in product(channel_windows(finer), _windows(whole, (depth, SHARD, SHARD))):
            means = np.empty([1] * len(channel) + [side.stop - side.start for side in shard], finer.dtype)
            for piece in _windows(shard, pieces):
                fine = finer[*channel, *(slice(2 * side.start, 2 * side.stop) for side in piece)]
                parts = (
                    slice(part.start - of.start, part.stop - of.start) for part, of in zip(piece, shard, strict=True)
                )
                place: tuple[Any, ...] = (..., *parts)
                means[place] = fine[..., ::2, ::2, ::2] if description.labels else halve(fine)
                progress(fine.size)
            coarser[*channel, *shard] = means
        finer, levels = coarser, levels + 1
    attributes = {"ome": _ome_attributes(levels, description), PROVENANCE: description.provenance}
    with _metadata(path, root or path / "zarr.json") as store:
        zarr.create_group(store, attributes=attributes, zarr_format=3)


def channel_windows(array: VoxelArray) -> list[tuple[slice, ...]]:
    """Return the first part of a window for each channel of an array: nothing where it has no axis for them."""
    return [(slice(one, one + 1),) for one in range(array.shape[0])] if array.ndim == 4 else [()]


def halve(volume: NDArray[Any]) -> NDArray[Any]:
    """Return the means of 2 x 2 x 2 voxels, rounded in integer volumes; odd sides are continued by their last voxels.

    (..., z, y, x) becomes (..., ceil(z / 2), ceil(y / 2), ceil(x / 2)), in the same dtype.
    """
    # Sums of eight integers are exact in twice their bits.
    sum_dtype = {"uint8": "uint16", "uint16": "uint32"}.get(str(volume.dtype), "float32")
    sums = volume
    for axis in (-3, -2, -1):
        sums = np.moveaxis(sums, axis, 0)
        first, second = sums[0::2], sums[1::2]
        if len(second) < len(first):
            second = np.concatenate([second, first[-1:]])
        sums = np.moveaxis(np.add(first, second, dtype=sum_dtype), 0, axis)
    return ((sums + 4) >> 3 if sums.dtype.kind == "u" else sums / 8).astype(volume.dtype)


@contextmanager
def _metadata(path: Place, root: Place | None = None) -> Iterator[StoreLike]:
    """Give a store to make groups and arrays in; then write what a folder lacks of their files, or has otherwise.

    Args:
        path: the folder.
        root: where the metadata of the folder itself belong; None: they are not written.
    """
    documents: dict[str, Buffer] = {}
    yield MemoryStore(documents)
    for name, document in documents.items():
        file, content = root if name == "zarr.json" else path / name, document.to_bytes()
        if file is not None and content_of(file) != content:
            write_text(file, content.decode())


def _level_path(path: Place, level: int | None) -> Place:
    return path if level is None else path / str(level)


def _create_level(store: StoreLike, level: int, shape: tuple[int, ...], dtype: np.dtype[Any], depth: int) -> None:
    sides = [min(CHUNK, side) for side in shape[-2:]]
    shards = [chunk * -(-min(SHARD, side) // chunk) for chunk, side in zip(sides, shape[-2:], strict=True)]
    single = [1] * (len(shape) - 3)
    with zarr.config.set(ALL_CHUNKS):
        zarr.create_array(
            store,
            name=str(level),
            shape=shape,
            chunks=(*single, depth, *sides),
            shards=(*single, depth, *shards),
            dtype=dtype,
            compressors=BloscCodec(cname="zstd", clevel=3, shuffle="shuffle"),
            dimension_names=("c", "z", "y", "x")[-len(shape) :],
            zarr_format=3,
        )


def _windows(whole: tuple[slice, ...], sides: Shape) -> Iterator[tuple[slice, ...]]:
    """Yield the parts of a window, each `sides` large or what is left of it."""
    starts = product(*(range(side.start, side.stop, length) for side, length in zip(whole, sides, strict=True)))
    for start in starts:
        parts = zip(start, sides, whole, strict=True)
        yield tuple(slice(one, min(one + length, side.stop)) for one, length, side in parts)


def _ome_attributes(levels: int, description: Description) -> dict[str, Any]:
    datasets = []
    has_channels = bool(description.channels)
    for level in range(levels):
        scale = [2**level * size for size in description.voxel_size]
        # A coarse voxel is the mean of finer ones, so its centre lies between theirs.
        shift = (2**level - 1) / 2
        translation = [
            first + shift * size for first, size in zip(description.origin, description.voxel_size, strict=True)
        ]
        datasets.append(
            v05.Dataset(
                path=str(level),
                coordinateTransformations=[
                    v05.ScaleTransformation(scale=[*([1.0] * has_channels), *scale]),
                    v05.TranslationTransformation(translation=[*([0.0] * has_channels), *translation]),
                ],
            )
        )
    multiscale = v05.Multiscale(
        name=description.name,
        axes=[
            *([v05.ChannelAxis(name="c")] * has_channels),
            *(v05.SpaceAxis(name=name, unit="nanometer") for name in "zyx"),
        ],
        datasets=datasets,
        type="first of 2 x 2 x 2 voxels" if description.labels else "mean of 2 x 2 x 2 voxels",
    )
    if description.labels:
        said = {"version": "0.5", "multiscales": [multiscale], "image-label": _image_label(description.labels)}
        checked = v05.LabelImage.model_validate(said)
        # Of the values of labels, which are whole numbers, the library makes others.
        return checked.model_dump(mode="json", exclude_none=True, by_alias=True) | {"image-label": said["image-label"]}
    # Others are there to be switched on: together they would hide the prediction.
    shown = [
        v05.OmeroChannel(color="FFFFFF", label=label, active=number == 0, window=_window(*window))
        for number, (label, window) in enumerate(
            [
                (description.first, description.window),
                *((channel.name, channel.window) for channel in description.channels),
            ]
        )
    ]
    omero = v05.Omero(channels=shown)
    image = v05.Image(version="0.5", multiscales=[multiscale], omero=omero)
    return image.model_dump(mode="json", exclude_none=True, by_alias=True)


def _image_label(labels: tuple[Label, ...]) -> dict[str, Any]:
    colours = [{"label-value": label.value, "rgba": [*label.colour, 255 if label.opaque else 0]} for label in labels]
    names = [{"label-value": label.value, "name": label.name} for label in labels]
    return {"version": "0.5", "colors": colours, "properties": names, "source": {"image": "../../"}}


def _window(low: float, high: float) -> v05.OmeroWindow:
    return v05.OmeroWindow(start=low, end=high, min=low, max=high)
