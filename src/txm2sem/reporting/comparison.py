"""Several runs beside each other: what differs between them, and whether they were tested on the same images."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from txm2sem.commands import next_test
from txm2sem.errors import UserError, joined, listed
from txm2sem.metrics import Interval
from txm2sem.options import IDENTITY, TRANSLATION_MODELS, PlaceOptions, TrainCommand, fields_of
from txm2sem.reporting.judging import MEASURES, Judged, best_of, difference_of
from txm2sem.reporting.layouts import Layout, layout_of
from txm2sem.reporting.record import RunRecord, TestRecord
from txm2sem.reporting.verdict import verdict_of
from txm2sem.runs import RunPaths
from txm2sem.verdicts import Concern, Verdict

UNTOLD = IDENTITY | set(vars(PlaceOptions()))
"""Options that say which run and which machine: they differ without making a difference."""


NOTHING_TO_COMPARE = "Nothing says which run is better: expected two of them to be tested on the same slices."


@dataclass(frozen=True)
class Ranked:
    """The best two runs in a measure.

    Attributes:
        measure: its name.
        best, second: the runs.
        difference: of the two, above 0 where the best is better.
        shown: the second, with the difference in the unit of the measure.
    """

    measure: str
    best: str
    second: str
    difference: Interval
    shown: str

    @property
    def is_sure(self) -> bool:
        """Whether the best is told from the second."""
        return self.difference.low > 0


@dataclass(frozen=True)
class Comparison:
    """Runs to compare.

    Attributes:
        records: all of them, as they were named.
        tested: those that were tested, by name, all on the same images.
        layout: of these images; None: no run has images.
    """

    records: list[RunRecord]
    tested: dict[str, TestRecord]
    layout: Layout | None

    @classmethod
    def read(cls, runs: Sequence[RunPaths]) -> Comparison:
        """Read runs and check that they can be compared.

        Raises:
            UserError: there is one run only, one is named twice or not there, they are of different kinds, or they were
                tested on different images.
        """
        names = [paths.name for paths in runs]
        if len(set(names)) < max(2, len(names)):
            raise UserError(f"expected the names of two runs or more, each once; found {listed(names)}")
        records = [RunRecord.read(paths) for paths in runs]
        kinds = {record.paths.name: _kind(record) for record in records}
        if len(set(kinds.values())) > 1:
            described = ", ".join(f"{name} is of {kind}" for name, kind in kinds.items())
            raise UserError(f"expected runs of one kind, found several: {described}; compare those of one kind")
        layouts = {record.paths.name: layout for record in records if (layout := layout_of(record))}
        _check_same_images([record for record in records if record.paths.name in layouts], layouts)
        tested = {record.paths.name: record.tested for record in records if record.tested}
        return cls(records, tested, next(iter(layouts.values()), None))

    @property
    def names(self) -> list[str]:
        """Names of all runs."""
        return [record.paths.name for record in self.records]

    def differing_options(self) -> dict[str, list[str]]:
        """Return the options that differ between the runs, by name, with the value of each run; – where not known."""
        found = {}
        for _, option, default in fields_of(TrainCommand()):
            if option.name in UNTOLD:
                continue
            values = [
                str(record.options.get(option.name, default)) if record.options else "–" for record in self.records
            ]
            if len(set(values) - {"–"}) > 1:
                found[option.name] = values
        return found

    @cached_property
    def verdict(self) -> Verdict:
        """Which run is best in what, and what there is to mind about each."""
        best: dict[str, list[str]] = {}
        open_: list[str] = []
        for one in self.ranked():
            (best.setdefault(one.best, []) if one.is_sure else open_).append(one.measure)
        parts = [f"{name} is best in {joined(measures)}" for name, measures in best.items()]
        parts += [f"the best two are not to be told apart in {joined(open_)}"] if open_ else []
        sentence = "; ".join(parts)
        names = [record.paths.name for record in self.records if record.tested is None]
        concerns = [Concern("not confirmed", f"{name} is not tested: {next_test(self.paths(name))}") for name in names]
        said: dict[Concern, list[str]] = {}
        for record in self.records:
            for concern in verdict_of(record).concerns:
                said.setdefault(concern, []).append(record.paths.name)
        concerns += [
            concern if len(those) == len(self.records) else replace(concern, text=f"{joined(those)}: {concern.text}")
            for concern, those in said.items()
        ]
        return Verdict(f"{sentence[0].upper()}{sentence[1:]}." if sentence else NOTHING_TO_COMPARE, concerns)

    def paths(self, name: str) -> RunPaths:
        """Return the folders of a run."""
        return next(record.paths for record in self.records if record.paths.name == name)

    def judge(self) -> list[Judged]:
        """Say, measure by measure, which run is best, and whether the next one can be told from it."""
        judged = []
        for one in self.ranked():
            if one.is_sure:
                judged.append(
                    Judged("better", one.measure, f"{one.measure}: {one.best} is best; beside it {one.shown}")
                )
            elif np.isfinite(one.difference.low):
                text = f"{one.measure}: {one.best} is not to be told from {one.shown}"
                judged.append(Judged("unclear", one.measure, text))
            else:
                text = (
                    f"{one.measure}: {one.best} is best, on one slice alone; nobody knows how sure, beside {one.second}"
                )
                judged.append(Judged("unclear", one.measure, text))
        return judged

    def ranked(self) -> list[Ranked]:
        """Return the best two runs in each measure."""
        scored = {name: tested for name, tested in self.tested.items() if tested.slices}
        ranked = []
        for column, (name, unit, digits, sign) in MEASURES.items():
            values = {run: sign * tested.values(tested.model_kind, column) for run, tested in scored.items()}
            best = best_of(values)
            second = best_of({run: own for run, own in values.items() if run != best})
            if best is None or second is None:
                continue
            found = difference_of(values[best], values[second], scored[best].slices)
            low, high = sorted((sign * found.low, sign * found.high))
            # Runs lie nearer to each other than to predictions without a model.
            value, *ends = (f"{number:+.{digits + 1}f}" for number in (sign * found.value, low, high))
            shown = f"{second}: " + f"{value} {unit}".strip() + f" [{', '.join(ends)}]"
            ranked.append(Ranked(name, best, second, found, shown))
        return ranked


def _kind(record: RunRecord) -> str:
    return "translation" if record.model in ("", *TRANSLATION_MODELS) else record.model


def _check_same_images(records: Sequence[RunRecord], layouts: Mapping[str, Layout]) -> None:
    """Check that true images are the same, pixel by pixel: folders may be called otherwise, and may have changed."""
    prints = {record.paths.name: _fingerprint(record, layouts[record.paths.name]) for record in records}
    if len(set(prints.values())) < 2:
        return
    described = [f"{record.paths.name}: {_describe(record)}" for record in records]
    raise UserError(
        f"the runs were tested on different images, so their scores cannot be compared ({'; '.join(described)}); test "
        "them on the same ones: same data, split, patch size and number of patches"
    )


def _fingerprint(record: RunRecord, layout: Layout) -> str:
    suffix = record.tested.suffix if record.tested else ""
    folder = record.paths.image(f"{layout.target}{suffix}", 0).parent
    digest = hashlib.sha256(layout.target.encode())
    for path in sorted(folder.glob("*.png")):
        digest.update(os.fsencode(path.name) + record.file(path).read_bytes())
    return digest.hexdigest()


def _describe(record: RunRecord) -> str:
    tested = record.tested
    if tested is None:
        return "not tested"
    options = tested.options
    what = "slices" if tested.suffix else f"patches of {options.get('patch_size', '?')} pixels"
    return f"{tested.count} {what}, split {options.get('phase', '?')} of {options.get('dataroot', '?')}"
