"""What to believe of the measures of a volume, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from txm2sem.measures import numbers
from txm2sem.verdicts import Concern, Verdict

WIDE = 0.5
"""Intervals of fractions that are wider than this share of the fraction are spoken of."""

SEEN, GUESSED, DRAWN = (
    "These are the numbers of the volume as it is given; the intervals of fractions are about the rock that it is a "
    "part of, and know nothing of errors, if it is a prediction.",
    "Believe the fractions in rock like that of the training, take sizes for up to two fifths off, and believe neither "
    "surfaces nor what connects and conducts.",
    "Every number is a mean over draws; believe it within its interval, in rock like that of the training.",
)


def verdict_on(document: Mapping[str, Any]) -> Verdict:
    """Return what to believe of a document, see `read_measures`."""
    guessed = document["model"] is not None
    sentence = DRAWN if document.get("draws") else GUESSED if guessed else SEEN
    concerns = []
    for phase in document["phases"]:
        known = {one.name: one for one in numbers(phase, document["unit"])}
        one = known.get("expected fraction") or known["fraction"]
        if one.high - one.low > WIDE * one.value > 0:
            text = (
                f"the fraction of {phase['name']}, {one.value:.1%}, is between {one.low:.1%} and {one.high:.1%}; a "
                "larger volume, or more slices to learn from, tell more"
            )
            concerns.append(Concern("fraction", text))
    if document["voxel_size_nm"] is None:
        concerns.append(Concern("scale", "no file says how large voxels are; pass --voxel_size to have lengths in nm"))
    if min(document["shape"]) == 1:
        concerns.append(Concern("few slices", "it is one section; what connects is not known from it"))
    return Verdict(sentence, concerns)
