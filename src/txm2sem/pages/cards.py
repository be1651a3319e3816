"""Pictures of one place, which lie upon each other in a gallery."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Card:
    """Pictures of one place, such as a patch or a slice.

    Attributes:
        title, note: which one it is, and what is said of it.
        pictures: by layer, all of one shape, as titles and data.
        height, width: of the pictures [pixels].
        places: for each order of the gallery, the group that it is in, and its place there; none where the order leaves
            it out.
    """

    title: str
    note: str
    pictures: Mapping[str, tuple[str, str]]
    height: int
    width: int
    places: Mapping[str, tuple[str, int]]

    @property
    def places_json(self) -> str:
        """Its places, for scripts."""
        return json.dumps(self.places)
