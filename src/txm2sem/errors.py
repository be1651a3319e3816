"""The one exception that is meant for the user's eyes."""

from collections.abc import Sequence


class UserError(Exception):
    """Something the user can put right: bad data, a contradictory option, a missing file.

    The message says what was expected, what was found, where, and what to do. The command line prints it
    without a traceback and exits with status 1; a Python caller catches it like any exception.
    """


def listed(numbers: Sequence[int]) -> str:
    """Return numbers for a message, the first ten of them: `1, 4` or `1, 4, ... and 12 more`."""
    return ", ".join(map(str, numbers[:10])) + (f" and {len(numbers) - 10} more" if len(numbers) > 10 else "")
