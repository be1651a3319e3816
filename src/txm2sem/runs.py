"""Every output path of a run, and its options on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, get_args

import yaml

from txm2sem.addresses import Address, AnyPlace, Place
from txm2sem.errors import UserError, listed
from txm2sem.files import check_name, is_there, write_text
from txm2sem.options import (
    FigureKind,
    ModelCommand,
    PlaceOptions,
    TrainCommand,
    override,
    read_written,
    run_name,
    to_mapping,
    understood,
)

IMAGE_FOLDERS = (
    *("txm", "sem", "sem_fake", "txm_fake", "charge", "lowdensity", "highdensity"),
    *("charged", "mask"),
    *("labels", "labels_fake"),
    *("uncertainty", "contradiction"),
)
"""Folders of patches in a run's results, named as the original code names them; the last lines are of repair, of
segmentation, and of where not to believe a prediction. With `_fullslice` behind the name they hold whole slices."""


SHIPPED_MODELS = Path(__file__).with_name("models")
"""Trained models that come with the program, each in a folder as a run has: a `checkpoints_dir` that is only read."""

SHIPPED_TRANSLATION = "translate"
"""The one of them that translates TXM to SEM."""

MODEL_CARD = "MODEL_CARD.md"
"""What such a model is, what it was trained on, and what it can do."""


@dataclass(frozen=True)
class RunPaths:
    """The files of one run, laid out and named as in the original code.

    Args:
        name: the experiment's name, its suffix included.
        checkpoints: folder of the run's networks, options and logs.
        results: folder of the run's test results.
    """

    name: str
    checkpoints: Path
    results: Path

    @classmethod
    def of(cls, name: str, checkpoints_dir: Path, results_dir: Path) -> RunPaths:
        """Return the paths of the run `name` below the two folders.

        Raises:
            UserError: the name cannot be that of a folder.
        """
        check_name(name, "--name")
        return cls(name, checkpoints_dir / name, results_dir / name)

    def network(self, label: str, network: str) -> Path:
        """Return the state dict of a network (`G` or `D`) at a label: `latest`, an epoch, or `iter_N`."""
        return self.checkpoints / f"{label}_net_{network}.pth"

    def calibration(self, label: str) -> Path:
        """Return the ranges with which the generator at a label is computed in 8-bit integers."""
        return self.checkpoints / f"{label}_net_G.int8.json"

    def trust(self, label: str) -> Path:
        """Return what is known of where predictions of the generator at a label can be believed."""
        return self.checkpoints / f"{label}_net_G.trust.json"

    def phases(self, label: str, seg_mode: str) -> Path:
        """Return what brings the probabilities of the segmentation model at a label to mean what they say.

        There is one for each image that it may be given (`--seg_mode`).
        """
        return self.checkpoints / f"{label}_net_G.phases_{seg_mode}.json"

    def spread(self, label: str) -> Path:
        """Return what is known of how far draws of the generator at a label spread."""
        return self.checkpoints / f"{label}_net_G.draws.json"

    @property
    def txm_contrast(self) -> Path:
        """Which grey values the TXM has that the model was trained on."""
        return self.checkpoints / "txm_contrast.json"

    @property
    def txm_noise(self) -> Path:
        """How noisy the TXM is that the model was trained on."""
        return self.checkpoints / "txm_noise.json"

    @property
    def state(self) -> Path:
        """What resuming needs beyond the networks: optimisers, schedule, position."""
        return self.checkpoints / "latest_state.pth"

    @property
    def options(self) -> Path:
        """The resolved options of the training run; testing and resuming read them."""
        return self.checkpoints / "options.yaml"

    @property
    def origin(self) -> Path:
        """What the training was made with: versions, machine, times, and checksums of the data."""
        return self.checkpoints / "origin.json"

    @property
    def train_options_text(self) -> Path:
        """All training options, for people."""
        return self.checkpoints / "train_opt.txt"

    @property
    def test_options_text(self) -> Path:
        """All options of the latest test, for people."""
        return self.results / "test_opt.txt"

    @property
    def course(self) -> Path:
        """The losses and validation scores, one JSON line each; the pages read them."""
        return self.checkpoints / "course.jsonl"

    @property
    def loss_log(self) -> Path:
        """The console's loss lines, for people."""
        return self.checkpoints / "loss_log.txt"

    @property
    def metrics_log(self) -> Path:
        """The validation line of epoch 0 and of every epoch, for people."""
        return self.checkpoints / f"{self.name}_metrics.txt"

    @property
    def displacements(self) -> Path:
        """By how much the training slices' SEM lies beside their TXM, as `--forgive` has learned."""
        return self.checkpoints / "displacements.json"

    @property
    def web_page(self) -> Path:
        """The page of training images and losses."""
        return self.checkpoints / "web" / "index.html"

    def web_image(self, epoch: int, patch: int, name: str) -> Path:
        """Return the page's image `name` at an epoch, after `patch` patches of it."""
        return self.web_page.parent / "images" / f"epoch{epoch:03d}_iter{patch:06d}_{name}.png"

    @property
    def tensorboard(self) -> Path:
        """Folder of TensorBoard's event files."""
        return self.checkpoints / "tensorboard"

    @property
    def evaluation(self) -> Path:
        """The scores of the latest test."""
        return self.results / "eval_metrics.txt"

    @property
    def overview(self) -> Path:
        """The picture of the latest test."""
        return self.results / "overview.png"

    def scores(self, suffix: str) -> Path:
        """Return the scorecard of the latest test: to look at (`.png`), for programs (`.json`, `.csv`)."""
        return self.results / f"scores{suffix}"

    @property
    def report(self) -> Path:
        """The page about the run."""
        return self.results / "report.html"

    def image(self, folder: str, index: int) -> Path:
        """Return the file of evaluation patch `index` in one of `IMAGE_FOLDERS`."""
        return self.results / folder / f"{index:03d}.png"

    def numbers(self, folder: str, index: int) -> Path:
        """Return the file of numbers, not grey levels, of evaluation patch `index` in one of `IMAGE_FOLDERS`."""
        return self.results / folder / f"{index:03d}.tif"

    @property
    def trust_report(self) -> Path:
        """Where the predictions of the latest test can be believed, for programs."""
        return self.results / "trust.json"

    @property
    def trust_figure(self) -> Path:
        """The same to look at: patches with their uncertainty and contradictions."""
        return self.results / "trust.png"

    @property
    def calibration_figure(self) -> Path:
        """The picture of how far the uncertainty of the latest test is right, or its probabilities of classes."""
        return self.results / "calibration.png"

    def volume(self, content: str, save_name: str) -> Path:
        """Return the folder of the slices of a volume; `content` is `pred`, `txm` or `sem`."""
        return self.results / f"volume_{content}_{save_name}"

    def volume_slice(self, content: str, save_name: str, index: int) -> Path:
        """Return the file of slice `index` of a volume, from 0 in z order."""
        return self.volume(content, save_name) / f"{index:03d}.png"

    def volume_stack(self, content: str, save_name: str) -> Path:
        """Return the file that has all slices of a volume."""
        return self.results / f"volume_{content}_{save_name}.tif"

    def volume_figure(self, save_name: str) -> Path:
        """Return the picture of a test on a volume."""
        return self.results / f"volume_{save_name}.png"

    def volume_options_text(self, save_name: str) -> Path:
        """Return all options of a test on a volume, for people."""
        return self.results / f"volume_opt_{save_name}.txt"

    def volume_scores(self, save_name: str, suffix: str) -> Path:
        """Return the scorecard of a volume: to look at (`.png`), for programs (`.json`, `.csv`)."""
        return self.results / f"scores_{save_name}{suffix}"

    def continuity(self, save_name: str, suffix: str) -> Path:
        """Return the continuity of a volume along z: for people (`.txt`) or for programs (`.json`)."""
        return self.results / f"continuity_{save_name}{suffix}"

    def volume_outputs(self, save_name: str) -> list[Path]:
        """Return what a test on a volume writes and an earlier one of that name has left here."""
        outputs = [self.volume_options_text(save_name), *_as_figures(self.volume_figure(save_name))]
        outputs += [self.continuity(save_name, suffix) for suffix in (".txt", ".json")]
        outputs += [self.volume_scores(save_name, suffix) for suffix in (".json", ".csv", ".txt")]
        outputs += _as_figures(self.volume_scores(save_name, ".png"))
        for content in ("pred", "txm", "sem"):
            outputs += [self.volume(content, save_name), self.volume_stack(content, save_name)]
        return [path for path in outputs if path.exists()]

    def test_outputs(self) -> list[Path]:
        """Return what a test writes and an earlier one has left here."""
        outputs = [self.results / f"{folder}{kind}" for folder in IMAGE_FOLDERS for kind in ("", "_fullslice")]
        outputs += [self.evaluation, self.test_options_text, self.report, self.trust_report]
        outputs += [self.scores(suffix) for suffix in (".json", ".csv", ".txt")]
        for figure in (self.overview, self.scores(".png"), self.trust_figure, self.calibration_figure):
            outputs += _as_figures(figure)
        return [path for path in outputs if path.exists()]


