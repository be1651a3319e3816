"""Slices on disk, and patches of them."""

from txm2sem.data.datasets import EpochSampler, EvaluationPatches, TrainingPatches, WholeSlices
from txm2sem.data.grey import (
    GreyRange,
    OutputGrey,
    check_grey_values,
    measure_range,
    resolve_ranges,
    resolve_stack_range,
    to_uint8,
)
from txm2sem.data.modes import (
    DATASET_MODES,
    DatasetMode,
    check_channels,
    check_repairs,
    check_segments,
    check_translates_txm,
)
from txm2sem.data.neighbours import Neighbours, context_indices
from txm2sem.data.repair import RepairEvaluationPatches, RepairTrainingPatches, composite, repair_source
from txm2sem.data.sampling import (
    PatchLocation,
    PatchShares,
    draw_training_location,
    evaluation_locations,
    grid_locations,
    patch_shares,
)
from txm2sem.data.slices import AlignedSlices, has_split
from txm2sem.data.stacks import TiffStack, find_slices
from txm2sem.data.transforms import (
    downsample,
    keep_empty,
    middle_channel,
    random_horizontal_flip,
    random_quarter_turns,
    size_option,
)
from txm2sem.data.volumes import Cube, choose_cube, open_full_stack, open_truth

__all__ = [
    "DATASET_MODES",
    "AlignedSlices",
    "Cube",
    "DatasetMode",
    "EpochSampler",
    "EvaluationPatches",
    "GreyRange",
    "Neighbours",
    "OutputGrey",
    "PatchLocation",
    "PatchShares",
    "RepairEvaluationPatches",
    "RepairTrainingPatches",
    "TiffStack",
    "TrainingPatches",
    "WholeSlices",
    "check_channels",
    "check_grey_values",
    "check_repairs",
    "check_segments",
    "check_translates_txm",
    "choose_cube",
    "composite",
    "context_indices",
    "downsample",
    "draw_training_location",
    "evaluation_locations",
    "find_slices",
    "grid_locations",
    "has_split",
    "keep_empty",
    "measure_range",
    "middle_channel",
    "open_full_stack",
    "open_truth",
    "patch_shares",
    "random_horizontal_flip",
    "random_quarter_turns",
    "repair_source",
    "resolve_ranges",
    "resolve_stack_range",
    "size_option",
    "to_uint8",
]
