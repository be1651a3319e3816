"""What there is to mind about a model, as its training and its test tell."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from txm2sem.errors import joined, listed
from txm2sem.options import RECIPES, TrainCommand
from txm2sem.quantities import with_pixels
from txm2sem.reporting.record import RunRecord, TestRecord, number_of
from txm2sem.scoring.names import FEW_SLICES, LONGEST_SHIFT, ONE_DRAW, PHASES, REGION_NAMES, TRUTH
from txm2sem.txm_noise import TxmNoise
from txm2sem.verdicts import Concern

MISSED = 0.1
"""A phase of which less than this share is found is missed."""

FRACTION_OFF = 0.2
"""Where thresholds find more or less of a phase, by this share of what there is, its fraction is said to be off."""

SPECK = 0.002
"""Differences of fractions below this share of the image are those of a speck."""

POWER_OFF = 3.0
"""Power spectra that are further from the SEM's, in the mean over frequencies, are spoken of [dB]."""

GRID_STANDS_OUT = 3.0
"""A grid of upsampling is spoken of that stands out by so much more than in the SEM [dB]."""


WORSE_CALIBRATED = 1.2
"""Calibration is spoken of that makes the calibration error on the tested slices so many times as large."""

CUT_SHORT = 0.7
"""A training is cut short that had less than this share of its recipe's steps."""


def concerns_of(record: RunRecord) -> list[Concern]:
    """Return what there is to mind about a model, in any order."""
    tested = record.tested
    if tested is None:
        return cut_short(record)
    return [*cut_short(record), *(_of_images(tested) if tested.card else _of_phases(tested))]


def cut_short(record: RunRecord) -> list[Concern]:
    """Speak of a training that had far fewer steps than its recipe has."""
    recipe = RECIPES.get(str(record.options.get("recipe", "none")), {})
    planned = sum(int(recipe.get(name, 0)) for name in ("niter", "niter_decay"))
    standard = {**asdict(TrainCommand().sampling), **recipe}
    had = record.epochs * _steps({**standard, **record.options}) / _steps(standard)
    if not planned or had >= CUT_SHORT * planned or record.epochs < 0.01 or record.options.get("init_from"):
        return []
    text = (
        f"it had the steps of {had:.2g} of the recipe's {planned} epochs; go on with --continue_train and a larger "
        "--time_budget or --niter"
    )
    return [Concern("unfinished", text)]


def _steps(options: Mapping[str, Any]) -> float:
    """Return the training steps of an epoch."""
    return int(options["num_train"]) / int(options["batch_size"])


def _of_phases(tested: TestRecord) -> list[Concern]:
    """Speak of the expected fractions of a segmentation, beside those of the slices that it has learned from."""
    found = tested.scores.get("probabilities") or {}
    shares = found.get("tested", {})
    best = shares.get("calibrated") or shares.get("raw")
    learned = found.get("training_shares")
    concerns = []
    for name, number in PHASES.items():
        if not best or not learned:
            break
        expected, true, mean = best["expected_shares"][number], best["true_shares"][number], learned[number]
        if abs(expected - true) >= abs(mean - true) and abs(expected - true) > FRACTION_OFF * true:
            text = (
                f"{REGION_NAMES[name]}: {expected:.1%} are expected, {true:.1%} are true, and the training slices have "
                f"{mean:.1%}: the model tells no more than their mean; give no fraction of it as measured"
            )
            concerns.append(Concern("missed phase", text))
    errors = [shares.get(which, {}).get("calibration_error", math.nan) for which in ("raw", "calibrated")]
    bits = [shares.get(which, {}).get("bits_per_pixel", math.nan) for which in ("raw", "calibrated")]
    if errors[1] > WORSE_CALIBRATED * errors[0] and bits[1] >= bits[0]:
        text = (
            f"calibration makes the probabilities of these slices worse (error {errors[0]:.3f}, then {errors[1]:.3f}): "
            "the validation slices are too few, or another rock; validate on more of them"
        )
        concerns.append(Concern("few slices", text))
    return concerns


