"""Whether the slices that are learned from are of the same rock as those that tell how good a model is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from txm2sem.checking.content import SliceContent
from txm2sem.checking.findings import Finding
from txm2sem.checking.sources import Place

PHASES = {"low": "low density", "high": "high density"}

TIMES_AS_MUCH = 2.0
"""So many times as much of a phase in one split as in another is spoken of ..."""

MATTERS = 0.02
"""... where it is at least this share of the pixels more."""


ADVICE = {
    "val": "Calibration and the best epoch are found on another rock: move slices, so that all splits have of all.",
    "test": "Scores will be those of another rock: move slices, so that all splits have of all, or say so.",
}


def judge_splits(contents: Mapping[Place, SliceContent]) -> list[Finding]:
    """Return in which phases the test or validation slices differ from the training slices."""
    findings = []
    for key, name in PHASES.items():
        shares = {split: _share(contents, split, key) for split in ("train", "val", "test")}
        learned = shares.pop("train")
        for split, share in shares.items():
            if learned is None or share is None or abs(share - learned) < MATTERS:
                continue
            least, most = sorted((share, learned))
            if most < TIMES_AS_MUCH * least:
                continue
            text = f"there is {learned:.1%} of {name} in the slices of train, and {share:.1%} in those of {split}"
            findings.append(Finding("note", "splits", "", text, ADVICE[split]))
    return findings


def _share(contents: Mapping[Place, SliceContent], split: str, key: str) -> float | None:
    """Return the mean share of a phase in the slices of a split; None where there is no mask."""
    found = [getattr(content, key) for place, content in contents.items() if place.split == split]
    known = [share for share in found if share is not None]
    return float(np.mean(known)) if known else None
