"""Patches for segmentation: an image of one kind, and the class of each of its pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from txm2sem.data.classes import CLASSES, IGNORED, classes_of_masks
from txm2sem.data.datasets import EvaluationPatches, TrainingPatches
from txm2sem.data.grey import measured_windows
from txm2sem.data.sampling import PatchLocation
from txm2sem.data.slices import AlignedSlices
from txm2sem.errors import UserError
from txm2sem.options import DataOptions, SamplingOptions


class SegmentationTrainingPatches(TrainingPatches):
    """Random patches at the places, and with the flips, of `TrainingPatches`.

    Items are `source`, the image that `--seg_mode` names (the TXM where the SEM is to be predicted from it): float32
    (1, H, W), [-1, 1]; and `target`, the class of each pixel or `IGNORED`: int64 (1, H, W). With `--context_slices` K
    the source is the TXM with neighbouring slices, (2 K + 1, H, W).

    Raises:
        UserError: as `TrainingPatches`, or the masks that tell the classes are missing.
    """

    def __init__(
        self, slices: AlignedSlices, options: DataOptions, seed: int, sampling: SamplingOptions = SamplingOptions()
    ) -> None:
        check_masks(slices, options)
        super().__init__(slices, options, seed, sampling)

    def read(self, location: PatchLocation) -> dict[str, Tensor]:
        """Return the image and the classes of a patch, neither flipped nor preprocessed."""
        return _with_classes(super().read(location), self.slices, self.options, location.to_slices())


class SegmentationEvaluationPatches(EvaluationPatches):
    """The fixed patches of a split, at the places of `EvaluationPatches`.

    Items are `source` and `target` as in `SegmentationTrainingPatches`, never flipped; masks and `index` as in
    `EvaluationPatches`.

    Raises:
        UserError: as `EvaluationPatches`, or the masks that tell the classes are missing.
    """

    def __init__(
        self,
        slices: AlignedSlices,
        options: DataOptions,
        locations: Sequence[PatchLocation] | None = None,
        *,
        with_masks: bool = True,
    ) -> None:
        check_masks(slices, options)
        super().__init__(slices, options, locations, with_masks=with_masks)

    def read(self, index: int) -> dict[str, Tensor]:
        """Return the image, the classes and the masks of a patch, not preprocessed."""
        return _with_classes(super().read(index), self.slices, self.options, self.locations[index].to_slices())


def _with_classes(
    patch: dict[str, Tensor], slices: AlignedSlices, options: DataOptions, window: tuple[int, slice, slice]
) -> dict[str, Tensor]:
    source = patch["target"] if options.seg_mode == "sem" else patch["source"]
    return patch | {"source": source, "target": torch.from_numpy(read_classes(slices, *window))[None]}


def check_masks(slices: AlignedSlices, options: DataOptions) -> None:
    """Check that there are masks of both low and high density regions.

    Raises:
        UserError: there are not.
    """
    for option, stack in (("lowdens_dir", slices.lowdensity), ("highdens_dir", slices.highdensity)):
        if stack is None:
            folder = slices.folder / (getattr(options, option).rstrip("/") + options.sample_name)
            raise UserError(
                f"segmentation learns from masks of low and of high density regions, but there is no folder {folder}; "
                f"add a mask of each slice there (above 0 is inside), or name their folder with --{option}"
            )


def read_classes(slices: AlignedSlices, index: int, rows: slice, columns: slice) -> NDArray[np.int64]:
    """Return the class of each pixel of a part of a slice, or `IGNORED`: int64 (rows, columns).

    Args:
        slices: with both masks.
        index: position of the slice, from 0 (not its number).
        rows: which rows; a step is allowed.
        columns: which columns.

    Raises:
        UserError: a file is damaged.
    """
    window = (index, rows, columns)
    low, high = slices.mask("lowdensity", *window), slices.mask("highdensity", *window)
    return np.where(slices.valid(*window), classes_of_masks(low, high), IGNORED).astype(np.int64)


def measure_class_shares(slices: AlignedSlices) -> NDArray[np.float64]:
    """Return the share of each class among the pixels that are not ignored, (3,), in its `measured_windows`.

    Raises:
        UserError: all pixels are ignored.
    """
    counts = np.zeros(len(CLASSES), np.int64)
    for window in measured_windows(len(slices), slices.shape):
        classes = read_classes(slices, *window)
        counts += np.bincount(classes[classes != IGNORED], minlength=len(CLASSES))
    if not counts.any():
        raise UserError(f"{slices.folder}: all pixels are charged, or 0 in SEM or TXM; check the slices and masks")
    shares: NDArray[np.float64] = counts / counts.sum()
    return shares


def parse_class_weights(text: str) -> tuple[float, ...]:
    """Read weights of the classes, written as one number each.

    Raises:
        UserError: they are not three finite numbers, 0 or more and not all 0.
    """
    try:
        weights = tuple(float(part) for part in text.split(","))
    except ValueError:
        weights = ()
    valid = len(weights) == len(CLASSES) and bool(np.isfinite(weights).all()) and min(weights) >= 0 < max(weights)
    if not valid:
        raise UserError(
            f"--class_weights {text}: expected auto, or three numbers of 0 or more for {', '.join(CLASSES)}, such as "
            "1,2,4"
        )
    return weights


def resolve_class_weights(text: str, slices: AlignedSlices) -> str:
    """Return the weights of the classes as numbers: given ones are checked, `auto` is measured on the slices.

    `auto` gives a class of share p the weight 1 / sqrt(p), scaled so that the mean weight of a pixel is 1: between no
    weights, with which rare classes are missed, and 1 / p, with which they are seen everywhere. A class that does not
    occur has weight 0.

    Raises:
        UserError: the text is not three weights, or they cannot be measured.
    """
    if text != "auto":
        return ",".join(f"{weight:g}" for weight in parse_class_weights(text))
    shares = measure_class_shares(slices)
    occurring = shares > 0
    weights = np.zeros(len(CLASSES))
    weights[occurring] = shares[occurring] ** -0.5
    return ",".join(f"{weight:.6g}" for weight in weights / (weights * shares).sum())
