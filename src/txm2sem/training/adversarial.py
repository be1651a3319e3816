"""pix2pix and SRGAN as a Lightning module; they differ only in options (`txm2sem.options.MODEL_DEFAULTS`)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from txm2sem.data import AlignedSlices, size_option
from txm2sem.devices import move_images
from txm2sem.networks import build_discriminator, check_judged_size
from txm2sem.objectives import ImagePool, gan_loss, gradient_penalty, mix_samples, regression_loss
from txm2sem.options import TrainCommand
from txm2sem.training.accumulation import BatchPart, GeneratorPass
from txm2sem.training.stopwatch import CLOCK, Clock
from txm2sem.training.translation import TranslationModule, blank


class AdversarialModule(TranslationModule):
    """pix2pix and SRGAN: a generator and a discriminator that learn from each other.

    The discriminator sees the SEM beside the input (pix2pix, repair, and srgan with `--d_condition`), or alone (srgan).
    """

    def __init__(self, command: TrainCommand, clock: Clock = CLOCK) -> None:
        super().__init__(command, clock)
        self.conditional = command.model.model != "srgan" or command.objective.d_condition
        channels = command.model.output_nc + (command.model.input_nc if self.conditional else 0)
        self.discriminator = build_discriminator(command.model, channels)
        self._initialise(self.discriminator)
        self.pool = ImagePool(command.objective.pool_size)

    @classmethod
    def resolve(cls, command: TrainCommand, training: AlignedSlices) -> TrainCommand:
        """Return the options with what is left to be measured on the training slices as numbers.

        Raises:
            UserError: something cannot be measured, or patches are too small for the discriminator.
        """
        option = size_option(command.data)
        check_judged_size(command.model, getattr(command.data, option), option)
        return super().resolve(command, training)

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The networks by the name that their checkpoints carry."""
        return {"G": self.generator, "D": self.discriminator}

    def optimisation_step(
        self, source: Tensor, target: Tensor, valid: Tensor | None = None, place: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Update the discriminator, then the generator as the updated discriminator judges it, on one batch.

        D minimises the mean of its losses on real and predicted images, plus lambda_gp * gradient penalty (wgangp);
        G minimises L_GAN + lambda_L1 * |G(T) - S| + lambda_img_grad * R.
        """
        # Where nothing counts both images are the same grey, from which the discriminator learns nothing.
        parts = self.parts(source, blank(target, valid), valid, place)
        # The discriminator learns from all parts before the generator learns from the first. The graph of one part may
        # wait for that; those of several would take the memory that the parts are there to save.
        passes = [
            (part, GeneratorPass(self.generator, partial(self.translate, part), source.device, keep=len(parts) == 1))
            for part in parts
        ]
        judged = self.update(
            "D", ((part.share, self.discriminator_losses(part, once.prediction)) for part, once in passes)
        )
        # The generator's step must leave no gradients in the discriminator.
        self.discriminator.requires_grad_(False)
        losses = self.update(
            "G", ((part.share, self.generator_losses(part, *once.with_graph())) for part, once in passes)
        )
        self.discriminator.requires_grad_(True)
        return losses | judged

    def generator_losses(self, part: BatchPart, image: Tensor, prediction: Tensor) -> dict[str, Tensor]:
        """Return L_GAN, lambda_L1 * |G(T) - S| and lambda_img_grad * R of a part, by name."""
        objective = self.command.objective
        logits = self.discriminator(self.seen_by_discriminator(part.source, prediction))
        losses = {
            "G_GAN": gan_loss(logits, True, objective.gan_mode),
            "G_L1": objective.lambda_L1 * regression_loss(prediction, part.target, "L1", part.valid),
        }
        return (
            losses
            | self.grain_losses(prediction, part)
            | self.draw_losses(prediction, part)
            | self.continuity_losses(prediction, image)
        )

    def discriminator_losses(self, part: BatchPart, prediction: Tensor) -> dict[str, Tensor]:
        """Return the discriminator's losses on real and predicted images and its weighted gradient penalty, by name."""
        objective = self.command.objective
        real = self.seen_by_discriminator(part.source, part.target)
        fake = self.pool.query(self.seen_by_discriminator(part.source, prediction))
        losses = {
            "D_real": gan_loss(self.discriminator(real), True, objective.gan_mode),
            "D_fake": gan_loss(self.discriminator(fake), False, objective.gan_mode),
        }
        if objective.gan_mode == "wgangp" and objective.lambda_gp > 0:
            losses["D_gp"] = gradient_penalty(self.discriminator, mix_samples(real, fake), objective.lambda_gp)
        return losses

    def seen_by_discriminator(self, source: Tensor, image: Tensor) -> Tensor:
        """Return SEM or prediction, beside the full-resolution TXM where the discriminator is conditional."""
        # Beside a single channel, whose layout is both, the others would lose theirs.
        return move_images(torch.cat([source, image], dim=1), image.device) if self.conditional else image

    def state(self) -> dict[str, Any]:
        """Return everything that resuming needs: tensors and plain values only."""
        return super().state() | {"pool": self.pool.state_dict()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up a state returned by `state`, once all of it is seen to fit; see `TranslationModule.restore`."""
        images = state["pool"]["images"]
        if not isinstance(images, list) or not all(map(is_image, images)):
            raise ValueError("the pool holds something other than images")
        super().restore(state)
        self.pool.load_state_dict(state["pool"])


def is_image(value: object) -> bool:
    """Say whether something can be an image of numbers with a point, (C, H, W)."""
    return isinstance(value, Tensor) and value.dim() == 3 and value.is_floating_point()
