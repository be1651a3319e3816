"""What a training was made with: versions, the machine, the time it took, and the data, by the checksums of its files.

Written beside the networks when training begins, and again when it ends; the page about a run shows it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from txm2sem import __version__
from txm2sem.data import AlignedSlices
from txm2sem.errors import listed
from txm2sem.files import checksum, interpreting, json_text, read_json, typed, write_text
from txm2sem.options import TrainedOptions
from txm2sem.runs import RunPaths

LIBRARIES = ("torch", "pytorch-lightning", "numpy")
"""What else than this program decides what a training comes to."""


@dataclass(frozen=True)
class Session:
    """One sitting of a training.

    Attributes:
        began: date and time.
        seconds: that it took; 0: it was cut off, and nobody knows.
        machine: processor, and what has computed.
        versions: of Python, this program, and what it computes with.
        data: of all files, see `digest`.
    """

    began: str
    seconds: float
    machine: str
    versions: dict[str, str]
    data: str


@dataclass(frozen=True)
class Origin:
    """What a training was made with.

    Attributes:
        files: SHA-256 of each file of the data, as they were when it began, by its name below the data root.
        sessions: the sittings, in their order.
    """

    files: dict[str, str] = field(default_factory=dict)
    sessions: list[Session] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> Origin:
        """Read what `recorded` has written.

        Raises:
            UserError: it is missing or damaged.
        """
        remedy = "remove it; only the page about the run needs it"
        content = read_json(path, remedy)
        with interpreting(path, "the origin of a training", remedy):
            found: Origin = typed(cls, content)
        return found


def checksums(dataroot: Path, splits: Iterable[AlignedSlices]) -> dict[str, str]:
    """Return the SHA-256 of each file of some splits, by its name below the data root, in the order of names.

    Raises:
        OSError: a file is not there any more.
    """
    paths = {path for slices in splits for path in slices.files}
    names = {os.path.relpath(path, dataroot).replace(os.sep, "/"): path for path in paths}
    return {name: checksum(names[name]) for name in sorted(names)}


def digest(files: Mapping[str, str]) -> str:
    """Return the SHA-256 of all files together: that of the lines which `sha256sum` prints for them, by their names."""
    return hashlib.sha256("".join(f"{files[name]}  {name}\n" for name in sorted(files)).encode()).hexdigest()


def changed(files: Mapping[str, str], others: Mapping[str, str]) -> list[str]:
    """Return the names of files that are not the same, or in one of the two alone."""
    return sorted(name for name in files.keys() | others.keys() if files.get(name) != others.get(name))


@contextmanager
def recorded(
    paths: RunPaths, run: TrainedOptions, files: dict[str, str], echo: Callable[[str], None], *, goes_on: bool
) -> Iterator[None]:
    """Keep what a training is made with, and how long it takes.

    Args:
        paths: the run.
        run: its machine.
        files: the data, see `checksums`.
        echo: receives a line where the data are not those that the run began with.
        goes_on: an earlier sitting is gone on with.

    Raises:
        UserError: what an earlier sitting has left is damaged, or the disk is full.
    """
    from txm2sem.details import device_line

    origin = Origin.read(paths.origin) if goes_on and paths.origin.exists() else Origin(files)
    if different := changed(origin.files, files):
        echo(f"note: the data are not those that this training began with: {listed(different, 4)}")
    versions = {"Python": platform.python_version(), "txm2sem": __version__}
    versions |= {name: version(name) for name in LIBRARIES}
    machine = f"{_processor()}; {device_line(run)}"
    session = Session(datetime.now().astimezone().isoformat(timespec="seconds"), 0.0, machine, versions, digest(files))
    begun = time.monotonic()

    def write(seconds: float) -> None:
        now = dataclasses.replace(session, seconds=seconds)
        write_text(paths.origin, json_text(dataclasses.replace(origin, sessions=[*origin.sessions, now])))

    write(0.0)
    try:
        yield
    finally:
        write(time.monotonic() - begun)


def _processor() -> str:
    """Return the name of the processor, and its cores."""
    name = platform.processor() or platform.machine()
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return f"{name}, {os.cpu_count()} cores"
