"""An output while it grows in object storage, where nothing can be renamed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from txm2sem import objects
from txm2sem.addresses import STORES, Address, Place
from txm2sem.drafts import Draft, GrowingOutput
from txm2sem.errors import UserError
from txm2sem.files import LOCK, check_name
from txm2sem.leases import Lease, leased


class RemoteDraft(GrowingOutput[Address]):
    """An output in object storage: most of it grows in its place, but for the one object that makes a whole of it.

    Of an OME-Zarr image that is the metadata of its group, `zarr.json`: without them no program finds an image there.
    They are in the folder `NAME.partial` beside it until the end, with what says how far the work is.
    """

    def __init__(self, output: Address, kind: str, beside: Sequence[Address] = ()) -> None:
        super().__init__(output, kind, beside)
        self._lease: Lease | None = None

    def finish(self, result: Address, beside: Mapping[Address, Address] | None = None) -> None:
        """Copy what belongs beside the output to its place, then the object that makes a whole of it.

        Args:
            result: that object, in the folder.
            beside: objects in the folder, and where they belong.

        Raises:
            UserError: something could not be written; the same call goes on here.
        """
        self._check_lease()
        self._finishing = True
        self._write(result.below(self.folder))
        for source, target in {**(beside or {}), result: self.output / result.name}.items():
            content = objects.read(source)
            if content is None:
                raise UserError(f"{source} is not there any more; run the same command again: it is made anew")
            objects.write(target, content)
        self.remove()

    def check_run(self, run: str) -> None:
        """As `GrowingOutput.check_run`; and that no other process has taken over here.

        Raises:
            UserError: it is another one's now.
        """
        self._check_lease()
        super().check_run(run)

    def remove(self) -> None:
        """Remove the folder, what says whose it is last."""
        self._clear_folder()
        objects.remove([self.state])

    def _is_of_use(self) -> bool:
        # Nobody asks a server that may just have been lost; a state alone counts as nothing.
        return True

    def _check_places(self) -> None:
        if self.output.scheme not in STORES:
            raise UserError(
                f"{self.output}: web servers are only read; expected a path, or an address that begins with "
                f"{' or '.join(f'{scheme}://' for scheme in STORES)}"
            )
        check_name(self.output.name, "the output")

    def _is_begun(self) -> bool:
        if objects.stamp(self.state) is not None:
            return True
        if any(not name.startswith(LOCK) for name in objects.names_in(self.folder)):
            raise UserError(
                f"{self.folder}, in which the output would grow, is there already and not this program's (it has no "
                f"{self.state.name}); {self.remedy}"
            )
        return False

    def _is_in_place(self, result: str) -> bool:
        return objects.stamp(self.output / result) is not None

    def _in_the_way(self, *, begun: bool, finishing: bool, replaced: bool) -> Address | None:
        # Of what was begun, the place was empty.
        if not begun and not replaced and objects.names_in(self.output):
            return self.output
        return None if finishing else next((path for path in self.beside if objects.stamp(path) is not None), None)

    @contextmanager
    def _held(self) -> Iterator[None]:
        with leased(self.folder / LOCK) as self._lease:
            yield
        self._lease = None

    def _check_lease(self) -> None:
        if self._lease is not None:
            self._lease.check()

    def _parts(self) -> list[Address]:
        return self._in_folder() or [self.output / name for name in objects.names_in(self.output)]

    def _clear(self) -> None:
        self._clear_folder()
        objects.remove(objects.listing(self.output))

    def _clear_folder(self) -> None:
        objects.remove(self._in_folder())

    def _in_folder(self) -> list[Address]:
        found = objects.listing(self.folder)
        return [path for path in found if path != self.state and not path.name.startswith(LOCK)]


def draft_at(output: Place, kind: str, beside: Sequence[Any]) -> GrowingOutput[Any]:
    """Return an output that grows on disk, or in object storage; see `Draft`."""
    return Draft(output, kind, beside) if isinstance(output, Path) else RemoteDraft(output, kind, beside)
