"""Whether a model is worth its name, in words: is it better than predictions without a model, and how sure is that?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from txm2sem.errors import joined
from txm2sem.metrics import Interval, Resampling
from txm2sem.reporting.concerns import missed_phases
from txm2sem.reporting.record import RunRecord, TestRecord, VolumeRecord, number_of
from txm2sem.reporting.scorecard import evaluation_tables
from txm2sem.scoring.names import ONE_DRAW, TRUTH
from txm2sem.scoring.table import better_text

Judgement = Literal["better", "worse", "unclear", "said"]

MEASURES = {
    "psnr_all": ("PSNR", "dB", 2, 1),
    "ssim_all": ("SSIM", "", 3, 1),
    "ms_ssim_all": ("MS-SSIM", "", 3, 1),
    "pearson_all": ("correlation", "", 3, 1),
    "perceptual": ("perceptual distance", "", 3, -1),
}
"""Measures of single images: name, unit, digits, and 1 where more is better, -1 where less is."""


MATERIAL = 0.01
"""Errors that differ by no more than this share of the true value are alike."""


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


def judge(record: RunRecord) -> tuple[str, list[Judged]]:
    """Return the verdict on a run in one line, and what it rests on."""
    if record.tested is None:
        return "Not tested yet: how good the model is, is not known.", list(judge_continuity(record.volumes))
    tested = record.tested
    found = judge_measures(tested)
    better = tested.scores.get("better_on_validation")
    first = [Judged("worse", "Dice", better_text(better))] if better else []
    headline = f"Not better than what needs no model: {better['name']}." if better else _headline(found)
    return headline, [*first, *found, *_power(tested), *_rock(tested), *judge_continuity(record.volumes)]


def judge_measures(tested: TestRecord) -> list[Judged]:
    """Compare the model with the best prediction without one, in all that was measured of its images."""
    return judge_scores(tested) if tested.card and tested.slices else _judge_tables(tested.scores)


def judge_scores(tested: TestRecord) -> list[Judged]:
    """Compare the model, measure by measure, with the best prediction without a model, on the same images.

    The interval is that of the mean difference, over resampled slices (see `Resampling`).
    """
    model = tested.model_kind
    judged = []
    for column, (name, unit, digits, sign) in MEASURES.items():
        kinds = [kind for kind in tested.card["similarity"] if not kind.startswith(ONE_DRAW)]
        values = {kind: sign * tested.values(kind, column) for kind in kinds}
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
        return f"On the one slice that it was tested on, it is {where}; nobody knows how sure that is."
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


def _power(tested: TestRecord) -> list[Judged]:
    """Compare how far power spectra are from the SEM's, which tells whether fine texture is there, not where."""
    found = {
        kind: {key: number_of(measures.get("spectrum_mean_db") or {}, key) for key in ("value", "low", "high")}
        for kind, measures in tested.card.get("spectrum", {}).items()
        if not kind.startswith(ONE_DRAW)
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
    others = [found for kind, found in rock.items() if kind != tested.model_kind and not kind.startswith(ONE_DRAW)]
    if not others or tested.model_kind not in rock:
        return []
    missed = missed_phases(tested)
    nearer = further = 0
    for phase, measures in rock[tested.model_kind].items():
        if phase in missed:
            continue
        true = number_of(measures["fraction"]["true"], "value")
        for measure, own in measures.items():
            scale = true if measure == "s2_error" else abs(number_of(own["true"], "value"))
            errors = [error for other in others if math.isfinite(error := _error(other[phase][measure], measure))]
            gain = min(errors, default=math.nan) - _error(own, measure)
            nearer += gain > MATERIAL * scale
            further += gain < -MATERIAL * scale
    judgement: Judgement = "better" if nearer > further else "worse" if nearer < further else "unclear"
    text = (
        f"Rock: {nearer} measures of the phases come nearer to the truth than with the best prediction without a "
        f"model, {further} stay further away"
    )
    said = [Judged("worse", "missed phase", f"Rock: {words}") for words in missed.values()]
    return [*said, *([Judged(judgement, "rock", text)] if nearer or further else [])]


def _error(found: Mapping[str, Any], measure: str) -> float:
    return abs(number_of(found if measure == "s2_error" else found["error"], "value"))


def judge_continuity(volumes: Sequence[VolumeRecord]) -> list[Judged]:
    """Say how adjacent slices of the latest cube differ, beside those of its TXM."""
    for volume in volumes:
        found = volume.continuity.get("volumes", {})
        ratios = {name: number_of(values, "adjacent_difference_of_txm") for name, values in found.items()}
        if "prediction" in ratios:
            true = f"; the {TRUTH}: {ratios['truth']:.2f} times" if "truth" in ratios else ""
            text = f"Along z: adjacent slices differ {ratios['prediction']:.2f} times as much as those of the TXM{true}"
            return [Judged("said", "continuity", text)]
    return []
