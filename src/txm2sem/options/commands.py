"""The commands: which groups of options each has, and what its defaults are.

Some defaults follow from `--model`; `MODEL_DEFAULTS` is the one table of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Any, get_args

import yaml

from txm2sem.errors import UserError
from txm2sem.files import check_name
from txm2sem.options.base import to_mapping
from txm2sem.options.groups import (
    CheckOptions,
    CompareOptions,
    DataOptions,
    DisplayOptions,
    ModelOptions,
    ObjectiveOptions,
    PhantomOptions,
    PlaceOptions,
    RecipeName,
    RecipeOptions,
    RepairOptions,
    ReportOptions,
    RunOptions,
    SamplingOptions,
    SavingOptions,
    ScheduleOptions,
    TestOptions,
    TranslateOptions,
    TrustOptions,
    VolumeOptions,
    WholeVolumeOptions,
)


@dataclass(frozen=True)
class TrainCommand:
    """Train a model on aligned TXM and FIB-SEM slices."""

    recipe: RecipeOptions = RecipeOptions()
    run: RunOptions = RunOptions()
    model: ModelOptions = ModelOptions()
    objective: ObjectiveOptions = ObjectiveOptions()
    data: DataOptions = DataOptions()
    sampling: SamplingOptions = SamplingOptions()
    schedule: ScheduleOptions = ScheduleOptions()
    saving: SavingOptions = SavingOptions()
    display: DisplayOptions = DisplayOptions()


@dataclass(frozen=True)
class TestCommand:
    """Test a trained model: predictions, scores beside trivial predictions, an overview picture."""

    run: RunOptions = RunOptions()
    model: ModelOptions = ModelOptions()
    data: DataOptions = DataOptions()
    test: TestOptions = TestOptions()
    volume: VolumeOptions = VolumeOptions()
    trust: TrustOptions = TrustOptions()


@dataclass(frozen=True)
class VolumeCommand:
    """Translate a whole TXM volume with a trained model."""

    run: RunOptions = RunOptions(name="")
    model: ModelOptions = ModelOptions()
    data: DataOptions = DataOptions()
    volume: WholeVolumeOptions = WholeVolumeOptions()
    trust: TrustOptions = TrustOptions()


@dataclass(frozen=True)
class TranslateCommand:
    """Translate single TXM images with the model that comes along, or with the trained model that --name names."""

    translate: TranslateOptions = TranslateOptions()
    run: RunOptions = RunOptions(name="")
    model: ModelOptions = ModelOptions()
    data: DataOptions = DataOptions()


@dataclass(frozen=True)
class RepairCommand:
    """Repair charged SEM slices by kriging, or with the trained model that --name names."""

    run: RunOptions = RunOptions(name="")
    model: ModelOptions = ModelOptions(model="repair")
    data: DataOptions = DataOptions()
    repair: RepairOptions = RepairOptions()


@dataclass(frozen=True)
class CheckCommand:
    """Look at a data root before any training; pass the options of the data that the training will have."""

    check: CheckOptions = CheckOptions()
    data: DataOptions = DataOptions()


@dataclass(frozen=True)
class ReportCommand:
    """Write a page about a run: what it is, its scores and images, how to do it again."""

    report: ReportOptions = ReportOptions()
    places: PlaceOptions = PlaceOptions()


@dataclass(frozen=True)
class CompareCommand:
    """Write a page about several runs, side by side."""

    compare: CompareOptions = CompareOptions()
    places: PlaceOptions = PlaceOptions()


@dataclass(frozen=True)
class PhantomCommand:
    """Write a synthetic shale data set, to try things with and to know the truth of."""

    phantom: PhantomOptions = PhantomOptions()


MODEL_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "feedforward": {"norm": "batch", "no_dropout": True},
    "srcnn": {"norm": "batch", "no_dropout": True, "netG": "sr_resnet_9blocks", "ngf": 256},
    "pix2pix": {"norm": "batch", "netG": "unet_256", "gan_mode": "vanilla", "pool_size": 0},
    "srgan": {
        "norm": "batch",
        "netG": "sr_resnet_9blocks",
        "ngf": 256,
        "gan_mode": "vanilla",
        "pool_size": 0,
        "lambda_L1": 1000.0,
    },
    "repair": {
        "norm": "batch",
        "netG": "unet_256",
        "input_nc": 3,
        "gan_mode": "vanilla",
        "pool_size": 0,
        "lambda_L1": 10.0,
        "dataset_mode": "image_repair",
    },
    "segmentation": {
        "norm": "batch",
        "no_dropout": True,
        "netG": "resnet_6blocks",
        "output_nc": 3,
        "eval": True,
        "dataset_mode": "segmentation",
    },
}
"""Defaults that follow from `--model`. Those of the original code, except that super-resolution models default to
a super-resolution generator. A command has those of its options; segmentation is always tested with frozen statistics,
because grey values tell its classes and a patch's own statistics would cancel them."""

_RECIPES = Path(__file__).parents[1] / "recipes"

RECIPES: Mapping[str, Mapping[str, Any]] = {"none": {}} | {
    name: yaml.safe_load((_RECIPES / f"{name}.yaml").read_text("utf-8"))
    for name in get_args(RecipeName)
    if name != "none"
}
"""The options of each `--recipe`, over those of `MODEL_DEFAULTS`."""

IDENTITY = frozenset(
    {"name", "suffix", "checkpoints_dir", "results_dir", "gpu_ids", "num_threads", "continue_train", "verbose"}
)
"""Options that say which run and which machine; they are never taken from the run's saved options."""


def run_name(command: TrainCommand | TestCommand | VolumeCommand | TranslateCommand | RepairCommand) -> str:
    """Return the experiment's name with its suffix filled in.

    Raises:
        UserError: there is no name, or the suffix has something else than names of options in its braces.
    """
    name, suffix, options = check_name(command.run.name, "--name"), command.run.suffix, to_mapping(command)
    if not suffix:
        return name
    try:
        parts = list(Formatter().parse(suffix))
    except ValueError as error:
        raise UserError(f"--suffix {suffix}: {error}; name options in braces, e.g. {{model}}_{{netG}}") from error
    for _, option, form, conversion in parts:
        if option is not None and (option not in options or form or conversion):
            raise UserError(
                f"--suffix {suffix}: expected names of options alone in braces, e.g. {{model}}_{{netG}}, found "
                f"{option!r}{' with a format' if option in options else ''}"
            )
    return f"{name}_" + "".join(text + ("" if option is None else str(options[option])) for text, option, *_ in parts)
