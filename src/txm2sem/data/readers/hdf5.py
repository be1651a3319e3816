"""Volumes in HDF5 files, NeXus among them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from txm2sem.data.readers.axes import three_axes
from txm2sem.data.readers.base import CACHE_BYTES, StoredVolume, readable, stamp
from txm2sem.data.readers.datasets import describe_datasets, only_dataset
from txm2sem.data.readers.units import nanometres
from txm2sem.errors import UserError

_CHUNK_SLOTS = 100_003
"""Places of the table of decoded chunks: a prime, far more than there are chunks, as HDF5 advises."""


class Hdf5Volume(StoredVolume):
    """A data set of an HDF5 file; where none is named, the only one with three axes.

    The size of a voxel is taken from the attribute `element_size_um`, as ilastik and Fiji write it.

    Raises:
        UserError: the file is damaged, there is no such data set, or there are several to choose from.
    """

    kind = "HDF5"

    def __init__(self, path: Path, dataset: str) -> None:
        with readable(path, "an HDF5 file"):
            self._stamp = stamp(path)
            file = h5py.File(path, "r", rdcc_nbytes=CACHE_BYTES, rdcc_nslots=_CHUNK_SLOTS)
            self._dataset = _open_dataset(file, dataset, str(path))
            self.steps = _steps(self._dataset)
        self.name = f"{path}{self._dataset.name}"
        self.shape = self._dataset.shape or ()  # an empty data space has None
        self.dtype = self._dataset.dtype

    def load(self, where: tuple[slice, ...]) -> NDArray[Any]:
        """Return a copy."""
        return np.asarray(self._dataset[where])

    def identity(self, pages: range) -> list[str]:
        """Return the data set's path, and what the file was when it was opened."""
        return [self._dataset.name, self._stamp]


def _open_dataset(file: h5py.File, dataset: str, where: str) -> h5py.Dataset:
    volumes: dict[str, tuple[int, ...]] = {}

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind in "uif" and three_axes(item.shape or ()):
            volumes[name] = item.shape

    if not dataset:
        file.visititems(visit)
        return file[only_dataset(volumes, where)]
    found = file.get(dataset)
    if not isinstance(found, h5py.Dataset):
        file.visititems(visit)
        raise UserError(
            f"{where} has no data set {dataset}; expected the path of one of its volumes with --dataset PATH: "
            f"{describe_datasets(volumes)}"
        )
    return found


def _steps(dataset: h5py.Dataset) -> tuple[float | None, ...] | None:
    sizes = np.ravel(dataset.attrs.get("element_size_um", ()))
    axes = three_axes(dataset.shape or ())
    if axes is None or len(sizes) != 3 or sizes.dtype.kind not in "uif":
        return None
    steps: list[float | None] = [None] * len(dataset.shape)
    for axis, size in zip(axes, sizes.tolist(), strict=True):
        steps[axis] = nanometres(size, "µm")
    return tuple(steps)
