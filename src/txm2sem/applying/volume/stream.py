"""Read ahead, and write behind, while computing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Read = TypeVar("Read")
Result = TypeVar("Result")


def stream(
    items: Iterable[Item],
    read: Callable[[Item], Read],
    compute: Callable[[Item, Read], Result],
    write: Callable[[Item, Result], None],
) -> None:
    """Read, compute and write every item in order, the three at once for three neighbouring items.

    So what one item takes is in memory three times at most: one that is read, one computed, one written. Items are
    written in order. An error in any of the three ends it after the items before have been written; so does Ctrl-C.
    """
    upcoming = iter(items)
    item = next(upcoming, None)
    if item is None:
        return
    with ThreadPoolExecutor(1, "reader") as reader, ThreadPoolExecutor(1, "writer") as writer:
        ahead: Future[Read] = reader.submit(read, item)
        behind: Future[None] | None = None
        try:
            while item is not None:
                current, following = ahead.result(), next(upcoming, None)
                if following is not None:
                    ahead = reader.submit(read, following)
                result = compute(item, current)
                del current
                if behind is not None:
                    behind.result()
                behind = writer.submit(write, item, result)
                del result
                item = following
        finally:
            if behind is not None:
                behind.result()
