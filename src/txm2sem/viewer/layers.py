"""Layers as volumes that are read part by part, and volumes as layers that lie where others do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dask.array as da
import numpy as np
from numpy.typing import NDArray

from txm2sem.errors import UserError
from txm2sem.progress import progress_bar

Array = NDArray[Any]
Of = Callable[[Array], Array]

PLACE = ("scale", "translate", "rotate", "shear", "units", "axis_labels")
"""What says where a layer lies, besides its affine map."""

READ_VOXELS = 2**24
"""About so many are read together where a layer is written into a file."""

HELD_BYTES = 2**28
"""Results up to this size are held in memory, so labels among them can be painted on; others are read when shown."""


@dataclass(frozen=True)
class LayerVolume:
    """The data of an image or labels layer as a volume (z, y, x); an image is one of a single slice.

    Attributes:
        name: of the layer.
        data: with two or three axes; any array that is sliced like one of NumPy.
        place: what a layer of the same shape is given to lie in the same place.
        voxel_size: (z, y, x) [nm]; None where the layer has no unit of length.
    """

    name: str
    data: Any
    place: dict[str, Any]
    voxel_size: tuple[float, float, float] | None

    @classmethod
    def of(cls, layer: Any) -> LayerVolume:
        """Take a layer; of a pyramid, its finest level.

        Raises:
            UserError: there is none, it has colours, or neither two nor three axes.
        """
        if layer is None:
            raise UserError("there is no layer to work on; expected an image: open one, or choose it")
        data = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
        if getattr(layer, "rgb", False) or len(data.shape) not in (2, 3):
            found = "colours" if getattr(layer, "rgb", False) else f"{len(data.shape)} axes"
            raise UserError(
                f"the layer {layer.name} has {found}; expected grey values, or labels, with the axes (y, x) or "
                "(z, y, x): split it, see the menu of a right click in the list of layers"
            )
        return cls(layer.name, data, place_of(layer), _voxel_size(layer))

    @property
    def is_flat(self) -> bool:
        """Whether it is an image, without z."""
        return len(self.data.shape) == 2

    @property
    def shape(self) -> tuple[int, int, int]:
        """(z, y, x) [voxels]."""
        rows, columns = self.data.shape[-2:]
        return (1 if self.is_flat else self.data.shape[0], rows, columns)

    def __getitem__(self, window: tuple[Any, ...]) -> Array:
        """Return a part of it, for whole numbers and slices along z, y and x."""
        return np.asarray(self.data)[None][window] if self.is_flat else np.asarray(self.data[window])

    def parts(self) -> Iterator[Array]:
        """Yield all of it, some slices (z, y, x) at a time, with a progress bar."""
        depth, rows, columns = self.shape
        step = max(READ_VOXELS // (rows * columns), 1)
        with progress_bar(total=depth, desc="reading", unit="slice") as bar:
            for first in range(0, depth, step):
                part = self[first : min(first + step, depth), :, :]
                yield part
                bar.update(len(part))

    def written(self, folder: Path, of: Of | None = None) -> Path:
        """Return a new file in a folder with all of it, which `txm2sem.open_volume` reads.

        Args:
            folder: where.
            of: what is done with each slice (y, x) before.

        Raises:
            UserError: the disk is full or not writable.
        """
        parts = self.parts() if of is None else (np.stack([of(plane) for plane in part]) for part in self.parts())
        return write_parts(folder / "layer.npy", self.shape, parts)

    def shown(self, volume: Any) -> Any:
        """Return a volume (z, y, x) of the same shape with the axes of the layer, see `HELD_BYTES`."""
        return held(volume[0] if self.is_flat else volume)


def place_of(layer: Any) -> dict[str, Any]:
    """Return what a layer of the same shape is given to lie where this one does."""
    return {name: getattr(layer, name) for name in PLACE} | {"affine": layer.affine.affine_matrix}


def held(array: Any) -> Any:
    """Return a small array in memory, a large one to be read when it is looked at, see `HELD_BYTES`."""
    lazy = da.asarray(array)
    return np.asarray(lazy) if lazy.nbytes <= HELD_BYTES else lazy


def write_parts(path: Path, shape: tuple[int, ...], parts: Iterable[Array]) -> Path:
    """Write parts of an array, which follow each other along its first axis, as a NumPy file; return its path.

    Raises:
        UserError: the disk is full or not writable.
    """
    try:
        with path.open("wb") as file:
            for part in parts:
                if not file.tell():
                    header = np.lib.format.header_data_from_array_1_0(part) | {"shape": shape, "fortran_order": False}
                    np.lib.format.write_array_header_2_0(file, header)
                file.write(np.ascontiguousarray(part).data)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror or error}; make room there, or let TMPDIR name another folder"
        ) from error
    return path


@contextmanager
def work_folder(output: Path | None) -> Iterator[TemporaryDirectory[str]]:
    """Make a folder for what grows, beside an output, so that it is moved into its place in one step.

    It goes away where the work fails or is cancelled; else with whatever holds it.

    Raises:
        UserError: nothing can be written there.
    """
    try:
        folder = TemporaryDirectory(prefix=".txm2sem_", dir=None if output is None else output.parent)
    except OSError as error:
        raise UserError(f"cannot write beside {output}: {error.strerror or error}; choose another place") from error
    try:
        yield folder
    except BaseException:
        folder.cleanup()
        raise


def chosen_output(text: str, suffix: str = "") -> Path | None:
    """Return the path that a user has chosen for an output; None where there is none.

    Raises:
        UserError: there is something, or the name ends with something else than `suffix`.
    """
    if not text.strip():
        return None
    path = Path(text.strip()).expanduser().absolute()
    if not path.name.endswith(suffix) or path.name == suffix:
        raise UserError(f"{path}: expected a name that ends with {suffix}; choose such as {path.stem}{suffix}")
    if path.exists():
        raise UserError(f"{path} is there already, and is not written over; choose another name")
    return path


def _voxel_size(layer: Any) -> tuple[float, float, float] | None:
    if not all(unit.is_compatible_with("nm") for unit in layer.units):
        return None
    size = [float((scale * unit).to("nm").magnitude) for scale, unit in zip(layer.scale, layer.units, strict=True)]
    z, y, x = size if len(size) == 3 else (size[-1], *size)
    return z, y, x
