"""Test a segmentation model: predicted classes, scores beside trivial segmentations, an overview."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from txm2sem.data import to_uint8
from txm2sem.data.classes import CLASSES, IGNORED
from txm2sem.data.segmentation import SegmentationEvaluationPatches, measure_class_shares
from txm2sem.data.transforms import middle_channel
from txm2sem.devices import device_of
from txm2sem.figures.labels import LabelResult, draw_labels_overview, write_labels
from txm2sem.figures.saving import save_figure
from txm2sem.metrics import Summary, accuracy, class_summaries, confusion_matrix, dice, iou, pooled, row_shares
from txm2sem.model.calibrating import open_phases
from txm2sem.model.first_stage import INPUTS, load_first_stage, notes_on_input
from txm2sem.options import DataOptions, TestCommand
from txm2sem.results import NewResults
from txm2sem.scoring.document import means_document
from txm2sem.scoring.means import Column, Means
from txm2sem.scoring.thresholds import GreyThresholds, fit_thresholds
from txm2sem.testing.harness import Found, Subject, Test
from txm2sem.testing.images import stretch, write_images
from txm2sem.testing.probabilities import ProbabilityScores

Counts = NDArray[np.int64]
See = Callable[[Tensor], Tensor]

FOLDERS = {"sem": "sem", "txm": "txm", "semfake": "sem_fake"}
"""Results folder of the image that each `--seg_mode` segments."""


SCORES = tuple(
    {score: Column(f"{score} mean")}
    | {f"{score}_{name.replace(' ', '_')}": Column(name) for name in CLASSES}
    | ({"accuracy": Column("accuracy")} if score == "Dice" else {})
    for score in ("Dice", "IoU")
)


class SegmentationTest(Test[LabelResult]):
    """Segments the fixed patches of a split.

    The image need not be of the kind that the model was trained on: one trained on SEM may be tested on predicted SEM.
    """

    bounded = False

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        slices, data = subject.open_slices(subject.command.data)
        self.pixel_size = subject.pixel_size(slices, data)
        self.see = input_of(subject.command, data)
        self.patches = SegmentationEvaluationPatches(slices, data)
        self.patches.locations = self.patches.locations[: subject.command.test.ntest or None]
        self.trivial: dict[str, GreyThresholds] = {}
        self.phases, notes = open_phases(subject.command, subject.model.label, subject.command.data)
        subject.notes.extend(notes)
        shares: list[float] | None = None
        missing = "trivial segmentations have nothing to be fitted on and are left out"
        if (known := subject.open_training(missing)) is not None:
            training = SegmentationEvaluationPatches(known, data)
            shares = measure_class_shares(known).tolist()
            self.trivial = fit_thresholds(
                (middle_channel(self.see(item["source"])).numpy(), item["target"][0].numpy()) for item in training
            )
            if len(self.trivial) == 1:
                subject.notes.append("the images have fewer grey values than classes, so thresholds cannot be fitted")
        self.probabilities = ProbabilityScores(self.phases, shares)
        self.confusions: dict[str, list[Counts]] = {kind: [] for kind in (subject.model_kind, *self.trivial)}
        self.count = len(self.patches)

    @classmethod
    def check(cls, command: TestCommand) -> list[str]:
        """As `Test.check`; what is segmented may be another image than in training."""
        return [*super().check(command), *notes_on_input(command, command.data)]

    def predict(self, new: NewResults) -> Iterator[LabelResult]:
        """Segment, write and score patches, yielding each as it is done."""
        subject, aspect = self.subject, self.subject.command.test.aspect_ratio
        folder = FOLDERS[self.patches.options.seg_mode]
        for index, item in enumerate(self.patches):
            seen, target = self.see(item["source"]), item["target"][0].numpy()
            image, logits = middle_channel(seen).numpy(), subject.model.predictor(seen[None])
            predictions = {subject.model_kind: self.probabilities.add(logits, target)}
            predictions |= {kind: thresholds(image) for kind, thresholds in self.trivial.items()}
            for kind, prediction in predictions.items():
                self.confusions[kind].append(confusion_matrix(prediction, target, len(CLASSES), ignored=IGNORED))
            result = LabelResult(index, to_uint8(image), predictions[subject.model_kind], target)
            write_images(new.paths, index, {folder: result.image}, aspect)
            for labels, classes in (("labels_fake", result.prediction), ("labels", result.target)):
                write_labels(new.paths.image(labels, index), stretch(classes.astype(np.int32), aspect))
            yield result

    def finish(self, results: list[LabelResult], new: NewResults) -> Found:
        """Return means over the patches, and how classes were taken for each other."""
        subject = self.subject
        counts = {kind: np.stack(found) for kind, found in self.confusions.items()}
        total = counts[subject.model_kind].sum(axis=0)
        rows = {kind: summaries(found) for kind, found in counts.items()}
        means = Means("pixels of known class, all patches together", self.count, SCORES, rows)
        name = INPUTS[self.patches.options.seg_mode]
        size = self.patches.options.patch_size
        warnings = [] if self.phases is None else self.phases.warnings
        lines = [
            *warnings,
            f"{self.count} patches of {size} x {size} pixels, split {subject.command.test.phase}, {name}; "
            f"{int(total.sum())} pixels count; all patches together ± standard error",
            "",
            means.tables(),
            f"\nconfusion matrix of {subject.model_kind} [pixels, and % of the true class]",
            confusion_table(total),
            *self.probabilities.lines(),
        ]
        confusion = {"classes": CLASSES, "pixels_by_true_and_predicted": total.tolist()}
        scores = means_document(
            means,
            subject.about,
            [*warnings, *subject.notes],
            pixel_size_nm=self.pixel_size,
            confusion=confusion,
            better_on_validation=None if self.phases is None else self.phases.better,
            probabilities=self.probabilities.document(),
        )
        kind = subject.command.figure.figures
        save_figure(self.probabilities.figure(subject.title), new.paths.calibration_figure, kind)
        overview = draw_labels_overview(results, subject.title, name, self.pixel_size)
        return Found(means.line(), lines, overview, scores, pictures=[new.paths.calibration_figure])


def input_of(command: TestCommand, data: DataOptions) -> See:
    """Return what makes the image to segment from the source of a patch, both (C, H, W) in [-1, 1].

    Raises:
        UserError: the translation model that `--seg_source` names cannot be used.
    """
    first_stage = load_first_stage(command.run, data, device_of(command.run.gpu_ids))
    if first_stage is None:
        return lambda source: source
    return lambda source: first_stage(source[None])[0]


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
