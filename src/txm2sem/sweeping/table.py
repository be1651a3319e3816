"""What the runs of a sweep have come to: one document, and its table for people and for spreadsheets."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from txm2sem.documents import read_continuity, read_scores
from txm2sem.figures.front import FrontPoint
from txm2sem.metrics import LEVEL, Interval, front_of, mean_of_repeats
from txm2sem.scoring.table import aligned, interval_text, number_text
from txm2sem.sweeping.plan import REPEATED
from txm2sem.sweeping.steps import SweptRun

FORMAT = 1
"""Raised when a key changes its meaning or goes."""

CHANGE = "change_along_z"
"""How much neighbouring slices of a predicted cube differ, as a multiple of how much those of the TXM do."""

FIDELITY = ("psnr", "ssim")
"""What stands beside continuity in the front."""


@dataclass(frozen=True)
class Measure:
    """What is measured of a run, and how it is shown.

    Attributes:
        name: heading.
        unit: of it; 1 for a ratio.
        digits: behind the point.
    """

    name: str
    unit: str
    digits: int

    @property
    def heading(self) -> str:
        """The name with its unit."""
        return self.name if self.unit == "1" else f"{self.name} [{self.unit}]"


MEASURES = {
    "psnr": Measure("PSNR", "dB", 2),
    "ssim": Measure("SSIM", "1", 3),
    "ms_ssim": Measure("MS-SSIM", "1", 3),
    "pearson": Measure("correlation", "1", 3),
    "perceptual": Measure("perceptual distance", "1", 3),
    CHANGE: Measure("change along z", "of the TXM's", 2),
}

INTERVALS = (
    f"intervals are those of Student's t at {LEVEL:.0%}, over seeds: where the mean over many seeds would be, on these"
    " images; what other slices would change is in the scores of each test"
)


@dataclass(frozen=True)
class Scored:
    """What the tests of a run have found.

    Attributes:
        values: of its measures, by key; not a number where one is not defined.
        measures: what they are.
        trivial: the same of predictions without a model, by their name.
        truth: `CHANGE` of the true SEM; not a number where it is not known.
    """

    values: dict[str, float]
    measures: dict[str, Measure]
    trivial: dict[str, dict[str, float]]
    truth: float

    @classmethod
    def read(cls, run: SweptRun) -> Scored:
        """Read what the tests of a run have left.

        Raises:
            UserError: a document is not there, or damaged.
        """
        scores = read_scores(run.product("test"))
        if "similarity" in scores:
            kinds = {kind: _numbers(found["all"], "value") for kind, found in scores["similarity"].items()}
            measures = {key: MEASURES[key] for key in MEASURES if key in next(iter(kinds.values()))}
        else:
            kinds = {kind: _numbers(found, "mean") for kind, found in scores["means"]["rows"].items()}
            columns = [item for table in scores["means"]["tables"] for item in table.items()]
            measures = {key: Measure(said["name"], said["unit"], 4) for key, said in columns}
        model, *others = kinds
        values, truth = dict(kinds[model]), math.nan
        if run.has_cube:
            volumes = read_continuity(run.product("cube"))["volumes"]
            change = {name: _number(found["adjacent_difference_of_txm"]) for name, found in volumes.items()}
            values[CHANGE], truth = change.get("prediction", math.nan), change.get("truth", math.nan)
            measures[CHANGE] = MEASURES[CHANGE]
        return cls(values, measures, {kind: kinds[kind] for kind in others}, truth)


@dataclass(frozen=True)
class Repeats:
    """A training with all its seeds.

    Attributes:
        name: of its runs, without the seed.
        run: its name in the plan.
        options: values of the options that have lists there, but for the seed.
        runs: names of the runs.
        measures: means over them, by key.
    """

    name: str
    run: str
    options: dict[str, Any]
    runs: list[str]
    measures: dict[str, Interval]

    @classmethod
    def of(cls, runs: Sequence[SweptRun], scored: Mapping[str, Scored], keys: Iterable[str]) -> Repeats:
        """Return runs that differ in their seeds alone, with their measures of these keys."""
        first, names = runs[0].planned, [run.name for run in runs]
        measures = {key: mean_of_repeats([scored[name].values.get(key, math.nan) for name in names]) for key in keys}
        options = {key: value for key, value in first.varied.items() if key != REPEATED}
        return cls(first.repeated, first.base, options, names, measures)

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
        measures: what was measured, by key.
        repeats: the trainings, in the order of the plan.
        runs: the values of each run.
        trivial: those of predictions without a model.
        truth: `CHANGE` of the true SEM; not a number where it is not known.
        not_done: names of the runs that are in none of these numbers.
    """

    plan: str
    measures: dict[str, Measure]
    repeats: list[Repeats]
    runs: dict[str, dict[str, float]]
    trivial: dict[str, dict[str, float]]
    truth: float
    not_done: list[str]

    @classmethod
    def of(cls, plan: str, runs: Sequence[SweptRun], not_done: Sequence[str]) -> SweepTable:
        """Return what the tests of runs, at least one, have found.

        Raises:
            UserError: a document of theirs is not there, or damaged.
        """
        scored = {run.name: Scored.read(run) for run in runs}
        first = scored[runs[0].name]
        groups: dict[str, list[SweptRun]] = {}
        for run in runs:
            groups.setdefault(run.planned.repeated, []).append(run)
        repeats = [Repeats.of(group, scored, first.measures) for group in groups.values()]
        values = {name: found.values for name, found in scored.items()}
        return cls(plan, first.measures, repeats, values, first.trivial, first.truth, list(not_done))

    @property
    def front(self) -> dict[str, list[str]]:
        """Trainings that no other one beats in both, continuity and a fidelity, by the key of that."""
        points = {key: {one.name: point for one in self.repeats if (point := one.point(key))} for key in FIDELITY}
        return {key: front_of(known) for key, known in points.items() if known}

    @property
    def notes(self) -> list[str]:
        """What one must know to read the numbers."""
        notes = [INTERVALS]
        if any(len(one.runs) == 1 for one in self.repeats):
            notes.append("a training with a single seed has no interval")
        if self.not_done:
            count = len(self.not_done) + len(self.runs)
            notes.append(f"{len(self.not_done)} of {count} runs are not done, and not in these numbers")
        return notes

    def document(self) -> dict[str, Any]:
        """Return plain values, for JSON; numbers that are not defined become None there."""
        return {
            "format": FORMAT,
            "plan": self.plan,
            "measures": {key: {"name": one.name, "unit": one.unit} for key, one in self.measures.items()},
            "interval": {"level": LEVEL, "kind": "Student's t", "over": REPEATED},
            "rows": self.repeats,
            "runs": self.runs,
            "without_a_model": self.trivial,
            "truth": {CHANGE: self.truth},
            "front": self.front,
            "not_done": self.not_done,
            "notes": self.notes,
        }

    def lines(self) -> list[str]:
        """Return lines for people: a row a training, its repeats together, then those without a model."""
        measures = self.measures.items()
        rows = [["", "seeds", *(measure.heading for measure in self.measures.values())]]
        for one in self.repeats:
            cells = [interval_text(one.measures[key], measure.digits) for key, measure in measures]
            rows.append([one.name, str(len(one.runs)), *cells])
        for kind, values in {**self.trivial, "SEM (truth)": {CHANGE: self.truth}}.items():
            cells = [number_text(values.get(key, math.nan), measure.digits) for key, measure in measures]
            if set(cells) != {number_text(math.nan, 0)}:
                rows.append([kind, "", *cells])
        return [*aligned(rows).splitlines(), *(f"note: {note}" for note in self.notes)]

    def csv(self) -> str:
        """Return a line a training: a mean and its bounds for each measure; empty where they are not defined."""
        options = dict.fromkeys(option for one in self.repeats for option in one.options)
        buffer = io.StringIO()
        table = csv.writer(buffer, lineterminator="\n")
        table.writerow(
            ["name", *options, "seeds", *(f"{key}{bound}" for key in self.measures for bound in ("", "_low", "_high"))]
        )
        for one in self.repeats:
            numbers = [number for key in self.measures for number in vars(one.measures[key]).values()]
            said = [one.options.get(option, "") for option in options]
            table.writerow([one.name, *said, len(one.runs), *map(_cell, numbers)])
        for kind, values in self.trivial.items():
            numbers = [number for key in self.measures for number in (values.get(key, math.nan), math.nan, math.nan)]
            table.writerow([kind, *("" for _ in options), "", *map(_cell, numbers)])
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


def _cell(value: float) -> str:
    return f"{value:.7g}" if math.isfinite(value) else ""


def _numbers(values: Mapping[str, Any], key: str) -> dict[str, float]:
    return {name: _number(found[key]) for name, found in values.items()}


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
