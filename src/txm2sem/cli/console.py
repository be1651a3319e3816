"""The terminal, pipe or file that a command prints to, which may know few characters, and may go away."""

from __future__ import annotations

import logging
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from txm2sem.errors import printable


class Console:
    """Wraps what a command prints to.

    Characters that it does not know are spelled out. When it goes away (`| head`, a closed terminal, a full disk),
    printing never fails: the program is told once, as by a closed terminal (SIGHUP), and may print on, into nothing.

    Args:
        stream: what is wrapped.
        plain: control characters are spelled out; without it a progress bar may move the cursor.

    Attributes:
        is_used: whether a command prints to it. Libraries may keep it longer: nobody is told when they cannot write.
    """

    def __init__(self, stream: TextIO, *, plain: bool) -> None:
        self._stream = stream
        self._plain = plain
        self._gone = False
        self.is_used = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write text, at once where it ends a line."""
        shown = printable(text) if self._plain else text
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        self._try(lambda: self._stream.write(shown.encode(encoding, "backslashreplace").decode(encoding)))
        if "\n" in text:
            self.flush()
        return len(text)

    def flush(self) -> None:
        """Write what is waiting."""
        self._try(self._stream.flush)

    def _try(self, action: Any) -> None:
        if self._gone:
            return
        try:
            action()
        except (OSError, ValueError):  # a closed file is a ValueError
            self._gone = True
            # Python writes what is still waiting when it exits, and would complain then.
            with suppress(OSError, ValueError, AttributeError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
            if self.is_used:
                signal.raise_signal(getattr(signal, "SIGHUP", signal.SIGTERM))


@contextmanager
def console() -> Iterator[None]:
    """Print through `Console`, and keep the advice of libraries, which is addressed to programmers, to itself."""
    _open_standard_files()
    out, err = sys.stdout or open(os.devnull, "w"), sys.stderr or open(os.devnull, "w")  # noqa: PTH123, SIM115
    before = sys.stdout, sys.stderr
    consoles = Console(out, plain=True), Console(err, plain=False)
    sys.stdout, sys.stderr = (cast(TextIO, one) for one in consoles)
    logging.getLogger().addHandler(_SILENT)
    try:
        with _silent_warnings():
            yield
            sys.stdout.flush()
            sys.stderr.flush()
    finally:
        logging.getLogger().removeHandler(_SILENT)
        sys.stdout, sys.stderr = before
        for one in consoles:
            one.is_used = False


@contextmanager
def _silent_warnings() -> Iterator[None]:
    """Ignore warnings, here and in the processes that are started, unless somebody asks for them."""
    if sys.warnoptions:
        yield
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        os.environ["PYTHONWARNINGS"] = "ignore"
        try:
            yield
        finally:
            os.environ.pop("PYTHONWARNINGS", None)


_SILENT = logging.NullHandler()
"""Without any handler, Python prints what libraries log."""


def _open_standard_files() -> None:
    """Give standard input, output and errors a place where they have none, lest the next file opened takes it."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
