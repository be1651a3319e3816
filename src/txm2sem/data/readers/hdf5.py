"""Volumes in HDF5 files, NeXus among them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from txm2sem.data.files import readable
from txm2sem.data.readers.attributes import no_data, without_sign
from txm2sem.data.readers.base import Absent, StoredVolume
from txm2sem.data.readers.datasets import describe_datasets, only_dataset
from txm2sem.data.readers.hdf5_files import Hdf5Files
from txm2sem.data.readers.hdf5_layouts import is_coarser, layout_of, nexus_signals
from txm2sem.data.readers.hdf5_storage import absent_voxels
from txm2sem.errors import UserError


class Hdf5Volume(StoredVolume):
    """A data set of an HDF5 file; where none is named, the only one with three axes, or the one that NeXus shows.

    Links and virtual data sets are followed to files beside it, see `Hdf5Files`. Axes, sizes of
    voxels and their place are taken from what is known of the programs that write HDF5, see `layout_of`.

    Raises:
        UserError: the file cannot be read, there is no such data set, or there are several to choose from.
    """

    kind = "HDF5"

    def __init__(self, path: Path, dataset: str) -> None:
        with readable(path, "an HDF5 file"):
            self._files = Hdf5Files(path)
            self._dataset = _open_dataset(self._files, dataset, str(path))
            layout = layout_of(self._files, self._dataset)
            file = self._dataset.file
            self.name = f"{path if file == self._files.main else file.filename}{self._dataset.name}"
            self.shape = layout.shape
            self.axes = layout.axes
            self.steps = tuple(step for step, _ in layout.grid)
            self.origin = tuple(place for _, place in layout.grid)
            self.dtype = without_sign(self._dataset.dtype) if layout.unsigned else self._dataset.dtype
            self.no_data = no_data(self._dataset.attrs, self._dataset.dtype, self.dtype)

    def load(self, where: tuple[slice, ...]) -> NDArray[Any]:
        """Return a copy."""
        return np.asarray(self._dataset[where]).view(self.dtype)

    def identity(self, pages: range) -> list[str]:
        """Return the data set's path, and what the files were when they were opened."""
        return [self._dataset.name, *self._files.stamps]

    def absent(self, where: tuple[range, ...]) -> Absent:
        """Return what was never written, and what virtual data sets lack."""
        with readable(self.name, "an HDF5 data set"):
            return absent_voxels(self._files, self._dataset, where)


def _open_dataset(files: Hdf5Files, dataset: str, where: str) -> h5py.Dataset:
    if dataset:
        found = files.find(files.main, f"/{dataset}")
        if not isinstance(found, h5py.Dataset):
            raise UserError(
                f"{where} has no data set {dataset}; expected the path of one of its volumes with --dataset PATH: "
                f"{describe_datasets(_shapes(files.volumes()))}"
            )
        return found
    volumes = {name: item for name, item in files.volumes().items() if not is_coarser(name)}
    signals = [signal for _, signal in nexus_signals(files, files.main)]
    shown = {name: item for name, item in volumes.items() if item in signals}
    chosen = shown if len(shown) == 1 else volumes
    return chosen[only_dataset(_shapes(chosen), where)]


def _shapes(volumes: Mapping[str, h5py.Dataset]) -> dict[str, tuple[int, ...]]:
    return {name: item.shape for name, item in volumes.items()}
