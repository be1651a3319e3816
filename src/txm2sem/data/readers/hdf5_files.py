"""HDF5 files that refer to others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePath

import h5py

from txm2sem.data.files import readable
from txm2sem.data.readers.axes import three_axes
from txm2sem.data.readers.base import CACHE_BYTES, stamp
from txm2sem.errors import UserError

MOST_LINKS = 16
"""Links and files that lead from one to the next; more of them are taken for a circle."""

_CHUNK_SLOTS = 100_003
"""Places of the table of decoded chunks: a prime, far more than there are chunks, as HDF5 advises."""


class Hdf5Files:
    """The HDF5 file that the user names, and those of its folder that it refers to.

    HDF5 itself would follow links, virtual data sets and external storage to anywhere on the machine, wherever the
    maker of the file wants. Here they are followed step by step, and what leads out of the folder is refused.

    Args:
        path: the file, or a link to it.

    Attributes:
        main: the file, open.

    Raises:
        UserError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        path = path.resolve()
        self.folder = path.parent
        self._opened: dict[Path, h5py.File] = {}
        self._stamps: dict[Path, str] = {}
        self.main = self.open(path)

    @property
    def stamps(self) -> list[str]:
        """What the files that have been used were then: name, size and time of change."""
        return [self._stamps[path] for path in sorted(self._stamps)]

    def beside(self, name: str, file: h5py.File) -> Path:
        """Return the path of a file that another one refers to, whether it is there or not.

        Raises:
            UserError: it is not in the folder that the user has named a file of.
        """
        path = Path(file.filename).parent / name
        if ".." in PurePath(name).parts or not path.is_relative_to(self.folder):
            raise UserError(
                f"{file.filename} takes voxels from {name}; expected a file in its own folder, as only what lies there "
                "is read: put both together and refer to it by its name, or write the volume into one file"
            )
        return path

    def note(self, path: Path) -> None:
        """Keep what a file is now, before it is used.

        Raises:
            UserError: it is no file.
        """
        with readable(path, "a file"):
            if not path.is_file():  # a pipe would be waited for
                raise UserError(
                    f"{path} is {'no file' if path.exists() else 'not there'}; expected a file: copy it there"
                )
            self._stamps[path] = stamp(path)

    def open(self, path: Path) -> h5py.File:
        """Return a file of the folder, open.

        Raises:
            UserError: it cannot be opened.
        """
        if path not in self._opened:
            self.note(path)
            with readable(path, "an HDF5 file"):
                self._opened[path] = h5py.File(path, "r", rdcc_nbytes=CACHE_BYTES, rdcc_nslots=_CHUNK_SLOTS)
        return self._opened[path]

    def find(self, start: h5py.Group, name: str, links: int = 0) -> h5py.Group | h5py.Dataset | None:
        """Return a group or data set by its path from a group; None where there is none.

        Args:
            start: the group; a path that begins with `/` is one from its file's root.
            name: the path.
            links: how many have led there.

        Raises:
            UserError: a link leads out of the folder, to a file that is not there, or in a circle.
        """
        if links > MOST_LINKS:
            raise UserError(f"{start.file.filename}: the links to {name.strip('/')} lead in a circle; correct them")
        item = start["/"] if name.startswith("/") else start
        parts = [part for part in name.split("/") if part not in ("", ".")]
        for number, part in enumerate(parts):
            link = item.get(part, getlink=True) if isinstance(item, h5py.Group) else None
            rest = "/".join(parts[number + 1 :])
            if isinstance(link, h5py.SoftLink):
                return self.find(item, f"{link.path}/{rest}", links + 1)
            if isinstance(link, h5py.ExternalLink):
                file = self.open(self.beside(link.filename, item.file))
                return self.find(file, f"/{link.path}/{rest}", links + 1)
            if link is None:
                return None
            item = item[part]
        return item if isinstance(item, h5py.Group | h5py.Dataset) else None

    def volumes(self) -> dict[str, h5py.Dataset]:
        """Return all data sets of numbers with three axes, by their paths in the main file, each by one of them.

        Raises:
            UserError: there is none, and a link leads where nothing is read.
        """
        problems: list[UserError] = []
        found = dict(self._volumes(self.main, "", set(), problems))
        if problems and not found:
            raise problems[0]
        return found

    def _volumes(
        self, group: h5py.Group, above: str, seen: set[h5py.HLObject], problems: list[UserError]
    ) -> Iterator[tuple[str, h5py.Dataset]]:
        items: dict[str, object] = {}
        external: list[str] = []

        def visit(name: str, item: object) -> None:
            if isinstance(item, h5py.Dataset):
                items[name] = item

        def visit_link(name: str, link: object) -> None:
            if isinstance(link, h5py.ExternalLink):
                external.append(name)

        # Neither follows links; those within the file lead to what is found anyway.
        group.visititems(visit)
        group.visititems_links(visit_link)
        seen.add(group)
        for name in external:
            try:
                items[name] = self.find(group, name)
            except UserError as error:
                problems.append(error)
        for name, item in items.items():
            if item in seen:
                continue
            if isinstance(item, h5py.Group):
                yield from self._volumes(item, f"{above}{name}/", seen, problems)
            elif is_volume(item):
                seen.add(item)
                yield f"{above}{name}", item


def is_volume(item: object) -> bool:
    """Say whether an object of an HDF5 file is an array of numbers with three axes, not counting those of length 1."""
    if not isinstance(item, h5py.Dataset):
        return False
    try:
        return item.dtype.kind in "uif" and three_axes(item.shape or ()) is not None
    except TypeError:  # of a type that NumPy has not
        return False
