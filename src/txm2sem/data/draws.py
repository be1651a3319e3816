"""What several draws of one place are written as: channels behind their mean."""

from __future__ import annotations

import re
from collections.abc import Sequence

from txm2sem.errors import UserError


def draw_channels(draws: int) -> tuple[str, ...]:
    """Return the names of the channels: the mean of the draws, how far they differ, and each of them."""
    return ("prediction", "standard deviation", *(f"draw {number}" for number in range(draws)))


def count_draws(names: Sequence[str], where: object) -> int:
    """Return how many draws an image has, by the names of its channels; 0: it is another one.

    Args:
        names: of all channels; the first one, which is the mean, may have any.
        where: they are, for the error.

    Raises:
        UserError: there is one draw alone, or the channels are not those that `draw_channels` names.
    """
    draws = sum(re.fullmatch(r"draw \d+", name) is not None for name in names)
    _, *expected = draw_channels(draws)
    if draws and list(names[1:]) != expected:
        raise UserError(
            f"{where} has draws in the channels {', '.join(names)}; expected the prediction, {', '.join(expected)}: "
            "one is missing or moved; copy it again, or write it again with txm2sem volume --draws"
        )
    if draws == 1:
        raise UserError(
            f"{where} has one draw, of which there is no interval; expected 2 or more: write it again with a larger "
            "--draws"
        )
    return draws
