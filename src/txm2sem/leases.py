"""One writer at a time in object storage, where there are no locks: an object says who writes, for a minute."""

from __future__ import annotations

import json
import platform
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psutil

from txm2sem import objects
from txm2sem.addresses import Address
from txm2sem.errors import UserError

SECONDS = 60.0
"""How long a lease holds from its last renewal."""

RENEWALS = 4
"""In that time."""


class Lease:
    """The right to write somewhere. It is renewed by a thread, and ends some time after its process.

    Storage that knows conditional writes (`If-None-Match`, `If-Match`) decides between two that ask for it at once.
    One whose process is dead is taken over at once on its own machine, and after `SECONDS` on others: by the server's
    clock, as those of machines differ. A process that was away for so long notices before it writes the next block.

    Args:
        lock: the object.
    """

    def __init__(self, lock: Address) -> None:
        self._lock = lock
        process = psutil.Process()
        owner = {"machine": platform.node(), "process": process.pid, "started": process.create_time()}
        self._content = json.dumps({**owner, "token": secrets.token_hex(16), "seconds": SECONDS}).encode()
        self._ended = threading.Event()
        self._renewed = 0.0
        self._lost = False
        self._thread = threading.Thread(target=self._keep, daemon=True)

    def take(self) -> None:
        """Take it.

        Raises:
            UserError: another process has it, or the storage cannot tell two apart.
        """
        if not objects.write(self._lock, self._content, new=True):
            self._take_over()
        elif objects.write(self._lock, b"{}", new=True):
            objects.remove([self._lock])
            raise UserError(
                f"{self._lock} was written over itself: this storage does not know conditional writes (If-None-Match), "
                "by which two commands are kept apart; expected one that does: renew it, or write to a disk and copy"
            )
        self._mine = self._stamp()
        self._renewed = time.monotonic()
        self._thread.start()

    def check(self) -> None:
        """Check that it still holds.

        Raises:
            UserError: it does not.
        """
        if self._lost or time.monotonic() - self._renewed > SECONDS:
            raise UserError(
                f"{self._lock} could not be renewed for {SECONDS:.0f} seconds, or another process has taken it over; "
                "nothing more is written there: see to the connection, then run the same command again"
            )

    def end(self) -> None:
        """Give it back."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        with suppress(UserError):  # perhaps it ends because nothing is heard of the server
            if objects.read(self._lock, patient=False) == self._content:
                objects.remove([self._lock], patient=False)

    def _take_over(self) -> None:
        there, content = objects.stamp(self._lock), objects.read(self._lock)
        if there is None or content is None:  # it was given back just now
            taken = objects.write(self._lock, self._content, new=True)
            age = 0.0
        else:
            age = (self._now() - there.written).total_seconds()
            ended = age > SECONDS or _is_dead(content)
            taken = ended and objects.write(self._lock, self._content, instead_of=there)
        if not taken:
            owner = _owner_of(content or b"")
            who = f", {owner.get('process')} on {owner.get('machine')}," if owner else ""
            raise UserError(
                f"another process{who} is writing into {self._lock.parent}, and was last heard of {age:.0f} "
                f"seconds ago; wait for its end, or stop it, or name another output. Where it was killed, wait "
                f"{SECONDS:.0f} seconds"
            )

    def _keep(self) -> None:
        while not self._ended.wait(SECONDS / RENEWALS):
            with suppress(UserError):
                if not objects.write(self._lock, self._content, instead_of=self._mine):
                    self._lost = True
                    return
                self._mine = self._stamp()
                self._renewed = time.monotonic()

    def _stamp(self) -> objects.Stamp:
        found = objects.stamp(self._lock)
        if found is None:
            raise UserError(f"{self._lock} is not there any more; somebody else has removed it: run the command again")
        return found

    def _now(self) -> Any:
        """Return the time by the server's clock."""
        probe = self._lock.with_name(f"{self._lock.name}.{secrets.token_hex(8)}")
        objects.write(probe, b"")
        found = objects.stamp(probe)
        objects.remove([probe])
        assert found is not None
        return found.written


@contextmanager
def leased(lock: Address) -> Iterator[Lease]:
    """Be the only one that has a lease, until the end.

    Raises:
        UserError: see `Lease.take`.
    """
    lease = Lease(lock)
    lease.take()
    try:
        yield lease
    finally:
        lease.end()


def _owner_of(content: bytes) -> dict[str, Any]:
    with suppress(ValueError):
        found = json.loads(content)
        return found if isinstance(found, dict) else {}
    return {}


def _is_dead(content: bytes) -> bool:
    """Say whether the process that has a lease was one of this machine, and is no more."""
    owner = _owner_of(content)
    if owner.get("machine") != platform.node() or not isinstance(owner.get("process"), int):
        return False
    try:
        return psutil.Process(owner["process"]).create_time() != owner.get("started")
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False
