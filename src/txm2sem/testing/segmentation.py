"""Test a segmentation model: predicted classes, scores beside trivial segmentations, an overview."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from txm2sem.data import AlignedSlices, check_channels, has_split, resolve_ranges, to_uint8
from txm2sem.data.bars import check_bars
from txm2sem.data.segmentation import CLASSES, IGNORED, SegmentationEvaluationPatches
from txm2sem.devices import device_of
from txm2sem.errors import UserError
from txm2sem.figures.labels import LabelResult, draw_labels_overview, write_labels
from txm2sem.figures.overview import rows_to_show, save_figure
from txm2sem.files import json_text, write_text
from txm2sem.metrics import Summary, accuracy, class_summaries, confusion_matrix, dice, iou, pooled, row_shares
from txm2sem.model.first_stage import load_first_stage
from txm2sem.networks import check_patch_size
from txm2sem.options import DataOptions, TestCommand
from txm2sem.results import NewResults
from txm2sem.runs import paths_of, read_options
from txm2sem.scoring.document import means_document
from txm2sem.scoring.evaluation import Image
from txm2sem.scoring.means import Column, Means
from txm2sem.scoring.thresholds import fit_thresholds
from txm2sem.testing.results import (
    TestReport,
    checkpoint_label,
    load_model,
    notes_on_statistics,
    seeded,
    write_images,
    write_test_options,
)

Counts = NDArray[np.int64]
See = Callable[[Tensor], Image]

INPUTS = {"sem": ("SEM", "sem"), "txm": ("TXM", "txm"), "semfake": ("predicted SEM", "sem_fake")}
"""Name and results folder of the image that each `--seg_mode` segments."""


SCORES = tuple(
    {score: Column(f"{score} mean")}
    | {f"{score}_{name.replace(' ', '_')}": Column(name) for name in CLASSES}
    | ({"accuracy": Column("accuracy")} if score == "Dice" else {})
    for score in ("Dice", "IoU")
)


def test_segmentation(command: TestCommand) -> TestReport:
    """Segment and score the fixed patches of a split and fill `results_dir/NAME`.

    The image need not be of the kind that the model was trained on: one trained on SEM may be tested on predicted SEM.
    Earlier results in that folder are moved into a dated folder beside it, when the new ones are whole.

    Raises:
        UserError: data, options, checkpoint or device do not allow it; nothing is moved then.
    """
    paths, label = paths_of(command), checkpoint_label(command)
    check_channels(command.model, command.data)
    check_patch_size(command.model, command.data.patch_size)
    notes = [*notes_on_statistics(command), *notes_on_input(command)]
    predictor = load_model(command, bounded=False).predictor
    slices = AlignedSlices.open(command.run.dataroot, command.test.phase, command.data)
    notes += check_bars(slices)
    data = resolve_ranges(command.data, slices)
    see = input_of(command, data)
    patches = SegmentationEvaluationPatches(slices, data)
    trivial = {}
    if has_split(command.run.dataroot, "train"):
        training = SegmentationEvaluationPatches(AlignedSlices.open(command.run.dataroot, "train", data), data)
        trivial = fit_thresholds((see(item["source"]), item["target"][0].numpy()) for item in training)
        if len(trivial) == 1:
            notes.append("the images have fewer grey values than classes, so thresholds cannot be fitted")
    else:
        notes.append(
            f"{command.run.dataroot} has no training split, so trivial segmentations have nothing to be fitted on and "
            "are left out"
        )
    name, folder = INPUTS[data.seg_mode]
    new = NewResults(paths)
    with new.begin():
        model = f"model {paths.name}"
        confusions: dict[str, list[Counts]] = {kind: [] for kind in (model, *trivial)}
        shown, rows, aspect = set(rows_to_show(len(patches))), [], command.test.aspect_ratio
        with seeded(command):
            for index, item in enumerate(tqdm(patches, total=len(patches), desc="testing", unit="patch", disable=None)):
                image, target = see(item["source"]), item["target"][0].numpy()
                predictions = {model: predictor(torch.from_numpy(image)[None, None])[0].argmax(dim=0).numpy()}
                predictions |= {kind: thresholds(image) for kind, thresholds in trivial.items()}
                for kind, prediction in predictions.items():
                    confusions[kind].append(confusion_matrix(prediction, target, len(CLASSES), ignored=IGNORED))
                result = LabelResult(index, to_uint8(image), predictions[model], target)
                write_images(new.paths, index, {folder: result.image}, aspect)
                for labels, classes in (("labels_fake", result.prediction), ("labels", result.target)):
                    write_labels(new.paths.image(labels, index), classes, aspect)
                if index in shown:
                    rows.append(result)
        title = f"{paths.name} (epoch {label}) on split {command.test.phase}"
        save_figure(draw_labels_overview(rows, title, name), new.paths.overview)
        counts = {kind: np.stack(found) for kind, found in confusions.items()}
        total = counts[model].sum(axis=0)
        means = Means(
            "pixels of known class, all patches together",
            len(patches),
            SCORES,
            {kind: summaries(found) for kind, found in counts.items()},
        )
        lines = [
            f"{len(patches)} patches of {data.patch_size} x {data.patch_size} pixels, split {command.test.phase}, "
            f"{name}; {int(total.sum())} pixels count; all patches together ± standard error",
            "",
            means.tables(),
            f"\nconfusion matrix of {model} [pixels, and % of the true class]",
            confusion_table(total),
            *(f"note: {note}" for note in notes),
        ]
        write_text(new.paths.evaluation, "\n".join([f"(epoch: {label}) {means.line()}", "", *lines]) + "\n")
        about = {"model": paths.name, "epoch": label, "split": command.test.phase}
        confusion = {"classes": CLASSES, "pixels_by_true_and_predicted": total.tolist()}
        document = means_document(means, about, notes, confusion=confusion)
        write_text(new.paths.scores(".json"), json_text(document))
        write_test_options(command, new.paths.test_options_text)
        return TestReport(paths, lines, [paths.overview], document, new.finish())


def notes_on_input(command: TestCommand) -> list[str]:
    """Return what the user must know of the image that is segmented.

    Raises:
        UserError: `--seg_source` is passed for an image that needs none.
    """
    data, saved = command.data, paths_of(command).options
    trained = read_options(saved) if saved.exists() else {}
    if data.seg_mode != "semfake" and data.seg_source != trained.get("seg_source", ""):
        raise UserError(
            f"--seg_source does nothing with --seg_mode {data.seg_mode}; leave it out, or pass --seg_mode semfake"
        )
    mode = trained.get("seg_mode", data.seg_mode)
    if mode == data.seg_mode:
        return []
    return [f"the model was trained on {INPUTS[mode][0]} and is tested on {INPUTS[data.seg_mode][0]}"]


def input_of(command: TestCommand, data: DataOptions) -> See:
    """Return what makes the image to segment, (H, W) in [-1, 1], from the source of a patch, (1, H, W).

    Raises:
        UserError: the translation model that `--seg_source` names cannot be used.
    """
    first_stage = load_first_stage(command.run, data, device_of(command.run.gpu_ids))
    if first_stage is None:
        return lambda source: source[0].numpy()
    return lambda source: first_stage(source[None])[0, 0].numpy()


def summaries(confusions: Counts) -> dict[str, Summary]:
    """Return all scores of patches together by name, from the matrix of each patch, (N, 3, 3)."""
    both = [class_summaries(confusions, score, name, CLASSES) for name, score in (("Dice", dice), ("IoU", iou))]
    return {**both[0], **both[1], "accuracy": pooled(confusions, accuracy)}


def confusion_table(confusion: Counts) -> str:
    """Return a confusion matrix (3, 3) as a table: true classes down, predicted ones across."""
    width = max(map(len, CLASSES))
    lines = [f"{'true':<{width}}" + "".join(f"  {f'as {name}':>24}" for name in CLASSES)]
    for name, counts, shares in zip(CLASSES, confusion, row_shares(confusion), strict=True):
        cells = (f"{count} ({share:6.2%})" for count, share in zip(counts, shares, strict=True))
        lines.append(f"{name:<{width}}" + "".join(f"  {cell:>24}" for cell in cells))
    return "\n".join(lines)
