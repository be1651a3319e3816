"""Reading ahead and writing behind: order, overlap and errors."""

from __future__ import annotations

import threading

import pytest

from txm2sem.applying.volume.driver import stream


def test_items_are_written_in_order_with_what_was_computed_from_what_was_read() -> None:
    written: list[tuple[int, int]] = []
    stream(range(10), lambda n: n * 10, lambda n, read: read + n, lambda n, result: written.append((n, result)))
    assert written == [(n, 11 * n) for n in range(10)]


def test_nothing_is_done_without_items() -> None:
    stream([], pytest.fail, pytest.fail, pytest.fail)


def test_the_next_is_read_and_the_last_is_written_while_one_is_computed() -> None:
    """Each step waits for the other two: this ends only if they run at the same time."""
    reading, writing = threading.Event(), threading.Event()

    def read(n: int) -> int:
        if n == 2:
            reading.set()
        return n

    def compute(n: int, read: int) -> int:
        if n == 1:
            assert reading.wait(10), "item 2 is not read while item 1 is computed"
            assert writing.wait(10), "item 0 is not written while item 1 is computed"
        return n

    def write(n: int, result: int) -> None:
        if n == 0:
            writing.set()

    stream(range(3), read, compute, write)


def test_an_error_in_writing_the_last_item_is_not_lost() -> None:
    def write(n: int, result: int) -> None:
        if n == 2:
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        stream(range(3), lambda n: n, lambda n, read: read, write)


@pytest.mark.parametrize("step", ["read", "compute", "write"])
def test_after_an_error_all_items_before_it_are_written(step: str) -> None:
    written = []

    def fail_at_3(name: str, n: int) -> int:
        if n == 3 and step == name:
            raise ValueError(f"{name} {n}")
        return n

    def write(n: int, result: int) -> None:
        fail_at_3("write", n)
        written.append(n)

    with pytest.raises(ValueError, match=f"{step} 3"):
        stream(range(6), lambda n: fail_at_3("read", n), lambda n, _: fail_at_3("compute", n), write)
    assert written == [0, 1, 2]
