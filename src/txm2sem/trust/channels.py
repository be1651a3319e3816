"""Where not to believe a translated volume, as further channels beside the prediction."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.data import OutputGrey
from txm2sem.data.writers import Channel
from txm2sem.options import TrustOptions, VolumeCommand, to_mapping
from txm2sem.trust.model import Judgement
from txm2sem.trust.opening import Trust
from txm2sem.trust.stored import NAMES, value_of_step


@dataclass(frozen=True)
class TrustChannels:
    """The channels besides the prediction, in the order of `NAMES`.

    - uncertainty: the calibrated standard deviation, in the grey values that the prediction is written in.
    - contradiction: size of the guard's score, without its sign.
    - novelty: distance of the tile from those of training, in thresholds: above 1 it is unlike them.

    float32 volumes have these numbers themselves. In integers the uncertainty has the steps of the prediction, and the
    others span 0 to their `LARGEST`; what is larger is cut off.

    Attributes:
        trust: what judges.
        grey: how the prediction is written.
    """

    trust: Trust
    grey: OutputGrey

    def of(self, judged: Judgement) -> NDArray[Any]:
        """Return the three channels of an image, (3, H, W), as they are written."""
        values = (judged.spread, np.abs(judged.contradiction), judged.novelty / self.trust.model.novelty.threshold)
        scaled = [value * np.float32(step) for value, step in zip(values, self._steps, strict=True)]
        if self.grey.dtype.kind == "f":
            return np.stack(scaled).astype(self.grey.dtype, copy=False)
        whole: NDArray[Any] = np.clip(np.rint(np.stack(scaled)), 0, np.iinfo(self.grey.dtype).max)
        return whole.astype(self.grey.dtype)

    @property
    def names(self) -> tuple[str, ...]:
        """Of all channels."""
        return NAMES

    @property
    def texts(self) -> dict[str, str]:
        """What the values of each channel mean, by its name."""
        return {NAMES[0]: str(self.grey)} | {channel.name: channel.text for channel in self.descriptions}

    @property
    def descriptions(self) -> tuple[Channel, ...]:
        """What is said of the channels in the file, and the values that viewers show as black and white."""
        largest = self.grey.window[1] if self.grey.dtype.kind != "f" else np.inf
        guard = self.trust.model.guard
        spread, contradiction, novelty = self._steps
        of_grey = spread * 255 / (self.grey.model.high - self.grey.model.low)
        texts = (
            f"standard deviation, in the steps of the prediction: {of_grey:.6g} for a grey value of the SEM",
            "size of the contradiction to the TXM, in standard deviations of what the true SEM leaves: "
            f"{contradiction:g} for one; flagged from {contradiction * guard.threshold:.4g} on",
            f"distance of the tile from those of training: {novelty:g} for the threshold, beyond which it is unlike "
            "them",
        )
        ends = (spread * 64, 2 * contradiction * guard.threshold, 2 * novelty)
        return tuple(
            Channel(name, text, (0.0, float(min(end, largest))))
            for name, text, end in zip(NAMES[1:], texts, ends, strict=True)
        )

    @property
    def _steps(self) -> tuple[float, float, float]:
        """What a level of 255, a standard deviation and a threshold become."""
        of_level = (self.grey.model.high - self.grey.model.low) / 255 * self.grey.steps
        others = [1 / value_of_step(name, self.grey.dtype) for name in NAMES[2:]]
        return of_level, others[0], others[1]


def options_without_trust(command: VolumeCommand) -> dict[str, Any]:
    """Return the options by name, without those that say nothing of a volume which has only its prediction."""
    unsaid = {option.name for option in fields(TrustOptions)}
    return {name: value for name, value in to_mapping(command).items() if name not in unsaid}