def _as_figures(png: Path) -> list[Path]:
    """Return a figure and what may be beside it, the same as vectors."""
    return [png.with_name(f"{png.name.removesuffix('.png')}.{kind}") for kind in get_args(FigureKind)]


def paths_of(command: ModelCommand) -> RunPaths:
    """Return where the run of a command is; results are in the usual place where it has none.

    Raises:
        UserError: it has no name, or none that can be that of a folder.
    """
    results = command.run.results_dir if isinstance(command.run, PlaceOptions) else PlaceOptions.results_dir
    return RunPaths.of(run_name(command), command.run.checkpoints_dir, results)


def check_is_run(paths: RunPaths) -> None:
    """Check that there is anything of a run.

    Raises:
        UserError: there is not.
    """
    if not paths.checkpoints.is_dir() and not paths.results.is_dir():
        there = sorted(path.name for path in paths.checkpoints.parent.glob("*/") if any(path.glob("*_net_G.pth")))
        raise UserError(
            f"there is no run {paths.name}: neither {paths.checkpoints} nor {paths.results} is there. "
            f"{paths.checkpoints.parent} has {listed(there) or 'no runs'}; --checkpoints_dir and --results_dir say "
            "where runs are"
        )


def check_has_options(paths: RunPaths) -> None:
    """Check that it is written what the weights of a run are of.

    Raises:
        UserError: it is not.
    """
    if not paths.options.exists():
        raise UserError(
            f"there is no {paths.options}, so nobody can tell what the weights are of; expected a run of txm2sem "
            "train: check the name and --checkpoints_dir"
        )


