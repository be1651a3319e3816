"""A trained model as one file: a zip archive with the files of its run, beside what other programs read in there.

What this program takes from an archive is named in its table of contents, with checksums, and has the names that files
of runs have. Nothing of an archive is executed, nor written anywhere but below the folder of runs that is asked for.
"""

from __future__ import annotations

import io
import json
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

from txm2sem.drafts import Draft
from txm2sem.errors import UserError, listed
from txm2sem.files import MOST_TEXT, check_name, checksum, held, typed, write_whole
from txm2sem.options import PlaceOptions
from txm2sem.runs import RunPaths, read_options

CONTENTS = "txm2sem.json"
"""Name of the table of contents in an archive."""

FORMAT = 1
"""Raised when what the table says changes its meaning."""

PROGRAM = "txm2sem"

LABEL = "latest"
"""The checkpoint that is in an archive has this label there, whatever it had."""

MOST_CONTENTS = 2**20
"""Bytes of the table of contents at most."""

MOST_FILES = 64
"""Files that an archive has of runs, at most."""

MOST_EXPANDED = 4
"""So many times as large as the archive may be what is taken from it, beside `MOST_TEXT`: weights hardly shrink."""

OF_RUNS = re.compile(rf"options\.yaml|txm_(contrast|noise)\.json|{LABEL}_net_G(\.\w+)?\.json|{LABEL}_net_G\.pth")
"""Names of files of a run that an archive may have."""

DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, RuntimeError, ValueError, LookupError)
"""What reading a damaged archive ends in."""

REMEDY = "ask for it again, or export it again"


@dataclass(frozen=True)
class Archived:
    """A file of a run in an archive.

    Attributes:
        run: name of the run.
        file: name of the file in its folder.
        sha256: checksum of it.
    """

    run: str
    file: str
    sha256: str


@dataclass(frozen=True)
class Contents:
    """What an archive has of runs, as its table of contents says.

    Attributes:
        program, format: whose archive it is.
        version: of the program that has written it.
        name: of the run that it is of; it may have others, which that one needs.
        files: by their names in the archive.
    """

    program: str
    format: int
    version: str
    name: str
    files: dict[str, Archived]

    @property
    def runs(self) -> list[str]:
        """The names of the runs, that of the archive first."""
        return list(dict.fromkeys([self.name, *(item.run for item in self.files.values())]))

    def has(self, paths: RunPaths) -> bool:
        """Say whether a run that is there already has the weights of the one of that name in the archive."""
        weights = paths.network(LABEL, "G")
        own = {item.sha256 for item in self.files.values() if (item.run, item.file) == (paths.name, weights.name)}
        return weights.is_file() and checksum(weights) in own

    def check(self) -> None:
        """Check that the names are those of runs and of their files.

        Raises:
            ValueError, UserError: they are not.
        """
        for run in self.runs:
            check_name(run, "the run")
        places = {(item.run, item.file) for item in self.files.values()}
        odd = [item.file for item in self.files.values() if not OF_RUNS.fullmatch(item.file)]
        if odd or len(places) < len(self.files) or len(places) > MOST_FILES:
            raise ValueError(f"{len(self.files)} files of runs{f', one of them {odd[0]!r:.100}' if odd else ''}")
        needed = {(run, name) for run in self.runs for name in ("options.yaml", f"{LABEL}_net_G.pth")}
        if not needed <= places:
            raise ValueError(f"no {' of '.join(reversed(min(needed - places)))}"[:200])


def read_contents(path: Path) -> Contents:
    """Return the table of contents of an archive.

    Raises:
        UserError: the file is missing, damaged, or no archive that this program, in this version, reads.
    """
    with _opened(path) as archive:
        names = archive.namelist()
        if CONTENTS not in names:
            whose = "a model of BioImage.IO, but of another program" if _is_bioimage(names) else "of another program"
            raise UserError(
                f"{path} is {whose}: expected an archive that txm2sem export has written, with {CONTENTS} in it, found "
                f"{listed(names, 3) or 'nothing'}; open it with the program that it was made for"
            )
        found = json.loads(_read(archive, CONTENTS, MOST_CONTENTS))
        if not isinstance(found, dict) or found.get("program") != PROGRAM:
            raise ValueError(f"{CONTENTS} is not of this program")
        if found.get("format") != FORMAT:
            raise UserError(
                f"{path} was written by version {found.get('version')!s:.50} of the program, in a format that this one "
                "does not know; install that version"
            )
        contents: Contents = typed(Contents, found)
        contents.check()
        sizes = sum(archive.getinfo(name).file_size for name in contents.files)
        if sizes > MOST_EXPANDED * path.stat().st_size + MOST_TEXT:
            raise ValueError(f"it claims {sizes} bytes, far more than it has")
        return contents


