"""What to believe of the measures of a volume, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from txm2sem.errors import joined
from txm2sem.measures import Number, is_guess, missed_by_labels, numbers
from txm2sem.quantities import format_length
from txm2sem.verdicts import Concern, Verdict

WIDE = 0.5
"""Intervals of fractions that are wider than this share of the fraction are spoken of."""

UNLIKE = 2.0
"""A rim is spoken of where a phase is so many times as frequent there as inside, or as rare; and intervals apart."""

SEEN, GUESSED, DRAWN = (
    "These are the numbers of the volume as it is given; the intervals of fractions are about the rock that it is a "
    "part of, and know nothing of errors, if it is a prediction.",
    "Believe the fractions in rock like that of the training, take sizes for up to two fifths off, and believe neither "
    "surfaces nor what connects and conducts.",
    "Every number is a mean over draws; believe it within its interval, in rock like that of the training.",
)


THRESHOLDS = (
    "thresholds of a smooth prediction are the wrong way to a fraction, as the mean of what is possible seldom passes "
    "one; measure the TXM itself with a model that tells how likely phases are (txm2sem train --recipe phases)"
)


LABELS = (
    "fractions are those of labels, which are what is likeliest and miss what is seen weakly; measure the TXM itself "
    "with --name, or translate it with --probabilities"
)

FEW_HOLD = 0.8
"""Intervals of draws that hold less than this share of what is true are spoken of."""


def verdict_on(document: Mapping[str, Any]) -> Verdict:
    """Return what to believe of a document, see `read_measures`."""
    guessed = is_guess(document)
    sentence = DRAWN if document.get("draws") else GUESSED if guessed else SEEN
    concerns = [one for phase in document["phases"] for one in _of_phase(phase)]
    if wide := list(filter(None, (_wide(phase, document["unit"]) for phase in document["phases"]))):
        text = f"known roughly alone: {joined(wide)}; a larger volume, or more slices to learn from, tell more"
        concerns.append(Concern("fraction", text))
    concerns += _of_rim(document)
    if guessed and document.get("thresholds") and not document.get("draws"):
        concerns.append(Concern("smooth", THRESHOLDS))
    if (
        guessed
        and not any(document.get(key) for key in ("thresholds", "draws"))
        and not any(phase.get("expected_fraction") for phase in document["phases"])
    ):
        concerns.append(Concern("missed phase", LABELS))
    drawn = document.get("draws")
    if drawn and drawn["interval_level"] < FEW_HOLD:
        text = (
            f"intervals of {drawn['count']} draws hold {drawn['interval_level']:.0%} of what is true, at best; draw 19 "
            "for 90 %"
        )
        concerns.append(Concern("few slices", text))
    if document["voxel_size_nm"] is None:
        concerns.append(Concern("scale", "no file says how large voxels are; pass --voxel_size to have lengths in nm"))
    if min(document["shape"]) == 1:
        concerns.append(Concern("few slices", "it is one section; what connects is not known from it"))
    return Verdict(sentence, concerns)


def _wide(phase: Mapping[str, Any], unit: str) -> str:
    """Return the fraction of a phase whose interval is wide, in words; nothing where it is not."""
    known = {one.name: one for one in numbers(phase, unit)}
    one = known.get("expected fraction") or known["fraction"]
    if not one.high - one.low > WIDE * one.value > 0:
        return ""
    return f"{one.value:.1%} of {phase['name']} ({one.low:.1%} to {one.high:.1%})"


def _of_phase(phase: Mapping[str, Any]) -> Iterator[Concern]:
    if missed := missed_by_labels(phase):
        text = f"{phase['name']}: {missed}; all numbers of it but the expected fraction are of labels, so believe none"
        yield Concern("missed phase" if missed.endswith("nothing") else "sizes", text)


def _of_rim(document: Mapping[str, Any]) -> list[Concern]:
    """Speak of a rim that is unlike what is inside of it: first of phases that are more frequent there."""
    more, less = [], []
    for phase in document["phases"]:
        known = {one.name: one for one in numbers(phase, document["unit"])}
        near, inside = (known.get(f"fraction {place} the rim") for place in ("near", "inside of"))
        if near is None or inside is None or not phase["measured"]:
            continue
        rim = document["rim"]
        where = f"within {rim['within']} voxels{_length(rim['within'], document['voxel_size_nm'])} of the rim"
        if _is_above(near, inside):
            parts = near.value * rim["share_imaged"], inside.value * (1 - rim["share_imaged"])
            share = f"{parts[0] / sum(parts):.0%} of {phase['name']} lies"
            more.append(f"{share} {where}: there it is {near.value:.1%} of the rock, inside {inside.value:.1%}")
        elif _is_above(inside, near):
            less.append(f"{where} {phase['name']} is {near.value:.1%} of the rock, inside {inside.value:.1%}")
    if not more and not less:
        return []
    wider = document["options"]["rim"] + document["rim"]["within"]
    remedy = f"measure with --rim {wider}, wider while this is said, or a part of it with --roi"
    return [Concern("rim", "; ".join([*more, *less, remedy]))]


def _is_above(one: Number, other: Number) -> bool:
    return one.value > UNLIKE * other.value and one.low > other.high


def _length(voxels: int, voxel_size: tuple[float, float, float] | None) -> str:
    """Return how long so many voxels are in a plane, where that is known and the same along both axes."""
    if voxel_size is None or voxel_size[1] != voxel_size[2]:
        return ""
    return f" ({format_length(voxels * voxel_size[1], 'nm')})"
