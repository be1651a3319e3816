"""The scorecard of a translation: how good predictions are in all that matters, beside trivial ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.data.classes import classes_of_masks
from txm2sem.metrics import (
    GRID_FREQUENCIES,
    Agreement,
    Displacement,
    Interval,
    Resampling,
    edges,
    weighted_mean,
)
from txm2sem.scoring.measuring import (
    RESOLUTIONS,
    Bytes,
    Mask,
    Measured,
    Values,
    frequencies_of,
    grid_db,
    grid_names,
    measure,
    resolutions,
    spectrum_values,
)
from txm2sem.scoring.names import PHASES, REGIONS, ROCK, SIMILARITY, TRUTH
from txm2sem.scoring.perceptual import PerceptualDistance
from txm2sem.scoring.phases import Phases

EDGE_SMOOTHING = 2.0
"""Standard deviation of the Gaussian that smooths both images before their edges are compared [pixels]."""

LARGEST_SHIFT = 8
"""Displacements of the truth are searched up to this [pixels]."""


@dataclass(frozen=True)
class RockMeasure:
    """A measure of the rock: mean over predicted images, over true ones, and what they differ by.

    Attributes:
        predicted: mean over the predictions.
        true: mean over the true images.
        error: predicted - true, of the means.
        absolute_error: mean over the images of the absolute difference of each.
    """

    predicted: Interval
    true: Interval
    error: Interval
    absolute_error: float


@dataclass
class Scorecard:
    """Collects the measures of images and sums them up.

    Args:
        phases: how phases of the rock are told by grey value; None: they are not measured.
        perceptual: the distance in features; None: it is left out.
        seed: of the bootstrap.
        one_volume: the images are the slices of one volume, of which neighbours are alike; so there are no intervals.
        pixel_size: side of a pixel [nm]; None: not known. Measures count pixels in any case.
    """

    phases: Phases | None = None
    perceptual: PerceptualDistance | None = None
    seed: int = 0
    one_volume: bool = False
    pixel_size: float | None = None
    measured: list[dict[str, Measured]] = field(default_factory=list, init=False)
    slices: list[int] = field(default_factory=list, init=False)
    shape: tuple[int, ...] = field(default=(), init=False)
    valid_pixels: int = field(default=0, init=False)
    placed: dict[int, Agreement] = field(default_factory=dict, init=False)

    def add(
        self,
        number: int,
        predictions: Mapping[str, Bytes],
        target: Bytes,
        valid: Mask | None = None,
        masks: tuple[Mask, Mask] | None = None,
    ) -> None:
        """Measure one image; all have one shape.

        Args:
            number: of the slice that it is from.
            predictions: 8-bit images (H, W) by name, the model's first.
            target: the truth, (H, W).
            valid: pixels that count, (H, W); all where absent.
            masks: of low and of high density, (H, W). Without them regions are those of `phases` in the truth.
        """
        valid = np.ones(target.shape, bool) if valid is None else valid
        regions = {"all": valid}
        classes = None
        if masks is not None:
            classes = classes_of_masks(*masks)
        elif self.phases is not None:
            classes = self.phases(target, valid)
        if classes is not None:
            regions |= {name: classes == number for name, number in {**PHASES, "rest": 0}.items()}
        if not self.one_volume:
            # Edges of the prediction must lie where those of the truth do; of the slices of a volume, all or none.
            theirs = next(iter(predictions.values()))
            true, predicted = (edges(image, valid, EDGE_SMOOTHING) for image in (target, theirs))
            found = Agreement.of(true, predicted, LARGEST_SHIFT)
            self.placed[number] = self.placed[number] + found if number in self.placed else found
        self.measured.append(measure(predictions, target, valid, regions, self.phases, self.perceptual))
        self.slices.append(number)
        self.shape = target.shape
        self.valid_pixels += int(np.count_nonzero(valid))

    def summary(self) -> Scores:
        """Return the scores of everything added.

        Raises:
            ValueError: nothing was.
        """
        if not self.measured:
            raise ValueError("there are no scores yet: add an image first")
        groups = [0] * len(self.slices) if self.one_volume else self.slices
        return Scores(self, Resampling(groups, np.random.default_rng(self.seed)))


class Scores:
    """The scores of predictions, with intervals over slices.

    Attributes:
        card: what they were measured on.
        kinds: names of the predictions, the model first.
        slices: different slices among the images.
        has_intervals: there are slices that intervals can be over.
        regions: names of the regions that are scored apart.
    """

    def __init__(self, card: Scorecard, resampling: Resampling) -> None:
        self.card = card
        self.kinds = [name for name in card.measured[0] if name != TRUTH]
        self.slices = len(set(card.slices))
        self.has_intervals = resampling.slices > 1
        known = card.measured[0][self.kinds[0]].values
        self.regions = [region for region in REGIONS if f"psnr_{region}" in known]
        self._resampling = resampling

    @property
    def valid_share(self) -> float:
        """Share of the pixels that count, in [0, 1]."""
        return self.card.valid_pixels / (len(self.card.measured) * math.prod(self.card.shape))

    @property
    def displacements(self) -> dict[int, Displacement]:
        """How far the truth lies below and right of the prediction, by slice; those that are clear."""
        found = {number: agreement.displacement() for number, agreement in self.card.placed.items()}
        return {number: displacement for number, displacement in found.items() if displacement.confident}

    @cached_property
    def frequencies(self) -> Values:
        """Spatial frequencies of the curves `power` and `frc`, (K,) [cycles per pixel]."""
        return frequencies_of(self.card.shape)

    def values(self, kind: str, name: str) -> Values:
        """Return a number of each image, (N,)."""
        return np.array([image[kind].values[name] for image in self.card.measured])

    def curves(self, kind: str, name: str) -> Values:
        """Return a curve of each image, (N, K)."""
        return np.stack([image[kind].curves[name] for image in self.card.measured])

    def curve(self, kind: str, name: str) -> Values:
        """Return the mean curve over images, (K,)."""
        curve: Values = weighted_mean(self.curves(kind, name), np.ones((1, len(self.card.measured))))[0]
        return curve

    def mean(self, kind: str, name: str) -> Interval:
        """Return the mean of a number over images."""
        return self._resampling.mean(self.values(kind, name))

    def similarity(self, kind: str) -> dict[str, dict[str, Interval]]:
        """Return the similarity scores of a kind of prediction, by region and score."""
        scores = {
            region: {score: self.mean(kind, f"{score}_{region}") for score in SIMILARITY} for region in self.regions
        }
        if self.card.perceptual is not None:
            scores["all"]["perceptual"] = self.mean(kind, "perceptual")
        return scores

    @cache  # noqa: B019 (scores live as long as their report)
    def spectrum(self, kind: str) -> dict[str, Interval]:
        """Return the deviations of the mean power spectrum [dB] and the resolutions of the mean ring correlation."""
        power, truth, frc = self.curves(kind, "power"), self.curves(TRUTH, "power"), self.curves(kind, "frc")

        def deviation(name: str, weights: Values) -> Values:
            return spectrum_values(weighted_mean(power, weights), weighted_mean(truth, weights))[name]

        def resolved(name: str, weights: Values) -> Values:
            return resolutions(self.frequencies, weighted_mean(frc, weights))[name]

        names = dict.fromkeys(("spectrum_mean_db", "spectrum_largest_db"), deviation) | dict.fromkeys(
            RESOLUTIONS, resolved
        )
        return {name: self._resampling.interval(partial(statistic, name)) for name, statistic in names.items()}

    def rock(self, kind: str) -> dict[str, dict[str, RockMeasure]]:
        """Return the measures of each phase, by phase and measure; empty where phases are not measured."""
        if self.card.phases is None:
            return {}
        return {phase: {name: self._compare(kind, f"{name}_{phase}") for name in ROCK} for phase in PHASES}

    def s2_error(self, kind: str, phase: str) -> Interval:
        """Return the mean absolute difference of the mean two-point correlations, predicted and true."""
        differences = self.curves(kind, f"s2_{phase}") - self.curves(TRUTH, f"s2_{phase}")
        return self._resampling.interval(
            lambda weights: np.nanmean(np.abs(weighted_mean(differences, weights)), axis=1)
        )

    def grid(self, kind: str) -> dict[int, dict[str, float]]:
        """Return how far the frequencies of upsampling grids stand out [dB], by factor and frequency."""
        return {
            factor: dict(zip(grid_names(factor), grid_db(self.curve(kind, f"grid_{factor}")).tolist(), strict=True))
            for factor in GRID_FREQUENCIES
        }

    def _compare(self, kind: str, name: str) -> RockMeasure:
        predicted, true = self.values(kind, name), self.values(TRUTH, name)

        def error(weights: Values) -> Values:
            return weighted_mean(predicted, weights) - weighted_mean(true, weights)

        differences = np.abs(predicted - true)
        known = differences[~np.isnan(differences)]
        return RockMeasure(
            self._resampling.mean(predicted),
            self._resampling.mean(true),
            self._resampling.interval(error),
            float(known.mean()) if known.size else float("nan"),
        )


def scorecard(
    predictions: Mapping[str, NDArray[np.uint8]],
    targets: NDArray[np.uint8],
    *,
    valid: NDArray[np.bool_] | None = None,
    masks: tuple[NDArray[np.bool_], NDArray[np.bool_]] | None = None,
    slices: Sequence[int] | None = None,
    phases: Phases | None = None,
    perceptual: PerceptualDistance | None = None,
) -> Scores:
    """Return the scores of predicted images beside true ones.

    Args:
        predictions: 8-bit images (N, H, W) by name, the model's first.
        targets: the true images, (N, H, W).
        valid: pixels that count, (N, H, W); all where absent.
        masks: of low and of high density, (N, H, W) each.
        slices: the slice that each image is from, (N,); one of its own each where absent.
        phases: how phases of the rock are told by grey value, see `fit_phases`; None: they are not measured.
        perceptual: the distance in features; None: it is left out.

    Raises:
        ValueError: arrays differ in shape, or there are no images.
    """
    arrays: dict[str, Any] = {**predictions, "valid": valid}
    arrays |= dict(zip(("low density", "high density"), masks or (None, None), strict=True))
    for name, array in arrays.items():
        if array is not None and array.shape != targets.shape:
            raise ValueError(f"{name}: expected the shape of the targets, {targets.shape}, found {array.shape}")
    card = Scorecard(phases, perceptual)
    for index, target in enumerate(targets):
        card.add(
            index if slices is None else slices[index],
            {name: images[index] for name, images in predictions.items()},
            target,
            None if valid is None else valid[index],
            None if masks is None else (masks[0][index], masks[1][index]),
        )
    return card.summary()
