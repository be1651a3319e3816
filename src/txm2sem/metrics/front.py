"""What no other beats in two measures at once."""

from __future__ import annotations

from collections.abc import Mapping


def front_of(points: Mapping[str, tuple[float, float]]) -> list[str]:
    """Return the names that no other one beats in both numbers, by their first number.

    Args:
        points: by name, a number of which less is better, and one of which more is better.
    """
    front = []
    for name, (less, more) in points.items():
        beaten = any(
            other_less <= less and other_more >= more and (other_less, other_more) != (less, more)
            for other_less, other_more in points.values()
        )
        if not beaten:
            front.append(name)
    return sorted(front, key=lambda name: points[name])
