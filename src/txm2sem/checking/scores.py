"""What predictions without any model score: what a model must beat."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from txm2sem.data import AlignedSlices, EvaluationPatches, evaluation_locations, has_split, resolve_ranges
from txm2sem.data.stacks import SliceCache
from txm2sem.errors import UserError
from txm2sem.options import DataOptions, Phase
from txm2sem.scoring.evaluation import Evaluation, PatchScores, fit_trivial_predictions

CACHE_BYTES = 2**28
"""Memory that the decoded slices may take [bytes]."""

SMALLEST_PATCH = 32
"""Side down to which patches are halved where larger ones do not fit [pixels]."""


@dataclass(frozen=True)
class ExpectedScores:
    """Scores of trivial predictions on the evaluation patches of a split.

    Attributes:
        phase: the split.
        patch_size: side of the patches [pixels]; smaller than asked for where that did not fit.
        scores: by name of the prediction.
    """

    phase: Phase
    patch_size: int
    scores: dict[str, PatchScores]


def expected_scores(dataroot: Path, options: DataOptions) -> Iterator[tuple[float, ExpectedScores | None]]:
    """Score the trivial predictions, fitted on the training split, on the validation split, or else the test split.

    Yields:
        the share of the work that is done, and None; in the end the scores.

    Raises:
        UserError: the splits cannot be trained or evaluated on as they are; what training would say, too.
    """
    phase: Phase = "val" if has_split(dataroot, "val") else "test"
    cache = SliceCache(CACHE_BYTES)
    training = AlignedSlices.open(dataroot, "train", options, cache)
    evaluated = AlignedSlices.open(dataroot, phase, options, cache)
    resolved = resolve_ranges(options, training)
    while True:
        try:
            learned, patches = _fixed_patches(training, resolved), _fixed_patches(evaluated, resolved)
            break
        except UserError:
            if resolved.patch_size < 2 * SMALLEST_PATCH:
                raise
            resolved = dataclasses.replace(resolved, patch_size=resolved.patch_size // 2)
    yield 0.1, None
    trivial = fit_trivial_predictions(learned)
    # There is no model yet: the source itself takes its place, which is the first of the trivial predictions.
    evaluation = Evaluation(lambda source, _: source[:, source.shape[1] // 2][:, None], trivial)
    for done, _ in enumerate(evaluation.run(patches), start=1):
        yield 0.3 + 0.7 * done / len(patches), None
    yield 1.0, ExpectedScores(phase, resolved.patch_size, evaluation.trivial)


def _fixed_patches(slices: AlignedSlices, options: DataOptions) -> EvaluationPatches:
    """Return the fixed patches of a split, slice by slice: each is decoded once."""
    locations = evaluation_locations(slices, options.patch_size, options.num_test)
    return EvaluationPatches(slices, options, sorted(locations, key=lambda location: location.slice_index))
