"""Test a model on a volume: predict a cube slice by slice, and measure how continuous it is along z."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from txm2sem.data import (
    Cube,
    GreyRange,
    TiffStack,
    check_translates_txm,
    choose_cube,
    middle_channel,
    open_full_stack,
    open_truth,
    resolve_stack_range,
    to_uint8,
)
from txm2sem.data.txm_input import TxmInput
from txm2sem.devices import device_of
from txm2sem.errors import UserError
from txm2sem.figures.cuts import Cuts, draw_cuts
from txm2sem.figures.overview import save_figure
from txm2sem.files import check_name, json_text, write_text, write_whole
from txm2sem.metrics import Continuity
from txm2sem.networks import check_patch_size
from txm2sem.options import TestCommand
from txm2sem.results import NewResults
from txm2sem.runs import RunPaths, paths_of
from txm2sem.scoring.continuity import PREDICTION, TRUTH, TXM, continuity_table, continuity_values
from txm2sem.testing.cube_scores import FromTraining, score_cube
from txm2sem.testing.results import (
    TestReport,
    checkpoint_label,
    load_model,
    notes_on_statistics,
    seeded,
    stretch,
    write_png,
    write_test_options,
)
from txm2sem.testing.scores import perceptual_or_none, write_scores

LAGS = 16
"""Largest lag of the autocorrelations [pixels]."""

Volume = NDArray[np.uint8]


def test_volume(command: TestCommand) -> TestReport:
    """Predict a cube of the full TXM stack, measure its continuity, and write both into `results_dir/NAME`.

    Earlier results of the same `save_name` are moved into a dated folder beside it, when the new ones are whole.

    Raises:
        UserError: data, options, checkpoint or device do not allow it; nothing is moved then.
    """
    paths, label, name = paths_of(command), checkpoint_label(command), command.volume.save_name
    check_name(name, "--save_name")
    new = NewResults(paths, name)
    check_translates_txm(command.model, command.data)
    check_patch_size(command.model, command.data.patch_size)
    model = load_model(command)
    source = Source.open(command)
    volumes = source.known_volumes()
    inside = source.inside()
    with seeded(command):
        prediction = predict_slices(model.predictor, source)
    # In the order of tables and pictures.
    volumes = {TXM: volumes[TXM], PREDICTION: prediction} | volumes
    lags = min(LAGS, source.cube.size - 1)
    measured = {key: Continuity.of(volume, lags, inside) for key, volume in volumes.items()}

    with new.begin():
        for content, key in (("pred", PREDICTION), ("txm", TXM), ("sem", TRUTH)):
            if key == PREDICTION or (command.volume.save_txm and key in volumes):
                for index, image in enumerate(volumes[key]):
                    write_png(new.paths.volume_slice(content, name, index), stretch(image, command.test.aspect_ratio))
                write_stack(new.paths.volume_stack(content, name), volumes[key])
        title = f"{paths.name} (epoch {label}) on {source.txm.folder}"
        cuts = {
            key: Cuts.through(volume.__getitem__, volume.shape, source.cube.first) for key, volume in volumes.items()
        }
        save_figure(draw_cuts(cuts, measured, title), new.paths.volume_figure(name))
        notes = [*notes_on_volume(command, inside), *model.notes]
        lines = [
            source.place(),
            continuity_table(measured),
            *(f"note: {note}" for note in notes),
            f"volume:   {paths.volume('pred', name)} and {paths.volume_stack('pred', name).name}",
        ]
        write_text(
            new.paths.continuity(name, ".txt"), "\n".join([f"{paths.name} (epoch: {label})", *lines[:-1]]) + "\n"
        )
        write_text(new.paths.continuity(name, ".json"), continuity_json(measured, source, label, inside))
        pictures, scores = [paths.volume_figure(name)], dict[str, Any]()
        if TRUTH in volumes:
            said, scores = write_cube_scores(command, new.paths, source, volumes, inside)
            lines += said
            pictures.append(paths.volume_scores(name, ".png"))
        write_test_options(command, new.paths.volume_options_text(name))
        return TestReport(paths, lines, pictures, scores, new.finish())


def write_cube_scores(
    command: TestCommand, paths: RunPaths, source: Source, volumes: Mapping[str, Volume], inside: NDArray[np.bool_]
) -> tuple[list[str], dict[str, Any]]:
    """Score the slices of a cube whose truth is known, write that, and return what `write_scores` does."""
    name = command.volume.save_name
    data = dataclasses.replace(command.data, txm_range=str(source.txm_input.grey), sem_range=str(source.sem_range))
    known = FromTraining.fit(command.run.dataroot, data)
    card = score_cube(
        {f"model {paths.name}": volumes[PREDICTION], "raw TXM": volumes[TXM]},
        source.grey_volume(),
        volumes[TRUTH],
        inside,
        known,
        perceptual=perceptual_or_none(device_of(command.run.gpu_ids)),
        first=source.cube.z,
    )
    about = {"model": paths.name, "epoch": checkpoint_label(command), "split": command.test.phase}
    lines, scores = write_scores(partial(paths.volume_scores, name), card, about, "SEM", has_masks=False)
    return lines + [f"note: {note}" for note in known.notes], scores


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


def predict_slices(predict: Callable[[Tensor], Tensor], source: Source) -> Volume:
    """Translate a cube slice by slice, each on its own as the original code does; (z, y, x) with 0 to 255."""
    size = source.cube.size
    volume = np.empty((size, size, size), np.uint8)
    for index in tqdm(range(size), desc="predicting", unit="slice", disable=None):
        volume[index] = to_uint8(predict(source.network_input(index))[0, 0])
    return volume


def write_stack(path: Path, volume: Volume) -> None:
    """Write a volume (z, y, x) as one TIFF file, which Fiji opens as a stack, whole or not at all."""
    write_whole(path, lambda buffer: tifffile.imwrite(buffer, volume, imagej=True, metadata={"axes": "ZYX"}))


def notes_on_volume(command: TestCommand, inside: NDArray[np.bool_]) -> list[str]:
    """Return what the user must know to read the numbers."""
    notes = notes_on_statistics(command)
    if not command.test.eval:
        notes.append("so without --eval each slice is translated differently, which counts as change along z")
    data = command.data
    if data.preprocess not in ("none", "crop"):
        notes.append(
            f"the model was trained with --preprocess {data.preprocess}, on patches of {data.patch_size} pixels scaled "
            f"to {data.load_size}; the volume is translated as it is, not scaled"
        )
    outside = 1 - float(inside.mean())
    if outside > 0:
        notes.append(
            f"{outside:.2%} of the voxels are 0, so outside the field of view, and take no part in these numbers"
        )
    return notes


def continuity_json(measured: Mapping[str, Continuity], source: Source, label: str, inside: NDArray[np.bool_]) -> str:
    """Return the continuity of volumes for programs; null stands where a number is not defined."""
    cube, txm = source.cube, measured[TXM]
    return json_text(
        {
            "epoch": label,
            "stack": str(source.txm.folder),
            "size": cube.size,
            "first": {"z": cube.z, "row": cube.row, "column": cube.column},
            "share_in_field_of_view": inside.mean(),
            "lags": list(range(1, len(txm.along_z) + 1)),
            "volumes": continuity_values(measured),
        }
    )
