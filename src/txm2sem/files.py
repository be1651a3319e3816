"""Files on disk: written whole, held by one writer, moved aside, read only where they are what they should be."""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from filelock import FileLock, Timeout

from txm2sem import objects
from txm2sem.addresses import Address, Place, check_no_address
from txm2sem.errors import UserError

LOCK = ".lock"
"""File in a folder that has one writer at a time."""

MOST_TEXT = 64 * 2**20
"""Bytes of a text file that are read at most; none that this program writes has nearly as many."""

MOST_NAME = 200
"""Bytes of a name at most, so that there is room for what is put before and behind it."""

LONGEST_NAME = 255
"""Bytes of a name that file systems take."""

_BESIDE = re.compile(r"\..*\.[0-9a-f]{16}\.partial", re.DOTALL)
"""Name of a file that is being written beside its place."""


def check_name(text: str, what: str) -> str:
    """Return a name that is to become a part of a path, and is printed, where it can be one.

    Args:
        text: the name.
        what: what it names, for the message, such as `--name`.

    Raises:
        UserError: it is empty, has separators or control characters, is not UTF-8, or is too long.
    """
    problem = ""
    if not text.strip():
        problem = "is empty"
    elif text in (".", "..") or "/" in text or "\\" in text:
        problem = "leads to another folder"
    elif any(ord(character) < 32 or 127 <= ord(character) < 160 for character in text):
        problem = "has control characters"
    elif any(0xD800 <= ord(character) < 0xE000 for character in text):
        problem = "is not UTF-8"
    elif len(text.encode()) > MOST_NAME:
        problem = f"has {len(text.encode())} bytes"
    if problem:
        raise UserError(
            f"{what} {text[:MOST_NAME]!r} {problem}; expected a name of at most {MOST_NAME} bytes that can be that of "
            "a file, without / and \\: choose another"
        )
    return text


def check_output(path: Path) -> None:
    """Check that a file or folder of this name can be made, before any work for it.

    Raises:
        UserError: the name is none, or too long, or its folder cannot be made or written to; or the path is what
            becomes of an address that is taken for one.
    """
    check_no_address(path)
    if path.name in ("", ".."):
        raise UserError(f"{path}: expected the name of a new file or folder, found that of a place; name it")
    length = len(os.fsencode(path.name))
    if length > LONGEST_NAME:
        raise UserError(
            f"the name {path.name[:MOST_NAME]!r} has {length} bytes; expected {LONGEST_NAME} at most, as file systems "
            "have it: choose a shorter one"
        )
    try:
        place = next(parent for parent in path.absolute().parents if parent.exists())
        usable = place.is_dir() and os.access(place, os.W_OK | os.X_OK)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}; choose another place") from error
    if not usable:
        found = "may not be written to" if place.is_dir() else "is no folder"
        raise UserError(f"{path} cannot be written: {place} {found}; choose another place")


