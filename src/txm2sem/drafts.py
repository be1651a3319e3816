"""An output while it grows: in a folder beside its place, until one rename as the end."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from txm2sem import __version__
from txm2sem.errors import UserError
from txm2sem.files import (
    LOCK,
    held,
    interpreting,
    is_beside,
    json_text,
    read_json,
    set_aside,
    sync_folder,
    sync_tree,
    write_text,
)

Stage = Literal["new", "begun", "whole"]
"""What there is of an output: nothing, a part, or all of it, and only the folder that it grew in is still there."""


class Draft:
    """An output that appears whole, or not at all.

    While it is being made everything is in the folder `NAME.partial` beside it, and `run.json` in there, the first file
    of all, says what is being made from what. At the end what belongs beside the output is moved to its place, then,
    as the last step that counts, the output. A process may be killed at any moment: the same call goes on there.

    Args:
        output: what is made, a file or a folder.
        kind: what makes it, such as `volume`.
        beside: what is written beside the output.
        resumable: a part of it is of use to the next call, where it is made from the same; otherwise it is removed.

    Attributes:
        folder: what grows.
        state: its `run.json`.
        run: names this making of the output; no other has the same. Empty before it is begun.
        identity: what the output depends on: plain values by name.
        plan: what was given to `begin` when it was begun.
    """

    def __init__(self, output: Path, kind: str, beside: Sequence[Path] = (), *, resumable: bool = True) -> None:
        self.output = output
        self.kind = kind
        self.beside = tuple(beside)
        self.resumable = resumable
        self.folder = output.with_name(f"{output.name}.partial")
        self.state = self.folder / "run.json"
        self.run = ""
        self.identity: Mapping[str, Any] = {}
        self.plan: Any = None

    def look(self, identity: Mapping[str, Any], *, replaced: bool = False) -> Stage:
        """Return what there is of the output; nothing is written.

        Args:
            identity: what the output depends on: plain values by name.
            replaced: an output that is there will be moved aside by `finish`.

        Raises:
            UserError: the output, or what belongs beside it, is there and not of this making; the folder it would grow
                in is not this program's, damaged, or, where it is resumable, of another identity.
        """
        found = self._found()
        same = found is not None and found["identity"] == json.loads(json_text(identity))
        finishing = found is not None and found["finishing"]
        if finishing and same and self.output.exists():
            return "whole"
        if found is not None and self.resumable and not same:
            raise UserError(f"{self.folder} holds a part of another output: {_difference(found['identity'], identity)}")
        # What the end of this very making has moved already is its own.
        taken = [] if finishing else list(self.beside)
        there = next((path for path in ([] if replaced else [self.output]) + taken if _is_there(path)), None)
        if there is not None:
            raise UserError(f"{there} exists and is not overwritten; name another output, or move it away")
        if found is None or not self.resumable:
            return "new"
        self.run, self.plan = found["run"], found["plan"]
        return "begun"

    @contextmanager
    def begin(self, identity: Mapping[str, Any], plan: Any = None, *, replaced: bool = False) -> Iterator[Stage]:
        """Make the folder that the output grows in, or go on there, as its only writer; what there is, see `look`.

        Args:
            identity: what the output depends on: plain values by name.
            plan: how it is made, plain values; kept until it is whole.
            replaced: as in `look`.

        Raises:
            UserError: see `look`; or another process makes it, or the disk is full or not writable.
        """
        self.look(identity, replaced=replaced)
        with held(self.folder):
            # Another process may have been here meanwhile.
            stage = self.look(identity, replaced=replaced)
            self.identity = identity
            try:
                if stage == "new":
                    self._clear()
                    self.run, self.plan = secrets.token_hex(16), plan
                    self._write(finishing=False)
                yield stage
            finally:
                if stage == "whole" or not self.resumable:
                    self.remove()

    def finish(self, result: Path, beside: Mapping[Path, Path] | None = None) -> Path | None:
        """Move the output into its place, and what belongs beside it before.

        Args:
            result: the output, in the folder.
            beside: files in the folder, and where they belong.

        Returns:
            Where an output that was there was moved to, or None.

        Raises:
            UserError: something could not be moved; the same call goes on here.
        """
        self._write(finishing=True)
        try:
            sync_tree(result)
            earlier = set_aside([self.output], self.output)
            for source, target in (beside or {}).items():
                if source.exists():  # else it has been moved before
                    source.replace(target)
            result.rename(self.output)
            sync_folder(self.output.parent)
        except OSError as error:
            raise UserError(
                f"cannot move {result} to {self.output}: {error.strerror}; make room or permit writing there, then run "
                "the same command again: the work itself is done"
            ) from error
        self.remove()
        return earlier

    def remove(self) -> None:
        """Remove the folder, what says whose it is last."""
        self._clear()
        with suppress(OSError):
            (self.folder / LOCK).unlink(missing_ok=True)
            self.state.unlink(missing_ok=True)
            self.folder.rmdir()

    def _found(self) -> dict[str, Any] | None:
        """Return what `run.json` says; None where there is nothing of the output."""
        if not _is_there(self.folder):
            return None
        remedy = f"to begin anew, move {self.folder} away; or name another output"
        names = [path.name for path in self.folder.iterdir()] if self.folder.is_dir() else []
        own = self.folder.is_dir() and not self.folder.is_symlink()
        if own and all(name == LOCK or is_beside(name) for name in names):
            return None
        if not own or self.state.name not in names:
            raise UserError(
                f"{self.folder}, in which the output would grow, is there already and not this program's (it has no "
                f"{self.state.name}, or is a link or a file); {remedy}"
            )
        found = read_json(self.state, remedy)
        with interpreting(self.state, "the state of an output", remedy):
            if (found["program"], found["kind"]) != ("txm2sem", self.kind):
                raise ValueError(f"it is of {found['program']} {found['kind']}")
            types = {"run": str, "identity": dict, "finishing": bool, "plan": object}
            odd = [name for name, kind in types.items() if not isinstance(found[name], kind)]
            if odd:
                raise TypeError(f"{odd[0]} is {str(found[odd[0]])[:100]}")
        return found

    def _write(self, *, finishing: bool) -> None:
        state = {
            "program": "txm2sem",
            "version": __version__,
            "kind": self.kind,
            "run": self.run,
            "finishing": finishing,
            "identity": self.identity,
            "plan": self.plan,
        }
        write_text(self.state, json_text(state))

    def _clear(self) -> None:
        there = list(self.folder.iterdir()) if self.folder.exists() else []
        for path in [path for path in there if path.name not in (LOCK, self.state.name)]:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with suppress(OSError):
                    path.unlink()


def _difference(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    wanted = json.loads(json_text(wanted))
    name = next(name for name in {**wanted, **found} if found.get(name) != wanted.get(name))
    one, other = (str(values.get(name))[:200] for values in (found, wanted))
    return (
        f"its {name} is {one}, but here it is {other}; run the command that it was begun with, name another output, or "
        "remove it"
    )


def _is_there(path: Path) -> bool:
    """Say whether there is anything of this name, also a link to nowhere."""
    return path.exists() or path.is_symlink()
