"""Which of several data sets of a file is the volume."""

from __future__ import annotations

from collections.abc import Mapping

from txm2sem.errors import UserError


def only_dataset(found: Mapping[str, tuple[int, ...]], where: str) -> str:
    """Return the path of the only data set found.

    Args:
        found: shape of each candidate by its path.
        where: the file, for the errors.

    Raises:
        UserError: there is none, or there are several.
    """
    if not found:
        raise UserError(f"{where} holds no volume: expected a data set of numbers with the axes z, y and x")
    if len(found) > 1:
        raise UserError(f"{where} holds several volumes: {describe_datasets(found)}; say which one with --dataset PATH")
    return next(iter(found))


def describe_datasets(found: Mapping[str, tuple[int, ...]]) -> str:
    """Return the paths and shapes of data sets for a message, the first ten of them."""
    shown = [f"{path} ({' x '.join(map(str, shape))})" for path, shape in list(found.items())[:10]]
    return ", ".join(shown) + (f" and {len(found) - 10} more" if len(found) > 10 else "") or "none"