def check_is_checkpoint(path: Path) -> None:
    """Check that there are the weights of a network, without reading them.

    Raises:
        UserError: there are not.
    """
    if not path.exists():
        raise UserError(f"there is no checkpoint {path}; {_what_is_there(path)}")
    if not path.is_file():
        raise UserError(f"{path} is not a file; expected network weights there: move it away")


def label_of(epoch: str, load_iter: int) -> str:
    """Return the label of the checkpoint that `--epoch` and `--load_iter` ask for."""
    return f"iter_{load_iter}" if load_iter > 0 else epoch


def trained_with(command: ModelCommand) -> TrainCommand:
    """Return the options that a command's model was trained with; those of the command, where none were saved.

    Raises:
        UserError: the saved options cannot be read.
    """
    saved = paths_of(command).options
    return override(TrainCommand(), {**to_mapping(command), **(read_options(saved) if saved.exists() else {})})


LABELS = "phases"
"""Name of the labels of a segmented volume in its OME-Zarr image."""

VOLUME_SUFFIXES = (".ome.zarr", ".zarr", ".ome.tiff", ".ome.tif", ".tiff", ".tif", ".mha", ".mhd", ".nrrd")
"""What the name of a translated volume may end with: its format."""


def voxels_beside(path: Path) -> Path:
    """Return the file of the voxels that belongs to a header of MetaImage (`.mhd`)."""
    return path.with_suffix(".raw")


