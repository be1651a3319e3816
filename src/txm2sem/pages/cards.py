"""Pictures of one place, which lie upon each other in a gallery."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from txm2sem.quantities import bar_length


@dataclass(frozen=True)
class Card:
    """Pictures of one place, such as a patch or a slice.

    Attributes:
        title, note: which one it is, and what is said of it.
        pictures: by layer, all of one shape, as titles and data.
        height, width: of the pictures [pixels].
        places: for each order of the gallery, the group that it is in, and its place there; none where the order leaves
            it out.
        pixel_size: side of a pixel [nm]; None: not known.
    """

    title: str
    note: str
    pictures: Mapping[str, tuple[str, str]]
    height: int
    width: int
    places: Mapping[str, tuple[str, int]]
    pixel_size: float | None = None

    @property
    def bar(self) -> tuple[str, str] | None:
        """Width of a scale bar, as a share of that of the pictures, and its words; None: the size is not known."""
        if self.pixel_size is None:
            return None
        length, label = bar_length(self.width / 3, self.pixel_size)
        return f"{100 * length / self.width:.2f}%", label

    @property
    def places_json(self) -> str:
        """Its places, for scripts."""
        return json.dumps(self.places)
