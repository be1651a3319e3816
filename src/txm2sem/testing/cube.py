"""Test a model on a volume: predict a cube slice by slice, and measure how continuous it is along z."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from torch import Tensor

from txm2sem.data import (
    AlignedSlices,
    Cube,
    EvaluationPatches,
    GreyRange,
    TiffStack,
    check_translates_txm,
    choose_cube,
    has_split,
    middle_channel,
    open_full_stack,
    open_truth,
    resolve_stack_range,
    to_uint8,
)
from txm2sem.data.pixel_side import Sides, voxel_sides
from txm2sem.data.readers.voxel_size import square_side
from txm2sem.data.txm_input import TxmInput
from txm2sem.devices import device_of
from txm2sem.errors import UserError
from txm2sem.figures.cuts import Cuts, draw_cuts
from txm2sem.files import check_name, json_text, write_text, write_whole
from txm2sem.metrics import Continuity
from txm2sem.networks import check_patch_size
from txm2sem.options import DataOptions, TestCommand, to_mapping
from txm2sem.progress import progress_bar
from txm2sem.results import NewResults
from txm2sem.scoring.card import Scorecard
from txm2sem.scoring.continuity import PREDICTION, TRUTH, TXM, continuity_table, continuity_values
from txm2sem.scoring.evaluation import Prediction, fit_trivial_predictions
from txm2sem.scoring.phases import Phases, fit_phases
from txm2sem.testing.harness import Found, Subject, Test
from txm2sem.testing.images import stretch, write_png
from txm2sem.testing.scores import perceptual_or_none, write_scores

LAGS = 16
"""Largest lag of the autocorrelations [pixels]."""

Volume = NDArray[np.uint8]


class CubeTest(Test[NDArray[np.uint8]]):
    """Predicts a cube of the full TXM stack, slice by slice, each on its own as the original code does."""

    progress = ("predicting", "slice")

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        self.source = Source.open(subject.command)
        self.volumes = self.source.known_volumes()
        self.inside = self.source.inside()
        outside = 1 - float(self.inside.mean())
        if outside > 0:
            subject.notes.append(
                f"{outside:.2%} of the voxels are 0, so outside the field of view, and take no part in these numbers"
            )
        subject.notes.extend(subject.model.notes)
        self.count = self.source.cube.size

    @property
    def kept(self) -> Collection[int]:
        """All slices: they are the volume."""
        return range(self.count)

    @classmethod
    def save_name(cls, command: TestCommand) -> str:
        """Return the name of the test, see `Test.save_name`."""
        return command.volume.save_name

    @classmethod
    def check(cls, command: TestCommand) -> list[str]:
        """Check that the options fit each other; return what one must know of them, see `Test.check`."""
        check_name(command.volume.save_name, "--save_name")
        check_translates_txm(command.model, command.data)
        data, notes = command.data, []
        check_patch_size(command.model, data.patch_size)
        if not command.test.eval:
            notes.append("so without --eval each slice is translated differently, which counts as change along z")
        if data.preprocess not in ("none", "crop"):
            notes.append(
                f"the model was trained with --preprocess {data.preprocess}, on patches of {data.patch_size} pixels "
                f"scaled to {data.load_size}; the volume is translated as it is, not scaled"
            )
        return notes

    def predict(self, new: NewResults) -> Iterator[NDArray[np.uint8]]:
        """Translate the slices (y, x), with 0 to 255, yielding each as it is done."""
        z, row, column = self.source.cube.first
        for index in range(self.count):
            predictor = self.subject.model.predictor.at((z + index, row, column))
            yield to_uint8(predictor(self.source.network_input(index))[0, 0])

    def finish(self, results: list[NDArray[np.uint8]], new: NewResults) -> Found:
        """Write the volumes, their continuity along z and, where the truth is known, the scores of their slices."""
        subject, source, name = self.subject, self.source, self.subject.command.volume.save_name
        # In the order of tables and pictures.
        volumes = {TXM: self.volumes[TXM], PREDICTION: np.stack(results)} | self.volumes
        lags = min(LAGS, self.count - 1)
        measured = {key: Continuity.of(volume, lags, self.inside) for key, volume in volumes.items()}
        for content, key in (("pred", PREDICTION), ("txm", TXM), ("sem", TRUTH)):
            if key == PREDICTION or (subject.command.volume.save_txm and key in volumes):
                for index, image in enumerate(volumes[key]):
                    stretched = stretch(image, subject.command.test.aspect_ratio)
                    write_png(new.paths.volume_slice(content, name, index), stretched)
                write_stack(new.paths.volume_stack(content, name), volumes[key])
        continuity = {
            "epoch": subject.model.label,
            "stack": str(source.txm.folder),
            "size": self.count,
            "first": {"z": source.cube.z, "row": source.cube.row, "column": source.cube.column},
            "share_in_field_of_view": self.inside.mean(),
            "voxel_size_nm": list(source.voxel_size),
            "lags": list(range(1, lags + 1)),
            "volumes": continuity_values(measured),
        }
        written = json_text(continuity, options=to_mapping(subject.command))
        write_text(new.paths.continuity(name, ".json"), written)
        cuts = {
            key: Cuts.through(volume.__getitem__, volume.shape, source.cube.first) for key, volume in volumes.items()
        }
        figure = draw_cuts(cuts, measured, f"{subject.model.name} on {source.txm.folder}", source.voxel_size)
        paths = subject.model.paths
        more = [f"volume:   {paths.volume('pred', name)} and {paths.volume_stack('pred', name).name}"]
        lines, scores = [source.place(), continuity_table(measured, source.voxel_size)], dict[str, Any]()
        tables: list[str] = []
        pictures: list[Path] = []
        if TRUTH in volumes:
            tables, scores = self._score(volumes, new)
            pictures = [new.scores(".png")]
        return Found("", lines, figure, scores, more, tables, pictures)

    def _score(self, volumes: Mapping[str, Volume], new: NewResults) -> tuple[list[str], dict[str, Any]]:
        """Score the slices like the images of a test, and return what `write_scores` does."""
        subject, source, command = self.subject, self.source, self.subject.command
        txm_range, sem_range = str(source.txm_input.grey), str(source.sem_range)
        # Of neighbouring slices, nothing is fitted on.
        data = dataclasses.replace(command.data, txm_range=txm_range, sem_range=sem_range, context_slices=0)
        trivial, phases, notes = fit_on_training(command.run.dataroot, data)
        distance = perceptual_or_none(device_of(command.run.gpu_ids))
        known = [side for side in source.voxel_size[1:] if side is not None]
        pixel_size = square_side(known) if known else None
        card = Scorecard(phases, distance, one_volume=True, pixel_size=pixel_size)
        txm, truth = source.grey_volume(), volumes[TRUTH]
        for z in progress_bar(range(self.count), desc="scoring", unit="slice"):
            if self.inside[z].any():
                shown: dict[str, Any] = {subject.model_kind: volumes[PREDICTION][z], "raw TXM": volumes[TXM][z]}
                shown |= {name: to_uint8(predict(txm[z])) for name, predict in trivial.items()}
                card.add(source.cube.z + z, shown, truth[z], self.inside[z])
        lines, scores = write_scores(
            *(new.scores, card, subject.about, "SEM"), has_masks=False, figures=command.figure.figures
        )
        subject.notes.extend(notes)
        return lines, scores


def fit_on_training(dataroot: Path, options: DataOptions) -> tuple[dict[str, Prediction], Phases | None, list[str]]:
    """Return trivial predictions and phases, fitted on patches of the training split; or none, and a note why."""
    missing = "so constant and linear predictions, and the phases of the rock, are left out"
    if not has_split(dataroot, "train"):
        return {}, None, [f"{dataroot} has no training split, {missing}"]
    try:
        training = EvaluationPatches(AlignedSlices.open(dataroot, "train", options), options)
        return fit_trivial_predictions(training), fit_phases(training), []
    except UserError as error:
        return {}, None, [f"the training split cannot be used, {missing}: {error}"]


@dataclass(frozen=True)
class Source:
    """The cube of the full stacks that a test is about.

    Attributes:
        txm: the TXM's full stack.
        truth: the SEM's, where it is known.
        cube: which part of them.
        txm_input: how the model sees the TXM.
        sem_range: grey values of the SEM; None without truth.
        context: neighbours of a slice that the network sees on each side.
    """

    txm: TiffStack
    truth: TiffStack | None
    cube: Cube
    txm_input: TxmInput
    sem_range: GreyRange | None
    context: int

    @classmethod
    def open(cls, command: TestCommand) -> Source:
        """Open the stacks and choose the cube as the options say.

        Raises:
            UserError: a stack is missing, damaged or too small, or a grey range is wrong.
        """
        root, phase, data = command.run.dataroot, command.test.phase, command.data
        txm = open_full_stack(root, phase, data)
        truth = open_truth(root, phase, data, txm)
        return cls(
            txm=txm,
            truth=truth,
            cube=choose_cube(txm, data.patch_size, command.volume, command.run.seed, data.context_slices),
            txm_input=TxmInput.of(data, resolve_stack_range(data, txm, "txm")),
            sem_range=None if truth is None else resolve_stack_range(data, truth, "sem"),
            context=data.context_slices,
        )

    @property
    def voxel_size(self) -> Sides:
        """Of a voxel, as far as the files say it."""
        return voxel_sides(self.txm)

    def network_input(self, index: int) -> Tensor:
        """Return a slice of the TXM as a network sees it, (1, 2 * context + 1, H, W) float32 in [-1, 1]."""
        return self.txm_input(self.cube.channels_of(self.txm, index, self.context))[None]

    def known_volumes(self) -> dict[str, Volume]:
        """Return the TXM and, where it is known, the truth, (z, y, x) with 0 to 255, by their names.

        Raises:
            UserError: a slice is damaged.
        """
        volumes = {TXM: to_uint8(self.grey_volume())}
        truth, grey = self.truth, self.sem_range
        if truth is not None and grey is not None:
            volumes[TRUTH] = self._cube_of(
                lambda index: to_uint8(grey.normalise(self.cube.slice_of(truth, index))), np.uint8
            )
        return volumes

    def grey_volume(self) -> NDArray[np.float32]:
        """Return the TXM as a network sees it, (z, y, x) in [-1, 1]."""
        return self._cube_of(lambda index: middle_channel(self.network_input(index))[0].numpy(), np.float32)

    def inside(self) -> NDArray[np.bool_]:
        """Return which voxels (z, y, x) are in the field of view: not 0 in the TXM, nor in the truth.

        Raises:
            UserError: none is.
        """
        stacks = [stack for stack in (self.txm, self.truth) if stack is not None]
        inside = self._cube_of(
            lambda index: np.all([self.cube.slice_of(stack, index) != 0 for stack in stacks], axis=0), np.bool_
        )
        if not inside.any():
            raise UserError(
                f"the cube is empty: {self.place()} are 0 throughout; pass --x_ind, --y_ind and --z_ind of a place in "
                "the field of view"
            )
        return inside

    def place(self) -> str:
        """Say where the cube is, with the options that give it again."""
        cube = self.cube
        last = cube.size - 1
        names = f"{self.txm.paths[cube.z].name} to {self.txm.paths[cube.z + last].name}"
        return (
            f"{cube.size} x {cube.size} x {cube.size} pixels (z, y, x) of {self.txm.folder}: slices {names} "
            f"(--z_ind {cube.z}), rows {cube.row} to {cube.row + last} (--y_ind {cube.row}), columns {cube.column} to "
            f"{cube.column + last} (--x_ind {cube.column})"
        )

    def _cube_of(self, image: Callable[[int], NDArray[Any]], dtype: Any) -> NDArray[Any]:
        size = self.cube.size
        volume = np.empty((size, size, size), dtype)
        for index in range(size):
            volume[index] = image(index)
        return volume


def write_stack(path: Path, volume: Volume) -> None:
    """Write a volume (z, y, x) as one TIFF file, which Fiji opens as a stack, whole or not at all."""
    write_whole(path, lambda buffer: tifffile.imwrite(buffer, volume, imagej=True, metadata={"axes": "ZYX"}))
