"""A trained model as one network: all that stands between an image and what the model tells of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from txm2sem.data import composite, repair_source
from txm2sem.data.transforms import adjust_contrast
from txm2sem.metrics import ClassCalibration
from txm2sem.model.network import apply_generator
from txm2sem.networks import build_generator
from txm2sem.options import GeneratorOptions

Ranges = Sequence[tuple[float, float]]
"""Black and white of each channel [grey values]."""


class ExportedNetwork(nn.Module):
    """What a model makes of the channels of an image, as tests and volumes of this program have it.

    Its state dict is that of the generator: the checkpoints of a run are its weights. It is made of plain values, as
    other programs have them from the description of a model.

    Args:
        generator: the options of the generator, by name.
        gamma: contrast of the TXM, see `adjust_contrast`.
        calibration: `scales` and `biases` of a model that segments, see `ClassCalibration`.
        seen: grey values of each channel that are black and white, where the network takes grey values; otherwise it
            takes them as -1 and 1.
        shown: the same of what it returns.
        first_stage: predicts the SEM that this one segments, where it does.
    """

    def __init__(
        self,
        generator: Mapping[str, Any],
        *,
        gamma: float = 1.0,
        calibration: Mapping[str, Sequence[float]] | None = None,
        seen: Ranges = (),
        shown: Ranges = (),
        first_stage: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.options = GeneratorOptions(**generator)
        self.generator = build_generator(self.options, bounded=calibration is None)
        self.first_stage = first_stage
        self._gamma = gamma
        self._calibration = None
        if calibration is not None:
            self._calibration = ClassCalibration(tuple(calibration["scales"]), tuple(calibration["biases"]))
        self._seen, self._shown = seen, shown

    def state_dict(self, *arguments: Any, **named: Any) -> Any:
        """Return the state dict of the generator."""
        return self.generator.state_dict(*arguments, **named)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Load the state dict of a generator."""
        return self.generator.load_state_dict(state_dict, strict, assign)

    def forward(self, source: Tensor) -> Tensor:
        """Return what the model makes of channels.

        Args:
            source: (N, C, H, W): TXM, between its neighbours where the model sees them; or SEM, of a model that
                segments that; or, of one that repairs, TXM where it sees it, SEM, and 1 where that is charged.

        Returns:
            The SEM, (N, 1, H, W), that of a repair in the charged regions alone; or the probability of each class.
        """
        if self._seen:
            low, span = _columns(source, self._seen)
            # As `GreyRange.normalise`, step by step: grain depends on the last digit.
            source = ((source - low) / span - 0.5) / 0.5
        output = self._of_repair(source) if self.options.model == "repair" else self._of_image(source)
        if self._shown:
            low, span = _columns(output, self._shown)
            output = (output * 0.5 + 0.5) * span + low
        return output

    def _of_image(self, source: Tensor) -> Tensor:
        image = adjust_contrast(source, self._gamma, 0, 1)
        if self.first_stage is not None:
            image = self.first_stage(image)
        output = apply_generator(self.generator, image, self.options, image.device)
        return output[:, :1] if self._calibration is None else self._calibration(output)

    def _of_repair(self, source: Tensor) -> Tensor:
        txm = adjust_contrast(source[:, :1], self._gamma, 0, 1) if source.shape[1] == 3 else None
        seen = repair_source(txm, source[:, -2:-1], source[:, -1:] > 0.5)
        return composite(apply_generator(self.generator, seen, self.options, seen.device), seen)


def _columns(image: Tensor, ranges: Ranges) -> tuple[Tensor, Tensor]:
    """Return black, and how far white is from it, of the channels of an image (N, C, H, W), (C, 1, 1) each."""
    # Both become single precision as numbers of Python do where they meet arrays of it: not before their difference.
    pairs = zip(*((low, high - low) for low, high in ranges), strict=True)
    low, span = (torch.tensor(values, dtype=image.dtype, device=image.device) for values in pairs)
    return low[:, None, None], span[:, None, None]
