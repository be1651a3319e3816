"""Measure a volume, and report on it: a document, a table, and a page."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem import __version__
from txm2sem.errors import UserError
from txm2sem.files import json_text, json_values, read_json, write_text
from txm2sem.measures import DEFINITIONS, KIND, PROGRAM, read_measures, sentence, table_text
from txm2sem.measuring.joining import AXES, LEVEL, Joined
from txm2sem.measuring.page import write_page
from txm2sem.measuring.run import MeasureRun
from txm2sem.morphology.boxes import Box, Region
from txm2sem.morphology.diffusion import diffusivity
from txm2sem.morphology.fractions import representative
from txm2sem.options import to_mapping
from txm2sem.progress import progress_bar


@dataclass(frozen=True)
class MeasureReport:
    """What a measurement came to.

    Attributes:
        document: what was measured, see `read_measures`.
        lines: the same in words, for the console.
    """

    document: dict[str, Any]
    lines: list[str]


def measure_volume(run: MeasureRun) -> MeasureReport:
    """Apply the model, where there is one, measure what is missing, and write the report.

    Raises:
        UserError: a part cannot be read, or the disk is full or not writable. What was done stays: the same command
            goes on there.
    """
    run.apply()
    run.measure_boxes()
    job = run.job
    names = {box.index: name for name, box in job.boxes.items()}

    def opened(box: Box) -> Mapping[str, NDArray[Any]]:
        content = job.load(names[box.index])
        if content is None:
            raise UserError(f"{run.paths.box(names[box.index])} has gone; run the same command again: it goes on there")
        return content

    joined = Joined(job.grid, job.wanted, opened)
    region = _region(run, joined)
    phases = [_phase(run, joined, one.label) for one in run.phases]
    if region is not None:
        _add_diffusion(run, region, phases)
    document = _document(run, joined, region, phases)
    growing = run.paths.growing
    write_text(growing.document, json_text(document))
    write_text(growing.table, table_text(document))
    write_page(run, document)
    run.finish()
    return MeasureReport(document, [sentence(phase, document["unit"]) for phase in document["phases"]])


def _phase(run: MeasureRun, joined: Joined, label: int) -> dict[str, Any]:
    phase = next(one for one in run.phases if one.label == label)
    measured = label in joined.wanted.measured
    expected = None
    if run.opened.probabilities is not None:
        expected = joined.fraction(f"{label}.expected", run.opened.calibration_error(label))
    return {
        **dataclasses.asdict(phase),
        "measured": measured,
        "fraction": joined.fraction(f"{label}.cells"),
        "expected_fraction": expected,
        "profiles": joined.profiles(label),
        **(joined.morphology(label) if measured else {}),
        "diffusion": None,
    }


def _region(run: MeasureRun, joined: Joined) -> Region | None:
    """Return the part in which diffusion is computed; None where it is not."""
    side = run.options.diffusion_side
    if not side:
        return None
    phases = [joined.cells(f"{label}.cells") for label in joined.wanted.measured]
    return representative(phases, joined.valid, side, joined.grid.shape)


def _add_diffusion(run: MeasureRun, region: Region, phases: list[dict[str, Any]]) -> None:
    labels, valid = run.opened.read(region)
    wanted = [(phase, axis) for phase in phases if phase["measured"] for axis in run.job.wanted.axes]
    for phase, axis in progress_bar(wanted, desc="diffusion"):
        path = run.paths.diffusion(phase["label"], AXES[axis])
        found: dict[str, Any] = {}
        with suppress(UserError):
            found = read_json(path, "")
        if not found:
            solved = diffusivity((labels == phase["label"]) & valid, axis, run.job.wanted.spacing)
            derived = {"percolates": solved.percolates, "tortuosity_factor": solved.tortuosity_factor}
            found = json_values(dataclasses.asdict(solved) | derived)
            write_text(path, json_text(found))
        phase["diffusion"] = (phase["diffusion"] or {}) | {AXES[axis]: found}


def _document(run: MeasureRun, joined: Joined, region: Region | None, phases: list[dict[str, Any]]) -> dict[str, Any]:
    reader, compared = run.opened.reader, run.options.compare
    voxels = int(np.prod(reader.shape))
    place = None
    if region is not None:
        place = {axis: [part.start, part.stop] for axis, part in zip(AXES, region, strict=True)}
    document = {
        "program": PROGRAM,
        "kind": KIND,
        "version": __version__,
        "input": str(run.source),
        "shape": reader.shape,
        "offset": reader.offset,
        "voxel_size_nm": reader.voxel_size,
        "unit": "voxel" if reader.voxel_size is None else "nm",
        "phases_by": run.opened.says + ("" if run.applied is None else f" of what {run.options.name} predicts"),
        "model": None if run.applied is None else run.applied.identity,
        "share_imaged": float(joined.valid.sum()) / voxels,
        "interval_level": LEVEL,
        "diffusion_region": place,
        "options": to_mapping(run.command),
        "notes": run.notes,
        "definitions": DEFINITIONS,
        "phases": phases,
        "compared": None,
    }
    if compared is not None:
        other = read_measures(compared)
        document["compared"] = {"name": compared.name, "unit": other["unit"], "phases": other["phases"]}
    plain: dict[str, Any] = json_values(document)
    return plain
