"""What the probabilities of a segmentation model say on tested patches, beside the truth: as numbers and to look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from txm2sem.data.classes import CLASSES, IGNORED
from txm2sem.figures.probabilities import draw_probabilities
from txm2sem.metrics import ClassReliability, ProbabilityCounts
from txm2sem.model.phases import UNCHANGED, PhaseCalibration

RAW, CALIBRATED = "raw", "calibrated"


class ProbabilityScores:
    """Probabilities as the network makes them and, where they are, calibrated.

    Args:
        phases: what calibrates them; None where nothing does.
        training_shares: of the classes in the training slices; None where these are not there.
    """

    def __init__(self, phases: PhaseCalibration | None, training_shares: Sequence[float] | None) -> None:
        self.phases = phases
        self.training_shares = training_shares
        self.calibrations = {RAW: UNCHANGED} | ({} if phases is None else {CALIBRATED: phases.calibration})
        self.counts = {name: ProbabilityCounts(len(CLASSES)) for name in self.calibrations}

    def add(self, logits: Tensor, target: NDArray[np.int64]) -> NDArray[np.int64]:
        """Count the pixels of a patch, and return the likeliest class of each, (H, W).

        Args:
            logits: (1, classes, H, W).
            target: true classes, or `IGNORED`, (H, W).
        """
        known = target != IGNORED
        for name, calibration in self.calibrations.items():
            probabilities = calibration(logits)[0].numpy()
            self.counts[name].add(probabilities[:, known], target[known])
        likeliest: NDArray[np.int64] = probabilities.argmax(axis=0)
        return likeliest

    @property
    def tested(self) -> dict[str, ClassReliability]:
        """What they say beside the truth, `RAW` and `CALIBRATED`."""
        return {name: counts.reliability() for name, counts in self.counts.items()}

    def document(self) -> dict[str, Any]:
        """Return all that is known of them, for programs."""
        phases = self.phases
        return {
            "classes": CLASSES,
            "calibration": None
            if phases is None
            else {**vars(phases.calibration), "fraction_error": phases.fraction_error, "slices": phases.slices},
            "validation": None if phases is None else {RAW: phases.raw, CALIBRATED: phases.calibrated},
            "tested": self.tested,
            "training_shares": self.training_shares,
        }

    def lines(self) -> list[str]:
        """Return the same for people."""
        tested = self.tested
        scores = {
            f"probabilities, {name}": [found.bits_per_pixel, found.calibration_error, *found.class_calibration_errors]
            for name, found in reversed(tested.items())
        }
        shares = {f"expected, {name}": found.expected_shares for name, found in reversed(tested.items())}
        shares["true"] = tested[RAW].true_shares
        if self.training_shares is not None:
            shares["mean of the training slices"] = list(self.training_shares)
        errors = () if self.phases is None else self.phases.fraction_error
        named = ", ".join(f"{name} {100 * error:.2f}" for name, error in zip(CLASSES, errors, strict=False))
        return [
            "",
            *_table(["bits per pixel", "calibration error", *(f"of {name}" for name in CLASSES)], scores, 1, 4),
            "",
            *_table([f"{name} [%]" for name in CLASSES], shares, 100, 2),
            *([f"standard deviation of the expected fractions from the calibration [%]: {named}"] if named else []),
        ]

    def figure(self, title: str) -> Figure:
        """Return the picture of them."""
        validation = None if self.phases is None else self.phases.calibrated
        return draw_probabilities(self.tested, validation, self.training_shares, title)


def _table(head: Sequence[str], rows: dict[str, list[float]], factor: float, digits: int) -> list[str]:
    first = max(map(len, rows))
    lines = [" " * first + "".join(f"  {name:>18}" for name in head)]
    lines += [
        f"{name:<{first}}" + "".join(f"  {factor * value:>18.{digits}f}" for value in values)
        for name, values in rows.items()
    ]
    return lines