def make_folder(path: Path) -> None:
    """Create a folder with its parents.

    Raises:
        UserError: the folder cannot be created.
    """
    check_no_address(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot create the folder {path}: {error.strerror}; choose another place") from error


@contextmanager
def held(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Be the only writer of a folder, which is made where it is missing, until the end.

    The system gives the lock back when the process ends, however that is; its file stays. What another writer was
    killed over, files beside their place, is removed.

    Args:
        folder: the folder.
        wait: until another writer has ended.

    Raises:
        UserError: another process writes there, and is not waited for, or the file system knows no locks.
    """
    make_folder(folder)
    lock = FileLock(folder / LOCK, timeout=-1 if wait else 0)
    try:
        lock.acquire()
    except Timeout:
        raise UserError(
            f"another process is writing into {folder}; wait for its end, or stop it, or choose another name or output"
        ) from None
    except OSError as error:
        raise UserError(
            f"cannot lock {folder}, so that no other process writes there, too: {error.strerror}; permit writing "
            "there, or choose a place on another disk"
        ) from error
    try:
        remove_leftovers(folder)
        yield
    finally:
        lock.release()


def write_whole(path: Place, write: Callable[[io.BytesIO], Any]) -> None:
    """Write a file beside its place, then rename it into it: the file is the old one or the new one, never a part.

    It is on the disk then, also after a power cut. Links are replaced, not followed. An object appears whole by itself.

    Args:
        path: the file; its folder is made where it is missing.
        write: called with a buffer that receives the content.

    Raises:
        UserError: the disk is full or the folder not writable; an existing file is untouched.
    """
    buffer = io.BytesIO()
    write(buffer)
    if isinstance(path, Address):
        objects.write(path, buffer.getvalue())
        return
    make_folder(path.parent)
    # Nobody can have put a link there before: the name is new, and a file that is there already is an error.
    beside = path.with_name(f".{path.name[:40]}.{secrets.token_hex(8)}.partial")
    try:
        with beside.open("xb") as file:
            file.write(buffer.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        kept = "the earlier file there is untouched" if path.exists() else "nothing was written"
        raise UserError(
            f"cannot write {path}: {error.strerror}; {kept}. Make room or permit writing there, then run again"
        ) from error
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_text(path: Place, text: str) -> None:
    """Write a text file whole (see `write_whole`), as UTF-8.

    Bytes of a file's name that are not UTF-8 become `\\udcNN`, which JSON reads back.
    """
    write_whole(path, lambda buffer: buffer.write(text.encode(errors="backslashreplace")))


def append_line(path: Path, line: str) -> None:
    """Append one line to a log.

    Raises:
        UserError: the disk is full or the folder not writable.
    """
    make_folder(path.parent)
    try:
        with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{line}\n")
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; make room or permit writing there") from error


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the system can."""
    with suppress(OSError):  # some file systems, and Windows, cannot
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sync_tree(path: Path) -> None:
    """Bring a file, or all files in a folder and its subfolders and their names, to the disk.

    Raises:
        OSError: the disk is full or fails.
    """
    if path.is_dir():
        for inner in path.iterdir():
            sync_tree(inner)
        sync_folder(path)
    else:
        with path.open("rb") as file:
            os.fsync(file.fileno())


def read_text(path: Place, remedy: str, most: int = MOST_TEXT) -> str:
    """Return a text file.

    Args:
        path: the file.
        remedy: what the user can do where it is damaged.
        most: bytes that it may have.

    Raises:
        UserError: it is missing, not a file, not readable, too large, or not UTF-8.
    """
    try:
        if isinstance(path, Address):
            return _object(path, remedy, most).decode()
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe would never end
            raise UserError(f"{path} is not a file; {remedy}")
        if status.st_size > most:
            raise UserError(f"{path} has {status.st_size} bytes; expected {most} at most; {remedy}")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}; {remedy}") from error


def _object(address: Address, remedy: str, most: int) -> bytes:
    content = objects.read(address, most=most)
    if content is None:
        raise UserError(f"there is no {address}; {remedy}")
    return content


def content_of(path: Place) -> bytes | None:
    """Return what is in a file or an object; None where there is none.

    Raises:
        UserError: an object cannot be read.
        OSError: a file cannot.
    """
    if isinstance(path, Address):
        return objects.read(path)
    return path.read_bytes() if path.is_file() else None


def is_there(path: Place) -> bool:
    """Say whether there is a file or an object of this name."""
    return path.exists() if isinstance(path, Path) else objects.stamp(path) is not None


def own_file(path: Path, folder: Path) -> Path:
    """Return the path of a file that is to be read, after a check that it is one and in a folder.

    Folders come from others, too, and a link, or what a file says, may lead anywhere.

    Raises:
        UserError: it is missing, not a file, or leads out of the folder.
    """
    try:
        if path.resolve().is_relative_to(folder.resolve()):
            if path.is_file():
                return path
            problem = "is not a file" if path.exists() else "is missing"
        else:
            problem = f"is a link that leads out of {folder}"
    except (OSError, RuntimeError) as error:  # links that lead to each other
        problem = f"cannot be read: {error}"
    raise UserError(f"{path} {problem}; test again, or put the file there")


def read_json(path: Place, remedy: str) -> dict[str, Any]:
    """Return the values by name in a JSON file, see `read_text`.

    Raises:
        UserError: it is missing, damaged, or has something else.
    """
    with interpreting(path, "JSON", remedy):
        content = json.loads(read_text(path, remedy))
        if not isinstance(content, dict):
            raise ValueError(f"found a {type(content).__name__}, not values by name")
        return content


def typed(kind: Any, value: Any) -> Any:
    """Return what a value of a JSON file stands for, where it is of a type.

    Args:
        kind: a type: a dataclass of such types, `list[...]`, `tuple[..., ...]`, `dict[str, ...]`, an array of numpy,
            `int`, `float` (finite), `str`, `bool` or `Any`.
        value: as JSON has it.

    Raises:
        ValueError: it is of another one.
    """
    origin, inner = get_origin(kind), get_args(kind)
    found: Any
    if kind is Any or (kind in (int, str, bool) and type(value) is kind):
        found = value
    elif kind is float and isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        found = float(value)
    elif is_dataclass(kind) and isinstance(kind, type) and isinstance(value, dict):
        hints = get_type_hints(kind)
        if set(value) != set(hints):
            raise ValueError(f"expected {', '.join(hints)}, found {', '.join(value)}"[:500])
        found = kind(**{name: typed(hint, value[name]) for name, hint in hints.items()})
    elif origin is dict and isinstance(value, dict):
        found = {name: typed(inner[1], item) for name, item in value.items()}
    elif origin in (list, tuple) and isinstance(value, list):
        kinds = inner if origin is tuple and Ellipsis not in inner else [inner[0]] * len(value)
        found = origin(typed(*pair) for pair in zip(kinds, value, strict=True))
    elif getattr(origin, "__name__", "") == "ndarray" and isinstance(value, list):
        import numpy as np

        found = np.array(value, np.float64)
        if not np.isfinite(found).all():
            raise ValueError("numbers that are not finite")
    else:
        raise ValueError(f"expected {getattr(kind, '__name__', kind)}, found {value!r:.100}")
    return found


@contextmanager
def interpreting(path: Place, kind: str, remedy: str) -> Iterator[None]:
    """Turn whatever a file's content makes go wrong while it is interpreted into a UserError that names the file.

    Args:
        path: the file.
        kind: what was expected in it, as this program writes it.
        remedy: what the user can do.
    """
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        found = f"{type(error).__name__}: {str(error)[:200]}"
        raise UserError(f"{path} is damaged: expected {kind} as this program writes it ({found}); {remedy}") from error


def json_text(content: Any, **exact: Any) -> str:
    """Return JSON of mappings, lists, dataclasses, arrays and plain values, see `json_values`.

    Args:
        content: the values.
        exact: plain values, added to those of a mapping by name, of which the numbers keep all their digits.
    """
    values = json_values(content)
    return json.dumps({**values, **exact} if exact else values, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def json_values(value: Any) -> Any:
    """Return mappings, lists, dataclasses, arrays and plain values as JSON has them; numbers have 7 digits.

    Those that are not finite are None, as JSON has neither infinity nor NaN.
    """
    if isinstance(value, float):
        return float(f"{value:.7g}") if math.isfinite(value) else None
    if isinstance(value, str | int) or value is None:
        return value
    if isinstance(value, Mapping):
        return {str(key): json_values(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [json_values(part) for part in value]
    if is_dataclass(value) and not isinstance(value, type):
        return json_values(asdict(value))
    return json_values(value.tolist()) if hasattr(value, "tolist") else value


def set_aside(paths: list[Path], into: Path) -> Path | None:
    """Move files and folders into a new dated folder beside or inside `into`, so that nothing of them is lost.

    Args:
        paths: what to move; entries that do not exist are left out.
        into: the dated folder is named after this path: `NAME_2026-01-31_12-00-00`.

    Returns:
        The dated folder, or None where there was nothing to move.

    Raises:
        UserError: something could not be moved.
    """
    existing = [path for path in paths if path.exists() or path.is_symlink()]
    if not existing:
        return None
    stamp = datetime.now().astimezone().strftime("%Y-%m-%d_%H-%M-%S")
    target = into.with_name(f"{into.name}_{stamp}")
    number = 1
    while target.exists():
        number += 1
        target = into.with_name(f"{into.name}_{stamp}_{number}")
    try:
        if existing == [into]:
            into.rename(target)
        else:
            target.mkdir(parents=True)
            for path in existing:
                path.rename(target / path.name)
    except OSError as error:
        raise UserError(
            f"cannot move the earlier {into} aside to {target}: {error.strerror}; move it yourself, or choose another "
            "name"
        ) from error
    return target


def is_beside(name: str) -> bool:
    """Say whether a file of this name is one that `write_whole` has not finished."""
    return _BESIDE.fullmatch(name) is not None


def remove_leftovers(folder: Path) -> None:
    """Remove files beside their places in a folder that is held, and its subfolders: who wrote them was killed."""
    with suppress(OSError):
        for path in list(folder.rglob(".*")):
            if is_beside(path.name) and path.is_file() and not path.is_symlink():
                path.unlink()
