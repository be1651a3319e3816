"""What is found of a trained model later, and kept beside its checkpoint: only where that is still the same one.

To find it may take minutes. Meanwhile a training of the same name may have moved the checkpoint away and begun anew,
and what belongs to the weights of before must not lie in its folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from txm2sem.errors import UserError
from txm2sem.files import checksum, write_text
from txm2sem.runs import check_is_checkpoint


def weights_of(network: Path) -> str:
    """Return what tells the weights in a file from others, its SHA-256: taken before they are read, see `keep`.

    Raises:
        UserError: there are none.
    """
    check_is_checkpoint(network)
    try:
        return checksum(network)
    except OSError as error:
        raise UserError(f"cannot read {network}: {error.strerror}; permit reading it") from error


def keep(path: Path, text: str, weights: Mapping[Path, str]) -> str:
    """Write a file beside a checkpoint, whole, where the weights that it was found of are still there.

    Args:
        path: the file.
        text: what it holds.
        weights: `weights_of` each file that it was found of, from before that was read.

    Returns:
        Why it is not kept, for people; nothing where it is.

    Raises:
        UserError: the disk is full or the folder not writable.
    """
    for network, known in weights.items():
        try:
            found = checksum(network)
        except OSError:  # moved away
            found = ""
        if found != known:
            return f"not kept: {network} is no longer the one that was read"
    write_text(path, text)
    return ""
