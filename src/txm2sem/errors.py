"""The exceptions that are meant for the user's eyes."""

import difflib
import re
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters of names and messages that would move the cursor, clear the screen or turn text around, and those that
stand for bytes of names that are not UTF-8."""


ENDS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""The signals that ask a program to end: Ctrl-C, a cluster's time limit, a terminal that closes."""


class UserError(Exception):
    """Something the user can put right: bad data, a contradictory option, a missing file.

    The message says what was expected, what was found, where, and what to do. The command line prints it
    without a traceback and exits with status 1; a Python caller catches it like any exception.
    """


class Interrupted(KeyboardInterrupt):
    """Somebody asks the program to end: Ctrl-C, a cluster's time limit (SIGTERM), a terminal that closes (SIGHUP).

    It comes at any moment, and like Ctrl-C it is nobody's to swallow. Notes added to it (`add_note`) say how to go on.

    Attributes:
        signal: the number of the signal.
    """

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__(number)
        self.signal = number


@contextmanager
def interruptible(note: str) -> Iterator[None]:
    """Let who interrupts be told what there is to go on with, where nothing within has told it already."""
    try:
        yield
    except BaseException as error:
        # Libraries make other errors of an interrupt, such as one of an import; what the user can mend says how.
        if not isinstance(error, UserError) and not getattr(error, "__notes__", ()):
            error.add_note(note)
        raise


def printable(text: str) -> str:
    """Return text to show: control characters, but for line breaks and tabs, and bytes of no character spelled out."""
    return _CONTROLS.sub(lambda match: repr(match[0])[1:-1], text)


def listed(items: Sequence[object], most: int = 10) -> str:
    """Return numbers, or names, for a message, the first `most` of them: `1, 4` or `1, 4, ... and 12 more`."""
    return ", ".join(map(str, items[:most])) + (f" and {len(items) - most} more" if len(items) > most else "")


def joined(names: Sequence[str]) -> str:
    """Return names with an `and` before the last."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def extra(name: str) -> str:
    """Return what to do, for a message, where packages are missing that an extra brings.

    The program is on no package index: how it is done depends on where it was installed from.
    """
    return f"install the extra {name} (README, Installing)"


def nearest(word: str, choices: Sequence[str]) -> str:
    """Return a suggestion to add to a message, or nothing where no choice is near."""
    matches = difflib.get_close_matches(word, choices, n=1)
    return f"; did you mean {matches[0]}?" if matches else ""
