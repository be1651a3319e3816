"""An output while it grows: in a folder beside its place, until one rename as the end."""

from __future__ import annotations

import json
import secrets
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, Generic, Literal

from txm2sem import __version__
from txm2sem.addresses import AnyPlace
from txm2sem.errors import UserError
from txm2sem.files import (
    LOCK,
    check_output,
    held,
    interpreting,
    is_beside,
    json_text,
    read_json,
    remove_leftovers,
    set_aside,
    sync_folder,
    sync_tree,
    write_text,
)

Stage = Literal["new", "begun", "whole"]
"""What there is of an output: nothing, a part, or all of it, and only the folder that it grew in is still there."""


class GrowingOutput(ABC, Generic[AnyPlace]):
    """An output that appears whole, or not at all.

    While it is being made, what is done is in the folder `NAME.partial` beside it, and `run.json` in there, the first
    file of all, says what is being made from what. A process may be killed at any moment: the same call goes on there.

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

    def __init__(self, output: AnyPlace, kind: str, beside: Sequence[AnyPlace] = (), *, resumable: bool = True) -> None:
        self.output: AnyPlace = output
        self.kind = kind
        self.beside: tuple[AnyPlace, ...] = tuple(beside)
        self.resumable = resumable
        self.folder: AnyPlace = output.with_name(f"{output.name}.partial")
        self.state: AnyPlace = self.folder / "run.json"
        self.run = ""
        self.identity: Mapping[str, Any] = {}
        self.plan: Any = None
        self._finishing = False

    @property
    def remedy(self) -> str:
        """What the user can do where the folder is of no use."""
        return f"to begin anew, move {self.folder} away; or name another output"

    def look(self, identity: Mapping[str, Any], *, replaced: bool = False) -> Stage:
        """Return what there is of the output; nothing is written.

        Args:
            identity: what the output depends on: plain values by name.
            replaced: an output that is there will be moved aside by `finish`, and is never whole already.

        Raises:
            UserError: the output, or what belongs beside it, is there and not of this making, or cannot be there; the
                folder it would grow in is not this program's, damaged, or, where it is resumable, of another identity.
        """
        self._check_places()
        found = self._found()
        if found is not None and found["finishing"] is None and not self._parts():
            found = None
        same = found is not None and found["identity"] == json.loads(json_text(identity))
        if found is not None and same:
            self.run, self.plan = found["run"], found["plan"]
        result = None if found is None else found["finishing"]
        if same and not replaced and result is not None and self._is_in_place(result):
            return "whole"
        if found is not None and self.resumable and not same:
            raise UserError(f"{self.folder} holds a part of another output: {_difference(found['identity'], identity)}")
        taken = self._in_the_way(begun=found is not None, finishing=result is not None, replaced=replaced)
        if taken is not None:
            raise UserError(f"{taken} exists and is not overwritten; name another output, or move it away")
        return "new" if found is None or not self.resumable else "begun"

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
        with self._held():
            # Another process may have been here meanwhile.
            stage = self.look(identity, replaced=replaced)
            self.identity = identity
            try:
                if stage == "new":
                    self._clear()
                    self.run, self.plan = secrets.token_hex(16), plan
                    self._write()
                yield stage
            finally:
                if stage == "whole" or not self._is_of_use():
                    self.remove()

    def check_run(self, run: str) -> None:
        """Check that the folder is that of a making, for processes that may outlive the one that holds it.

        Args:
            run: names it.

        Raises:
            UserError: it is another one's now.
        """
        with suppress(UserError):
            if read_json(self.state, "").get("run") == run:
                return
        raise UserError(f"{self.folder} has become that of another output; nothing more is written there")

    def _found(self) -> dict[str, Any] | None:
        """Return what `run.json` says; None where there is nothing of the output."""
        if not self._is_begun():
            return None
        found = read_json(self.state, self.remedy)
        with interpreting(self.state, "the state of an output", self.remedy):
            if (found["program"], found["kind"]) != ("txm2sem", self.kind):
                raise ValueError(f"it is of {found['program']} {found['kind']}")
            types = {"run": str, "identity": dict, "finishing": str | None, "plan": object}
            odd = [name for name, kind in types.items() if not isinstance(found[name], kind)]
            if odd:
                raise TypeError(f"{odd[0]} is {str(found[odd[0]])[:100]}")
        return found

    def _is_of_use(self) -> bool:
        """Say whether what there is may be gone on with."""
        # Where it was being moved into its place, this must not be forgotten.
        return self._finishing or (self.resumable and bool(self._parts()))

    def _write(self, finishing: str | None = None) -> None:
        """Say what is being made, and, once it is moved into its place, what of the folder is the output."""
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

    @abstractmethod
    def finish(self, result: AnyPlace, beside: Mapping[AnyPlace, AnyPlace] | None = None) -> object:
        """Bring what belongs beside the output to its place, then, as the last step that counts, the output.

        Args:
            result: the output, in the folder.
            beside: files and folders in the folder, and where they belong.

        Raises:
            UserError: something could not be brought there; the same call goes on here.
        """

    @abstractmethod
    def _check_places(self) -> None:
        """Check that everything can be written where it belongs."""

    @abstractmethod
    def _is_begun(self) -> bool:
        """Say whether there is anything of the output, and the folder is this program's.

        Raises:
            UserError: it is not.
        """

    @abstractmethod
    def _is_in_place(self, result: str) -> bool:
        """Say whether what the output is of the folder was moved into its place."""

    @abstractmethod
    def _in_the_way(self, *, begun: bool, finishing: bool, replaced: bool) -> AnyPlace | None:
        """Return what is in the places of the output and of what belongs beside it, and not of this making."""

    @abstractmethod
    def _held(self) -> AbstractContextManager[object]:
        """Be the only writer."""

    @abstractmethod
    def _parts(self) -> list[AnyPlace]:
        """Return what was made of the output."""

    @abstractmethod
    def _clear(self) -> None:
        """Remove what was made of the output."""

    @abstractmethod
    def remove(self) -> None:
        """Remove the folder, what says whose it is last."""


class Draft(GrowingOutput[Path]):
    """An output on disk: everything is in the folder until the end.

    Then what belongs beside the output is moved to its place, then, as the last step that counts, the output, by one
    rename. An empty folder in the place of the output is as good as none.
    """

    def finish(
        self,
        result: Path,
        beside: Mapping[Path, Path] | None = None,
        *,
        earlier: Sequence[Path] = (),
        aside: Path | None = None,
    ) -> Path | None:
        """Move the output into its place, and what belongs beside it before.

        Args:
            result: the output, in the folder.
            beside: files and folders in the folder, and where they belong.
            earlier: what is moved aside with an output that is there.
            aside: the dated folder for that is called after it; after the output where absent.

        Returns:
            Where an output that was there was moved to, or None.

        Raises:
            UserError: something could not be moved; the same call goes on here.
        """
        self._finishing = True
        self._write(result.relative_to(self.folder).as_posix())
        try:
            # Of processes that worked for this one.
            remove_leftovers(self.folder)
            for path in (result, *(beside or {})):
                if path.exists():  # else it has been moved before
                    sync_tree(path)
            if _is_empty(self.output):
                self.output.rmdir()
            moved = set_aside(list(dict.fromkeys([self.output, *earlier])), aside or self.output)
            for source, target in (beside or {}).items():
                if source.exists():
                    source.replace(target)
            result.rename(self.output)
            sync_folder(self.output.parent)
        except OSError as error:
            raise UserError(
                f"cannot move {result} to {self.output}: {error.strerror}; make room or permit writing there, then run "
                "the same command again: the work itself is done"
            ) from error
        self.remove()
        return moved

    @property
    def is_cut_off(self) -> bool:
        """Whether the last making was cut off while it was moved into its place: only a part of it may be there.

        Raises:
            UserError: nobody can tell: the folder that it grew in is damaged.
        """
        found = self._found()
        return found is not None and found["finishing"] is not None and _is_there(self.folder / found["finishing"])

    def remove(self) -> None:
        """Remove the folder, what says whose it is last."""
        self._clear()
        with suppress(OSError):
            (self.folder / LOCK).unlink(missing_ok=True)
            self.state.unlink(missing_ok=True)
            self.folder.rmdir()

    def _check_places(self) -> None:
        for path in (self.folder, self.output, *self.beside):
            check_output(path)

    def _is_begun(self) -> bool:
        if not _is_there(self.folder):
            return False
        names = [path.name for path in self.folder.iterdir()] if self.folder.is_dir() else []
        own = self.folder.is_dir() and not self.folder.is_symlink()
        if own and all(name == LOCK or is_beside(name) for name in names):
            return False
        if not own or self.state.name not in names:
            raise UserError(
                f"{self.folder}, in which the output would grow, is there already and not this program's (it has no "
                f"{self.state.name}, or is a link or a file); {self.remedy}"
            )
        return True

    def _is_in_place(self, result: str) -> bool:
        return self._is_output_there() and not _is_there(self.folder / result)

    def _in_the_way(self, *, begun: bool, finishing: bool, replaced: bool) -> Path | None:
        if self._is_output_there() and not replaced:
            return self.output
        # What the end of this very making has moved already is its own.
        return None if finishing else next(filter(_is_there, self.beside), None)

    def _is_output_there(self) -> bool:
        return _is_there(self.output) and not _is_empty(self.output)

    def _held(self) -> AbstractContextManager[object]:
        return held(self.folder)

    def _parts(self) -> list[Path]:
        """Return what was made of the output."""
        there = list(self.folder.iterdir()) if self.folder.exists() else []
        return [path for path in there if path.name not in (LOCK, self.state.name)]

    def _clear(self) -> None:
        for path in self._parts():
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


def _is_empty(path: Path) -> bool:
    """Say whether there is an empty folder of this name."""
    return path.is_dir() and not path.is_symlink() and not any(path.iterdir())
