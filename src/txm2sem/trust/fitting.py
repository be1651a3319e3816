"""Fit what judges predictions: on pairs of the training split, and on predictions of the validation split."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from txm2sem.data import EvaluationPatches, middle_channel, to_uint8
from txm2sem.metrics import Reliability, SpreadCounts, VarianceCalibration, texture
from txm2sem.progress import progress_bar
from txm2sem.trust.guard import Pair, fit_guard
from txm2sem.trust.model import TrustModel, raw_spread
from txm2sem.trust.novelty import fit_novelty
from txm2sem.trust.sampling import Sampler

SEED = 0
"""Dropout on the validation split is drawn from it, whatever the seed of a test is."""


def fit_trust(
    sampler: Sampler, training: EvaluationPatches, validation: EvaluationPatches, identity: dict[str, Any]
) -> TrustModel:
    """Return what judges the predictions of a sampler; pixels that are not `usable` take no part.

    Args:
        sampler: the model.
        training: what the TXM made of SEM, and usual tiles, are fitted on; not translated.
        validation: what is translated, to calibrate the standard deviation and to find thresholds.
        identity: what it is fitted for.
    """
    known = [pair_of(patch) for patch in training]
    counted = SpreadCounts()
    pairs, predictions = [], []
    for index, patch in enumerate(progress_bar(validation, total=len(validation), desc="calibrating", unit="patch")):
        prediction, variance = (item[0, 0].numpy() for item in sampler(patch["source"][None], (SEED, index)))
        valid = usable(patch)
        counted.add(raw_spread(variance)[valid], absolute_errors(prediction, patch)[valid])
        pairs.append(pair_of(patch))
        predictions.append(prediction)
    calibration = VarianceCalibration.fit(counted)
    guard = fit_guard(known, pairs)
    # Scores are 0 where pixels do not count.
    contradicting = sum(
        int(guard.contradicts(guard.scores(pair._replace(sem=prediction))).sum())
        for pair, prediction in zip(pairs, predictions, strict=True)
    )
    novelty = fit_novelty(
        [texture(pair.txm, pair.valid) for pair in known],
        [training.window(index)[0] for index in range(len(training))],
        [texture(pair.txm, pair.valid) for pair in pairs],
        known[0].txm.shape[0],
    )
    reliability = Reliability.of(counted, calibration)
    return TrustModel(identity, calibration, reliability, guard, contradicting / reliability.pixels, novelty)


def absolute_errors(prediction: NDArray[np.float32], patch: dict[str, Tensor]) -> NDArray[np.int64]:
    """Return the absolute error of the prediction of a patch, (H, W) each [grey levels of 255]."""
    errors: NDArray[np.int64] = np.abs(to_uint8(prediction).astype(np.int64) - to_uint8(patch["target"][0]))
    return errors


def usable(patch: dict[str, Tensor]) -> NDArray[np.bool_]:
    """Return which pixels (H, W) of a patch are uncharged and imaged."""
    valid: NDArray[np.bool_] = patch["usable"][0].numpy()
    return valid


def pair_of(patch: dict[str, Tensor]) -> Pair:
    """Return TXM and true SEM of a patch."""
    valid = usable(patch)
    return Pair(middle_channel(patch["source"]).numpy(), patch["target"][0].numpy(), None if valid.all() else valid)
