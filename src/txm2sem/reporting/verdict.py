"""Whether a model is worth its name, in words: is it better than predictions without a model, and how sure is that?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from txm2sem.commands import next_test
from txm2sem.errors import UserError, listed
from txm2sem.metrics import Interval, Resampling
from txm2sem.reporting.record import RunRecord, TestRecord, VolumeRecord, number_of
from txm2sem.reporting.scorecard import evaluation_tables
from txm2sem.runs import RunPaths
from txm2sem.scoring.names import FEW_SLICES, LONGEST_SHIFT, ONE_DRAW, REGION_NAMES, TRUTH
from txm2sem.scoring.table import better_text
from txm2sem.txm_noise import TxmNoise
from txm2sem.verdicts import Concern, Verdict

Judgement = Literal["better", "worse", "unclear", "said"]

MEASURES = {
    "psnr_all": ("PSNR", "dB", 2, 1),
    "ssim_all": ("SSIM", "", 3, 1),
    "ms_ssim_all": ("MS-SSIM", "", 3, 1),
    "pearson_all": ("correlation", "", 3, 1),
    "perceptual": ("perceptual distance", "", 3, -1),
}
"""Measures of single images: name, unit, digits, and 1 where more is better, -1 where less is."""


MISSED = 0.1
"""A phase of which less than this share is found is missed."""

MATERIAL = 0.01
"""Errors that differ by no more than this share of the true value are alike."""

FRACTION_OFF = 0.2
"""Where thresholds find more or less of a phase, by this share of what there is, its fraction is said to be off."""

POWER_OFF = 3.0
"""Power spectra that are further from the SEM's, in the mean over frequencies, are spoken of [dB]."""

GRID_STANDS_OUT = 3.0
"""A grid of upsampling is spoken of that stands out by so much more than in the SEM [dB]."""


OF_THE_MODEL = ("needless", "missed phase")
"""Kinds of concerns that are the model's, wherever it is applied."""


@dataclass(frozen=True)
class Judged:
    """One finding.

    Attributes:
        judgement: how the model compares.
        measure: in which measure.
        text: the sentence that says so.
        gain: by how much it is better, where it was tested on one slice and nobody knows how sure that is; else NaN.
    """

    judgement: Judgement
    measure: str
    text: str
    gain: float = math.nan


def verdict_on(paths: RunPaths) -> Verdict:
    """Return what to make of a run: is it better than what needs no model, and what is to be minded?

    Raises:
        UserError: there is no such run, or its saved options are damaged.
    """
    return verdict_of(RunRecord.read(paths))


def verdict_of(record: RunRecord) -> Verdict:
    """Return what to make of a run, as far as its folders tell."""
    sentence = judge(record)[0]
    if record.tested is None:
        return Verdict(sentence)
    better = record.tested.scores.get("better_on_validation")
    needless = [Concern("needless", f"{better_text(better)}; use those")] if better else []
    return Verdict(sentence, [*needless, *_concerns(record.tested)])


def verdict_on_cube(paths: RunPaths) -> Verdict:
    """Return what the latest test on a cube has found along z.

    Raises:
        UserError: there is no such run, or its saved options are damaged.
    """
    found = _continuity(RunRecord.read(paths).volumes)
    return Verdict(f"{found[0].text}." if found else "Nothing is known of the cube along z.")


def verdict_on_training(paths: RunPaths) -> Verdict:
    """Return what a training has come to on the validation split, by its first score.

    Raises:
        UserError: there is no such run, or its saved options are damaged.
    """
    record = RunRecord.read(paths)
    course = record.course
    if not course.scores or not len(course.scores[0].values):
        return Verdict("Nothing was validated: only a test says what it is worth.")
    score = course.scores[0]
    last, best = float(score.values[-1]), int(np.argmax(score.values))
    concerns = []
    if best < len(score.values) - 1 and record.paths.network("best", "G").exists():
        text = (
            f"{score.name} was best in epoch {score.epochs[best]:g}, {score.values[best]:.4g}; test that one, too, "
            f"with --epoch best"
        )
        concerns.append(Concern("unfinished", text))
    elif best == len(score.values) - 1 and best > 1:
        text = (
            "it was best at its end, and may become better yet: go on with --continue_train and a larger --niter or "
            "--time_budget"
        )
        concerns.append(Concern("unfinished", text))
    trivial = {kind: found[score.name] for kind, found in course.trivial.items() if score.name in found}
    if not trivial:
        return Verdict(f"{score.name} is {last:.4g} on the validation split; a test says what that is worth.", concerns)
    other = max(trivial, key=lambda kind: trivial[kind])
    beside = f"{score.name} is {last:.4g} on the validation split, that of {other}, which needs no model, is"
    if last > trivial[other]:
        sentence = f"It has learned something: {beside} {trivial[other]:.4g}. Test whether that holds."
    else:
        sentence = (
            f"It is no better than what needs no model: {beside} {trivial[other]:.4g}. Train it longer, or look at the "
            "slices with txm2sem check."
        )
    return Verdict(sentence, concerns)