def load_run(path: Path, checkpoints_dir: Path) -> RunPaths:
    """Take the runs of an archive among others, whole or not at all, and return the paths of its own.

    Args:
        path: the archive.
        checkpoints_dir: where runs are.

    Raises:
        UserError: as `read_contents`; or there is a run of that name, or the folder cannot be written to.
    """
    contents = read_contents(path)
    runs = {name: RunPaths.of(name, checkpoints_dir, PlaceOptions.results_dir) for name in contents.runs}
    taken = [paths.checkpoints for name, paths in runs.items() if contents.name == name or not contents.has(paths)]
    taken = [folder for folder in taken if folder.exists() or folder.is_symlink()]
    if taken:
        raise UserError(
            f"{taken[0]} exists and is not overwritten; pass another --checkpoints_dir, or use the model without "
            f"loading it: --name {path}"
        )
    # Last that of the archive itself: once it is there, everything is.
    for name, paths in reversed(runs.items()):
        if not paths.checkpoints.exists():
            draft = Draft(paths.checkpoints, "load", resumable=False)
            with draft.begin({"archive": str(path)}):
                _unpack(path, contents, RunPaths(name, draft.folder / "run", draft.folder / "run"))
                draft.finish(draft.folder / "run")
    return runs[contents.name]


def unpacked(path: Path) -> RunPaths:
    """Return where the run of an archive is: unpacked the first time, and kept for the next.

    It is kept in the user's folder of such things, by the archive's checksum, with what is found out about the model
    later (calibrations); other processes and machines with that home see it, too.

    Args:
        path: the archive.

    Raises:
        UserError: as `read_contents`; or there is no room for it.
    """
    name = read_contents(path).name
    kept = kept_models() / checksum(path)
    paths = RunPaths.of(name, kept, kept)
    if not paths.checkpoints.exists():
        try:
            with held(kept, wait=True):
                if not paths.checkpoints.exists():
                    load_run(path, kept)
        except UserError as error:
            raise UserError(f"{path} cannot be used: {error}. XDG_CACHE_HOME says where it is unpacked") from error
    return paths


def kept_models() -> Path:
    """Return the folder that archives are unpacked in: of this user, and for all folders that they work in."""
    place = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(place) if place else Path.home() / ".cache") / "txm2sem" / "models"
    except RuntimeError as error:  # a user without a home
        raise UserError(f"{error}; set XDG_CACHE_HOME to a folder that models can be unpacked in") from error


def _unpack(path: Path, contents: Contents, run: RunPaths) -> None:
    """Write the files of a run, and check that they are what they should be."""
    from txm2sem.checkpoints import load

    with _opened(path) as archive:
        for name, item in contents.files.items():
            if item.run == run.name:
                content = _read(archive, name, archive.getinfo(name).file_size)
                if sha256(content).hexdigest() != item.sha256:
                    raise ValueError(f"{name} is not what it was when it was exported")
                write_whole(run.checkpoints / item.file, partial(_write, content))
    try:
        read_options(run.options)
        load(run.network(LABEL, "G"))
    except UserError as error:
        raise UserError(f"{path} has a damaged run: {error}") from error


def _write(content: bytes, buffer: io.BytesIO) -> None:
    buffer.write(content)


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive, and say of whatever goes wrong which one it was.

    Raises:
        UserError: it is missing, cannot be read, or is damaged.
    """
    if not path.is_file():
        found = "is not a file" if path.exists() else "is not there"
        raise UserError(f"{path} {found}; expected a model that txm2sem export has written: check the path")
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except PermissionError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; permit reading it") from error
    except DAMAGE as error:
        found = f"{type(error).__name__}: {error}"[:300]
        raise UserError(f"{path} is damaged, or no archive of a model ({found}); {REMEDY}") from error


def _read(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """Return a file of an archive, which has `most` bytes at most and says so.

    Raises:
        ValueError: it has more.
    """
    found = archive.getinfo(name)
    if found.file_size > most:
        raise ValueError(f"{name} has {found.file_size} bytes")
    return archive.read(found)


def _is_bioimage(names: list[str]) -> bool:
    return any(name in ("rdf.yaml", "bioimageio.yaml") or name.endswith(".bioimageio.yaml") for name in names)
