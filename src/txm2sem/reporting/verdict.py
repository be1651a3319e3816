"""What to make of a model, in a sentence, with what there is to mind."""

from __future__ import annotations

import numpy as np

from txm2sem.commands import next_test
from txm2sem.errors import UserError
from txm2sem.reporting.concerns import concerns_of, cut_short
from txm2sem.reporting.judging import judge, judge_continuity, judge_measures
from txm2sem.reporting.record import RunRecord
from txm2sem.runs import RunPaths
from txm2sem.scoring.table import better_text
from txm2sem.verdicts import Concern, Verdict

OF_THE_MODEL = ("needless", "missed phase")
"""Kinds of concerns that are the model's, wherever it is applied."""


def verdict_on(paths: RunPaths) -> Verdict:
    """Return what to make of a run: is it better than what needs no model, and what is to be minded?

    Raises:
        UserError: there is no such run, or its saved options are damaged.
    """
    return verdict_of(RunRecord.read(paths))


def verdict_of(record: RunRecord) -> Verdict:
    """Return what to make of a run, as far as its folders tell."""
    sentence = judge(record)[0]
    better = record.tested.scores.get("better_on_validation") if record.tested else None
    needless = [Concern("needless", f"{better_text(better)}; use those")] if better else []
    return Verdict(sentence, [*needless, *concerns_of(record)])


def verdict_on_cube(paths: RunPaths) -> Verdict:
    """Return what the latest test on a cube has found along z.

    Raises:
        UserError: there is no such run, or its saved options are damaged.
    """
    found = judge_continuity(RunRecord.read(paths).volumes)
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
    concerns = cut_short(record)
    if (
        last < score.low[best] < score.values[best]
        and score.epochs[best] > 0
        and record.paths.network("best", "G").exists()
    ):
        text = (
            f"{score.name} was best in epoch {score.epochs[best]:g}, {score.values[best]:.4g}; test that one, too, "
            f"with --epoch best"
        )
        concerns.append(Concern("unfinished", text))
    elif best == len(score.values) - 1 and best > 1 and not concerns:
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
                "not confirmed",
                f"{paths.results} has no test of the model, which tells how good it is: {next_test(paths)}",
            )
        ]
    is_better = any(one.judgement == "better" or one.gain > 0 for one in judge_measures(record.tested))
    is_said = is_better or bool(record.tested.scores.get("better_on_validation"))
    worse = [] if is_said else [Concern("needless", judge(record)[0].rstrip("."))]
    return [*worse, *(one for one in verdict_of(record).concerns if one.kind in OF_THE_MODEL)]
