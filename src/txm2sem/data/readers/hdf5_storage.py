"""What an HDF5 file stores of a data set, and whether it can be decoded."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from txm2sem.data.files import readable
from txm2sem.data.readers.base import Absent
from txm2sem.data.readers.chunks import absent_chunks, as_positions, check_chunks
from txm2sem.data.readers.hdf5_files import MOST_LINKS, Hdf5Files
from txm2sem.errors import UserError

MOST_CELLS = 2**28
"""Sources of a virtual data set, times the lengths of its axes, that are looked at."""

FILTERS = {
    4: "szip",
    307: "bzip2",
    32000: "LZF",
    32001: "Blosc",
    32004: "LZ4",
    32008: "Bitshuffle",
    32013: "ZFP",
    32015: "Zstandard",
    32017: "SZ",
    32024: "SZ3",
    32026: "Blosc2",
    32028: "SPERR",
}
"""Filters by their number (https://github.com/HDFGroup/hdf5_plugins); the package hdf5plugin has most of them."""

Box = tuple[range, ...]


def absent_voxels(files: Hdf5Files, dataset: h5py.Dataset, where: Box, depth: int = 0) -> Absent:
    """Return what is not stored of a part of a data set, see `StoredVolume.absent`, after a look at how it is stored.

    Args:
        files: the file with those beside it.
        dataset: one of theirs.
        where: the part.
        depth: virtual data sets that it is a source of.

    Raises:
        UserError: a filter is not installed, or sources are outside the folder, raw files, or too intricate.
    """
    name, value = f"{dataset.file.filename}{dataset.name}", _fill_value(dataset)
    if depth > MOST_LINKS:
        raise UserError(f"the sources of {name} lead in a circle; write it anew")
    if dataset.is_virtual:
        return _absent_sources(files, dataset, where, depth, value)
    if dataset.external:  # which HDF5 looks for anywhere on the machine, first in the current folder
        raise UserError(
            f"{name} has its voxels in raw files ({dataset.external[0][0]}), which are not read; write them into the "
            "HDF5 file, e.g. with h5repack -l CONTI"
        )
    if dataset.chunks:
        check_chunks(dataset.chunks, dataset.dtype.itemsize, name)
        _check_filters(dataset, name)
        return _absent_chunks(dataset, where, name, value)
    if dataset.id.get_storage_size() == 0:
        first = tuple(part.start for part in where)
        return Absent(math.prod(map(len, where)), first, "its voxels were never written", value)
    return Absent()


def _fill_value(dataset: h5py.Dataset) -> float:
    return float(dataset.fillvalue) if dataset.dtype.kind in "uif" else 0.0


def _absent_chunks(dataset: h5py.Dataset, where: Box, name: str, value: float) -> Absent:
    grid = math.prod(-(-length // side) for length, side in zip(dataset.shape, dataset.chunks, strict=True))
    if dataset.id.get_num_chunks() == grid:
        return Absent()
    offsets: list[tuple[int, ...]] = []
    dataset.id.chunk_iter(lambda chunk: offsets.append(chunk.chunk_offset))
    stored = as_positions(offsets, dataset.ndim) // dataset.chunks
    return absent_chunks(where, dataset.chunks, stored, name, value)


def _check_filters(dataset: h5py.Dataset, name: str) -> None:
    pipeline = dataset.id.get_create_plist()
    for place in range(pipeline.get_nfilters()):
        number, _, _, own_name = pipeline.get_filter(place)
        if h5py.h5z.filter_avail(number) or not _is_used(dataset, place):
            continue
        with suppress(ImportError):
            import_module("hdf5plugin")  # which registers its filters
        if not h5py.h5z.filter_avail(number):
            known = FILTERS.get(number) or own_name.decode("utf-8", "replace") or "an unknown method"
            raise UserError(
                f"{name} is compressed with {known} (HDF5 filter {number}), which is not installed here; pip install "
                "hdf5plugin, which has many filters, or write it anew with gzip or without compression, where it can "
                "be read"
            )


def _is_used(dataset: h5py.Dataset, place: int) -> bool:
    """Say whether any chunk has gone through a filter; optional ones are left out where the writer lacks them."""
    return bool(dataset.id.chunk_iter(lambda chunk: None if chunk.filter_mask >> place & 1 else True))


# -- virtual data sets ----------------------------------------------------------------------------------------------


def _absent_sources(files: Hdf5Files, dataset: h5py.Dataset, where: Box, depth: int, value: float) -> Absent:
    sources = dataset.virtual_sources()
    if len(sources) * sum(map(len, where)) > MOST_CELLS:
        raise UserError(
            f"{dataset.file.filename}{dataset.name} is a virtual data set of {len(sources)} sources, too many to look "
            "at them all; write it into one data set, or pass a smaller --roi"
        )
    covered: list[list[NDArray[np.bool_]]] = []
    inner, places, cause = 0, [], "no source has it"
    for source in sources:
        chosen = _chosen(source.vspace, dataset.shape, where, dataset)
        if not all(axis.any() for axis in chosen):
            continue
        with _source(files, dataset, source) as found:
            if found is None:
                cause = f"its source {source.file_name}:{source.dset_name} is not there"
                continue
            absent = absent_voxels(files, found, _needed(source, dataset, found, where), depth + 1)
        if absent.voxels:
            inner, cause = inner + absent.voxels, f"in its source {source.file_name}, {absent.cause}"
            places.append(tuple(int(axis.argmax()) for axis in chosen))
        covered.append(chosen)
    voxels, first = _uncovered(covered, [len(part) for part in where])
    places += [first] if voxels else []
    if not places:
        return Absent()
    corner = tuple(part.start + index for part, index in zip(where, min(places), strict=True))
    return Absent(voxels + inner, corner, cause, value)


@contextmanager
def _source(files: Hdf5Files, dataset: h5py.Dataset, source: Any) -> Iterator[h5py.Dataset | None]:
    """Open the data set that is a source; None where it, or its file, is not there."""
    file = dataset.file
    if source.file_name == ".":
        yield files.find(file, f"/{source.dset_name}")
        return
    path = files.beside(source.file_name, file)
    if path.exists():
        files.note(path)
        # Closed again, as there may be more of them than files that a process may have open.
        with readable(path, "an HDF5 file"), h5py.File(path, "r") as other:
            yield files.find(other, f"/{source.dset_name}")
        return
    if Path(source.file_name).exists():  # HDF5 would take it
        raise UserError(
            f"{file.filename} takes voxels from {source.file_name}, which is in the current folder instead of beside "
            "it; put both together"
        )
    yield None


def _slabs(space: h5py.h5s.SpaceID, shape: Sequence[int], dataset: h5py.Dataset) -> list[tuple[int, int, int, int]]:
    """Return start, step, count and width of what is chosen along each axis.

    Raises:
        UserError: it is not a box or a lattice of boxes, or has no end.
    """
    kind = space.get_select_type()
    if kind == h5py.h5s.SEL_ALL:
        return [(0, 1, 1, length) for length in shape]
    if kind == h5py.h5s.SEL_HYPERSLABS and space.is_regular_hyperslab():
        slabs = list(zip(*space.get_regular_hyperslab(), strict=True))
        if all(count < h5py.h5s.UNLIMITED and width < h5py.h5s.UNLIMITED for _, _, count, width in slabs):
            return slabs
    raise UserError(
        f"{dataset.file.filename}{dataset.name} is a virtual data set whose parts are no boxes of fixed size, so what "
        "is there cannot be counted; write it into one data set"
    )


def _chosen(
    space: h5py.h5s.SpaceID, shape: Sequence[int], where: Box, dataset: h5py.Dataset
) -> list[NDArray[np.bool_]]:
    """Return along each axis which positions of a part are chosen."""
    chosen = []
    for part, (start, step, count, width) in zip(where, _slabs(space, shape, dataset), strict=True):
        away = np.arange(part.start, part.stop) - start
        chosen.append((away >= 0) & (away < (count - 1) * step + width) & (away % step < width))
    return chosen


def _needed(source: Any, dataset: h5py.Dataset, found: h5py.Dataset, where: Box) -> Box:
    """Return what a part needs of a source: as much as where boxes of one size are laid onto each other, else all."""
    there = _slabs(source.src_space, found.shape, dataset)
    here = _slabs(source.vspace, dataset.shape, dataset)
    whole = tuple(
        range(min(start, length), min(start + (count - 1) * step + width, length))
        for (start, step, count, width), length in zip(there, found.shape, strict=True)
    )
    sides_there = [(axis, slab) for axis, slab in enumerate(there) if slab[2] * slab[3] > 1]
    sides_here = [(part, slab) for part, slab in zip(where, here, strict=True) if slab[2] * slab[3] > 1]
    if [slab[1:] for _, slab in sides_there] != [slab[1:] for _, slab in sides_here]:
        return whole
    needed = list(whole)
    for (axis, slab), (part, own) in zip(sides_there, sides_here, strict=True):
        shift = slab[0] - own[0]
        needed[axis] = range(max(whole[axis].start, part.start + shift), min(whole[axis].stop, part.stop + shift))
    return tuple(needed)


def _uncovered(boxes: list[list[NDArray[np.bool_]]], lengths: list[int]) -> tuple[int, tuple[int, ...]]:
    """Return how many positions of an array no box covers, and the first of them; boxes are products of choices."""
    if not boxes:
        return math.prod(lengths), (0,) * len(lengths)
    if not lengths:
        return 0, ()
    # Positions that lie in the same boxes are alike.
    kinds, places, counts = np.unique(
        np.stack([box[0] for box in boxes]), axis=1, return_index=True, return_counts=True
    )
    total, first = 0, (0,) * len(lengths)
    for kind in np.argsort(places)[::-1]:
        inside = [box[1:] for box, chosen in zip(boxes, kinds[:, kind], strict=True) if chosen]
        voxels, rest = _uncovered(inside, lengths[1:])
        if voxels:
            total += int(counts[kind]) * voxels
            first = (int(places[kind]), *rest)
    return total, first
