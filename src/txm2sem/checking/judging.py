"""What the measures of pairs mean: shifted slices, exchanged folders, exchanged contrast, strangers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from txm2sem.checking.findings import Finding
from txm2sem.checking.pairs import PairMeasures
from txm2sem.checking.sources import MOST_NAMED, TITLES, Place
from txm2sem.errors import listed
from txm2sem.options import DataOptions

Pairs = Mapping[Place, PairMeasures]

LONGEST_SHIFT = 1.0
"""Length of a displacement that is warned of [pixels]."""

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


def judge_pairs(pairs: Pairs, options: DataOptions) -> list[Finding]:
    """Return what is wrong with pairs, none of whose images is blank, measured with these options."""
    if not pairs:
        return []
    return [*_judge_folders(pairs), *_judge_contrast(pairs), *_judge_registration(pairs, options)]


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


def common_shift(pairs: Pairs, options: DataOptions) -> tuple[int, int] | None:
    """Return `--y_misalign` and `--x_misalign` that undo a shift of all TXM slices, measured with options; or None."""
    found = [pair.whole for pair in pairs.values() if pair.whole is not None and pair.whole.confident]
    vectors = np.array([(shift.rows, shift.columns) for shift in found])
    shifted = [shift for shift in found if shift.length > LONGEST_SHIFT]
    if len(shifted) < 2 or len(shifted) < len(found) or np.hypot(*np.ptp(vectors, axis=0)) >= LONGEST_SHIFT:
        return None
    rows, columns = np.median(vectors, axis=0).tolist()
    return options.y_misalign + round(rows), options.x_misalign + round(columns)


def _judge_registration(pairs: Pairs, options: DataOptions) -> list[Finding]:
    found = {place: pair.whole for place, pair in pairs.items() if pair.whole is not None and pair.whole.confident}
    shifted = {place: shift for place, shift in found.items() if shift.length > LONGEST_SHIFT}
    findings: list[Finding] = []
    vectors = np.array([(shift.rows, shift.columns) for shift in shifted.values()])
    undone = common_shift(pairs, options)
    if undone is not None:
        rows, columns = np.median(vectors, axis=0)
        findings.append(
            Finding(
                "warning",
                "shifted",
                "",
                f"the TXM lies {_vector(rows, columns)} beside the SEM in all slices",
                f"Register the slices, or train and test with --y_misalign {undone[0]} --x_misalign {undone[1]}.",
            )
        )
    else:
        findings += [
            Finding(
                "warning",
                "shifted",
                str(place),
                f"the TXM lies {_vector(shift.rows, shift.columns)} beside the SEM; expected at most "
                f"{LONGEST_SHIFT:g} pixel",
                "Register this slice again: move the TXM by the opposite of this.",
            )
            for place, shift in shifted.items()
        ]
    for place, pair in pairs.items():
        length = pair.median_length()
        if place in found and place not in shifted and length is not None and length > LONGEST_SHIFT:
            findings.append(
                Finding(
                    "warning",
                    "distorted",
                    str(place),
                    f"half of the tiles lie more than {length:.1f} pixels beside the SEM, each in its own "
                    "direction: stretched, rotated or bent",
                    "Register this slice again, with an affine or elastic transform.",
                )
            )
    unknown = [place for place in pairs if place not in found]
    if unknown:
        findings.append(
            Finding(
                "warning" if len(unknown) > len(pairs) / 2 else "note",
                "registration",
                "",
                f"edges of TXM and SEM coincide nowhere clearly within the search, in {len(unknown)} of {len(pairs)} "
                f"slices ({listed(unknown, MOST_NAMED)}): whether these are aligned cannot be confirmed",
                "Look at these slices on top of each other: they may lie further apart, or share no fine structure.",
            )
        )
    return findings


def _vector(rows: float, columns: float) -> str:
    down = f"{abs(rows):.1f} pixels {'down' if rows > 0 else 'up'}"
    return f"{down} and {abs(columns):.1f} {'right' if columns > 0 else 'left'}"
