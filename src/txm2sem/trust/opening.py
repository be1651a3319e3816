"""Open what judges the predictions of a command's model: kept beside its checkpoint, or fitted now."""

from __future__ import annotations

import dataclasses
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from txm2sem.data import AlignedSlices, EvaluationPatches, has_split, resolve_ranges
from txm2sem.errors import UserError
from txm2sem.files import json_text, json_values, typed
from txm2sem.kept import keep
from txm2sem.model.model import Model
from txm2sem.options import BackendName, DataOptions, TestCommand, VolumeCommand, run_name
from txm2sem.runs import trained_with
from txm2sem.trust.fitting import fit_trust
from txm2sem.trust.guard import FEW_NOTICED, LITTLE_EXPLAINED
from txm2sem.trust.model import TrustModel
from txm2sem.trust.sampling import Sampler, choose_method, ensemble_labels

FORMAT = 1
"""Raised when what is kept changes its meaning."""

PATCHES = 100
"""Patches of the training split, and of the validation split, that it is fitted on."""

SHAPING = (
    *("patch_size", "context_slices", "preprocess", "load_size", "crop_size", "gamma", "hist_eq"),
    *("x_misalign", "y_misalign", "txm_range", "sem_range", "sample_name"),
)
"""Options of the training that change what patches look like."""


@dataclass(frozen=True)
class Trust:
    """What judges predictions.

    Attributes:
        sampler: predicts, with a raw variance.
        model: says what that, and the prediction, are worth.
        notes: what the user must know of it.
    """

    sampler: Sampler
    model: TrustModel
    notes: tuple[str, ...]


def open_trust(command: TestCommand | VolumeCommand, asked: Model) -> Trust | None:
    """Return what `--uncertainty` asks for; None where it does not ask.

    It is kept beside the checkpoint, and fitted anew where that, the way it is sampled, or the options of its training
    have changed. The patches are those of the training: options of the test that change them make them look unlike it.

    Args:
        command: the options, checked by `check_trust`.
        asked: the command's model.

    Raises:
        UserError: the model has no such uncertainty, or there are no slices to fit it on.
    """
    options = command.trust
    if not options.uncertainty:
        return None
    paths, label, predictor = asked.paths, asked.label, asked.predictor
    method = choose_method(options, predictor)
    labels = ensemble_labels(paths, label, options.uncertainty) if method == "checkpoints" else [label]
    models = [asked, *(Model.load(command, other) for other in labels[1:])]
    samples = 1 if method == "scale" else options.uncertainty
    sampler = Sampler(predictor, method, samples, [other.predictor for other in models[1:]])
    trained = trained_with(command)
    identity: dict[str, Any] = {
        "format": FORMAT,
        "checkpoints_sha256": [one.checksum for one in models],
        "method": method,
        "samples": samples,
        "patches": PATCHES,
        **{name: getattr(trained.data, name) for name in SHAPING},
    }
    kept = paths.trust(label)
    model = TrustModel.load(kept, identity) if kept.exists() else None
    when, not_kept = "as before", ""
    if model is None:
        when = "now"
        roots = [trained.run.dataroot, command.run.dataroot]
        fitted = fit_trust(sampler, *_patches(roots, trained.data, command, kept.exists()), identity)
        # What is kept has fewer digits than what was fitted; so a first test is like the second.
        model = typed(TrustModel, json_values(fitted))
        not_kept = keep(kept, json_text(model), {paths.network(one.label, "G"): one.checksum for one in models})
    what = {
        "dropout": f"{samples} dropout samples",
        "checkpoints": f"{samples} checkpoints ({', '.join(labels)})",
        "scale": "the scale of the error that the model predicts",
    }[method]
    place = not_kept or f"kept as {kept}"
    first = f"uncertainty from {what}, calibrated {when} on {PATCHES} validation patches ({place})"
    return Trust(sampler, model, (first, *_warnings(model)))


def check_trust(command: TestCommand | VolumeCommand, backend: BackendName, *, frozen: bool) -> None:
    """Check that where not to believe predictions can be found.

    Args:
        command: the options.
        backend: what computes the network.
        frozen: whether it has the normalisation statistics of training, and no dropout.

    Raises:
        UserError: it cannot, or is not asked for.
    """
    options = command.trust
    if not options.uncertainty:
        return
    if command.data.direction != "AtoB":
        raise UserError(
            f"--uncertainty judges predicted SEM, by the TXM, but this model was trained with --direction "
            f"{command.data.direction}, to predict the TXM; leave it out"
        )
    if backend != "torch":
        raise UserError(
            f"--backend {backend} computes one network, without dropout, in 8-bit integers, for which the calibration "
            "of the network itself does not hold; leave --uncertainty out, or pass --backend torch"
        )
    if not frozen:
        raise UserError(
            "--uncertainty is that of a model with the normalisation statistics of training; without --eval the "
            "prediction itself has dropout and the statistics of the patch; pass --eval"
        )


def _patches(
    roots: list[Path], data: DataOptions, command: TestCommand | VolumeCommand, is_other: bool
) -> tuple[EvaluationPatches, EvaluationPatches]:
    """Return training and validation patches of the first data root that has both."""
    root = next((root for root in roots if has_split(root, "train") and has_split(root, "val")), None)
    if root is None:
        places = " or ".join(map(str, dict.fromkeys(roots)))
        found = "what is kept belongs to another checkpoint or other options" if is_other else "it has not been made"
        raise UserError(
            f"--uncertainty needs the training and validation splits once, to be calibrated on: {found}, and they are "
            f"not both in {places}. Make it where the images are, with: txm2sem test --name "
            f"{shlex.quote(run_name(command))} --eval --uncertainty {command.trust.uncertainty}; or "
            "pass --dataroot, the folder that the model was trained on"
        )
    training = AlignedSlices.open(root, "train", data)
    data = dataclasses.replace(resolve_ranges(data, training), num_test=PATCHES)
    return EvaluationPatches(training, data), EvaluationPatches(AlignedSlices.open(root, "val", data), data)


def _warnings(model: TrustModel) -> list[str]:
    notes = []
    if model.calibration.slope == 0:
        notes.append(
            "where predictions differ says nothing of where they are wrong on the validation split, so the calibrated "
            "standard deviation is the same everywhere; another --uncertainty_from may do better"
        )
    guard = model.guard
    if guard.explained_variance < LITTLE_EXPLAINED or guard.noticed < FEW_NOTICED:
        notes.append(
            f"the guard can tell little here: from the true SEM of the validation split its model explains "
            f"{100 * max(guard.explained_variance, 0):.0f} % of the TXM's variance, and {100 * guard.noticed:.0f} % of "
            "wrong SEM planted there is noticed"
        )
    return notes
