"""Which patches belong to which `--dataset_mode`, and which models learn from them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from txm2sem.data.datasets import EvaluationPatches, TrainingPatches
from txm2sem.data.repair import RepairEvaluationPatches, RepairTrainingPatches
from txm2sem.data.segmentation import SegmentationEvaluationPatches, SegmentationTrainingPatches
from txm2sem.errors import UserError
from txm2sem.options import DataOptions, ModelOptions


@dataclass(frozen=True)
class DatasetMode:
    """What a `--dataset_mode` gives to train and to evaluate with.

    Args:
        source_channels: channels of what the network sees, besides neighbouring slices.
        target_channels: channels of what it is to make.
        training: makes the training patches from slices, options and seed.
        evaluation: makes the fixed patches from slices and options.
        models: the models that learn from such patches.
    """

    source_channels: int
    target_channels: int
    training: type[TrainingPatches]
    evaluation: type[EvaluationPatches]
    models: tuple[str, ...]


DATASET_MODES: dict[str, DatasetMode] = {
    "txm2sem": DatasetMode(1, 1, TrainingPatches, EvaluationPatches, ("feedforward", "srcnn", "pix2pix", "srgan")),
    "image_repair": DatasetMode(3, 1, RepairTrainingPatches, RepairEvaluationPatches, ("repair",)),
    "segmentation": DatasetMode(1, 3, SegmentationTrainingPatches, SegmentationEvaluationPatches, ("segmentation",)),
}
"""The data set of each `--dataset_mode`."""


def check_translates_txm(model: ModelOptions, options: DataOptions) -> None:
    """Check that a model, whatever it is tested on, was made to translate TXM to SEM.

    Raises:
        UserError: it translates SEM to TXM, repairs or segments.
    """
    check_channels(model, dataclasses.replace(options, dataset_mode="txm2sem"))
    if options.direction != "AtoB":
        raise UserError(
            f"the volume is TXM, but this model was trained with --direction {options.direction}, to translate the "
            "SEM; pass the --name of a model that was trained without it"
        )


def check_channels(model: ModelOptions, options: DataOptions) -> None:
    """Check that a model learns from the data set, and takes and makes as many channels as it has.

    Raises:
        UserError: it does not, or the data set has no truth to learn from.
    """
    if options.dataset_mode not in DATASET_MODES:
        raise UserError(
            f"--dataset_mode {options.dataset_mode} has no SEM to learn from: expected one of "
            f"{', '.join(DATASET_MODES)} for training; leave the option out, and pass it when testing"
        )
    mode = DATASET_MODES[options.dataset_mode]
    if model.model not in mode.models:
        fitting = next(name for name, other in DATASET_MODES.items() if model.model in other.models)
        raise UserError(
            f"--model {model.model} does not learn from --dataset_mode {options.dataset_mode}: expected --model "
            f"{' or '.join(mode.models)}, or --dataset_mode {fitting}; pass one of them"
        )
    if options.context_slices and options.direction != "AtoB":
        raise UserError(
            f"--context_slices {options.context_slices} shows the network neighbouring TXM slices, but --direction "
            f"{options.direction} translates the SEM, of which there are none; leave one of the options out"
        )
    seen = f"{options.dataset_mode} with --context_slices {options.context_slices}"
    for name, expected, what in (
        ("input_nc", mode.source_channels + options.context_channels, seen),
        ("output_nc", mode.target_channels, options.dataset_mode),
    ):
        found = getattr(model, name)
        if found != expected and not (name == "output_nc" and model.predicts_scale):
            raise UserError(
                f"--{name} {found}: expected {expected}, the channels of --dataset_mode {what}; leave the option out"
            )