def concerns_of_test(paths: RunPaths) -> list[Concern]:
    """Return what the test of a model says against what it has made elsewhere; nothing where that cannot be read."""
    try:
        record = RunRecord.read(paths)
    except UserError:
        return []
    if record.tested is None:
        return [
            Concern(
                "not confirmed", f"{paths.results} has no test of the model, and how good it is: {next_test(paths)}"
            )
        ]
    is_better = any(one.judgement == "better" or one.gain > 0 for one in _judge_measures(record.tested))
    worse = [] if is_better else [Concern("needless", judge(record)[0].rstrip("."))]
    return [*worse, *(one for one in verdict_of(record).concerns if one.kind in OF_THE_MODEL)]


def judge(record: RunRecord) -> tuple[str, list[Judged]]:
    """Return the verdict on a run in one line, and what it rests on."""
    if record.tested is None:
        return "Not tested yet: how good the model is, is not known.", list(_continuity(record.volumes))
    tested = record.tested
    found = _judge_measures(tested)
    better = tested.scores.get("better_on_validation")
    first = [Judged("worse", "Dice", better_text(better))] if better else []
    headline = f"Not better than what needs no model: {better['name']}." if better else _headline(found)
    return headline, [*first, *found, *_few(tested), *_power(tested), *_rock(tested), *_continuity(record.volumes)]


def _judge_measures(tested: TestRecord) -> list[Judged]:
    return judge_scores(tested) if tested.slices else _judge_tables(tested.scores)


def judge_scores(tested: TestRecord) -> list[Judged]:
    """Compare the model, measure by measure, with the best prediction without a model, on the same images.

    The interval is that of the mean difference, over resampled slices (see `Resampling`).
    """
    model = tested.model_kind
    judged = []
    for column, (name, unit, digits, sign) in MEASURES.items():
        values = {kind: sign * tested.values(kind, column) for kind in tested.card["similarity"]}
        best = best_of({kind: own for kind, own in values.items() if kind != model})
        if best is None or not np.isfinite(values[model]).any():
            continue
        difference = difference_of(values[model], values[best], tested.slices)
        judged.append(judge_difference(name, unit, digits, sign, best, difference))
    return judged


def best_of(values: Mapping[str, NDArray[np.float64]]) -> str | None:
    """Return the name with the largest mean; None where none has any."""
    means = {name: float(np.nanmean(own)) for name, own in values.items() if np.isfinite(own).any()}
    return max(means, key=lambda name: means[name]) if means else None


def difference_of(one: NDArray[np.float64], other: NDArray[np.float64], slices: Sequence[int]) -> Interval:
    """Return the mean difference of values of the same images, (N,), with its interval over their slices."""
    return Resampling(slices, np.random.default_rng(0)).mean(one - other)


def judge_difference(name: str, unit: str, digits: int, sign: int, best: str, difference: Interval) -> Judged:
    """Return the finding on one measure.

    Args:
        name, unit, digits, sign: of the measure, see `MEASURES`.
        best: the best prediction without a model.
        difference: model - best, times `sign`: above 0 where the model is better.
    """

    def shown(value: float) -> str:
        return f"{sign * value:+.{digits}f}"

    ends = sorted((sign * difference.low, sign * difference.high))
    unit = f" {unit}" if unit else ""
    if not math.isfinite(difference.low):
        text = f"{name}: {shown(difference.value)}{unit} beside {best}; from one slice alone, nobody knows how sure"
        return Judged("unclear", name, text, difference.value)
    interval = f"{shown(difference.value)}{unit} [{ends[0]:+.{digits}f}, {ends[1]:+.{digits}f}]"
    if difference.low > 0:
        return Judged("better", name, f"{name}: better than {best}, the best without a model: {interval}")
    if difference.high < 0:
        return Judged("worse", name, f"{name}: worse than {best}, which needs no model: {interval}")
    return Judged("unclear", name, f"{name}: not to be told from {best}, which needs no model: {interval}")


