"""The commands: which groups of options each has, and what its defaults are.

Some defaults follow from `--model`; `MODEL_DEFAULTS` is the one table of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass
from pathlib import Path
from string import Formatter
from typing import Any, ClassVar, get_args

from txm2sem.errors import UserError, nearest
from txm2sem.files import check_name
from txm2sem.options.base import fields_of, to_mapping
from txm2sem.options.groups import (
    AlignOptions,
    CheckDataOptions,
    CheckOptions,
    CompareOptions,
    ContrastOptions,
    DataOptions,
    DisplayOptions,
    DrawOptions,
    ExportOptions,
    FigureOptions,
    GeneratorOptions,
    ImagesDataOptions,
    ImagesRunOptions,
    MeasureOptions,
    ModelOptions,
    ModelPlaceOptions,
    ObjectiveOptions,
    PageFigureOptions,
    PhantomOptions,
    PlaceOptions,
    RecipeName,
    RecipeOptions,
    RepairDataOptions,
    RepairGeneratorOptions,
    RepairOptions,
    RepairRunOptions,
    ReportOptions,
    RunOptions,
    SamplingOptions,
    SavingOptions,
    ScheduleOptions,
    SeenOptions,
    SweepOptions,
    TestOptions,
    TestRunOptions,
    TrainedOptions,
    TranslateOptions,
    TrustOptions,
    VolumeDataOptions,
    VolumeOptions,
    VolumeRunOptions,
    WholeVolumeOptions,
)
from txm2sem.options.written import read_written, understood

OF_REAL_ROCK = frozenset({"sem_from", "seed", "bits", "contrast", "blur", "photons", "artefacts"})
"""Options of a phantom that do something with `--sem_from`: those of the TXM."""

OF_KRIGING = frozenset({"txm", "charge", "saturation", "min_area", "dilation", "texture", "figures"})
"""Options of a repair by kriging; `--seed` is one with `--texture`."""


@dataclass(frozen=True)
class Command:
    """What the user asks for: the options of a command, group by group.

    Attributes:
        places: what stands beside the options on the command line, for people.
        addressed: which of them may be addresses, counted from 0.
        first: the options that most people need; all, where none are named.
    """

    places: ClassVar[str] = ""
    addressed: ClassVar[tuple[int, ...]] = ()
    first: ClassVar[tuple[str, ...]] = ()

    @property
    def dataset_mode(self) -> str:
        """The data set that the command works with."""
        return "txm2sem"

    @property
    def mode_said(self) -> str:
        """What `dataset_mode` follows from, as the user says it."""
        return f"--dataset_mode {self.dataset_mode}"

    def idle(self, option: Field[Any]) -> str:
        """Return why an option does nothing beside the others, and what to do; nothing where it does something."""
        modes = option.metadata.get("modes", ())
        if modes and self.dataset_mode not in modes:
            return f"does nothing with {self.mode_said}; it belongs to {', '.join(modes)}"
        switch = option.metadata.get("beside")
        if switch and not to_mapping(self)[switch]:
            return f"does nothing without --{switch}; pass that, too, or leave it out"
        return ""

    def check_given(self, given: Iterable[str]) -> None:
        """Check that the options that the user gives do something.

        Raises:
            UserError: one does nothing.
        """
        for _, option, _ in fields_of(self):
            if option.name in given and (reason := self.idle(option)):
                raise UserError(f"--{option.name} {reason}")


@dataclass(frozen=True)
class ModelCommand(Command):
    """A command that trains a model, or uses a trained one."""

    run: TrainedOptions = TrainedOptions()
    model: GeneratorOptions = GeneratorOptions()
    data: ContrastOptions = ContrastOptions()

    def idle(self, option: Field[Any]) -> str:
        """As `Command.idle`; a model has not all options either."""
        models = option.metadata.get("models", ())
        if models and self.model.model not in models:
            return f"does nothing with --model {self.model.model}; it belongs to {', '.join(models)}"
        return super().idle(option)

    def check_given(self, given: Iterable[str]) -> None:
        """As `Command.check_given`; a model that segments sees neighbouring slices of the TXM alone."""
        super().check_given(given)
        data = self.data
        if (
            self.model.model == "segmentation"
            and isinstance(data, ImagesDataOptions)
            and data.context_slices
            and data.seg_mode != "txm"
        ):
            raise UserError(
                f"--context_slices {data.context_slices} shows the network neighbouring TXM slices, but --seg_mode "
                f"{data.seg_mode} segments single slices of the SEM, or of a predicted one; pass --seg_mode txm, or "
                "take a model without neighbours"
            )


@dataclass(frozen=True)
class TrainCommand(ModelCommand):
    """Train a model on aligned TXM and FIB-SEM slices."""

    first = (
        *("recipe", "dataroot", "name", "model", "netG", "downsample_factor", "patch_size", "niter", "niter_decay"),
        *("time_budget", "init_from", "continue_train", "gpu_ids"),
    )

    recipe: RecipeOptions = RecipeOptions()
    run: RunOptions = RunOptions()
    model: ModelOptions = ModelOptions()
    objective: ObjectiveOptions = ObjectiveOptions()
    data: DataOptions = DataOptions()
    sampling: SamplingOptions = SamplingOptions()
    schedule: ScheduleOptions = ScheduleOptions()
    saving: SavingOptions = SavingOptions()
    display: DisplayOptions = DisplayOptions()

    @property
    def dataset_mode(self) -> str:
        """The data set that is learned from."""
        return self.data.dataset_mode

    @property
    def mode_said(self) -> str:
        """As `Command.mode_said`; a recipe is what is said of its model."""
        recipe = self.recipe.recipe
        return super().mode_said if recipe == "none" else f"--recipe {recipe}"

    def idle(self, option: Field[Any]) -> str:
        """As `Command.idle`; where phases are learned, nobody has to leave out what is charged."""
        if option.name == "ignore_charged" and self.dataset_mode == "segmentation":
            return f"is not needed with {self.mode_said}, which leaves such pixels out anyway; omit it"
        return super().idle(option)


@dataclass(frozen=True)
class TestCommand(ModelCommand):
    """Test a trained model: predictions, scores beside trivial predictions, an overview picture."""

    first = (
        *("name", "eval", "epoch", "phase", "dataroot", "full_slice", "num_test", "uncertainty", "draws"),
        *("dataset_mode", "save_name", "x_ind", "y_ind", "gpu_ids"),
    )

    run: TestRunOptions = TestRunOptions()
    data: DataOptions = DataOptions()
    test: TestOptions = TestOptions()
    volume: VolumeOptions = VolumeOptions()
    trust: TrustOptions = TrustOptions()
    drawn: DrawOptions = DrawOptions()
    figure: FigureOptions = FigureOptions()

    @property
    def dataset_mode(self) -> str:
        """The data set that is tested on."""
        return self.data.dataset_mode


@dataclass(frozen=True)
class AppliedCommand(ModelCommand):
    """A command that applies a trained model to images or volumes."""

    data: ImagesDataOptions = ImagesDataOptions()

    def check_given(self, given: Iterable[str]) -> None:
        """As `Command.check_given`; no file says whether it is TXM or SEM, so that who means SEM must say so."""
        super().check_given(given)
        if self.model.model == "segmentation" and self.data.seg_mode == "sem" and "seg_mode" not in given:
            raise UserError(
                f"the model {run_name(self)} was trained to segment SEM, and the input is taken for TXM; pass "
                "--seg_mode semfake --seg_source NAME to segment the SEM that the translation model NAME predicts from "
                "it, or --seg_mode sem if it is SEM"
            )


@dataclass(frozen=True)
class VolumeCommand(AppliedCommand):
    """Translate a whole TXM volume with a trained model.

    The name of OUTPUT says the format: OME-Zarr (.ome.zarr), OME-TIFF (.tif), MetaImage (.mha, .mhd) or NRRD (.nrrd).
    INPUT may be the address of a Zarr (s3://, gs://, https://), OUTPUT that of an OME-Zarr (s3://, gs://).

    A segmentation model writes the number of the class of each voxel: 0 neither, 1 low density, 2 high density, and 255
    where nothing was imaged; as labels beside the image that was segmented (OME-Zarr), or as TIFF with a colour map.
    """

    places = "INPUT OUTPUT"
    addressed = (0, 1)
    first = (
        *("name", "voxel_size", "roi", "truth", "dtype", "uncertainty", "draws", "z_blend", "memory", "workers"),
        "dry_run",
    )

    run: VolumeRunOptions = VolumeRunOptions(name="")
    data: VolumeDataOptions = VolumeDataOptions()
    volume: WholeVolumeOptions = WholeVolumeOptions()
    trust: TrustOptions = TrustOptions()
    drawn: DrawOptions = DrawOptions()
    figure: FigureOptions = FigureOptions()


@dataclass(frozen=True)
class TranslateCommand(AppliedCommand):
    """Translate single TXM images with the model that comes along, or with the trained model that --name names.

    A segmentation model writes the number of the class of each pixel: 0 neither, 1 low density, 2 high density, and 255
    where nothing was imaged, as TIFF with a colour map.
    """

    places = "INPUT OUTPUT"
    first = ("grey", "draws", "memory", "name", "epoch", "checkpoints_dir", "gpu_ids")

    run: ImagesRunOptions = ImagesRunOptions(name="")
    data: ImagesDataOptions = ImagesDataOptions()
    translate: TranslateOptions = TranslateOptions()
    drawn: DrawOptions = DrawOptions()


@dataclass(frozen=True)
class RepairCommand(ModelCommand):
    """Repair charged SEM slices by kriging, or with the trained model that --name names."""

    places = "SEM_FOLDER OUT_FOLDER"
    first = ("txm", "charge", "saturation", "min_area", "dilation", "texture", "name")

    run: RepairRunOptions = RepairRunOptions(name="")
    model: RepairGeneratorOptions = RepairGeneratorOptions(model="repair")
    data: RepairDataOptions = RepairDataOptions()
    repair: RepairOptions = RepairOptions()
    figure: FigureOptions = FigureOptions()

    @property
    def dataset_mode(self) -> str:
        """The data set that a repair model is trained on."""
        return "image_repair"

    def idle(self, option: Field[Any]) -> str:
        """As `Command.idle`; kriging and a network have few options in common."""
        if self.run.name:
            if option.name == "texture":
                return "belongs to kriging; leave it out, or leave out --name"
            return super().idle(option)
        if option.name in OF_KRIGING or (option.name == "seed" and self.repair.texture):
            return ""
        return "does nothing in a repair by kriging; leave it out, or name a trained model with --name"


@dataclass(frozen=True)
class CheckCommand(Command):
    """Look at a data root before any training; pass the options of the data that the training will have."""

    places = "DATA"
    first = ("output", "patch_size", "sample_name", "y_misalign", "x_misalign", "max_dataset_size")

    check: CheckOptions = CheckOptions()
    data: CheckDataOptions = CheckDataOptions()
    figure: FigureOptions = FigureOptions()


@dataclass(frozen=True)
class AlignCommand(Command):
    """Lay the slices of a SEM upon those of a TXM, and write a data root; or refine one that exists."""

    places = "TXM SEM OUTPUT, or DATA OUTPUT"
    first = (
        *("transform", "charge", "lowdensity", "highdensity", "txm_voxel_size", "sem_pixel_size", "landmarks"),
        *("search_angle", "tilt", "val", "test"),
    )

    align: AlignOptions = AlignOptions()
    figure: FigureOptions = FigureOptions()


@dataclass(frozen=True)
class MeasureCommand(Command):
    """Measure the phases of a volume: how much there is of each, how it hangs together, how large, how it conducts.

    INPUT is a volume of labels, one of grey values with --thresholds or --method otsu, or, with --name, one that the
    model is applied to first; or the address of a Zarr (s3://, gs://, https://). OUTPUT is a new folder.
    """

    places = "INPUT OUTPUT"
    addressed = (0,)
    first = ("name", "thresholds", "method", "voxel_size", "roi", "phases", "measured", "compare", "memory", "workers")

    measure: MeasureOptions = MeasureOptions()
    figure: PageFigureOptions = PageFigureOptions()


@dataclass(frozen=True)
class ReportCommand(Command):
    """Write a page about a run: what it is, its scores and images, how to do it again."""

    places = "RUN"

    report: ReportOptions = ReportOptions()
    run: PlaceOptions = PlaceOptions()
    figure: PageFigureOptions = PageFigureOptions()


@dataclass(frozen=True)
class CompareCommand(Command):
    """Write a page about several runs, side by side."""

    places = "RUN RUN ..."

    compare: CompareOptions = CompareOptions()
    run: PlaceOptions = PlaceOptions()
    figure: PageFigureOptions = PageFigureOptions()


@dataclass(frozen=True)
class SweepCommand(Command):
    """Train and test many models by a plan, and put what is found of them into one table.

    PLAN is a file (YAML), or one that comes along: paper, all models, with Jacobian penalties from 0 to 1e-3; or shale,
    the recipes and an SRGAN, with every slice left out in turn.
    """

    places = "PLAN"
    first = ("dataroot", "jobs", "gpu_ids", "only", "dry_run", "table_only", "slurm", "output")

    sweep: SweepOptions = SweepOptions()
    run: PlaceOptions = PlaceOptions()
    figure: FigureOptions = FigureOptions()


@dataclass(frozen=True)
class ExportCommand(Command):
    """Write a trained model as one file, for colleagues and for other programs; without NAME the one that comes along.

    OUTPUT.zip is a model of BioImage.IO with everything that this program needs, too: pass it as --name. OUTPUT.onnx is
    the network alone, from grey values to grey values, with OUTPUT.npz: an input and its output, to be checked with.
    """

    places = "[NAME] OUTPUT"
    first = ("author", "license", "citation", "epoch", "checkpoints_dir")

    export: ExportOptions = ExportOptions()
    run: PlaceOptions = PlaceOptions()


@dataclass(frozen=True)
class LoadCommand(Command):
    """Take a model that somebody else has exported among your own. To use it once, pass the file as --name instead."""

    places = "FILE"

    run: ModelPlaceOptions = ModelPlaceOptions()


@dataclass(frozen=True)
class PhantomCommand(Command):
    """Write a synthetic shale data set, to try things with and to know the truth of."""

    places = "FOLDER"
    first = ("size", "depth", "train_slices", "test_slices", "seed", "porosity", "unaligned", "sem_from")

    phantom: PhantomOptions = PhantomOptions()
    seen: SeenOptions = SeenOptions()

    def idle(self, option: Field[Any]) -> str:
        """As `Command.idle`; a real rock is as it is."""
        if self.seen.sem_from is not None and option.name not in OF_REAL_ROCK:
            return "does nothing with --sem_from, whose slices are the rock; leave one of them out"
        return super().idle(option)


COMMANDS: Mapping[str, Command] = {
    "translate": TranslateCommand(),
    "align": AlignCommand(),
    "check": CheckCommand(),
    "train": TrainCommand(),
    "test": TestCommand(),
    "report": ReportCommand(),
    "compare": CompareCommand(),
    "sweep": SweepCommand(),
    "volume": VolumeCommand(),
    "measure": MeasureCommand(),
    "repair": RepairCommand(),
    "export": ExportCommand(),
    "load": LoadCommand(),
    "phantom": PhantomCommand(),
}
"""The commands by their names, each with its defaults."""

ALIASES = {"dataset": "dataset_mode"}
"""Other names of options; a command that has an option of that name means that one."""


def check_known(command: Command, names: Iterable[str]) -> None:
    """Check that a command has options of these names.

    Raises:
        UserError: it lacks one; which commands have it is said, or which name is near.
    """
    own = [option.name for _, option, _ in fields_of(command)]
    program = program_of(command)
    for name in names:
        if name in own:
            continue
        others = [f"txm2sem {other}" for other, has in COMMANDS.items() if name in to_mapping(has)]
        if others:
            raise UserError(f"--{name} does nothing in {program}; it belongs to {', '.join(others)}")
        advice = nearest(f"--{name}", [f"--{other}" for other in own]) or f"; {program} --help_all lists them all"
        raise UserError(f"{program} has no option --{name}{advice}")


def program_of(command: Command) -> str:
    """Return how a command is called."""
    return next(f"txm2sem {name}" for name, other in COMMANDS.items() if type(other) is type(command))


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
    name: understood(TrainCommand(), read_written(_RECIPES / f"{name}.yaml", "install the program again"))
    for name in get_args(RecipeName)
    if name != "none"
}
"""The options of each `--recipe`, over those of `MODEL_DEFAULTS`."""

IDENTITY = frozenset(
    {
        *("name", "suffix", "checkpoints_dir", "results_dir", "continue_train", "verbose"),
        *("gpu_ids", "num_threads", "num_nodes", "node_timeout"),
    }
)
"""Options that say which run and which machine; they are never taken from the run's saved options."""


def run_name(command: ModelCommand) -> str:
    """Return the experiment's name with its suffix filled in.

    Raises:
        UserError: there is no name, or the suffix has something else than names of options in its braces.
    """
    return name_of(to_mapping(command))


def name_of(options: Mapping[str, Any]) -> str:
    """Return the name of the run with these options, as `run_name`."""
    name, suffix = check_name(options["name"], "--name"), options["suffix"]
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