@dataclass(frozen=True)
class VolumePaths(Generic[AnyPlace]):
    """The files of a whole volume's translation.

    While it is under way, everything is in the folder `work` beside the output; the output appears when it is whole. In
    object storage, where nothing is renamed, voxels are in their place from the beginning, and `root` is not.

    Args:
        output: the translated volume, a name that ends with one of `VOLUME_SUFFIXES`.
        figures: the kind of figures that is wanted.
    """

    output: AnyPlace
    figures: FigureKind = "png"

    @property
    def suffix(self) -> str:
        """The format of the output, one of `VOLUME_SUFFIXES`; empty where it is none of them."""
        return suffix_of(self.output.name)

    def check(self) -> None:
        """Check that the output can be called so.

        Raises:
            UserError: it cannot.
        """
        check_name(self.output.name, "the output")
        if not self.suffix:
            raise UserError(
                f"{self.output}: expected a name that ends with one of {', '.join(VOLUME_SUFFIXES)}, which says the "
                "format; name it such as predicted.ome.zarr"
            )
        if self.is_remote and "zarr" not in self.suffix:
            raise UserError(
                f"{self.output}: {self.suffix} is one file, and only OME-Zarr is written to object storage; name it "
                "such as predicted.ome.zarr, or write the file here and copy it"
            )

    @property
    def work(self) -> AnyPlace:
        """Folder of what is done so far."""
        return self.output.with_name(f"{self.output.name}.partial")

    @property
    def image(self) -> AnyPlace:
        """The volume so far, as OME-Zarr."""
        return self.output if self.is_remote else self.work / "volume.ome.zarr"

    @property
    def root(self) -> AnyPlace:
        """The metadata that make an image of it, until it is whole."""
        return (self.work if self.is_remote else self.image) / "zarr.json"

    @property
    def result(self) -> AnyPlace:
        """What becomes the output at the end: the file, the folder, or what makes an image of a folder in its place."""
        if "zarr" not in self.suffix:
            return self.stack
        return self.root if self.is_remote else self.image

    @property
    def is_remote(self) -> bool:
        """Whether it is in object storage."""
        return isinstance(self.output, Address)

    @property
    def labels(self) -> AnyPlace:
        """The labels of a segmented volume so far, in that of the image."""
        return self.image / "labels" / LABELS

    @property
    def stack(self) -> AnyPlace:
        """The whole volume in one file, before it is moved into its place."""
        return self.work / f"volume{self.suffix}"

    @property
    def channels(self) -> AnyPlace:
        """The image of a segmented volume with its channels, in one file, before it is moved into its place."""
        return self.work / f"channels{self.suffix}"

    @property
    def probabilities(self) -> AnyPlace:
        """That place, beside a file of labels."""
        return self.output.with_name(f"{self.output.name[: -len(self.suffix)]}_probabilities{self.suffix}")

    @property
    def statistics(self) -> AnyPlace:
        """The normalisation statistics that were estimated on the volume."""
        return self.work / "statistics.pth"

    def along(self, axis: str) -> AnyPlace:
        """Return the volume translated in planes across y or x, which `--z_blend` fuses."""
        return self.work / f"along_{axis}.zarr"

    def block(self, axis: str, index: int) -> AnyPlace:
        """Return the file that says that a block is done, and what was measured in it."""
        return self.work / "blocks" / f"{axis}_{index:05d}.json"

    def report(self, suffix: str) -> AnyPlace:
        """Return the report on the volume, beside it: `.txt` for people, `.json` for programs, `.png` to look at."""
        return report_of(self.output, suffix)

    def growing_report(self, suffix: str) -> AnyPlace:
        """Return where the report is until the volume is whole."""
        return self.work / f"report{suffix}"

    @property
    def reports(self) -> dict[AnyPlace, AnyPlace]:
        """All files of the report: where each grows, and where it belongs."""
        suffixes = dict.fromkeys((".txt", ".json", ".png", f".{self.figures}"))
        return {self.growing_report(suffix): self.report(suffix) for suffix in suffixes}


