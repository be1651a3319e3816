"""Find on the validation split what brings the probabilities of a segmentation model to mean what they say."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from txm2sem.data import AlignedSlices, grid_locations, has_split
from txm2sem.data.classes import CLASSES, IGNORED
from txm2sem.data.segmentation import SegmentationEvaluationPatches, measure_class_shares
from txm2sem.data.transforms import middle_channel
from txm2sem.devices import device_of
from txm2sem.errors import UserError
from txm2sem.files import json_text, json_values, typed
from txm2sem.kept import keep
from txm2sem.metrics import (
    ClassCalibration,
    ClassReliability,
    ProbabilityCounts,
    confusion_matrix,
    dice,
    mean_present,
    share_errors,
)
from txm2sem.model.first_stage import load_first_stage
from txm2sem.model.model import Model
from txm2sem.model.phases import MODEL, UNCHANGED, PhaseCalibration, identity_of
from txm2sem.model.segmenter import Segmenter
from txm2sem.options import DataOptions, TestCommand, TrainCommand
from txm2sem.progress import progress_bar
from txm2sem.runs import paths_of, trained_with
from txm2sem.scoring.thresholds import GreyThresholds, fit_thresholds

PATCHES = 256
"""Patches of the validation split that are looked at, at most."""

PIXELS = 2**18
"""Pixels of them that are counted, about."""


def open_phases(
    command: TestCommand | TrainCommand, label: str, data: DataOptions
) -> tuple[PhaseCalibration | None, list[str]]:
    """Return what is kept beside a checkpoint, or found now, and kept; None where there is nothing to find it on.

    Args:
        command: the options.
        label: of the checkpoint.
        data: those that say what is segmented.

    Returns:
        The calibration, and what the user must know of it.

    Raises:
        UserError: slices are missing or damaged, or what is kept is damaged.
    """
    paths, identity = paths_of(command), identity_of(command, label, data)
    path = paths.phases(label, data.seg_mode)
    kept = PhaseCalibration.load(path, identity)
    if kept is not None:
        return kept, [kept.summary]
    trained = trained_with(command)
    data = dataclasses.replace(trained.data, seg_mode=data.seg_mode, seg_source=data.seg_source)
    roots = list(dict.fromkeys([trained.run.dataroot, command.run.dataroot]))
    opened = ((root, AlignedSlices.open(root, "val", data)) for root in roots if has_split(root, "val"))
    root, slices = next(((root, slices) for root, slices in opened if slices.has_densities), (None, None))
    if root is None or slices is None:
        places = " or ".join(map(str, roots))
        return None, [f"probabilities are not calibrated, as {places} has no validation split with masks"]
    first_stage = load_first_stage(command.run, data, device_of(command.run.gpu_ids))
    segmenter = Segmenter(Model.load(command, label, bounded=False).predictor, first_stage)
    found = _Pixels.of(segmenter, slices, data, _thresholds(segmenter, root, data))
    if found.absent:
        return None, [f"probabilities are not calibrated, as {slices.folder} has no {' and no '.join(found.absent)}"]
    learned = _training_shares(trained.run.dataroot, data)
    calibration = dataclasses.replace(found.calibration(identity), training_shares=learned)
    # What is kept has fewer digits than what was fitted; so a first test is like the second.
    fitted: PhaseCalibration = typed(PhaseCalibration, json_values(calibration))
    try:
        not_kept = keep(path, json_text(fitted), {paths.network(label, "G"): identity["checkpoint_sha256"]})
    except UserError as error:
        return fitted, [fitted.summary, f"the calibration could not be kept: {error}"]
    return fitted, [fitted.summary, *([not_kept] if not_kept else [])]


@dataclasses.dataclass(frozen=True)
class _Pixels:
    """What is seen of a split.

    Attributes:
        logits: (patches, classes, H, W).
        classes: true ones, or `IGNORED`, (patches, H, W).
        slices: which slice each patch is of.
        trivial: classes by segmentations without a model, by name, (patches, H, W).
    """

    logits: NDArray[np.float32]
    classes: NDArray[np.int64]
    slices: list[int]
    trivial: dict[str, NDArray[np.int64]]

    @classmethod
    def of(
        cls, segmenter: Segmenter, slices: AlignedSlices, data: DataOptions, thresholds: dict[str, GreyThresholds]
    ) -> _Pixels:
        """Return pixels of all slices, thinned out where there are many."""
        places = grid_locations(slices, data.patch_size, PATCHES)
        patches = SegmentationEvaluationPatches(slices, data, places, with_masks=False)
        thin = slice(None, None, max(1, round((len(places) * data.patch_size**2 / PIXELS) ** 0.5)))
        logits, classes, of_slice = [], [], []
        trivial: dict[str, list[NDArray[np.int64]]] = {name: [] for name in thresholds}
        seen = progress_bar(patches, total=len(places), desc="calibrating", unit="patch")
        for patch, place in zip(seen, places, strict=True):
            true = patch["target"][0, thin, thin].numpy()
            image, found = segmenter.logits(patch["source"][None])
            logits.append(found[0, :, thin, thin].numpy())
            classes.append(true)
            of_slice.append(place.slice_index)
            for name, segment in thresholds.items():
                trivial[name].append(segment(image[0, 0].numpy())[thin, thin])
        stacks = {name: np.stack(found) for name, found in trivial.items()}
        return cls(np.stack(logits), np.stack(classes), of_slice, stacks)

    @property
    def absent(self) -> list[str]:
        """Names of the classes that no pixel has: nothing can be told of them."""
        return [name for number, name in enumerate(CLASSES) if not (self.classes == number).any()]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Pixels of known class."""
        known: NDArray[np.bool_] = self.classes != IGNORED
        return known

    def calibration(self, identity: dict[str, Any]) -> PhaseCalibration:
        """Return what is found, for a model of an identity."""
        known = self.known
        calibration = ClassCalibration.fit(np.moveaxis(self.logits, 1, -1)[known], self.classes[known])
        raw, calibrated = (one(torch.from_numpy(self.logits)).numpy() for one in (UNCHANGED, calibration))
        true = self.classes[:, None] == np.arange(len(CLASSES))[:, None, None]
        segmented = {MODEL: calibrated.argmax(axis=1), **self.trivial}
        return PhaseCalibration(
            identity=identity,
            calibration=calibration,
            fraction_error=tuple(share_errors(calibrated - true, known, self.slices)),
            slices=len(set(self.slices)),
            raw=self._reliability(raw),
            calibrated=self._reliability(calibrated),
            dice={name: self._dice(found) for name, found in segmented.items()},
        )

    def _reliability(self, probabilities: NDArray[np.float32]) -> ClassReliability:
        counts = ProbabilityCounts(len(CLASSES))
        counts.add(np.moveaxis(probabilities, 1, 0)[:, self.known], self.classes[self.known])
        return counts.reliability()

    def _dice(self, segmented: NDArray[np.int64]) -> float:
        return mean_present(dice(confusion_matrix(segmented, self.classes, len(CLASSES), ignored=IGNORED)))


def _training_shares(root: Path, data: DataOptions) -> tuple[float, ...]:
    """Return the share of each class in the slices that were learned from; () where these are not there any more."""
    if not has_split(root, "train"):
        return ()
    return tuple(measure_class_shares(AlignedSlices.open(root, "train", data)).tolist())


def _thresholds(segmenter: Segmenter, root: Path, data: DataOptions) -> dict[str, GreyThresholds]:
    """Return segmentations without a model, as a test has them; none without the training split."""
    if not has_split(root, "train"):
        return {}
    patches = SegmentationEvaluationPatches(AlignedSlices.open(root, "train", data), data)
    seen = ((segmenter.seen(patch["source"][None]), patch["target"]) for patch in patches)
    pairs = ((middle_channel(image)[0].numpy(), target[0].numpy()) for image, target in seen)
    return fit_thresholds(pairs)