def _judge_tables(scores: Mapping[str, Any]) -> list[Judged]:
    """Compare means, whose standard errors are over patches."""
    tables = evaluation_tables(scores)
    if not tables or len(tables[0].rows) < 2:
        return []
    (_, own), *others = tables[0].rows.items()
    judged = []
    for column, head in enumerate(tables[0].head):
        best, values = max(others, key=lambda row: row[1][column][0])
        (mean, error), (other, other_error) = own[column], values[column]
        sure = 2 * math.hypot(error, other_error)
        name = head.removesuffix(" [dB]")
        words = f"{mean:.4g} ± {error:.2g}, {best} {other:.4g} ± {other_error:.2g}"
        if mean - other > sure:
            judged.append(Judged("better", name, f"{name}: better than the best without a model: {words}"))
        elif other - mean > sure:
            judged.append(Judged("worse", name, f"{name}: worse than without a model: {words}"))
        else:
            judged.append(Judged("unclear", name, f"{name}: not to be told from the best without a model: {words}"))
    return judged


def _headline(judged: Sequence[Judged]) -> str:
    if not judged:
        return "Tested, but there is nothing to compare it with."
    if all(math.isfinite(one.gain) for one in judged):
        gained = [one.measure for one in judged if one.gain > 0]
        where = (
            f"better in {joined(gained)} than what needs no model" if gained else "no better than what needs no model"
        )
        return f"On the one slice that it was tested on {where}; nobody knows how sure that is."
    names = {kind: [one.measure for one in judged if one.judgement == kind] for kind in ("better", "worse", "unclear")}
    if len(names["better"]) == len(judged):
        return f"Better than every prediction without a model in {joined(names['better'])}."
    parts = [
        f"{words} {joined(names[kind])}"
        for kind, words in (("better", "better in"), ("worse", "worse in"), ("unclear", "not to be told apart in"))
        if names[kind]
    ]
    start = "Beside the best without a model" if names["better"] else "Not better than predictions without a model"
    return f"{start}: {'; '.join(parts)}."


def _few(tested: TestRecord) -> list[Judged]:
    count = len(set(tested.slices))
    if not 1 < count < FEW_SLICES:
        return []
    text = f"The brackets rest on {count} slices alone: they are rough, and rather too narrow"
    return [Judged("said", "intervals", text)]


def _power(tested: TestRecord) -> list[Judged]:
    """Compare how far power spectra are from the SEM's, which tells whether fine texture is there, not where."""
    found = {
        kind: {key: number_of(measures.get("spectrum_mean_db") or {}, key) for key in ("value", "low", "high")}
        for kind, measures in tested.card.get("spectrum", {}).items()
    }
    own = found.pop(tested.model_kind, {"value": math.nan})
    others = {kind: interval["value"] for kind, interval in found.items() if math.isfinite(interval["value"])}
    if not others or not math.isfinite(own["value"]):
        return []
    best = min(others, key=lambda kind: others[kind])
    judgement: Judgement = "unclear"
    if own["high"] < found[best]["low"]:
        judgement = "better"
    elif own["low"] > found[best]["high"]:
        judgement = "worse"
    text = (
        f"Power spectrum: {own['value']:.1f} dB off the SEM's, mean over frequencies; of predictions without a model, "
        f"{best} comes nearest, {others[best]:.1f} dB off"
    )
    return [Judged(judgement, "power spectrum", text)]


