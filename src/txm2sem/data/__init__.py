"""Slices on disk, and patches of them."""

from txm2sem.data.datasets import (
    DATASET_MODES,
    DatasetMode,
    EpochSampler,
    EvaluationPatches,
    TrainingPatches,
    check_channels,
)
from txm2sem.data.grey import GreyRange, measure_range, resolve_ranges, to_uint8
from txm2sem.data.sampling import (
    PatchLocation,
    PatchShares,
    draw_training_location,
    evaluation_locations,
    patch_shares,
)
from txm2sem.data.slices import AlignedSlices, has_split
from txm2sem.data.stacks import TiffStack, find_slices
from txm2sem.data.transforms import downsample, random_horizontal_flip, to_multiple_of_4

__all__ = [
    "DATASET_MODES",
    "AlignedSlices",
    "DatasetMode",
    "EpochSampler",
    "EvaluationPatches",
    "GreyRange",
    "PatchLocation",
    "PatchShares",
    "TiffStack",
    "TrainingPatches",
    "check_channels",
    "downsample",
    "draw_training_location",
    "evaluation_locations",
    "find_slices",
    "has_split",
    "measure_range",
    "patch_shares",
    "random_horizontal_flip",
    "resolve_ranges",
    "to_multiple_of_4",
    "to_uint8",
]
