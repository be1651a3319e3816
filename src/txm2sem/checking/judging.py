"""What the measures of pairs mean: shifted slices, exchanged folders, exchanged contrast, strangers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from txm2sem.checking.findings import Finding
from txm2sem.checking.pairs import PairMeasures
from txm2sem.checking.sources import MOST_NAMED, TITLES, Place
from txm2sem.errors import listed
from txm2sem.quantities import with_pixels
from txm2sem.scoring.names import LONGEST_SHIFT

Pairs = Mapping[Place, PairMeasures]

MUCH_OFF = 2.0
"""Slices that lie further apart are to be aligned before anything else; what `align` confirms lies closer [pixels]."""

SHARPER = 1.1
"""The TXM passes for the sharper image if its mean frequency is so many times the SEM's. In phantoms, and in published
slices of a shale, it is 0.3 to 0.9 times as much."""

CHARGE_DIFFERENCE = 1.0
"""Charging shows in the image that is brighter in charged regions by so much more than the other [standard
deviations]."""

CERTAIN = 3.0
"""A correlation differs from 0 if it is so many times its standard error."""

WEAK = 0.1
"""A correlation of TXM and SEM below this is hardly one."""


def judge_pairs(pairs: Pairs, command: str, pixel_size: float | None) -> list[Finding]:
    """Return what is wrong with pairs, none of whose images is blank.

    Args:
        pairs: by slice.
        command: that aligns them.
        pixel_size: side of a pixel [nm]; None: not known.
    """
    if not pairs:
        return []
    return [*_judge_folders(pairs), *_judge_contrast(pairs), *_judge_registration(pairs, command, pixel_size)]


# -- which is which ---------------------------------------------------------------------------------------------------


def _looks_exchanged(pair: PairMeasures) -> list[str]:
    """Return what tells that the TXM is a SEM and the SEM a TXM; nothing where something tells the contrary."""
    told, contrary = [], False
    sharpness = pair.sharpness()
    if sharpness is not None and sharpness[1] > 0:
        ratio = sharpness[0] / sharpness[1]
        contrary |= ratio < 1 / SHARPER
        if ratio > SHARPER:
            told.append(f"the image in txm is {ratio:.1f} times as sharp as the one in sem")
    if pair.charge_contrast is not None:
        difference = pair.charge_contrast[0] - pair.charge_contrast[1]
        contrary |= difference < -CHARGE_DIFFERENCE
        if difference > CHARGE_DIFFERENCE:
            told.append("charged regions are bright in the image in txm, not in the one in sem")
    return [] if contrary else told


def _judge_folders(pairs: Pairs) -> list[Finding]:
    exchanged = {place: told for place, pair in pairs.items() if (told := _looks_exchanged(pair))}
    if not exchanged:
        return []
    told = max(exchanged.values(), key=len)
    expected = "; expected the TXM to be the blurred one, and only the SEM to be charged"
    advice = "Exchange the files: TXM belongs into txm/, SEM into sem/."
    if len(exchanged) > len(pairs) / 2:
        text = f"TXM and SEM seem to be exchanged in {len(exchanged)} of {len(pairs)} slices: {' and '.join(told)}"
        return [Finding("problem", "swapped", "", text + expected, advice)]
    return [
        Finding("problem", "swapped", str(place), f"TXM and SEM seem to be exchanged: {' and '.join(why)}", advice)
        for place, why in exchanged.items()
    ]


# -- contrast ---------------------------------------------------------------------------------------------------------


def _judge_contrast(pairs: Pairs) -> list[Finding]:
    values = {place: pair.correlation for place, pair in pairs.items() if np.isfinite(pair.correlation)}
    certain = {
        place: value
        for place, value in values.items()
        if abs(value) >= WEAK and abs(value) > CERTAIN * pairs[place].correlation_error
    }
    if not certain:
        return _judge_strangers(values, certain)
    positive = [place for place, value in certain.items() if value > 0]
    negative = [place for place, value in certain.items() if value < 0]
    findings = _judge_strangers(values, certain)
    usual, odd = (positive, negative) if len(positive) >= len(negative) else (negative, positive)
    if len(usual) >= 2 * len(odd):
        findings += [_odd_slice(place, pairs, usual) for place in odd]
        if usual is negative:
            findings.append(_all_opposite(pairs, certain))
    elif odd:
        findings.append(
            Finding(
                "problem",
                "inverted",
                "",
                f"TXM and SEM have the same contrast in {listed(positive, MOST_NAMED)}, but the opposite one in "
                f"{listed(negative, MOST_NAMED)}; expected one sign in all slices",
                "Invert the grey values of one of the two groups; " + _which(pairs, negative),
            )
        )
    return findings + _judge_phases(pairs)


def _odd_slice(place: Place, pairs: Pairs, usual: Sequence[Place]) -> Finding:
    pair = pairs[place]
    others = float(np.median([pairs[other].correlation for other in usual]))
    text = f"TXM and SEM correlate by {pair.correlation:.2f}, but by {others:.2f} in the other slices"
    if pair.whole is not None and pair.whole.confident:
        # Their edges lie at the same places, whatever the sign: it is the contrast.
        advice = f"Invert its grey values; {_which(pairs, [place])}"
        return Finding("problem", "inverted", str(place), f"{text}: the contrast of one is inverted", advice)
    advice = "Its edges do not coincide either: check that both files show the same place, then their contrast."
    return Finding("warning", "inverted", str(place), f"{text}: inverted contrast, or another place", advice)


def _which(pairs: Pairs, places: Sequence[Place]) -> str:
    """Say which image is inverted, as far as the masks tell: what is dense is bright in both microscopes."""
    contrasts = [pairs[place].phase_contrast for place in places]
    known = [contrast for contrast in contrasts if contrast is not None]
    if not known:
        return "which of the two images it is, compare with the other slices."
    dark = [name for index, name in enumerate(("txm", "sem")) if np.median([pair[index] for pair in known]) < 0]
    if len(dark) != 1:
        return "which of the two images it is, compare with the other slices."
    return f"it is the {TITLES[dark[0]]}, which is darker in highdensity than in lowdensity."


def _all_opposite(pairs: Pairs, certain: Mapping[Place, float]) -> Finding:
    middle = float(np.median(list(certain.values())))
    text = f"TXM and SEM have opposite contrast in all slices (correlation {middle:.2f})"
    why = _which(pairs, list(certain))
    if "it is the" in why:
        return Finding("warning", "inverted", "", text, f"Models learn it all the same; invert one if unmeant: {why}")
    return Finding(
        "note",
        "inverted",
        "",
        text,
        "Models learn that, too. Where both are brighter for denser material, as attenuation and back-scattered "
        "electrons are, one of them is inverted: make sure that it is meant.",
    )


def _judge_phases(pairs: Pairs) -> list[Finding]:
    known = [pair.phase_contrast for pair in pairs.values() if pair.phase_contrast is not None]
    if not known or not all(np.median([pair[index] for pair in known]) < 0 for index in (0, 1)):
        return []
    return [
        Finding(
            "warning",
            "masks",
            "",
            "TXM and SEM are both darker in highdensity than in lowdensity; expected dense material to be bright",
            "Exchange the folders of the masks, if they are confused; or both images are inverted.",
        )
    ]


def _judge_strangers(values: Mapping[Place, float], certain: Mapping[Place, float]) -> list[Finding]:
    strangers = [place for place in values if place not in certain]
    if not values or not strangers:
        return []
    if not certain:
        return [
            Finding(
                "problem",
                "unrelated",
                "",
                "TXM and SEM do not correlate in any slice; expected them to show the same places",
                "Register the slices; check that the numbers of TXM and SEM belong together.",
            )
        ]
    usual = float(np.median([abs(value) for value in certain.values()]))
    if usual < 2 * WEAK:
        return []
    return [
        Finding(
            "warning",
            "unrelated",
            str(place),
            f"TXM and SEM hardly correlate ({values[place]:.2f}; {usual:.2f} in the other slices)",
            "Check that both files show the same place of the same slice.",
        )
        for place in strangers
    ]


# -- registration -----------------------------------------------------------------------------------------------------


def are_off(pairs: Pairs) -> dict[Place, float]:
    """Return the slices whose images lie beside each other, and how far [pixels]."""
    return {place: pair.off for place, pair in pairs.items() if pair.off > LONGEST_SHIFT}


def unconfirmed(pairs: Pairs) -> list[Place]:
    """Return the slices of which nothing tells whether they are aligned."""
    return [place for place, pair in pairs.items() if not pair.confirmed]


def _judge_registration(pairs: Pairs, command: str, pixel_size: float | None) -> list[Finding]:
    findings, off, unknown = [], are_off(pairs), unconfirmed(pairs)
    if off:
        where, much = list(off), max(off.values()) > MUCH_OFF
        findings.append(
            Finding(
                "warning" if much else "note",
                "shifted",
                str(where[0]) if len(off) == 1 else "",
                f"{_how_far(pairs, off, pixel_size)}; expected at most {LONGEST_SHIFT:g} pixel",
                f"Align them with: {command}"
                if much
                else f"So little costs hardly anything. To align further: {command}",
            )
        )
    if unknown:
        findings.append(
            Finding(
                "warning" if len(unknown) > len(pairs) / 2 else "note",
                "registration",
                "",
                f"neither edges of TXM and SEM nor tiles of them agree clearly within the search, in {len(unknown)} of "
                f"{len(pairs)} slices ({listed(unknown, MOST_NAMED)}): whether these are aligned cannot be confirmed",
                "Look at these slices on top of each other, in the report: they may lie further apart, or share no "
                f"fine structure. Where they lie apart: {command}",
            )
        )
    return findings


def _how_far(pairs: Pairs, off: Mapping[Place, float], pixel_size: float | None) -> str:
    if len(off) == 1:
        (place,) = off
        whole = pairs[place].whole
        if whole is not None and whole.confident and whole.length > LONGEST_SHIFT:
            return f"the TXM lies {_vector(whole.rows, whole.columns, pixel_size)} beside the SEM"
        return f"TXM and SEM lie {with_pixels(off[place], pixel_size)} beside each other (median of its points)"
    far = np.array(list(off.values()))
    middle, most = (with_pixels(length, pixel_size) for length in (float(np.median(far)), float(far.max())))
    return (
        f"TXM and SEM lie {middle} beside each other, at most {most}, in {len(off)} of {len(pairs)} slices "
        f"({listed(list(off), MOST_NAMED)})"
    )


def _vector(rows: float, columns: float, pixel_size: float | None) -> str:
    down = f"{with_pixels(abs(rows), pixel_size)} {'down' if rows > 0 else 'up'}"
    return f"{down} and {with_pixels(abs(columns), pixel_size)} {'right' if columns > 0 else 'left'}"
