"""How strong the coarse noise of a model of samples is, so that its draws are as likely as can be on images not seen.

Trained draws are too alike: on images that a network has not seen its mean is wrong by more than on those that it has
learned from. Coarse noise moves whole grains and pores, and more of it leaves texture and power as they are, so its
strength is what is adjusted; on the validation split, once for a checkpoint. What is adjusted to is the score that the
model was trained by, which is proper (Gneiting & Raftery 2007, https://doi.org/10.1198/016214506000001437): it is best
where draws are as different as the truth is from them, and no longer where their mean is shifted by noise that the
network knows nothing of.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from torch import Tensor

from txm2sem.data import AlignedSlices, EvaluationPatches, has_split
from txm2sem.errors import UserError
from txm2sem.files import interpreting, json_text, read_json, typed
from txm2sem.kept import keep
from txm2sem.model.predictor import Place, Predictor
from txm2sem.objectives import crps_loss
from txm2sem.options import DataOptions, ImagesRunOptions, ModelCommand
from txm2sem.progress import progress_bar
from txm2sem.runs import paths_of, trained_with
from txm2sem.scoring.draws import DrawScores

PATCHES, DRAWS = 24, 8
"""Patches of the validation split that are looked at, and draws of each."""

MOST = 4.0
"""Emphasis that is not exceeded, see `noise.strengths`."""

PRECISION, DIGITS = 0.1, 2
"""How exactly the emphasis is found, which is flat around the best, and digits that are kept of it."""

BY_SPREAD = {"checkpoint_sha256", "emphasis", "before", "after"}
"""What was kept while the emphasis was found by the spread alone, which may shift what is drawn: it is found anew."""

Seen: TypeAlias = tuple[Place, Tensor, NDArray[np.float32], NDArray[np.bool_]]
"""Of a patch: where it lies, the source (1, C, H, W), the truth and the pixels that count, (H, W)."""


@dataclass(frozen=True)
class DrawSpread:
    """What is known of the draws of a model, from its validation split.

    Attributes:
        checkpoint_sha256: of the weights.
        emphasis: of coarse noise, 0 to `MOST`.
        score_before, score_after: of the draws, see `crps_loss`, without and with the emphasis; less is better.
        before, after: the spread of the draws divided by the error of their mean.
    """

    checkpoint_sha256: str
    emphasis: float
    score_before: float
    score_after: float
    before: float
    after: float

    @property
    def summary(self) -> str:
        """What it does, for people."""
        return (
            f"the coarsest noise is {1 + self.emphasis:.2f} times as strong as in training, which scores best on the "
            f"validation split: {self.score_after:.4f}, {self.score_before:.4f} without that; draws spread "
            f"{self.after:.2f} times as far as their mean is wrong, {self.before:.2f} times without"
        )

    @classmethod
    def load(cls, path: Path, checkpoint_sha256: str) -> DrawSpread | None:
        """Read what was kept; None where it is not there, or belongs to other weights.

        Raises:
            UserError: the file is something else.
        """
        if not path.exists():
            return None
        remedy = "remove it, and the next test finds it anew"
        with interpreting(path, "what is known of a model's draws", remedy):
            content = read_json(path, remedy)
            if set(content) == BY_SPREAD:
                return None
            kept: DrawSpread = typed(cls, content)
            numbers = kept.score_before, kept.score_after, kept.before, kept.after
            if not (0 <= kept.emphasis <= MOST and all(map(math.isfinite, numbers))):
                raise ValueError("numbers out of their ranges")
            return kept if kept.checkpoint_sha256 == checkpoint_sha256 else None


def open_spread(
    command: ModelCommand, label: str, predictor: Predictor, weights: str
) -> tuple[DrawSpread | None, list[str]]:
    """Return what is kept beside a checkpoint, or found now, and kept; None where there is nothing to find it on.

    Args:
        command: the options.
        label: of the checkpoint.
        predictor: of the checkpoint.
        weights: `weights_of` the checkpoint, from before it was read.

    Returns:
        It, and what the user must know of it.

    Raises:
        UserError: slices are missing or damaged, or what is kept is damaged.
    """
    paths = paths_of(command)
    path = paths.spread(label)
    kept = DrawSpread.load(path, weights)
    if kept is not None:
        return kept, [kept.summary]
    trained = trained_with(command)
    roots = [run.dataroot for run in (trained.run, command.run) if isinstance(run, ImagesRunOptions)]
    root = next((root for root in roots if has_split(root, "val")), None)
    if root is None:
        return None, ["draws are as far apart as in training, which may be too little: no validation split tells it"]
    found = find_spread(predictor, _read(root, trained.data), weights)
    try:
        not_kept = keep(path, json_text(found), {paths.network(label, "G"): weights})
    except UserError as error:
        return found, [found.summary, f"it could not be kept: {error}"]
    return found, [found.summary, *([not_kept] if not_kept else [])]


def spread_honestly(command: ModelCommand, label: str, predictor: Predictor, weights: str) -> Predictor:
    """Return a predictor whose draws score best, see `open_spread`."""
    spread, notes = open_spread(command, label, predictor, weights)
    honest = predictor if spread is None else predictor.emphasising(spread.emphasis)
    honest.notes = [*predictor.notes, *notes]
    return honest


def find_spread(predictor: Predictor, seen: Sequence[Seen], weights: str) -> DrawSpread:
    """Return with which emphasis draws score best.

    Args:
        predictor: of single draws.
        seen: patches that it has not learned from.
        weights: SHA-256 of its checkpoint.
    """
    found: dict[float, tuple[float, float]] = {}

    def score(emphasis: float) -> float:
        emphasis = round(emphasis, DIGITS)
        if emphasis not in found:
            found[emphasis] = _score_and_spread(predictor.emphasising(emphasis), seen)
        return found[emphasis][0]

    score(0.0)
    minimize_scalar(score, bounds=(0, MOST), method="bounded", options={"xatol": PRECISION})
    best = min(found, key=score)
    (before, spread_before), (after, spread_after) = found[0.0], found[best]
    return DrawSpread(weights, best, before, after, spread_before, spread_after)


def _read(root: Path, data: DataOptions) -> list[Seen]:
    """Return patches of the validation split."""
    slices = AlignedSlices.open(root, "val", data)
    patches = EvaluationPatches(slices, dataclasses.replace(data, num_test=PATCHES))
    seen = []
    for index in range(len(patches)):
        patch, (position, rows, columns) = patches[index], patches.window(index)
        place = (slices.numbers[position], rows.start, columns.start)
        seen.append((place, patch["source"][None], patch["target"][0].numpy(), patch["usable"][0].numpy()))
    return seen


def _score_and_spread(predictor: Predictor, seen: Sequence[Seen]) -> tuple[float, float]:
    """Return the score of draws, and their spread divided by the error of their mean."""
    scores, ranked = DrawScores(DRAWS), []
    for place, source, target, valid in progress_bar(seen, total=len(seen), desc="comparing draws", unit="patch"):
        placed = predictor.at(place)
        draws = torch.cat([placed.drawing(number)(source) for number in range(DRAWS)])
        scores.add(place[0], draws[:, 0].numpy(), target, valid)
        truth = torch.from_numpy(target).expand_as(draws)
        counted = torch.where(torch.from_numpy(valid), draws, truth)
        ranked.append(float(crps_loss(counted, counted.roll(1, 0), truth)))
    found = scores.document()
    return float(np.mean(ranked)), float(found["spread_over_error"].value) if found else 1.0
