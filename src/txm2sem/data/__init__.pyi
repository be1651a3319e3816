from .datasets import (
    EpochSampler as EpochSampler,
    EvaluationPatches as EvaluationPatches,
    TrainingPatches as TrainingPatches,
    WholeSlices as WholeSlices,
)
from .grey import (
    GreyRange as GreyRange,
    OutputGrey as OutputGrey,
    check_grey_values as check_grey_values,
    find_empty_level as find_empty_level,
    measure_range as measure_range,
    resolve_ranges as resolve_ranges,
    resolve_stack_range as resolve_stack_range,
    to_uint8 as to_uint8,
)
from .modes import (
    DATASET_MODES as DATASET_MODES,
    DatasetMode as DatasetMode,
    check_channels as check_channels,
    check_repairs as check_repairs,
    check_segments as check_segments,
    check_translates_txm as check_translates_txm,
)
from .neighbours import Neighbours as Neighbours, context_indices as context_indices
from .repair import (
    RepairEvaluationPatches as RepairEvaluationPatches,
    RepairTrainingPatches as RepairTrainingPatches,
    composite as composite,
    repair_source as repair_source,
)
from .sampling import (
    PatchLocation as PatchLocation,
    PatchShares as PatchShares,
    draw_training_location as draw_training_location,
    evaluation_locations as evaluation_locations,
    grid_locations as grid_locations,
    patch_shares as patch_shares,
)
from .slices import AlignedSlices as AlignedSlices, has_split as has_split
from .stacks import TiffStack as TiffStack, find_slices as find_slices
from .transforms import (
    downsample as downsample,
    keep_empty as keep_empty,
    middle_channel as middle_channel,
    random_contrast as random_contrast,
    random_horizontal_flip as random_horizontal_flip,
    random_quarter_turns as random_quarter_turns,
    size_option as size_option,
)
from .volumes import (
    Cube as Cube,
    choose_cube as choose_cube,
    open_full_stack as open_full_stack,
    open_truth as open_truth,
)
