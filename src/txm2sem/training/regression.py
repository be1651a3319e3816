"""Feedforward CNN and SRCNN as a Lightning module; they differ only in options (`txm2sem.options.MODEL_DEFAULTS`)."""

from __future__ import annotations

from torch import Tensor

from txm2sem.data import AlignedSlices
from txm2sem.errors import UserError
from txm2sem.objectives import laplace_loss, regression_loss, ssim_loss
from txm2sem.options import TrainCommand
from txm2sem.training.accumulation import BatchPart
from txm2sem.training.translation import TranslationModule


class RegressionModule(TranslationModule):
    """Feedforward CNN and SRCNN: a generator trained on image similarity alone, and on continuity.

    With `--regression_loss laplace` the generator's second channel is the scale of its error; only that loss sees it.
    """

    @classmethod
    def resolve(cls, command: TrainCommand, training: AlignedSlices) -> TrainCommand:
        """Return the options with what is left to be measured on the training slices as numbers.

        Raises:
            UserError: something cannot be measured, or the loss wants other channels than the network has.
        """
        loss, channels = command.objective.regression_loss, command.model.output_nc
        if (loss == "laplace") != command.model.predicts_scale:
            raise UserError(
                f"--regression_loss {loss} with --output_nc {channels}: expected {2 if loss == 'laplace' else 1}, as "
                "the second channel is the scale of the error that laplace, and no other loss, learns; leave "
                "--output_nc out, and go on with a run with the loss that it was begun with"
            )
        return super().resolve(command, training)

    def forward(self, source: Tensor) -> Tensor:
        """Translate TXM (N, C, H, W) in [-1, 1] to SEM (N, 1, H, W) of the same size and range."""
        return super().forward(source)[:, :1]

    def generator_losses(self, part: BatchPart, image: Tensor, prediction: Tensor) -> dict[str, Tensor]:
        """Return the weighted regression loss, 1 - SSIM and Jacobian penalty of a part, by name."""
        objective = self.command.objective
        if objective.regression_loss == "laplace":
            similarity = laplace_loss(prediction, part.target, part.valid)
        else:
            similarity = regression_loss(prediction, part.target, objective.regression_loss, part.valid)
        losses = {f"G_{objective.regression_loss}": objective.lambda_regression * similarity}
        if objective.lambda_ssim > 0:
            losses["G_SSIM"] = objective.lambda_ssim * ssim_loss(prediction[:, :1], part.target, part.valid)
        return (
            losses
            | self.grain_losses(prediction[:, :1], part)
            | self.draw_losses(prediction[:, :1], part)
            | self.continuity_losses(prediction[:, :1], image)
        )
