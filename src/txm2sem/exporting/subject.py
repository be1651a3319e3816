"""What is exported: a model, as the options name it, with what its channels are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.data import GreyRange
from txm2sem.data.classes import CLASSES
from txm2sem.data.grey import trained_range
from txm2sem.data.slices import ImageName
from txm2sem.data.txm_input import TxmInput
from txm2sem.errors import UserError
from txm2sem.exporting.network import ExportedNetwork
from txm2sem.filling.network import fill
from txm2sem.model.first_stage import source_paths
from txm2sem.model.model import Model
from txm2sem.model.segmenter import Segmenter, load_applied
from txm2sem.model.statistics import depend_on_tile
from txm2sem.networks import Chain
from txm2sem.options import ExportCommand, GeneratorOptions, RepairCommand, VolumeCommand
from txm2sem.resolving import of_shipped_model, resolve
from txm2sem.runs import RunPaths, check_has_options, label_of, read_options

Image = NDArray[np.float32]


@dataclass(frozen=True)
class ExportedChannel:
    """A channel of what a network takes, or returns.

    Attributes:
        name: of it.
        grey: the grey values that are black and white; None where its numbers are no grey values.
        folder: of a test's patches of it, see `IMAGE_FOLDERS`.
    """

    name: str
    grey: GreyRange | None
    folder: str = ""

    @property
    def range(self) -> tuple[float, float]:
        """The values that are -1 and 1 for the network; what is no grey value stays as it is."""
        return (-1.0, 1.0) if self.grey is None else (self.grey.low, self.grey.high)


@dataclass(frozen=True)
class Exported:
    """What is exported.

    Attributes:
        model: the model.
        trained: the options that it was trained with.
        seen: channels of what it takes.
        shown: channels of what it returns.
        predict: what this program makes of seen channels, (C, N, N) to (D, N, N), N as `whole` returns it.
    """

    model: Model
    trained: Mapping[str, Any]
    seen: tuple[ExportedChannel, ...]
    shown: tuple[ExportedChannel, ...]
    predict: Callable[[Image], Image]

    @classmethod
    def of(cls, command: ExportCommand, name: str) -> Exported:
        """Return what a command exports; without a name, the model that comes along.

        Raises:
            UserError: there is no such model, or it cannot be computed by one network, everywhere alike.
        """
        own = {"name": name, "checkpoints_dir": command.run.checkpoints_dir} if name else {}
        given = {**of_shipped_model(own), "gpu_ids": "-1"}
        paths = RunPaths.of(given["name"], Path(given["checkpoints_dir"]), command.run.results_dir)
        check_has_options(paths)
        trained = read_options(paths.options)
        _check_alike(trained, name or paths.name)
        label = label_of(command.export.epoch, command.export.load_iter)
        subject = (_repair if trained.get("model") == "repair" else _applied)(given, trained, label)
        subject = replace(subject, model=replace(subject.model, paths=paths))
        if subject.model.options.draws_noise:
            raise UserError(
                f"{paths.name} draws samples (--netG {subject.model.options.netG}): it takes noise beside the image, "
                "which other programs do not have; export another model, or hand on the run's folder"
            )
        if depend_on_tile(subject.model.predictor.generator):
            raise UserError(
                f"{paths.name} was trained with --norm instance: what it makes of a pixel depends on how large the "
                "image is, and other programs would find something else than this one; export one with --norm batch, "
                "or hand on the run's folder"
            )
        return subject

    @property
    def paths(self) -> RunPaths:
        """Of its run."""
        return self.model.paths

    @property
    def chain(self) -> Chain:
        """The networks that an image goes through."""
        return self.model.predictor.chain

    def whole(self, side: int) -> int:
        """Return the next larger side of images that may be exported with [pixels]."""
        return self.chain.whole(max(side, self.smallest))

    @property
    def smallest(self) -> int:
        """The sides of images at least, so that something is left without the halo [pixels]."""
        return self.chain.whole(max(self.chain.smallest_side, 2 * self.chain.receptive_field + 1))

    @property
    def first_stage(self) -> RunPaths | None:
        """The run that predicts what this one segments, where one does."""
        if self.trained.get("seg_mode") != "semfake" or not self.model.segments:
            return None
        return source_paths(self.paths.checkpoints.parent, self.trained["seg_source"])

    @property
    def takes_grey(self) -> bool:
        """Whether the network has to scale grey values itself: grain depends on their last digit."""
        return any(options.draws_grain for options in self.chain.models)

    @property
    def notes(self) -> list[str]:
        """What the user must know of the network."""
        notes = list(self.model.notes)
        if self.model.segments:
            notes.append(
                "where nothing was imaged (grey value 0) this program gives no class, and all probabilities are 0; the "
                "network alone does not look for that"
            )
        if self.model.options.predicts_scale:
            notes.append("the scale of its error is for --uncertainty of this program; the network returns none")
        return notes

    @property
    def settings(self) -> dict[str, Any]:
        """What `ExportedNetwork` is made of but for ranges: plain values by name."""
        predictor, model = self.model.predictor, self.model.data
        calibration = None
        if isinstance(predictor, Segmenter):
            calibration = {name: list(values) for name, values in asdict(predictor.calibration).items()}
        return {"generator": _plain(self.model.options), "gamma": model.gamma, "calibration": calibration}

    @property
    def ranges(self) -> dict[str, Any]:
        """The grey values of its channels, for a network that scales them itself."""
        return {"seen": [one.range for one in self.seen], "shown": [one.range for one in self.shown]}

    def network(self, *, takes_grey: bool) -> ExportedNetwork:
        """Return the network, with its weights and in evaluation mode."""
        predictor, first = self.model.predictor, None
        if isinstance(predictor, Segmenter) and predictor.first_stage is not None:
            stage = predictor.first_stage
            first = ExportedNetwork(_plain(stage.options))
            first.load_state_dict(stage.generator.state_dict())
        network = ExportedNetwork(**self.settings | (self.ranges if takes_grey else {}), first_stage=first)
        network.load_state_dict(predictor.generator.state_dict())
        return network.eval().requires_grad_(False)


def _plain(options: GeneratorOptions) -> dict[str, Any]:
    """Return the options of a generator, without what a larger group has besides."""
    return {field.name: getattr(options, field.name) for field in fields(GeneratorOptions)}


def _check_alike(trained: Mapping[str, Any], name: str) -> None:
    if trained.get("hist_eq", 0):
        raise UserError(
            f"{name} was trained with --hist_eq {trained['hist_eq']}, which equalises each part of an image by what is "
            "in it; no format of models has a word for that: hand on the run's folder"
        )


def _applied(given: Mapping[str, Any], trained: Mapping[str, Any], label: str) -> Exported:
    """Return a model that translates, or segments."""
    asked = {"seg_mode": trained["seg_mode"]} if trained.get("model") == "segmentation" else {}
    command = resolve(VolumeCommand(), {**given, **asked})
    model = load_applied(command, label)
    grey = model.source_range(np.dtype(np.uint8), model.name)
    count = command.data.context_slices
    names = [f"{model.source.upper()}{f', slice {place:+d}' if place else ''}" for place in range(-count, count + 1)]
    if model.segments:
        shown = tuple(ExportedChannel(name, None) for name in CLASSES)
    else:
        sem = _range_of(command.data.sem_range, "sem", model)
        shown = (ExportedChannel("SEM", sem),)
    see = TxmInput.of(model.data, grey)

    def predict(image: Image) -> Image:
        found = model.predictor(see(image)[None])[0].numpy()
        return np.asarray(found[1:] if model.segments else sem.denormalise(found), np.float32)

    return Exported(model, trained, tuple(ExportedChannel(name, grey, model.source) for name in names), shown, predict)


def _repair(given: Mapping[str, Any], trained: Mapping[str, Any], label: str) -> Exported:
    """Return a model that repairs."""
    command = resolve(RepairCommand(), given)
    model, data = Model.load(command, label), command.data
    txm, sem = _range_of(data.txm_range, "txm", model), _range_of(data.sem_range, "sem", model)
    first = () if data.sem_only else (ExportedChannel("TXM", txm, "txm"),)
    seen = (*first, ExportedChannel("SEM", sem, "charged"), ExportedChannel("1 where it is charged", None, "mask"))

    def predict(image: Image) -> Image:
        intact, charged = sem.normalise(image[-2]), image[-1] > 0.5
        other = txm.normalise(image[0]) if first else None
        filled = fill(model.predictor, other, intact, charged, replace(data, patch_size=len(intact)))
        return np.asarray(sem.denormalise(np.where(charged, filled, intact))[None], np.float32)

    return Exported(model, trained, seen, (ExportedChannel("SEM", sem),), predict)


def _range_of(text: str, name: ImageName, model: Model) -> GreyRange:
    """Return the grey values that a model was trained with; those of the original code had 8 bits."""
    return trained_range(text, name, np.dtype(np.uint8), model.name, model.paths.name)
