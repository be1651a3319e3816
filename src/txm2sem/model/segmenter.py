"""A trained segmentation model: how likely each class is, from the TXM or the SEM."""

from __future__ import annotations

import dataclasses
import shlex

import torch
from torch import Tensor

from txm2sem.data import check_segments, check_translates_txm
from txm2sem.data.transforms import middle_channel
from txm2sem.devices import device_of
from txm2sem.errors import UserError
from txm2sem.metrics import ClassCalibration
from txm2sem.model.first_stage import load_first_stage, notes_on_input, segmented_image
from txm2sem.model.model import Model
from txm2sem.model.phases import UNCHANGED, PhaseCalibration, load_phases
from txm2sem.model.predictor import Predictor
from txm2sem.model.statistics import depend_on_tile
from txm2sem.networks import Chain
from txm2sem.options import AppliedCommand, BackendName, TrainCommand, override, run_name, to_mapping
from txm2sem.runs import trained_with


class Segmenter(Predictor):
    """Tells how likely each class is in each pixel of an image.

    Args:
        predictor: makes logits of the classes.
        first_stage: predicts the SEM that is segmented; None where it is the image itself.
        calibration: brings its probabilities to mean what they say.
    """

    def __init__(
        self, predictor: Predictor, first_stage: Predictor | None, calibration: ClassCalibration = UNCHANGED
    ) -> None:
        notes = [*predictor.notes, *(first_stage.notes if first_stage else [])]
        self.take_over(predictor)
        self.notes = notes
        self.predicted = 1 + predictor.predicted
        self.first_stage = first_stage
        self.calibration = calibration
        if first_stage is not None:
            self.chain = Chain((*first_stage.chain.models, *predictor.chain.models))

    @torch.inference_mode()
    def __call__(self, source: Tensor) -> Tensor:
        """Segment a batch.

        Args:
            source: TXM, or SEM where the model takes that, (N, C, H, W) float32 in [-1, 1]; C as in
                `Predictor.__call__`.

        Returns:
            The image that was segmented, in [-1, 1], and the probability of each class, which add up to 1:
            (N, 1 + classes, H, W) float32, on the CPU.
        """
        image, logits = self.logits(source)
        return torch.cat([image, self.calibration(logits)], dim=1)

    def logits(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """Return the image that is segmented, (N, 1, H, W), and the logits of its classes, not calibrated.

        Those are (N, classes, H, W).
        """
        seen = self.seen(source)
        return middle_channel(seen)[:, None], self.output(seen)

    def generator_input(self, source: Tensor) -> Tensor:
        """As `Predictor.generator_input`: of the image that is segmented."""
        return super().generator_input(self.seen(source))

    def seen(self, source: Tensor) -> Tensor:
        """Return the image that is segmented, between its neighbours where the model sees them, (N, C, H, W)."""
        return source if self.first_stage is None else self.first_stage(source)


def load_applied(command: AppliedCommand, label: str, backend: BackendName = "torch") -> Model:
    """Return the model of a command that is applied to images and volumes: it translates them, or segments them.

    The SEM takes the TXM's place where it is what is segmented; it is seen as it is, as in training.

    Args:
        command: the options.
        label: of the checkpoint.
        backend: what computes the network.

    Raises:
        UserError: it does neither, or cannot be loaded; see `Model.load` and `load_first_stage`.
    """
    if command.model.model != "segmentation":
        check_translates_txm(command.model, command.data)
        return Model.load(command, label, backend)
    check_segments(command.model, command.data)
    # Not every command has the SEM's grey values, which are those of the training.
    data = override(TrainCommand(), {**to_mapping(trained_with(command)), **to_mapping(command)}).data
    notes = notes_on_input(command, data)
    first_stage = load_first_stage(command.run, data, device_of(command.run.gpu_ids))
    if first_stage is not None and depend_on_tile(first_stage.generator):
        raise UserError(
            f"--seg_source {data.seg_source} was trained with --norm instance: each tile would be normalised with "
            "statistics of its own; name a translation model that was trained with --norm batch"
        )
    model = Model.load(command, label, backend, bounded=False)
    phases = load_phases(command, label, data)
    predictor = Segmenter(model.predictor, first_stage, UNCHANGED if phases is None else phases.calibration)
    predictor.notes += [*notes, *_notes_on_phases(command, phases)]
    segmented = segmented_image(command.run, data)
    segmenting = dataclasses.replace(model, predictor=predictor, segments=segmented, phases=phases)
    if data.seg_mode == "sem":
        seen = dataclasses.replace(data, txm_range=data.sem_range, gamma=1.0, hist_eq=0.0)
        return dataclasses.replace(segmenting, data=seen, source="sem")
    return segmenting


def _notes_on_phases(command: AppliedCommand, phases: PhaseCalibration | None) -> list[str]:
    if phases is not None:
        return [*phases.warnings, phases.summary]
    return [
        "probabilities are not calibrated, as nothing that belongs to this checkpoint and input is kept beside it; a "
        f"test finds it where the validation images are: txm2sem test --name {shlex.quote(run_name(command))}"
    ]
