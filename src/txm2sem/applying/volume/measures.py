"""What is measured of a block while it is in memory, and added up over all of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.data.classes import CLASSES
from txm2sem.metrics import ContinuitySums, SeamSums, psnr, ssim
from txm2sem.trust import Judgement, TrustModel

LAGS = 16
"""Largest lag of the autocorrelations [pixels]."""

SAMPLED_LINES = 128
"""Continuity is measured on about so many rows, and columns, of each slice."""


@dataclass(frozen=True)
class TrustSums:
    """Sums over the voxels in the field of view of where not to believe the prediction.

    Attributes:
        voxels: how many there are.
        variance: sum of their calibrated variances [grey levels of 255, squared].
        contradicting: those whose prediction contradicts the TXM.
        novel: those in tiles unlike training.
    """

    voxels: int = 0
    variance: float = 0.0
    contradicting: int = 0
    novel: int = 0

    @classmethod
    def of(cls, judged: Judgement, model: TrustModel, imaged: NDArray[np.bool_]) -> TrustSums:
        """Return those of one plane; `imaged` says which of its pixels are in the field of view."""
        return cls(
            int(imaged.sum()),
            float(np.square(judged.spread[imaged], dtype=np.float64).sum()),
            int((model.guard.contradicts(judged.contradiction) & imaged).sum()),
            int(((judged.novelty > model.novelty.threshold) & imaged).sum()),
        )

    def __add__(self, other: TrustSums) -> TrustSums:
        return TrustSums(*(one + two for one, two in zip(vars(self).values(), vars(other).values(), strict=True)))


@dataclass(frozen=True)
class ClassSums:
    """Sums over the voxels in the field of view of what a segmentation has found.

    Attributes:
        voxels: whose likeliest class it is, by class.
        expected: their sum of probabilities, by class.
    """

    voxels: tuple[int, ...] = (0,) * len(CLASSES)
    expected: tuple[float, ...] = (0.0,) * len(CLASSES)

    @classmethod
    def of(cls, labels: NDArray[np.uint8], probabilities: NDArray[np.float32]) -> ClassSums:
        """Return those of one plane: labels (H, W), and probabilities (classes, H, W), 0 where nothing was imaged."""
        counts = np.bincount(labels.ravel(), minlength=len(CLASSES))[: len(CLASSES)]
        return cls(tuple(counts.tolist()), tuple(probabilities.sum(axis=(1, 2), dtype=np.float64).tolist()))

    def __add__(self, other: ClassSums) -> ClassSums:
        return ClassSums(
            tuple(one + two for one, two in zip(self.voxels, other.voxels, strict=True)),
            tuple(one + two for one, two in zip(self.expected, other.expected, strict=True)),
        )


@dataclass(frozen=True)
class VolumeMeasures:
    """Sums that are scores once all blocks are added up.

    Attributes:
        voxels: that were translated.
        inside: of them, in the field of view: not 0 in the TXM, nor in the truth.
        network_seconds: wall time in the network.
        seams: by the axis that the planes lie across.
        continuity: of `txm`, `prediction` and, where it is known, `truth` [grey levels of 255].
        psnr, ssim: of each slice, where the truth is known.
        trust: where not to believe the prediction, with `--uncertainty`.
        classes: what a segmentation has found.
    """

    voxels: int = 0
    inside: int = 0
    network_seconds: float = 0.0
    seams: dict[str, SeamSums] = field(default_factory=dict)
    continuity: dict[str, ContinuitySums] = field(default_factory=dict)
    psnr: list[float] = field(default_factory=list)
    ssim: list[float] = field(default_factory=list)
    trust: TrustSums = TrustSums()
    classes: ClassSums = ClassSums()

    def __add__(self, other: VolumeMeasures) -> VolumeMeasures:
        return VolumeMeasures(
            self.voxels + other.voxels,
            self.inside + other.inside,
            self.network_seconds + other.network_seconds,
            _added(self.seams, other.seams),
            _added(self.continuity, other.continuity),
            self.psnr + other.psnr,
            self.ssim + other.ssim,
            self.trust + other.trust,
            self.classes + other.classes,
        )

    def to_plain(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return vars(self) | {
            "seams": {name: sums.to_plain() for name, sums in self.seams.items()},
            "continuity": {name: sums.to_plain() for name, sums in self.continuity.items()},
            "trust": vars(self.trust),
            "classes": vars(self.classes),
        }

    @classmethod
    def from_plain(cls, values: dict[str, Any]) -> VolumeMeasures:
        """Return the measures that `to_plain` was called for.

        Raises:
            AttributeError, ArithmeticError, KeyError, TypeError, ValueError: these are no such measures.
        """
        seams = {name: SeamSums.from_plain(sums) for name, sums in values["seams"].items()}
        continuity = {name: ContinuitySums.from_plain(sums) for name, sums in values["continuity"].items()}
        trust = TrustSums(**values["trust"])
        classes = ClassSums(**{name: tuple(sums) for name, sums in values["classes"].items()})
        read = {"seams": seams, "continuity": continuity, "trust": trust, "classes": classes}
        measures = cls(**(values | read))
        if not len(classes.voxels) == len(classes.expected) == len(CLASSES):
            raise ValueError(f"expected sums of {len(CLASSES)} classes, found {classes}")
        counted = [measures.voxels, measures.inside, measures.network_seconds, *vars(trust).values()]
        counted += [*classes.voxels, *classes.expected]
        counted += [number for sums in seams.values() for number in vars(sums).values()]
        if not all(type(number) in (int, float) and math.isfinite(number) and number >= 0 for number in counted):
            raise ValueError(f"expected sums of what is never negative, found {counted}")
        for scores in (measures.psnr, measures.ssim):
            if not isinstance(scores, list) or not all(type(score) is float for score in scores):
                raise ValueError(f"expected scores of slices, found {scores}")
        return measures


def measure_slices(volumes: dict[str, NDArray[np.uint8]], inside: NDArray[np.bool_]) -> VolumeMeasures:
    """Measure continuity and, where there is a `truth`, fidelity.

    Args:
        volumes: `txm`, `prediction` and perhaps `truth`, (z, y, x), 0 to 255.
        inside: (z, y, x), which voxels count.
    """
    every = max(min(inside.shape[1:]) // SAMPLED_LINES, 1)
    continuity = {name: ContinuitySums.of(volume, LAGS, inside, every=every) for name, volume in volumes.items()}
    measures = VolumeMeasures(inside=int(np.count_nonzero(inside)), continuity=continuity)
    if "truth" in volumes:
        for prediction, truth, valid in zip(volumes["prediction"], volumes["truth"], inside, strict=True):
            if valid.any():
                measures.psnr.append(psnr(prediction, truth, valid))
                measures.ssim.append(ssim(prediction, truth, valid))
    return measures


def _added(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {
        name: one[name] + other[name] if name in one and name in other else (one | other)[name]
        for name in {**one, **other}
    }