@dataclass(frozen=True)
class ImagePaths:
    """The files of a translation of single images.

    Args:
        output: the translated image, or the folder of the translated images.
        folder: whether it is a folder.
    """

    output: Path
    folder: bool

    @property
    def picture(self) -> Path:
        """The picture of the translation, beside the output."""
        return report_of(self.output, ".png")

    def channels(self, kind: str) -> Path:
        """Images of several channels beside the output, such as probabilities of classes: an image, or a folder."""
        stem, suffix = (self.output.name, "") if self.folder else (self.output.stem, self.output.suffix)
        return self.output.with_name(f"{stem}_{kind}{suffix}")


def known_report_of(volume: Place) -> Place:
    """Return the `.json` of the report on a volume that there is: earlier versions left the format out of its name."""
    report = volume.with_name(f"{volume.name}_report.json")
    earlier = volume.with_name(f"{volume.name[: len(volume.name) - len(suffix_of(volume.name))]}_report.json")
    return earlier if not is_there(report) and is_there(earlier) else report


def suffix_of(name: str) -> str:
    """Return the format that the name of a volume ends with, one of `VOLUME_SUFFIXES`; empty: none of them."""
    lower = name.lower()
    return next((suffix for suffix in VOLUME_SUFFIXES if lower.endswith(suffix) and lower != suffix), "")


def report_of(output: AnyPlace, suffix: str) -> AnyPlace:
    """Return the report beside an output; outputs of one name in several formats have one each."""
    return output.with_name(f"{output.name}_report{suffix}")


@dataclass(frozen=True)
class CheckPaths:
    """The files of a check of a data root.

    Args:
        output: the folder that they are in.
    """

    output: Path

    @property
    def page(self) -> Path:
        """The report for people, with its pictures in it."""
        return self.output / "report.html"

    @property
    def numbers(self) -> Path:
        """The report for programs."""
        return self.output / "report.json"

    def figure(self, name: str) -> Path:
        """Return a picture of the report."""
        return self.output / "figures" / f"{name}.png"


@dataclass(frozen=True)
class MeasurePaths:
    """The files of a measurement of a volume.

    While it is under way, everything is in the folder `work` beside the output; the output appears when it is whole.

    Args:
        output: the folder that they are in.
    """

    output: Path

    @property
    def document(self) -> Path:
        """What was measured, for programs."""
        return self.output / "measures.json"

    @property
    def table(self) -> Path:
        """Its numbers, one a line, for spreadsheets."""
        return self.output / "measures.csv"

    @property
    def page(self) -> Path:
        """The report for people, with its pictures in it."""
        return self.output / "measures.html"

    @property
    def figures(self) -> Path:
        """Folder of what the page draws, where that is asked for."""
        return self.output / "figures"

    @property
    def volume(self) -> Path:
        """What a model has made of the input."""
        return self.output / "volume.ome.zarr"

    @property
    def work(self) -> Path:
        """Folder of what is done so far."""
        return self.output.with_name(f"{self.output.name}.partial")

    @property
    def growing(self) -> MeasurePaths:
        """The files before they are moved into their place."""
        return MeasurePaths(self.work / "root")

    @property
    def plan(self) -> Path:
        """Which phases there are, and how the volume is cut."""
        return self.work / "plan.json"

    def box(self, name: str) -> Path:
        """Return what was measured of a box of an image."""
        return self.work / "boxes" / f"{name}.npz"

    def diffusion(self, image: int, label: int, axis: str) -> Path:
        """Return what was found of the diffusion in a phase of an image along an axis."""
        return self.work / "diffusion" / f"{image}_{label}_{axis}.json"


