"""What the runs of a sweep have come to: one document, and its table for people and for spreadsheets."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from statistics import fmean
from typing import Any

from txm2sem.errors import listed
from txm2sem.figures.fractions import PhaseFraction
from txm2sem.figures.front import FrontPoint
from txm2sem.metrics import LEVEL, Interval, front_of, further_of_repeats, mean_of_repeats
from txm2sem.scoring.table import aligned, interval_text, number_text
from txm2sem.sweeping.plan import REPEATED
from txm2sem.sweeping.scored import CHANGE, EXCESS, OF_FRACTIONS, Measure, Scored
from txm2sem.sweeping.steps import SweptRun
from txm2sem.verdicts import Concern, Verdict

FORMAT = 1
"""Raised when a key changes its meaning or goes."""

FIDELITY = ("psnr", "ssim")
"""What stands beside continuity in the front."""

SLICE = "slice"
"""What means are over where all slices are left out in turn; else over `REPEATED`."""

NOTES = {
    REPEATED: (
        f"intervals are those of Student's t at {LEVEL:.0%}, over seeds: where the mean over many seeds would be, on"
        " these images; what other slices would change is in the scores of each test"
    ),
    SLICE: (
        f"intervals are those of Student's t at {LEVEL:.0%}, over slices, each left out in turn: where the mean over"
        " many slices of this rock would be; rather too narrow, as trainings share slices. Whether one row is better"
        " than another one is in their difference, slice by slice, and not in whether intervals overlap"
    ),
}
"""What intervals are, by what they are over."""

FURTHER = (
    "a further slice: mean, and in brackets how far off what is said of a slice of this rock that no training has seen"
    f" may be in {LEVEL:.0%} of cases, by Student's t"
)
"""What is said of fractions in slices that no training has seen."""

OTHER_SLICES = "mean of the other slices"
"""What tells the fractions of a slice without a model, and without its TXM."""

BOUNDS = ("", "_low", "_high")
"""Behind the names of columns of a mean and its interval."""

Units = Mapping[str, Mapping[str, float]]
"""Measures of what counts as one in a mean, a run or a slice, by its name."""


@dataclass(frozen=True)
class Repeats:
    """A training with all its seeds or slices, or a prediction without a model.

    Attributes:
        name: of its runs, without the seed and the slice.
        run: its name in the plan; empty without a model.
        options: values of the options that have lists there, but for the seed.
        runs: names of the runs; none without a model.
        units: how many seeds, or slices, its means are over.
        measures: means over them, by key.
        differences: to other rows, by their name: means over the slices that both have, by key; not of fractions, where
            more is not better.
        further: how much more there is of a phase by the model than by the SEM, by key: mean, and where it lies in a
            further slice; where slices are left out.
        fractions: of each phase, by its name, in each slice; there alone.
    """

    name: str
    run: str
    options: dict[str, Any]
    runs: list[str]
    units: int
    measures: dict[str, Interval]
    differences: dict[str, dict[str, Interval]] = field(default_factory=dict)
    further: dict[str, Interval] = field(default_factory=dict)
    fractions: dict[str, dict[str, PhaseFraction]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        name: str,
        over: str,
        runs: Sequence[SweptRun],
        units: Units,
        beside: Mapping[str, Units],
        fractions: dict[str, dict[str, PhaseFraction]],
    ) -> Repeats:
        """Return the means of a row.

        Args:
            name: of the row.
            over: what they are over. Slices may have too little for a measure, and are left out of its mean then.
            runs: that differ in seeds and slices alone; none without a model.
            units: their measures, by what counts as one.
            beside: those of the rows that it is set beside, by their names.
            fractions: of phases in slices, by their names and numbers.
        """
        keys = list(dict.fromkeys(key for values in units.values() for key in values))
        counted = {
            key: [values[key] for values in units.values() if over != SLICE or _defined(values, key)] for key in keys
        }
        differences = {
            other: {
                key: mean_of_repeats([units[unit][key] - theirs[unit][key] for unit in both])
                for key in keys
                if key not in OF_FRACTIONS
                and (both := [unit for unit in units if _defined(units[unit], key) and _defined(theirs.get(unit), key)])
            }
            for other, theirs in beside.items()
            if other != name
        }
        first = runs[0].planned if runs else None
        return cls(
            name,
            first.base if first else "",
            {key: value for key, value in first.varied.items() if key != REPEATED} if first else {},
            [run.name for run in runs],
            len(units),
            {key: mean_of_repeats(values) for key, values in counted.items()},
            {other: found for other, found in differences.items() if found},
            {key: further_of_repeats(counted[key]) for key in OF_FRACTIONS if key in counted and over == SLICE},
            fractions,
        )

    def point(self, key: str) -> tuple[float, float] | None:
        """Return continuity and fidelity; None where one is not known."""
        if CHANGE not in self.measures or key not in self.measures:
            return None
        point = self.measures[CHANGE].value, self.measures[key].value
        return point if all(map(math.isfinite, point)) else None


@dataclass(frozen=True)
class SweepTable:
    """What was found of all runs.

    Attributes:
        plan: its name.
        over: what means and intervals are over, `REPEATED` or `SLICE`.
        measures: what was measured, by key.
        repeats: the trainings, in the order of the plan.
        trivial: predictions without a model.
        runs: the values of each run.
        truth: `CHANGE` of the true SEM; not a number where it is not known.
        undefined: slices that are in none of the means of a measure of some training, by its key.
        not_done: names of the runs that are in none of these numbers.
    """

    plan: str
    over: str
    measures: dict[str, Measure]
    repeats: list[Repeats]
    trivial: list[Repeats]
    runs: dict[str, dict[str, float]]
    truth: float
    undefined: dict[str, list[str]]
    not_done: list[str]

    @classmethod
    def of(
        cls, plan: str, runs: Sequence[SweptRun], not_done: Sequence[str], baselines: Sequence[str] = ()
    ) -> SweepTable:
        """Return what the tests of runs, at least one, have found.

        Args:
            plan: its name.
            runs: those that are done.
            not_done: names of the others.
            baselines: names of rows that all others are set beside, slice by slice.

        Raises:
            UserError: a document of theirs is not there, or damaged.
        """
        scored = {run.name: Scored.read(run) for run in runs}
        groups: dict[str, list[SweptRun]] = {}
        for run in runs:
            groups.setdefault(run.planned.repeated, []).append(run)
        trained = {name: _units_of(group, scored) for name, group in groups.items()}
        trivial = _trivial_units(runs, scored)
        fractions = {name: _fractions_of(group, scored) for name, group in groups.items()}
        trivial |= _of_other_slices(next((found for found in fractions.values() if found), {}))
        units = {**trivial, **trained}
        beside = {name: units[name] for name in baselines if name in units}
        over = REPEATED if runs[0].planned.tested is None else SLICE
        measures = {key: measure for found in scored.values() for key, measure in found.measures.items()}
        return cls(
            plan,
            over,
            measures,
            [Repeats.of(name, over, groups[name], own, beside, fractions[name]) for name, own in trained.items()],
            [Repeats.of(name, over, [], own, beside, {}) for name, own in trivial.items()],
            {name: found.values for name, found in scored.items()},
            next((found.truth for found in scored.values() if math.isfinite(found.truth)), math.nan),
            _undefined(measures, trained.values()) if over == SLICE else {},
            list(not_done),
        )

    @property
    def front(self) -> dict[str, list[str]]:
        """Trainings that no other one beats in both, continuity and a fidelity, by the key of that."""
        points = {key: {one.name: point for one in self.repeats if (point := one.point(key))} for key in FIDELITY}
        return {key: front_of(known) for key, known in points.items() if known}

    @property
    def notes(self) -> list[str]:
        """What one must know to read the numbers."""
        notes = [NOTES[self.over]]
        if any(one.further for one in self.repeats):
            notes.append(FURTHER)
        if any(one.units == 1 for one in self.repeats):
            notes.append(f"a training with a single {self.over} has no interval")
        if self.undefined:
            said = ", ".join(
                f"{self.measures[key].heading} in {listed(found)}" for key, found in self.undefined.items()
            )
            notes.append(f"slices where a measure is not defined are left out of its means: {said}")
        if self.not_done:
            count = len(self.not_done) + len(self.runs)
            notes.append(f"{len(self.not_done)} of {count} runs are not done, and not in these numbers")
        return notes

    def verdict(self) -> Verdict:
        """Return which training is best by the first measure, beside the next one and the best without a model."""
        key = next(iter(self.measures))
        heading, digits = self.measures[key].heading, self.measures[key].digits

        def mean(one: Repeats) -> float:
            return one.measures[key].value

        def known(rows: Iterable[Repeats]) -> list[Repeats]:
            return [one for one in rows if key in one.measures and math.isfinite(mean(one))]

        trained = sorted(known(self.repeats), key=mean, reverse=True)
        trivial = max(known(self.trivial), key=mean, default=None)
        if not trained:
            return Verdict(f"No run has a {heading}, so nothing tells which is best.")
        best = trained[0]
        sentence = f"{best.name} has the best {heading}, {interval_text(best.measures[key], digits)}"
        if len(trained) > 1:
            sentence += f"; next comes {trained[1].name}, {interval_text(trained[1].measures[key], digits)}"
        concerns = []
        if trivial is not None and mean(best) <= mean(trivial):
            text = (
                f"{trivial.name}, which needs no model, has {number_text(mean(trivial), digits)}: no training is better"
            )
            concerns.append(Concern("needless", text))
        if self.not_done:
            count = len(self.not_done) + len(self.runs)
            concerns.append(Concern("unfinished", f"{len(self.not_done)} of {count} runs are not done"))
        if best.units == 1:
            text = f"of one {self.over} alone; nobody knows what another one would give: have several in the plan"
            concerns.append(Concern("few slices", text))
        elif len(trained) > 1 and (reason := _undecided(best, trained[1], key)):
            text = f"{reason}, so their order may be chance; more {self.over}s would tell"
            concerns.append(Concern("few slices", text))
        return Verdict(f"{sentence}.", concerns)

    def document(self) -> dict[str, Any]:
        """Return plain values, for JSON; numbers that are not defined become None there."""
        return {
            "format": FORMAT,
            "plan": self.plan,
            "measures": {key: {"name": one.name, "unit": one.unit} for key, one in self.measures.items()},
            "interval": {"level": LEVEL, "kind": "Student's t", "over": self.over},
            "rows": self.repeats,
            "runs": self.runs,
            "without_a_model": {
                one.name: {"measures": one.measures, "differences": one.differences, "further": one.further}
                for one in self.trivial
            },
            "truth": {CHANGE: self.truth},
            "front": self.front,
            "not_done": self.not_done,
            "notes": self.notes,
        }

    def lines(self) -> list[str]:
        """Return lines for people: a row a training, then those without a model, for each kind of measures a table."""
        lines = []
        for rows in self._kinds():
            lines += self._table("", [(one, one.measures) for one in rows])
            for other in dict.fromkeys(name for one in rows for name in one.differences):
                found = [(one, one.differences[other]) for one in rows if other in one.differences]
                lines += self._table(f"less {other}", found)
        if further := [(one, one.further) for one in (*self.repeats, *self.trivial) if one.further]:
            lines += self._table("a further slice", further)
        return [*lines, *(f"note: {note}" for note in self.notes)]

    def _kinds(self) -> list[list[Repeats]]:
        """Return the rows, those together whose first measure is the same; without those that have fractions alone."""
        kinds: dict[str, list[Repeats]] = {}
        for one in (*self.repeats, *self.trivial):
            kinds.setdefault(next(iter(one.measures)), []).append(one)
        return [rows for first, rows in kinds.items() if first not in OF_FRACTIONS]

    def _table(self, title: str, rows: Sequence[tuple[Repeats, Mapping[str, Interval]]]) -> list[str]:
        """Return a table of some intervals of rows."""
        measures = {key: one for key, one in self.measures.items() if any(key in found for _, found in rows)}
        cells = [[title, f"{self.over}s", *(measure.heading for measure in measures.values())]]
        for row, found in rows:
            known = [interval_text(found[key], one.digits) if key in found else "" for key, one in measures.items()]
            cells.append([row.name, self._count(row), *known])
        if CHANGE in measures and math.isfinite(self.truth):
            truth = [number_text(self.truth, one.digits) if key == CHANGE else "" for key, one in measures.items()]
            cells.append(["SEM (truth)", "", *truth])
        return aligned(cells).splitlines()

    def _count(self, row: Repeats) -> str:
        """Return over how many seeds or slices means are; nothing for what has no seed."""
        return str(row.units) if row.runs or self.over == SLICE else ""

    def csv(self) -> str:
        """Return a line a row: a mean and its bounds for each measure; empty where they are not defined."""
        options = dict.fromkeys(option for one in self.repeats for option in one.options)
        rows = [*self.repeats, *self.trivial]
        others = dict.fromkeys(name for one in rows for name in one.differences)
        columns = [f"{key}{bound}" for key in self.measures for bound in BOUNDS]
        columns += [f"{key}{bound} less {other}" for other in others for key in self.measures for bound in BOUNDS]
        buffer = io.StringIO()
        table = csv.writer(buffer, lineterminator="\n")
        table.writerow(["name", *options, f"{self.over}s", *columns])
        for one in rows:
            found = [one.measures, *(one.differences.get(other, {}) for other in others)]
            numbers = [number for means in found for key in self.measures for number in _bounds(means.get(key))]
            said = [one.options.get(option, "") for option in options]
            table.writerow([one.name, *said, self._count(one), *map(_cell, numbers)])
        return buffer.getvalue()

    def points(self) -> list[FrontPoint]:
        """Return the trainings whose continuity and fidelity are known, to be drawn; none where it is one."""
        keys = list(self.front)
        known = [one for one in self.repeats if keys and all(one.point(key) for key in keys)]
        return [
            FrontPoint(
                one.run,
                ", ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in one.options.values()),
                one.measures[CHANGE],
                {self.measures[key].heading: one.measures[key] for key in keys},
                frozenset(self.measures[key].heading for key, names in self.front.items() if one.name in names),
            )
            for one in (known if len(known) > 1 else [])
        ]


def _undecided(best: Repeats, second: Repeats, key: str) -> str:
    """Return why it is not known which of two rows is better; nothing where it is.

    Their difference tells, where one of them is a baseline: some slices are harder than others for both.
    """
    for one, other in ((best, second), (second, best)):
        difference = one.differences.get(other.name, {}).get(key)
        if difference is not None:
            is_known = difference.low > 0 or difference.high < 0
            return "" if is_known else "their difference does not tell the best two apart"
    overlap = best.measures[key].low <= second.measures[key].high
    return "the intervals of the best two overlap" if overlap else ""


def _units_of(runs: Sequence[SweptRun], scored: Mapping[str, Scored]) -> Units:
    """Return the measures of each run, or of each slice: the means of its runs, whose seeds differ."""
    units: dict[str, list[dict[str, float]]] = {}
    for run in runs:
        unit = run.name if run.planned.tested is None else str(run.planned.tested)
        units.setdefault(unit, []).append(scored[run.name].values)
    return {unit: {key: fmean(values[key] for values in found) for key in found[0]} for unit, found in units.items()}


def _fractions_of(runs: Sequence[SweptRun], scored: Mapping[str, Scored]) -> dict[str, dict[str, PhaseFraction]]:
    """Return the fractions of each phase in each slice that was left out: the means of its runs, whose seeds differ."""
    found: dict[str, dict[str, list[PhaseFraction]]] = {}
    for run in (one for one in runs if one.planned.tested is not None):
        for phase, fraction in scored[run.name].fractions.items():
            found.setdefault(phase, {}).setdefault(str(run.planned.tested), []).append(fraction)
    return {
        phase: {
            number: PhaseFraction(*map(fmean, zip(*map(astuple, repeats), strict=True)))
            for number, repeats in slices.items()
        }
        for phase, slices in found.items()
    }


def _of_other_slices(fractions: Mapping[str, Mapping[str, PhaseFraction]]) -> dict[str, Units]:
    """Return how far off the fractions of each slice are by what the others have in the mean, without any TXM."""
    units: dict[str, dict[str, float]] = {}
    for phase, slices in fractions.items():
        for number, found in slices.items():
            others = [one.truth for other, one in slices.items() if other != number and math.isfinite(one.truth)]
            guess = replace(found, value=fmean(others) if others else math.nan)
            units.setdefault(number, {})[EXCESS.format(phase)] = guess.excess
    return {OTHER_SLICES: units} if units else {}


def _trivial_units(runs: Sequence[SweptRun], scored: Mapping[str, Scored]) -> dict[str, Units]:
    """Return the measures of predictions without a model by name, once, or of each slice; all runs have the same."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for run in runs:
        tested = run.planned.tested
        for kind, values in scored[run.name].trivial.items():
            # What such a prediction has fitted, in brackets, is another thing in each fold.
            name, unit = (kind, "") if tested is None else (kind.partition(" (")[0], str(tested))
            units = found.setdefault(name, {})
            units[unit] = {**values, **units.get(unit, {})}
    return {name: dict(units) for name, units in found.items()}


def _undefined(measures: Iterable[str], trained: Iterable[Units]) -> dict[str, list[str]]:
    """Return which slices lack a measure that their trainings have in others, by its key."""
    missing = {
        key: dict.fromkeys(
            unit for units in trained for unit, values in units.items() if key in values and not _defined(values, key)
        )
        for key in measures
    }
    return {key: list(units) for key, units in missing.items() if units}


def _defined(values: Mapping[str, float] | None, key: str) -> bool:
    return values is not None and math.isfinite(values.get(key, math.nan))


def _bounds(found: Interval | None) -> tuple[float, float, float]:
    return (math.nan, math.nan, math.nan) if found is None else (found.value, found.low, found.high)


def _cell(value: float) -> str:
    return f"{value:.7g}" if math.isfinite(value) else ""
