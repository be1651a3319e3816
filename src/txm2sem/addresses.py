"""Addresses of what is not on this machine's disks: in object storage (`s3://`, `gs://`) and on web servers."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote

from txm2sem.errors import UserError

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/(.*)", re.DOTALL)
"""Drives of Windows have one letter. Of two slashes, paths keep one."""

STORES = ("s3", "gs")
"""Schemes of object storage, which is written, too."""

SERVERS = ("https", "http")
"""Schemes of web servers, which are only read."""


@dataclass(frozen=True)
class Address:
    """A place in object storage, or on a web server. It has as much of a path as outputs and readers ask of one.

    Neither names of users with their passwords nor signatures can be in it: whatever shows it shows no secret.

    Attributes:
        scheme: one of `STORES` or `SERVERS`.
        host: the bucket, or the server with its port.
        key: what follows, without slashes around it.
    """

    scheme: str
    host: str
    key: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}/{self.key}".rstrip("/")

    def __truediv__(self, name: str) -> Address:
        return replace(self, key="/".join(part for part in (self.key, name.strip("/")) if part))

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rpartition("/")[2]

    @property
    def parent(self) -> Address:
        """What it is in."""
        return replace(self, key=self.key.rpartition("/")[0])

    @property
    def is_listed(self) -> bool:
        """Whether one can ask what is below it."""
        return self.scheme in STORES

    def with_name(self, name: str) -> Address:
        """Return what has another name in the same place."""
        return self.parent / name

    def absolute(self) -> Address:
        """Return itself: no folder is current here."""
        return self

    def is_in(self, folder: Address) -> bool:
        """Say whether it is somewhere below a place."""
        return self.parent == folder or (self.key != "" and self.parent.is_in(folder))

    def below(self, folder: Address) -> str:
        """Return its key from a place that it is in."""
        return self.key[len(folder.key) :].strip("/")


Place = Path | Address
"""Where a file or a folder is."""

AnyPlace = TypeVar("AnyPlace", Path, Address)


def is_address(text: str) -> bool:
    """Say whether a text is meant as an address, not as a path."""
    return _ADDRESS.fullmatch(text) is not None


def place_of(text: Place | str) -> Place:
    """Return the place that a user names.

    Raises:
        UserError: it is an address of another kind, without a name, or with what should not be in one.
    """
    if isinstance(text, Address):
        return text
    found = _ADDRESS.fullmatch(str(text))
    if found is None:
        return Path(text)
    scheme, rest = found[1].lower(), found[2].lstrip("/")
    shown = shown_address(str(text))
    if scheme not in (*STORES, *SERVERS):
        raise UserError(
            f"{shown}: expected a path, or an address that begins with one of "
            f"{', '.join(f'{name}://' for name in (*STORES, *SERVERS))}; copy it here first"
        )
    host, _, key = rest.partition("/")
    if "@" in host or re.search("[?#]", rest):
        raise UserError(
            f"{shown} had a password, a signature or a fragment in it, which lists of processes and documents would "
            "show; expected the address alone: credentials of s3:// come from the environment or a profile, passwords "
            "of web servers from .netrc, and a signed address is one of a single object, which no volume is"
        )
    parts = [part for part in (key if scheme in STORES else unquote(key)).split("/") if part]
    if not host or not parts or {".", ".."} & set(parts):
        raise UserError(f"{shown}: expected {scheme}://{'BUCKET' if scheme in STORES else 'SERVER'}/NAME; name it")
    return Address(scheme, host, "/".join(parts))


def shown_address(text: str) -> str:
    """Return an address without the user's name and password, and without what follows `?` or `#`."""
    found = _ADDRESS.fullmatch(text)
    if found is None:
        return text
    host, slash, key = re.split("[?#]", found[2].lstrip("/"), maxsplit=1)[0].partition("/")
    return f"{found[1]}://{host.rpartition('@')[2]}{slash}{key}"


def check_local(text: str, what: str = "") -> None:
    """Check that a path is one of this machine.

    Args:
        text: the path.
        what: what it is, for the message, such as `--output`.

    Raises:
        UserError: it is an address.
    """
    if is_address(text):
        raise UserError(
            f"{f'{what} {shown_address(text)}'.strip()} is an address; expected a file or folder of this machine: name "
            "one, and copy it from there or to there (docs/storage.md says which places may be addresses)"
        )


def check_no_address(path: Path) -> None:
    """Check that a path is not what becomes of an address that is taken for one: a folder called `s3:`.

    Raises:
        UserError: it is.
    """
    scheme = next((part for part in path.parts if part.lower() in _FOLDERS), None)
    if scheme is not None:
        rest = "/".join(path.parts[path.parts.index(scheme) + 1 :])
        check_local(f"{scheme}//{rest}")


_FOLDERS = frozenset(f"{scheme}:" for scheme in (*STORES, *SERVERS, "ftp", "sftp", "az", "abfs", "hdfs", "file"))