def missed_phases(tested: TestRecord) -> dict[str, str]:
    """Return what of a phase is found, in words, for those that are missed."""
    shares = _fractions(tested, shown_of(tested))
    return {
        phase: f"{REGION_NAMES.get(phase, phase)} is missed: {found:.2%} of the image, where the truth has {true:.2%}"
        for phase, (true, found) in shares.items()
        if found < MISSED * true
    }


def shown_of(tested: TestRecord) -> str:
    """Return the kind of image that phases are measured in: of several draws a single one, not their mean."""
    return next((kind for kind in tested.card.get("rock", {}) if kind.startswith(ONE_DRAW)), tested.model_kind)


def _fractions(tested: TestRecord, kind: str) -> dict[str, tuple[float, float]]:
    """Return the true and the predicted fraction of each phase, by thresholds."""
    sides = ("true", "predicted")
    return {
        phase: (*(number_of(measures["fraction"][side], "value") for side in sides),)  # type: ignore[misc]
        for phase, measures in tested.card.get("rock", {}).get(kind, {}).items()
    }


def _of_images(tested: TestRecord) -> list[Concern]:
    card, kind = tested.card, tested.model_kind
    if tested.options.get("direction", "AtoB") != "AtoB":  # what follows is about a SEM
        return _few(tested)
    missed = missed_phases(tested)
    found = [Concern("missed phase", f"{words}; measure none of it in predictions") for words in missed.values()]
    noise = card.get("txm_noise")
    found += [*_misaligned(tested), *(TxmNoise(**noise).concerns if noise else [])]
    found += _few(tested)
    shown = shown_of(tested)
    off = [
        f"{predicted:.1%} of {REGION_NAMES.get(phase, phase)} (truth: {true:.1%})"
        for phase, (true, predicted) in _fractions(tested, shown).items()
        if phase not in missed and abs(predicted - true) > max(FRACTION_OFF * true, SPECK)
    ]
    if off:
        text = f"by thresholds there is {joined(off)}; take fractions from a model of recipe phases"
        found.append(Concern("fraction", text))
    power = {name: number_of(card.get("spectrum", {}).get(shown, {}).get(f"spectrum_{name}_db") or {}, "value")
             for name in ("mean", "largest")}  # fmt: skip
    if power["mean"] > POWER_OFF:
        how = "smoother" if power["largest"] < 0 else "rougher"
        text = (
            f"it is {how} than a SEM, by {power['mean']:.0f} dB in the mean over frequencies; look at it, and measure "
            "neither surfaces nor fine sizes in it"
        )
        found.append(Concern("smooth", text))
    return found + _grids(card.get("grid", {}), kind)


def _few(tested: TestRecord) -> list[Concern]:
    count = len(set(tested.slices))
    if not 0 < count < FEW_SLICES:
        return []
    those = f"{count} slices, so intervals are rather too narrow" if count > 1 else "one slice"
    return [Concern("few slices", f"all of this rests on {those}; what others score may differ: test on more of them")]


def _misaligned(tested: TestRecord) -> list[Concern]:
    """Speak of slices whose SEM lies beside what is predicted for it."""
    away = {number: math.hypot(*found) for number, found in tested.card.get("displacements_px", {}).items()}
    off = {number: length for number, length in away.items() if length > LONGEST_SHIFT}
    if not off:
        return []
    text = (
        f"in {len(off)} of {len(away)} slices ({listed([f'{int(number):03d}' for number in off], 4)}) the SEM lies up "
        f"to {with_pixels(max(off.values()), tested.pixel_size)} beside the prediction; align them with txm2sem align, "
        "and test again"
    )
    return [Concern("misaligned", text)]


def _grids(grids: Mapping[str, Mapping[str, Mapping[str, float | None]]], kind: str) -> list[Concern]:
    """Speak of grids that stand out in predictions more than in the SEM."""
    found = []
    for factor, values in grids.get(kind, {}).items():
        known = [values, grids.get(TRUTH, {}).get(factor, {})]
        own, true = (max((one for one in them.values() if one is not None), default=math.nan) for them in known)
        if own - max(true, 0.0) > GRID_STANDS_OUT:
            text = (
                f"a grid of {factor} pixels stands out by {own:.0f} dB, a trace of upsampling; measure nothing of that "
                "size in it"
            )
            found.append(Concern("grid", text))
    return found
