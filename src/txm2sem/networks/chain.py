"""Networks that are applied one after the other: what a tile needs for all of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from txm2sem.networks.footprint import most_bytes_per_pixel, peak_bytes
from txm2sem.networks.generators import size_multiple, smallest_side
from txm2sem.networks.receptive_field import receptive_field
from txm2sem.options import GeneratorOptions


@dataclass(frozen=True)
class Chain:
    """Generators, each of which sees what the one before has made; most often there is one.

    Attributes:
        models: in their order.
    """

    models: tuple[GeneratorOptions, ...]

    @property
    def input_channels(self) -> int:
        """Channels of what the first one sees."""
        return self.models[0].input_nc

    @property
    def multiple(self) -> int:
        """What the sides of a tile, and its place, must be multiples of [pixels], see `size_multiple`."""
        return math.lcm(*map(size_multiple, self.models))

    @property
    def smallest_side(self) -> int:
        """What the sides of a tile must be at least [pixels]."""
        return max(map(smallest_side, self.models))

    @property
    def receptive_field(self) -> int:
        """The halo of a tile [pixels], a multiple of `multiple`; see there."""
        return self.whole(sum(map(receptive_field, self.models)))

    def whole(self, length: int) -> int:
        """Return the next multiple of `multiple`, a length [pixels] that may be one."""
        return -(-length // self.multiple) * self.multiple

    def peak_bytes(self, height: int, width: int, element_bytes: int = 4) -> int:
        """Return the most memory that tensors take at once, see there."""
        return max(peak_bytes(model, height, width, element_bytes=element_bytes) for model in self.models)

    def most_bytes_per_pixel(self, side: int, element_bytes: int = 4) -> float:
        """Return what `peak_bytes` is at most, per pixel, of tiles whose sides are this or longer, see there."""
        return max(most_bytes_per_pixel(model, side, element_bytes) for model in self.models)
