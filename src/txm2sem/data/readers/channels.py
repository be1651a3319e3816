"""Images of several channels, such as those that this program writes, as one volume a channel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from txm2sem.addresses import Address, Place
from txm2sem.data.files import readable
from txm2sem.data.readers.base import Absent, StoredVolume
from txm2sem.data.readers.tiff_steps import ome_of
from txm2sem.data.tiff import open_tiff
from txm2sem.errors import UserError


class ChannelVolume(StoredVolume):
    """One channel of an image; all of them share what is open.

    Args:
        stored: the image.
        number: of the channel.
        name: of the channel, for messages.
    """

    def __init__(self, stored: StoredVolume, number: int, name: str) -> None:
        axes = stored.axes or ()
        self._stored = stored
        self._place = axes.index("c")
        self._number = number
        self.kind, self.name = stored.kind, f"{stored.name}, {name}"
        self.shape = tuple(1 if axis == "c" else side for axis, side in zip(axes, stored.shape, strict=True))
        self.dtype, self.axes = stored.dtype, stored.axes
        self.steps, self.origin, self.no_data = stored.steps, stored.origin, stored.no_data
        self.note, self.process = stored.note, stored.process

    def load(self, where: tuple[slice, ...]) -> NDArray[Any]:
        """As `StoredVolume.load`."""
        return self._stored.load(self._in_all(where, slice(self._number, self._number + 1)))

    def identity(self, pages: range) -> list[str]:
        """As `StoredVolume.identity`; all of the image counts."""
        return [*self._stored.identity(range(self._stored.shape[0])), f"channel {self._number}"]

    def absent(self, where: tuple[range, ...]) -> Absent:
        """As `StoredVolume.absent`."""
        return self._stored.absent(self._in_all(where, range(self._number, self._number + 1)))

    def _in_all(self, where: tuple[Any, ...], channel: Any) -> tuple[Any, ...]:
        return (*where[: self._place], channel, *where[self._place + 1 :])


def channels_of(stored: StoredVolume, names: Sequence[str]) -> list[ChannelVolume]:
    """Return the channels of an image, in their order.

    Raises:
        UserError: it has another number of channels than names.
    """
    found = dict(zip(stored.axes or (), stored.shape, strict=False)).get("c", 0)
    if found != len(names):
        raise UserError(
            f"{stored.name} has {found} channels, and the file has the names of {len(names)}; it may be damaged: copy "
            "it again, or write it again"
        )
    return [ChannelVolume(stored, number, name) for number, name in enumerate(names)]


def channel_names(path: Place) -> list[str]:
    """Return the names of the channels of an OME-Zarr or an OME-TIFF; [] where it says none, or is no such volume.

    Raises:
        UserError: it cannot be read.
    """
    if isinstance(path, Address) or path.is_dir():
        # To import Zarr takes longer than most that is done with TIFF files.
        from txm2sem.data.readers.ome_zarr import display_settings, is_zarr

        return display_settings(path)[0] if is_zarr(path) else []
    return _of_tiff(path) if path.is_file() and path.suffix.lower() in (".tif", ".tiff") else []


def _of_tiff(path: Path) -> list[str]:
    with readable(path, "a TIFF image"), open_tiff(path) as file:
        ome = ome_of(file)
        channels = [] if ome is None else ome.findall(".//{*}Channel")
        return [name for channel in channels if (name := channel.get("Name"))]
