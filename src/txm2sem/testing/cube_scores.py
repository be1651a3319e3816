"""The scorecard of a cube whose truth is known: its slices, scored like the images of a test."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from txm2sem.data import AlignedSlices, EvaluationPatches, has_split, to_uint8
from txm2sem.errors import UserError
from txm2sem.options import DataOptions
from txm2sem.scoring.card import Scorecard
from txm2sem.scoring.evaluation import LinearFit, fit_trivial_predictions
from txm2sem.scoring.perceptual import PerceptualDistance
from txm2sem.scoring.phases import Phases, fit_phases

Volume = NDArray[np.uint8]


@dataclasses.dataclass(frozen=True)
class FromTraining:
    """What is learned from the training split without a model.

    Attributes:
        trivial: predictions by name.
        phases: thresholds of the phases; None where they are not known.
        notes: why something is missing.
    """

    trivial: Mapping[str, LinearFit] = dataclasses.field(default_factory=dict)
    phases: Phases | None = None
    notes: Sequence[str] = ()

    @classmethod
    def fit(cls, dataroot: Path, options: DataOptions) -> FromTraining:
        """Fit trivial predictions and phases on patches of the training split, where there are any.

        Args:
            dataroot: the data root.
            options: of the data, with the grey ranges of the cube.
        """
        # Of neighbouring slices, nothing is fitted on.
        options = dataclasses.replace(options, context_slices=0)
        missing = "so constant and linear predictions, and the phases of the rock, are left out"
        if not has_split(dataroot, "train"):
            return cls(notes=[f"{dataroot} has no training split, {missing}"])
        try:
            training = EvaluationPatches(AlignedSlices.open(dataroot, "train", options), options)
            return cls(fit_trivial_predictions(training), fit_phases(training))
        except UserError as error:
            return cls(notes=[f"the training split cannot be used, {missing}: {error}"])


def score_cube(
    predictions: Mapping[str, Volume],
    txm: NDArray[np.float32],
    truth: Volume,
    inside: NDArray[np.bool_],
    known: FromTraining,
    *,
    perceptual: PerceptualDistance | None = None,
    first: int = 0,
) -> Scorecard:
    """Return the scorecard of the slices of a cube.

    Args:
        predictions: by name, the model's first, (z, y, x) with 0 to 255.
        txm: what trivial predictions are made from, (z, y, x) in [-1, 1].
        truth: (z, y, x) with 0 to 255.
        inside: voxels that count, (z, y, x).
        known: from the training split.
        perceptual: the distance in features; None: it is left out.
        first: number of the first slice.
    """
    card = Scorecard(known.phases, perceptual, one_volume=True)
    for z in tqdm(range(len(truth)), desc="scoring", unit="slice", disable=None):
        if not inside[z].any():
            continue
        shown: dict[str, Any] = {name: volume[z] for name, volume in predictions.items()}
        shown |= {name: to_uint8(predict(txm[z])) for name, predict in known.trivial.items()}
        card.add(first + z, shown, truth[z], inside[z])
    return card
