"""Who may write in object storage, and what becomes of it when a process dies."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import psutil
import pytest
from object_server import ObjectServer

from txm2sem import leases, objects
from txm2sem.addresses import Address
from txm2sem.errors import UserError
from txm2sem.leases import Lease, leased

LOCK = Address("s3", "bucket", "out.partial/.lock")


@pytest.fixture(autouse=True)
def unrenewed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Renew nothing while a test runs."""
    monkeypatch.setattr(leases, "RENEWALS", 0.01)


def put_lock(storage: ObjectServer, **owner: object) -> None:
    """Write the lock of another process of this machine, which lives, or as it is told."""
    mine = Lease(LOCK)._content
    storage.buckets["bucket"].objects[LOCK.key] = (
        json.dumps({**json.loads(mine), **owner}).encode(),
        datetime.now(UTC),
    )


def test_one_has_it_and_gives_it_back(storage: ObjectServer) -> None:
    with leased(LOCK) as lease:
        lease.check()
        with pytest.raises(UserError, match="another process"):
            Lease(LOCK).take()
        lease.check()
    assert storage.names() == []
    with leased(LOCK):
        pass


def test_that_of_a_dead_process_of_this_machine_is_taken_over_at_once(storage: ObjectServer) -> None:
    put_lock(storage, started=psutil.Process().create_time() - 1)  # the number is another process's now
    with leased(LOCK) as lease:
        lease.check()
    put_lock(storage, machine="elsewhere", started=0)
    with pytest.raises(UserError, match="on elsewhere, is writing"):
        Lease(LOCK).take()


def test_that_of_another_machine_is_taken_over_when_it_was_not_renewed(storage: ObjectServer) -> None:
    put_lock(storage, machine="elsewhere")
    storage.age("lock", leases.SECONDS - 10)
    with pytest.raises(UserError, match=r"5\d seconds ago"):
        Lease(LOCK).take()
    storage.age("lock", 20)
    with leased(LOCK) as lease:
        lease.check()
    assert storage.names() == []


def test_who_was_taken_over_notices(storage: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> None:
    lost, kept = Lease(LOCK), Lease(LOCK.with_name("other"))
    for lease in (lost, kept):
        lease.take()
    put_lock(storage, machine="elsewhere")
    for lease in (lost, kept):
        lease._ended.set()
        lease._thread.join()
        lease._ended.clear()
        waits = iter([False, True])
        monkeypatch.setattr(lease._ended, "wait", lambda seconds, waits=waits: next(waits))
        lease._keep()
    kept.check()
    with pytest.raises(UserError, match="another process has taken it over"):
        lost.check()
    lost.end()
    assert objects.read(LOCK) is not None  # it is not its own


def test_who_cannot_renew_stops(storage: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with leased(LOCK) as lease:
        monkeypatch.setattr(leases, "SECONDS", -1.0)
        with pytest.raises(UserError, match="could not be renewed"):
            lease.check()
