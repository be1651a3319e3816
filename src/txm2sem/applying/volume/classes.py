"""How the classes of a segmented volume are written: labels beside an image, and channels with their probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.data import OutputGrey
from txm2sem.data.classes import CLASSES, IGNORED, LABEL_COLOURS
from txm2sem.data.writers import Channel, Label

LABELS = tuple(
    Label(value, "not imaged" if value == IGNORED else CLASSES[value], colour, opaque=value not in (0, IGNORED))
    for value, colour in LABEL_COLOURS.items()
)
"""What the values of labels mean. Viewers show the image itself where there is neither of the phases."""


@dataclass(frozen=True)
class ClassChannels:
    """The channels behind an image that say how likely each class is, and add up to 1 where something was imaged.

    In integers the largest one is certain; float32 has the probabilities themselves.

    Attributes:
        grey: how the image is written.
        written: whether there are such channels; otherwise the image stands alone.
    """

    grey: OutputGrey
    written: bool

    @property
    def certain(self) -> float:
        """What stands for a probability of 1."""
        return 1.0 if self.grey.dtype.kind == "f" else float(np.iinfo(self.grey.dtype).max)

    @property
    def names(self) -> tuple[str, ...]:
        """Of all channels, that of the image first; nothing where there is no axis for them."""
        return ("image", *CLASSES) if self.written else ()

    @property
    def descriptions(self) -> tuple[Channel, ...]:
        """What is said in the file of the channels behind the image."""
        text = f"probability: {self.certain:g} is certain, 0 everywhere where nothing was imaged"
        return tuple(Channel(name, text, (0.0, self.certain)) for name in self.names[1:])

    @property
    def texts(self) -> dict[str, str]:
        """What the values of each channel mean, by its name."""
        return {name: str(self.grey) for name in self.names[:1]} | {one.name: one.text for one in self.descriptions}

    def of(self, probabilities: NDArray[np.float32]) -> NDArray[Any]:
        """Return the probabilities of classes, (classes, H, W), as they are written."""
        if self.grey.dtype.kind == "f":
            return probabilities
        whole: NDArray[Any] = np.rint(probabilities * np.float32(self.certain)).astype(self.grey.dtype)
        return whole