@dataclass(frozen=True)
class SweepPaths:
    """The files of a sweep, beside those of its runs.

    Args:
        output: the folder that they are in.
    """

    output: Path

    @property
    def document(self) -> Path:
        """What was found of all runs, for programs."""
        return self.output / "sweep.json"

    @property
    def table(self) -> Path:
        """Its numbers, a line a training with its repeats, for spreadsheets."""
        return self.output / "sweep.csv"

    @property
    def front(self) -> Path:
        """The picture of fidelity over continuity."""
        return self.output / "front.png"

    @property
    def fractions(self) -> Path:
        """The picture of what slices have of each phase by models that have not seen them, beside what is true."""
        return self.output / "fractions.png"

    @property
    def page(self) -> Path:
        """The page that shows runs side by side."""
        return self.output / "compare.html"

    @property
    def script(self) -> Path:
        """What a cluster is to do."""
        return self.output / "sweep.sbatch"

    def plan(self, name: str) -> Path:
        """Return the plan of that name as it was read, which jobs of a cluster read again."""
        return self.output / f"{name}.yaml"

    @property
    def folds(self) -> Path:
        """Folder of the data roots in which slices are left out in turn."""
        return self.output / "folds"

    @property
    def printed(self) -> Path:
        """Folder of what jobs of a cluster print."""
        return self.output / "slurm"

    @property
    def compare_log(self) -> Path:
        """What making the page has printed."""
        return self.output / "compare.log"

    def lock(self, what: str) -> Path:
        """Return the folder of a lock: `sweep`, of one as a whole, or `table`, of who writes that."""
        return self.output / "locks" / what

    def run(self, name: str) -> Path:
        """Return the folder of what a sweep knows of a run."""
        return self.output / "runs" / name

    def record(self, name: str) -> Path:
        """Return what is done of a run."""
        return self.run(name) / "run.json"

    def log(self, name: str, step: str) -> Path:
        """Return what a step of a run has printed."""
        return self.run(name) / f"{step}.log"


def write_options(path: Path, options: dict[str, Any]) -> None:
    """Write options as YAML, for programs."""
    write_text(path, yaml.safe_dump(options, sort_keys=False, allow_unicode=True))


def read_options(path: Path) -> dict[str, Any]:
    """Read the options of a training run, those that the file has, as plain values.

    Raises:
        UserError: the file is not a mapping of options of a training to values of theirs.
    """
    remedy = "restore the file, or train again"
    written = read_written(path, remedy)
    known = to_mapping(TrainCommand())
    unknown = [name[:100] for name in written if name not in known]
    if unknown:
        raise UserError(
            f"{path} has the option {unknown[0]!r}, which this version of the program does not know; a newer one may "
            f"have written it: install that, or {remedy}"
        )
    try:
        values = understood(TrainCommand(), written)
        checked = to_mapping(override(TrainCommand(), values))
    except UserError as error:
        raise UserError(f"{path} is damaged: {error}; {remedy}") from None
    return {name: checked[name] for name in written}


def options_text(options: dict[str, Any], defaults: dict[str, Any]) -> str:
    """Return options as lines for people, those that differ from their default marked with it."""
    lines = ["----------------- Options ---------------"]
    for name, value in options.items():
        note = f"\t[default: {defaults[name]}]" if name in defaults and value != defaults[name] else ""
        lines.append(f"{name:>25}: {value!s:<30}{note}".rstrip())
    lines.append("----------------- End -------------------")
    return "\n".join(lines) + "\n"


def _what_is_there(path: Path) -> str:
    if not path.parent.is_dir():
        return f"nor is there a folder {path.parent}. Train first, or check --name and --checkpoints_dir"
    network = path.stem.rsplit("_net_", 1)[-1]
    there = sorted(file.name for file in path.parent.glob(f"*_net_{network}.pth"))
    return f"{path.parent} holds {', '.join(there) or 'no network'}. Choose with --epoch or --load_iter"
