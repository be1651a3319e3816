"""Progress bars: on the console, or wherever the program that calls shows them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from tqdm import tqdm

_BAR: ContextVar[type[tqdm[Any]]] = ContextVar("bar", default=tqdm)


def progress_bar(items: Iterable[Any] | None = None, **options: Any) -> tqdm[Any]:
    """Return a bar over `items`, or one that is told how far the work is; on a console where somebody looks at it.

    Args:
        items: what is worked on, one after the other.
        options: those of `tqdm`, such as `total`, `desc` and `unit`.
    """
    return _BAR.get()(items, disable=None, **options)


def say(line: str) -> None:
    """Print a line for people above the bars, where errors are printed."""
    tqdm.write(line, file=sys.stderr)


@contextmanager
def shown_by(bar: type[tqdm[Any]]) -> Iterator[None]:
    """Show the bars of this thread by another class, which ends the work where its `update` raises `Interrupted`."""
    token = _BAR.set(bar)
    try:
        yield
    finally:
        _BAR.reset(token)
