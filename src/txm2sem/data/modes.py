"""Which patches belong to which `--dataset_mode`, and which models learn from them."""

from __future__ import annotations

from dataclasses import dataclass

from txm2sem.data.datasets import EvaluationPatches, TrainingPatches
from txm2sem.data.repair import RepairEvaluationPatches, RepairTrainingPatches
from txm2sem.data.segmentation import SegmentationEvaluationPatches, SegmentationTrainingPatches
from txm2sem.errors import UserError
from txm2sem.options import DataOptions, GeneratorOptions, ImagesDataOptions


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


def check_translates_txm(model: GeneratorOptions, options: ImagesDataOptions) -> None:
    """Check that a model, whatever it is tested on, was made to translate TXM to SEM.

    Raises:
        UserError: it translates SEM to TXM, repairs or segments.
    """
    _check_channels(model, "txm2sem", options.context_slices)
    if options.direction != "AtoB":
        raise UserError(
            f"the volume is TXM, but this model was trained with --direction {options.direction}, to translate the "
            "SEM; pass the --name of a model that was trained without it"
        )


def check_segments(model: GeneratorOptions, options: ImagesDataOptions) -> None:
    """Check that a model was made to segment.

    Raises:
        UserError: it does something else, or takes or makes other channels.
    """
    _check_channels(model, "segmentation", options.context_slices)


def check_channels(model: GeneratorOptions, options: DataOptions) -> None:
    """Check that a model learns from the data set, and takes and makes as many channels as it has.

    Raises:
        UserError: it does not, or the data set has no truth to learn from.
    """
    if options.dataset_mode not in DATASET_MODES:
        raise UserError(
            f"--dataset_mode {options.dataset_mode} has no SEM to learn from: expected one of "
            f"{', '.join(DATASET_MODES)} for training; leave the option out, and pass it when testing"
        )
    _check_channels(model, options.dataset_mode, options.context_slices)


def check_repairs(model: GeneratorOptions, name: str) -> None:
    """Check that a model, the one that a user names, repairs.

    Raises:
        UserError: it does not, or takes or makes other channels.
    """
    if model.model != "repair":
        raise UserError(
            f"the model {name} is a --model {model.model} and repairs nothing; name one that was trained with "
            "--model repair"
        )
    _check_channels(model, "image_repair", 0)


def _check_channels(model: GeneratorOptions, dataset_mode: str, context_slices: int) -> None:
    mode = DATASET_MODES[dataset_mode]
    if model.model not in mode.models:
        fitting = next(name for name, other in DATASET_MODES.items() if model.model in other.models)
        raise UserError(
            f"--model {model.model} does not learn from --dataset_mode {dataset_mode}: expected --model "
            f"{' or '.join(mode.models)}, or --dataset_mode {fitting}; pass one of them"
        )
    seen = f"{dataset_mode} with --context_slices {context_slices}"
    for name, expected, what in (
        ("input_nc", mode.source_channels + 2 * context_slices, seen),
        ("output_nc", mode.target_channels, dataset_mode),
    ):
        found = getattr(model, name)
        if found != expected and not (name == "output_nc" and model.predicts_scale):
            raise UserError(
                f"--{name} {found}: expected {expected}, the channels of --dataset_mode {what}; leave the option out"
            )
