"""The one exception that is meant for the user's eyes."""


class UserError(Exception):
    """Something the user can put right: bad data, a contradictory option, a missing file.

    The message says what was expected, what was found, where, and what to do. The command line prints it
    without a traceback and exits with status 1; a Python caller catches it like any exception.
    """
