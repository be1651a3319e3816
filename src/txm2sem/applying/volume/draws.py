"""How several draws of a volume are written: channels behind their mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.data import OutputGrey
from txm2sem.data.draws import draw_channels
from txm2sem.data.writers import Channel


@dataclass(frozen=True)
class DrawChannels:
    """The channels of a model that draws samples: the mean of the draws, their standard deviation, and each of them.

    Draws are written as the prediction is. Integers of the standard deviation are steps of the prediction.

    Attributes:
        grey: how the prediction is written.
        draws: how many.
    """

    grey: OutputGrey
    draws: int

    @property
    def names(self) -> tuple[str, ...]:
        """Of all channels, the mean first."""
        return draw_channels(self.draws)

    @property
    def descriptions(self) -> tuple[Channel, ...]:
        """What is said in the file of the channels behind the mean."""
        spread, *draws = self.names[1:]
        text = (
            f"of {self.draws} draws, in the steps of the prediction: {self.grey.steps:.6g} for a grey value of the SEM"
        )
        black, white = self.grey.window
        return (
            Channel(spread, text, (0.0, (white - black) / 4)),
            *(Channel(name, str(self.grey), self.grey.window) for name in draws),
        )

    @property
    def texts(self) -> dict[str, str]:
        """What the values of each channel mean, by its name."""
        mean = {self.names[0]: f"mean of {self.draws} draws; {self.grey}"}
        return mean | {channel.name: channel.text for channel in self.descriptions}

    def of(self, drawn: NDArray[np.float32]) -> NDArray[Any]:
        """Return standard deviation and draws, (1 + draws, H, W) in units of [-1, 1], as they are written."""
        half = (self.grey.model.high - self.grey.model.low) / 2
        spread = drawn[:1] * np.float32(half * self.grey.steps)
        if self.grey.dtype.kind != "f":
            spread = np.clip(np.rint(spread), 0, np.iinfo(self.grey.dtype).max)
        return np.concatenate([spread.astype(self.grey.dtype), self.grey.of(drawn[1:])])
