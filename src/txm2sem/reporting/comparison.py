"""Several runs beside each other: what differs between them, and whether they were tested on the same images."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from txm2sem.errors import UserError, listed
from txm2sem.options import IDENTITY, TRANSLATION_MODELS, PlaceOptions, TrainCommand, fields_of
from txm2sem.reporting.layouts import Layout, layout_of
from txm2sem.reporting.record import RunRecord, TestRecord
from txm2sem.reporting.verdict import MEASURES, Judged, best_of, difference_of
from txm2sem.runs import RunPaths

UNTOLD = IDENTITY | set(vars(PlaceOptions()))
"""Options that say which run and which machine: they differ without making a difference."""


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

    def judge(self) -> list[Judged]:
        """Say, measure by measure, which run is best, and whether the next one can be told from it."""
        scored = {name: tested for name, tested in self.tested.items() if tested.slices}
        judged = []
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
            shown = f"{value} {unit}".strip() + f" [{', '.join(ends)}]"
            if found.low > 0:
                judged.append(Judged("better", name, f"{name}: {best} is best; beside it {second}: {shown}"))
            elif np.isfinite(found.low):
                judged.append(Judged("unclear", name, f"{name}: {best} is not to be told from {second}: {shown}"))
            else:
                text = f"{name}: {best} is best, on one slice alone; nobody knows how sure, beside {second}"
                judged.append(Judged("unclear", name, text))
        return judged


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
