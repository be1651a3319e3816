"""The one exception that is meant for the user's eyes."""

from collections.abc import Sequence


class UserError(Exception):
    """Something the user can put right: bad data, a contradictory option, a missing file.

    The message says what was expected, what was found, where, and what to do. The command line prints it
    without a traceback and exits with status 1; a Python caller catches it like any exception.
    """


def listed(items: Sequence[object], most: int = 10) -> str:
    """Return numbers, or names, for a message, the first `most` of them: `1, 4` or `1, 4, ... and 12 more`."""
    return ", ".join(map(str, items[:most])) + (f" and {len(items) - most} more" if len(items) > most else "")
