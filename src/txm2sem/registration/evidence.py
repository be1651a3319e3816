"""Whether tiles that took no part in fitting confirm a map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from txm2sem.registration.tiles import Tiles

MIN_TILES = 6
"""Tiles that judge, at least."""

MAX_CHANCE = 1e-5
"""The mean correlation of these is so far above 0 that chance is less than this, by Student's t: few tiles have to be
clearer."""

MIN_CORRELATION = 0.05
"""The mean correlation, at least: rocks of one kind, and distant slices of one rock, have a little in common
everywhere."""

MAX_AWAY = 2.0
"""All together agree best within this of where the map puts them [pixels]."""

MIN_GAIN = 2.0
"""A map is better than another if the mean gain of the tiles is as many times its standard error."""


@dataclass(frozen=True)
class Correlation:
    """Mean correlation of tiles, smoothed, within [-1, 1], before and after; positive also where contrast is inverted.

    Attributes:
        before: by the start.
        after: by the map that was fitted.
        certainty: of the gain: mean of the differences of the tiles : its standard error.
    """

    before: float
    after: float
    certainty: float

    def gained(self) -> bool:
        """Whether the map that was fitted is better by more than chance."""
        return self.certainty >= MIN_GAIN


def compared(before: Tiles, after: Tiles) -> Correlation:
    """Compare tiles at the same places; what is there in one of them only is 0 in the other."""
    places = {tuple(centre): value for centre, value in zip(before.centres.tolist(), before.here, strict=True)}
    ours = {tuple(centre): value for centre, value in zip(after.centres.tolist(), after.here, strict=True)}
    gains = np.array([ours.get(place, 0.0) - places.get(place, 0.0) for place in {**places, **ours}])
    return Correlation(before.mean, after.mean, certainty(gains))


def certainty(values: NDArray[np.float64]) -> float:
    """Return mean : standard error of it; 0 for fewer than two values."""
    if len(values) < 2:
        return 0.0
    return float(values.mean() / max(values.std(ddof=1) / np.sqrt(len(values)), 1e-9))


def strength(tiles: Tiles) -> float:
    """Return how clear the mean correlation of tiles is, in units of what is needed; 0 for fewer than are needed."""
    count = len(tiles.here)
    return certainty(tiles.here) / _needed(count) if count >= MIN_TILES else 0.0


def _needed(count: int) -> float:
    """Return how many times its standard error the mean correlation of so many tiles has to be."""
    return float(stdtrit(count - 1, 1 - MAX_CHANCE))


def confirms(tiles: Tiles) -> str:
    """Return why tiles do not confirm the map by which they were measured; nothing where they do."""
    if len(tiles.here) < MIN_TILES or tiles.together is None:
        return f"only {len(tiles.here)} tiles of the two images overlap; {MIN_TILES} are needed to judge"
    sure, needed = certainty(tiles.here), _needed(len(tiles.here))
    if sure < needed or tiles.mean < MIN_CORRELATION:
        return (
            f"tiles that took no part in fitting correlate by {tiles.mean:.2f}, {sure:.1f} times its standard error; "
            f"{MIN_CORRELATION} and {needed:.1f} are needed"
        )
    peak = tiles.together.displacement()
    if not peak.inside or peak.length > MAX_AWAY:
        return (
            f"tiles that took no part in fitting agree best {peak.length:.1f} pixels from where the map puts them; "
            f"{MAX_AWAY:g} are allowed"
        )
    return ""
