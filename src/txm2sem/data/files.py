"""What is asked of a file before it is opened."""

from __future__ import annotations

import stat
from pathlib import Path

from txm2sem.errors import UserError


def check_is_file(path: Path) -> None:
    """Check that there is a file: no folder, no link to nowhere, and no pipe or device, which would be waited for.

    Raises:
        UserError: there is none.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if path.is_symlink():
            raise UserError(
                f"{path} is a link to {path.readlink()}, which cannot be read ({error.strerror}); expected a file: "
                "fetch what it points to, or remove the link"
            ) from error
        raise UserError(f"cannot read {path} ({error.strerror}); expected a file: permit reading it") from error
    if not stat.S_ISREG(mode):
        found = "a folder" if stat.S_ISDIR(mode) else "a pipe, a socket or a device"
        raise UserError(f"{path} is {found}; expected a file: rename or remove it")
