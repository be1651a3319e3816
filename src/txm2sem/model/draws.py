"""Several draws of one place: what they have in common, how far they differ, and each of them."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from txm2sem.errors import UserError
from txm2sem.model.model import Model
from txm2sem.model.predictor import ONE_DRAW, Predictor


def with_draws(model: Model, draws: int) -> Model:
    """Return a model that makes so many draws; itself for 0.

    Raises:
        UserError: it draws nothing.
    """
    return replace(model, predictor=DrawingPredictor(model.predictor, draws)) if draws else model


class DrawingPredictor(Predictor):
    """Predicts the mean of several draws, their standard deviation, and the draws.

    Args:
        predictor: of single draws.
        draws: how many, at least 2: the first ones, so that more of them begin with the same.

    Raises:
        UserError: the model draws nothing.
    """

    def __init__(self, predictor: Predictor, draws: int) -> None:
        if not predictor.options.draws_noise:
            raise UserError(
                f"--draws {draws}: expected a model that draws samples (--netG sampled_unet, --recipe sample), found "
                f"--netG {predictor.options.netG}, which predicts one image; leave --draws out"
            )
        self.take_over(predictor)
        mean = f"the prediction is the mean of {draws} draws, which is smoother than a SEM; each draw is like one"
        self.notes = [mean, *(note for note in predictor.notes if note != ONE_DRAW)]
        self.draws = draws
        self.predicted = 2 + draws

    @torch.inference_mode()
    def __call__(self, source: Tensor) -> Tensor:
        """Translate a batch as `Predictor.__call__`.

        Returns:
            Mean and standard deviation of the draws (divided by one less than there are), then the draws, in the units
            of [-1, 1]: (N, 2 + draws, H, W) float32, on the CPU.
        """
        drawn = torch.cat([self.drawing(number).output(source) for number in range(self.draws)], dim=1)
        return torch.cat([drawn.mean(1, keepdim=True), drawn.std(1, keepdim=True), drawn], dim=1)
