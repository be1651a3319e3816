"""What is known of where the predictions of a checkpoint can be believed: kept beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.data.grey import HALF_RANGE
from txm2sem.files import interpreting, read_json, typed
from txm2sem.metrics import FEATURES, TERMS, Reliability, VarianceCalibration
from txm2sem.options import LONGEST_SIDE
from txm2sem.trust.guard import SMOOTHINGS, Guard, Pair
from txm2sem.trust.novelty import Novelty

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Judgement:
    """How far the prediction of an image can be believed, (H, W) float32 each.

    Attributes:
        raw: standard deviation as it was found [grey levels of 255].
        spread: standard deviation, calibrated [grey levels of 255].
        contradiction: how far the TXM is from what the prediction would give, see `Guard.scores`.
        novelty: distance of the tile from those of training, see `Novelty.distances`.
    """

    raw: Image
    spread: Image
    contradiction: Image
    novelty: Image


@dataclass(frozen=True)
class TrustModel:
    """What judges predictions of one checkpoint.

    Attributes:
        identity: what it was fitted for: plain values by name.
        calibration: of the standard deviation, found on the validation split.
        validation: how the standard deviation compares with the errors there.
        guard: against hallucinations.
        contradicting: share of the pixels of the validation split whose prediction contradicts the TXM, 0 to 1.
        novelty: of tiles.
    """

    identity: dict[str, Any]
    calibration: VarianceCalibration
    validation: Reliability
    guard: Guard
    contradicting: float
    novelty: Novelty

    def judge(self, txm: Image, prediction: Image, variance: Image, imaged: Mask) -> Judgement:
        """Judge a prediction.

        Args:
            txm: (H, W) in [-1, 1], as the network sees it.
            prediction: (H, W) in [-1, 1].
            variance: raw, in the same units.
            imaged: pixels that show something, (H, W).
        """
        counted = None if imaged.all() else imaged
        raw = raw_spread(variance)
        return Judgement(
            raw=raw,
            spread=self.calibration(raw),
            contradiction=self.guard.scores(Pair(txm, prediction, counted)),
            novelty=self.novelty.distances(txm, counted),
        )

    @classmethod
    def load(cls, path: Path, identity: dict[str, Any]) -> TrustModel | None:
        """Read what was kept; None where it was fitted for something else than `identity` says.

        Raises:
            UserError: the file is something else.
        """
        remedy = "remove it, and it is found anew"
        with interpreting(path, "what --uncertainty keeps beside a checkpoint", remedy):
            content = read_json(path, remedy)
            if content["identity"] != identity:
                return None
            model: TrustModel = typed(cls, content)
            model.check()
            return model

    def check(self) -> None:
        """Check that the numbers can be what they stand for.

        Raises:
            ValueError: they cannot.
        """
        calibration, guard, novelty, normality = self.calibration, self.guard, self.novelty, self.novelty.normality
        features = len(FEATURES)
        if not (
            min(calibration.offset, calibration.slope, self.contradicting, guard.threshold, novelty.threshold) >= 0
            and len(guard.coefficients) == TERMS
            and guard.smoothing in SMOOTHINGS
            and guard.spread > 0
            and 0 < novelty.tile <= LONGEST_SIDE
            and normality.mean.shape == normality.spread.shape == (features,)
            and normality.precision.shape == (features, features)
            and (normality.spread > 0).all()
        ):
            raise ValueError("numbers out of their ranges")


def raw_spread(variance: Image) -> Image:
    """Return the standard deviation [grey levels of 255] of a variance in the networks' range, of any shape."""
    return np.float32(HALF_RANGE) * np.sqrt(variance)
