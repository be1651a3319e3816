"""What several draws of one place are written as: channels behind their mean."""

from __future__ import annotations


def draw_channels(draws: int) -> tuple[str, ...]:
    """Return the names of the channels: the mean of the draws, how far they differ, and each of them."""
    return ("prediction", "standard deviation", *(f"draw {number}" for number in range(draws)))
