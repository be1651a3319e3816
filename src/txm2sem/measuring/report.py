"""Measure a volume, and report on it: a document, a table, and a page."""

from __future__ import annotations

import dataclasses
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem import __version__
from txm2sem.errors import UserError
from txm2sem.files import json_text, json_values, read_json, write_text
from txm2sem.measures import DEFINITIONS, DRAWN, KIND, PROGRAM, over_draws, read_measures, sentences, table_text
from txm2sem.measuring.boxes import RIM
from txm2sem.measuring.joining import AXES, LEVEL, Joined
from txm2sem.measuring.page import write_page
from txm2sem.measuring.run import MeasureRun
from txm2sem.measuring.verdict import verdict_on
from txm2sem.metrics import DrawInterval
from txm2sem.morphology.boxes import Region
from txm2sem.morphology.diffusion import diffusivity
from txm2sem.morphology.fractions import representative
from txm2sem.options import to_mapping
from txm2sem.progress import progress_bar
from txm2sem.verdicts import Verdict


@dataclass(frozen=True)
class MeasureReport:
    """What a measurement came to.

    Attributes:
        document: what was measured, see `read_measures`.
        lines: the same in words, for the console.
        verdict: what to believe of it.
    """

    document: dict[str, Any]
    lines: list[str]
    verdict: Verdict


def measure_volume(run: MeasureRun) -> MeasureReport:
    """Apply the model, where there is one, measure what is missing, and write the report.

    Raises:
        UserError: a part cannot be read, or the disk is full or not writable. What was done stays: the same command
            goes on there.
    """
    run.apply()
    run.measure_boxes()
    job = run.job
    joined = [Joined(job.grid, job.wanted, partial(job.load, image)) for image in range(job.images)]
    region = _region(run, joined)
    found = [[_measured(run, one, phase.label) for phase in run.phases] for one in joined]
    if region is not None:
        _add_diffusion(run, region, found)
    document = _document(run, joined[0], region, _phases(run, found))
    growing = run.paths.growing
    write_text(growing.document, json_text(document))
    write_text(growing.table, table_text(document))
    write_page(run, document)
    run.finish()
    return MeasureReport(document, sentences(document), verdict_on(document))


def _measured(run: MeasureRun, joined: Joined, label: int) -> dict[str, Any]:
    """Return what was measured of a phase in an image."""
    expected = None
    if run.opened.probabilities is not None:
        expected = joined.fraction(f"{label}.expected", run.opened.calibration_error(label))
    return {
        "fraction": joined.fraction(f"{label}.cells"),
        "expected_fraction": expected,
        "rim": joined.rim(label, f"{label}.cells" if expected is None else f"{label}.expected"),
        "profiles": joined.profiles(label),
        **(joined.morphology(label) if label in joined.wanted.measured else {}),
        "diffusion": None,
    }


def _phases(run: MeasureRun, found: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return the phases of the document, of what was measured of each of them in each image."""
    phases: list[dict[str, Any]] = [
        {
            **dataclasses.asdict(phase),
            "measured": phase.label in run.job.wanted.measured,
            "training_share": run.opened.training_share(phase.label),
        }
        for phase in run.phases
    ]
    if not run.opened.draws:
        return [phase | only for phase, only in zip(phases, found[0], strict=True)]
    return [over_draws(phase, each, run.unit) for phase, each in zip(phases, zip(*found, strict=True), strict=True)]


def _of_model(run: MeasureRun) -> str:
    """Return whose work the phases are told of, for people."""
    if run.applied is not None:
        return f" of what {run.options.name} predicts"
    return f" of what {run.opened.made.model} predicts" if run.is_guess else ""


def _region(run: MeasureRun, joined: list[Joined]) -> Region | None:
    """Return the part in which diffusion is computed, of all images the same; None where it is not."""
    side, first = run.options.diffusion_side, joined[0]
    if not side:
        return None
    phases = [np.mean([one.cells(f"{label}.cells") for one in joined], axis=0) for label in first.wanted.measured]
    return representative(phases, first.valid, side, first.grid.shape)


def _add_diffusion(run: MeasureRun, region: Region, found: list[list[dict[str, Any]]]) -> None:
    """Add the diffusion in each phase that is measured along each axis, to what was measured of it in each image."""
    wanted = run.job.wanted
    each = len(wanted.measured) * len(wanted.axes)
    with progress_bar(total=each * len(found), desc="diffusion") as bar:
        for image, phases in enumerate(found):
            labels, valid = run.opened.read(region, image)
            measured = [one for one in zip(run.phases, phases, strict=True) if one[0].label in wanted.measured]
            for (phase, values), axis in product(measured, wanted.axes):
                along = _diffusion(run, image, phase.label, axis, (labels == phase.label) & valid)
                values["diffusion"] = (values["diffusion"] or {}) | {AXES[axis]: along}
                bar.update()


def _diffusion(run: MeasureRun, image: int, label: int, axis: int, phase: NDArray[np.bool_]) -> dict[str, Any]:
    """Return the diffusion in a part of a phase, computed unless an earlier call has kept it."""
    path = run.paths.diffusion(image, label, AXES[axis])
    found: dict[str, Any] = {}
    with suppress(UserError):
        found = read_json(path, "")
    if not found:
        solved = diffusivity(phase, axis, run.job.wanted.spacing)
        derived = {"percolates": solved.percolates, "tortuosity_factor": solved.tortuosity_factor}
        found = json_values(dataclasses.asdict(solved) | derived)
        write_text(path, json_text(found))
    return found


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
        "unit": run.unit,
        "phases_by": run.opened.says + _of_model(run),
        "thresholds": None if run.opened.thresholds is None else run.opened.thresholds.values,
        "model": None if run.applied is None else run.applied.identity,
        "guess": run.is_guess,
        "share_imaged": float(joined.valid.sum()) / voxels,
        "rim": {"within": RIM, "share_imaged": joined.share_of_rim},
        "interval_level": LEVEL,
        "diffusion_region": place,
        "options": to_mapping(run.command),
        "notes": run.notes,
        "definitions": DEFINITIONS,
        "phases": phases,
        "compared": None,
    }
    if run.opened.draws:
        interval = DrawInterval(run.opened.draws)
        document["draws"] = {"count": interval.count, "left_out": interval.left_out, "interval_level": interval.share}
        document["definitions"] = DEFINITIONS | DRAWN
    if compared is not None:
        other = read_measures(compared)
        document["compared"] = {"name": compared.name, "unit": other["unit"], "phases": other["phases"]}
    plain: dict[str, Any] = json_values(document)
    return plain
