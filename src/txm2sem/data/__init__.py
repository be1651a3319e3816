"""Slices on disk, and patches of them."""

from txm2sem.data.datasets import EpochSampler, EvaluationPatches, TrainingPatches, WholeSlices
from txm2sem.data.grey import GreyRange, measure_range, resolve_ranges, resolve_stack_range, to_uint8
from txm2sem.data.modes import DATASET_MODES, DatasetMode, check_channels
from txm2sem.data.repair import RepairEvaluationPatches, RepairTrainingPatches, composite, repair_source
from txm2sem.data.sampling import (
    PatchLocation,
    PatchShares,
    draw_training_location,
    evaluation_locations,
    patch_shares,
)
from txm2sem.data.slices import AlignedSlices, has_split
from txm2sem.data.stacks import TiffStack, find_slices
from txm2sem.data.transforms import downsample, random_horizontal_flip, size_option
from txm2sem.data.volumes import Cube, choose_cube, open_full_stack, open_truth

__all__ = [
    "DATASET_MODES",
    "AlignedSlices",
    "Cube",
    "DatasetMode",
    "EpochSampler",
    "EvaluationPatches",
    "GreyRange",
    "PatchLocation",
    "PatchShares",
    "RepairEvaluationPatches",
    "RepairTrainingPatches",
    "TiffStack",
    "TrainingPatches",
    "WholeSlices",
    "check_channels",
    "choose_cube",
    "composite",
    "downsample",
    "draw_training_location",
    "evaluation_locations",
    "find_slices",
    "has_split",
    "measure_range",
    "open_full_stack",
    "open_truth",
    "patch_shares",
    "random_horizontal_flip",
    "repair_source",
    "resolve_ranges",
    "resolve_stack_range",
    "size_option",
    "to_uint8",
]
