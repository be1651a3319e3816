"""Segmentation as a Lightning module: the generator makes logits of the classes, the loss is their cross entropy."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from txm2sem.data import AlignedSlices, middle_channel, resolve_ranges, to_uint8
from txm2sem.data.classes import CLASSES, IGNORED
from txm2sem.data.segmentation import check_masks, parse_class_weights, resolve_class_weights
from txm2sem.errors import UserError
from txm2sem.metrics import Summary, class_summaries, confusion_matrix, dice
from txm2sem.model.calibrating import open_phases
from txm2sem.model.first_stage import load_first_stage, read_source_options
from txm2sem.objectives import segmentation_loss
from txm2sem.options import TrainCommand, override, run_name
from txm2sem.runs import paths_of
from txm2sem.scoring.thresholds import fit_thresholds
from txm2sem.training.accumulation import BatchPart
from txm2sem.training.stopwatch import CLOCK, Clock
from txm2sem.training.translation import TranslationModule, means_of


class SegmentationModule(TranslationModule):
    """Learns the class of each pixel (neither, low density, high density) from the SEM, the TXM or a predicted SEM.

    The SEM is predicted on the fly, by a frozen translation model, from the TXM of the patch.
    """

    bounded = False

    def __init__(self, command: TrainCommand, clock: Clock = CLOCK) -> None:
        super().__init__(command, clock)
        self.first_stage = load_first_stage(command.run, command.data)
        self.class_weights = parse_class_weights(command.objective.class_weights)
        self.confusions: list[NDArray[np.int64]] = []

    @classmethod
    def resolve(cls, command: TrainCommand, training: AlignedSlices) -> TrainCommand:
        """Return the options with grey ranges and class weights as numbers.

        Where the SEM is predicted, grey ranges that are `auto` are those of the model that predicts it.

        Raises:
            UserError: masks are missing, options are wrong, or something cannot be measured.
        """
        data, objective = command.data, command.objective
        check_masks(training, data)
        if data.seg_mode == "semfake":
            if data.seg_source == run_name(command):
                raise UserError(
                    f"--seg_source {data.seg_source} is the name of this run, which would replace it; pass another "
                    "--name"
                )
            saved = read_source_options(command.run.checkpoints_dir, data)
            ranges = {name: saved[name] for name in ("txm_range", "sem_range") if getattr(data, name) == "auto"}
            command = override(command, ranges)
        elif data.seg_source:
            raise UserError(
                f"--seg_source does nothing with --seg_mode {data.seg_mode}; leave it out, or pass --seg_mode semfake"
            )
        weights = resolve_class_weights(objective.class_weights, training)
        return dataclasses.replace(
            command,
            data=resolve_ranges(command.data, training),
            objective=dataclasses.replace(objective, class_weights=weights),
        )

    def forward(self, source: Tensor) -> Tensor:
        """Return logits (N, 3, H, W) of SEM, or of TXM between its neighbours, (N, C, H, W) in [-1, 1]."""
        return super().forward(self.translated(source))

    def generator_input(self, source: Tensor) -> Tensor:
        """Return what the generator sees of a source image, ready to be differentiated by the Jacobian penalty."""
        return super().generator_input(self.translated(source))

    def translated(self, source: Tensor) -> Tensor:
        """Return the image to segment: the source (N, C, H, W), or the SEM predicted from it (N, 1, H, W)."""
        if self.first_stage is None:
            return source
        # A copy, as what was computed for inference alone takes no part in a backward pass.
        return self.first_stage.to(source.device)(source).to(source.device).clone()

    def generator_losses(self, part: BatchPart, image: Tensor, prediction: Tensor) -> dict[str, Tensor]:
        """Return the weighted cross entropy and lambda_img_grad * R of a part, by name; the target is int64.

        The prediction are logits. R is the penalty on the Jacobian of the class probabilities, since logits have no
        scale of their own. Pixels that do not count are marked in the target.
        """
        weights = torch.tensor(self.class_weights, device=prediction.device)
        losses = {"G_CE": segmentation_loss(prediction, part.target[:, 0], weights, ignored=IGNORED)}
        return losses | self.continuity_losses(prediction.float().softmax(dim=1), image)

    def conclude(self, echo: Callable[[str], None]) -> None:
        """As `TranslationModule.conclude`: what brings the probabilities to mean what they say, see `open_phases`."""
        for label in ("best", "latest"):
            if paths_of(self.command).network(label, "G").exists():
                _, notes = open_phases(self.command, label, self.command.data)
                for note in notes:
                    echo(f"{label} model: {note}")

    def on_validation_epoch_start(self) -> None:
        """Forget the counts of the validation before."""
        self.confusions = []

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Count the pixels of fixed patches by true and predicted class, with frozen statistics."""
        predictions = self.predicted(batch).argmax(dim=1).cpu().numpy()
        for prediction, target in zip(predictions, batch["target"][:, 0].cpu().numpy(), strict=True):
            self.confusions.append(confusion_matrix(prediction, target, len(CLASSES), ignored=IGNORED))

    def validation_summary(self) -> dict[str, Summary]:
        """Return the mean Dice and the Dice of each class, of all validation patches together."""
        return class_summaries(np.stack(self.confusions), dice, "Dice", CLASSES)

    def trivial_scores(
        self, training: Iterable[dict[str, Tensor]], validation: Iterable[dict[str, Tensor]]
    ) -> dict[str, dict[str, float]]:
        """As `TranslationModule.trivial_scores`: one class everywhere, and classes by grey value alone."""

        def seen(patch: Mapping[str, Tensor]) -> NDArray[np.float32]:
            found: NDArray[np.float32] = middle_channel(self.translated(patch["source"][None])[0]).numpy()
            return found

        predictions = fit_thresholds((seen(patch), patch["target"][0].numpy()) for patch in training)
        counts: dict[str, list[NDArray[np.int64]]] = {kind: [] for kind in predictions}
        for patch in validation:
            image, target = seen(patch), patch["target"][0].numpy()
            for kind, predict in predictions.items():
                counts[kind].append(confusion_matrix(predict(image), target, len(CLASSES), ignored=IGNORED))
        return {
            kind: means_of(class_summaries(np.stack(found), dice, "Dice", CLASSES)) for kind, found in counts.items()
        }

    def pictures(self, prediction: Tensor, patch: dict[str, Tensor]) -> dict[str, NDArray[np.uint8]]:
        """Return the image segmented, predicted and true classes of a patch: 8 bits (H, W).

        Classes are black, grey and white in the order of their numbers; pixels that do not count are dark grey.
        """
        grey = np.full(256, 64, np.uint8)
        grey[: len(CLASSES)] = (0, 128, 255)
        return {
            "input": to_uint8(middle_channel(self.translated(patch["source"][None]))[0]),
            "labels_fake": grey[prediction.argmax(dim=0).cpu().numpy()],
            "labels": grey[patch["target"][0].cpu().numpy()],
        }