def _rock(tested: TestRecord) -> list[Judged]:
    """Say which phases are missed, and of the others how many measures the model brings nearer to the truth.

    What is undefined for either prediction counts for nobody, and neither does a difference that is not material.
    """
    rock = tested.card.get("rock", {})
    other = next((kind for kind in rock if kind.startswith("linear fit")), None)
    if other is None or tested.model_kind not in rock:
        return []
    missed = _missed_phases(tested)
    nearer = further = 0
    for phase, measures in rock[tested.model_kind].items():
        if phase in missed:
            continue
        true = number_of(measures["fraction"]["true"], "value")
        for measure, own in measures.items():
            scale = true if measure == "s2_error" else abs(number_of(own["true"], "value"))
            gain = _error(rock[other][phase][measure], measure) - _error(own, measure)
            nearer += gain > MATERIAL * scale
            further += gain < -MATERIAL * scale
    judgement: Judgement = "better" if nearer > further else "worse" if nearer < further else "unclear"
    text = (
        f"Rock: {nearer} measures of the phases come nearer to the truth than with a {other}, {further} stay further "
        "away"
    )
    said = [Judged("worse", "missed phase", f"Rock: {words}") for words in missed.values()]
    return [*said, *([Judged(judgement, "rock", text)] if nearer or further else [])]


def _missed_phases(tested: TestRecord) -> dict[str, str]:
    """Return what of a phase is found, in words, for those that are missed."""
    shares = _fractions(tested, tested.model_kind)
    return {
        phase: f"{REGION_NAMES.get(phase, phase)} is missed: {found:.2%} of the image, where the truth has {true:.2%}"
        for phase, (true, found) in shares.items()
        if found < MISSED * true
    }


def _fractions(tested: TestRecord, kind: str) -> dict[str, tuple[float, float]]:
    """Return the true and the predicted fraction of each phase, by thresholds."""
    sides = ("true", "predicted")
    return {
        phase: (*(number_of(measures["fraction"][side], "value") for side in sides),)  # type: ignore[misc]
        for phase, measures in tested.card.get("rock", {}).get(kind, {}).items()
    }


def _concerns(tested: TestRecord) -> list[Concern]:
    """Return what there is to mind about the predictions of a test."""
    card, kind = tested.card, tested.model_kind
    missed = _missed_phases(tested)
    found = [Concern("missed phase", f"{words}; measure none of it in predictions") for words in missed.values()]
    noise = card.get("txm_noise")
    found += [*_misaligned(tested), *(TxmNoise(**noise).concerns if noise else [])]
    count = len(set(tested.slices))
    if 0 < count < FEW_SLICES:
        those = f"{count} slices" if count > 1 else "one slice"
        found.append(
            Concern("few slices", f"all of this rests on {those}: what others score may differ; test on more of them")
        )
    # Of several draws, their mean is the prediction; phases are measured in single ones.
    shown = next((one for one in card.get("rock", {}) if one.startswith(ONE_DRAW)), kind)
    off = [
        f"{predicted:.1%} of {REGION_NAMES.get(phase, phase)} (truth: {true:.1%})"
        for phase, (true, predicted) in _fractions(tested, shown).items()
        if phase not in missed and abs(predicted - true) > FRACTION_OFF * true
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


def _misaligned(tested: TestRecord) -> list[Concern]:
    """Speak of slices whose SEM lies beside what is predicted for it."""
    away = {number: math.hypot(*found) for number, found in tested.card.get("displacements_px", {}).items()}
    off = {number: length for number, length in away.items() if length > LONGEST_SHIFT}
    if not off:
        return []
    text = (
        f"in {len(off)} of {len(away)} slices ({listed([f'{int(number):03d}' for number in off], 4)}) the SEM lies up "
        f"to {max(off.values()):.1f} pixels beside the prediction; align them with txm2sem align, and test again"
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


def _error(found: Mapping[str, Any], measure: str) -> float:
    return abs(number_of(found if measure == "s2_error" else found["error"], "value"))


def _continuity(volumes: Sequence[VolumeRecord]) -> list[Judged]:
    for volume in volumes:
        found = volume.continuity.get("volumes", {})
        ratios = {name: number_of(values, "adjacent_difference_of_txm") for name, values in found.items()}
        if "prediction" in ratios:
            true = f"; the {TRUTH}: {ratios['truth']:.2f} times" if "truth" in ratios else ""
            text = f"Along z: adjacent slices differ {ratios['prediction']:.2f} times as much as those of the TXM{true}"
            return [Judged("said", "continuity", text)]
    return []


def joined(names: Sequence[str]) -> str:
    """Return names with an `and` before the last."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
