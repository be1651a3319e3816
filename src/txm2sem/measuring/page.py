"""The page about a measured volume: a sentence a phase, cuts, distributions, and all numbers."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np

from txm2sem.figures.of_pages import Draw, draw_plots, save_figures
from txm2sem.figures.phases import PhaseCut, draw_phase_cuts, draw_phases
from txm2sem.files import write_text
from txm2sem.measures import counterpart, images_of, paired, promise, sentences
from txm2sem.measuring.joining import AXES
from txm2sem.measuring.phases import phase_style
from txm2sem.measuring.run import MeasureRun
from txm2sem.measuring.verdict import verdict_on
from txm2sem.metrics import DrawInterval
from txm2sem.pages import Cell, Line, Plot, Table, page, plot, png
from txm2sem.pages.cuts import CUTS
from txm2sem.pages.measures import measures_table, number_cell, number_title
from txm2sem.quantities import Ruler, format_length

Phase = Mapping[str, Any]
Points = Iterable[tuple[float, float | None]]


def write_page(run: MeasureRun, document: Mapping[str, Any]) -> None:
    """Write the page, whole or not at all, and the figures of what it draws, where they are asked for.

    Raises:
        UserError: the disk is full or not writable, or the volume cannot be read.
    """
    unit = document["unit"]
    measured = [phase for phase in document["phases"] if phase["measured"] and _is_there(phase)]
    compared = document["compared"]
    cuts = _cuts(run, unit)
    colours = {phase.label: phase.colour for phase in run.phases}
    overall = [*_profile_plots(document["phases"], document), *_thickness_plots(measured, unit)]
    of_phases = [
        (phase["name"], _phase_plots(phase, unit, counterpart(phase, document, compared) if compared else None))
        for phase in measured
    ]
    text = page(
        "measures.html",
        title=f"{run.paths.output.name}: measures",
        name=run.paths.output.name,
        now=datetime.now().astimezone(),
        document=document,
        extent=" × ".join(map(str, document["shape"])),
        voxel=" × ".join(f"{side:g}" for side in document["voxel_size_nm"] or ()),
        sentences=sentences(document),
        promise=promise(document),
        verdict=verdict_on(document),
        cuts=[(caption, png(draw_phases(cut, colours, unit))) for caption, cut in cuts.items()],
        keys=[(phase["name"], "#{:02x}{:02x}{:02x}".format(*phase["colour"])) for phase in document["phases"]],
        overall=overall,
        of_phases=of_phases,
        table_of_numbers=measures_table("All numbers", document),
        compared="" if compared is None else compared["name"],
        comparison=None if compared is None else _comparison(document, compared),
        definitions=document["definitions"],
    )
    write_text(run.paths.growing.page, text)
    plots = {"fractions and sizes": overall}
    plots |= {
        f"structure {phase['label']} {name}": drawn for phase, (name, drawn) in zip(measured, of_phases, strict=True)
    }
    figures: dict[str, Draw] = {name: partial(draw_plots, drawn) for name, drawn in plots.items() if drawn}
    figures["cuts"] = partial(draw_phase_cuts, cuts, {phase.name: phase.label for phase in run.phases}, colours, unit)
    save_figures(figures, run.paths.growing.figures, run.paths.output.name, run.command.figure.figures)


def _cuts(run: MeasureRun, unit: str) -> dict[str, PhaseCut]:
    """Return the three cuts through the middle, by what each is; `unit` is that of lengths."""
    opened, shape = run.opened, run.opened.reader.shape
    spacing = dict(zip(AXES, run.job.wanted.spacing, strict=True))
    found = {}
    for across, down, through in CUTS:
        if min(shape[AXES.index(across)], shape[AXES.index(down)]) == 1:
            continue
        place = AXES.index(through)
        middle = shape[place] // 2
        whole = zip(AXES, shape, strict=True)
        z, y, x = (slice(middle, middle + 1) if axis == through else slice(0, side) for axis, side in whole)
        labels, valid = opened.read((z, y, x))
        grey = None if opened.grey is None else opened.grey((z, y, x))
        order = (AXES.index(down), AXES.index(across), place)
        cut = PhaseCut(
            labels.transpose(order)[..., 0],
            valid.transpose(order)[..., 0],
            None if grey is None else grey.transpose(order)[..., 0],
            (spacing[down], spacing[across]),
        )
        position = format_length(middle * spacing[through], unit) + (" in draw 0" if opened.draws else "")
        found[f"{across}{down} at {through} = {position}"] = cut
    return found


def _profile_plots(phases: Sequence[Phase], document: Mapping[str, Any]) -> list[Plot]:
    spacing = document["voxel_size_nm"] or (1, 1, 1)
    plots = []
    for axis in images_of(phases[0])[0]["profiles"]:
        step = spacing[AXES.index(axis)]
        found = (
            _line(
                phase["name"],
                [enumerate(image["profiles"][axis]) for image in images_of(phase)],
                step,
                phase_style(phase["label"], phase["name"]),
            )
            for phase in phases
        )
        lines = [line for line in found if line is not None]
        if lines:
            title, label = f"Fraction along {axis}", f"fraction of each phase in planes across {axis}"
            plots.append(_plot(title, lines, label, axis, document["unit"]))
    return plots


def _thickness_plots(phases: Sequence[Phase], unit: str) -> list[Plot]:
    lines = []
    for phase in phases:
        points = (
            zip(thick["diameters"], np.cumsum(thick["volume_share"]).tolist(), strict=True)
            for thick in (image["thickness"] for image in images_of(phase))
        )
        line = _line(phase["name"], points, 1.0, phase_style(phase["label"], phase["name"]))
        lines += [] if line is None else [line]
    if not lines:
        return []
    label = "share of each phase that is up to so thick"
    return [_plot("Up to so thick", lines, label, "local thickness", unit)]


def _phase_plots(phase: Phase, unit: str, other: Phase | None) -> list[Plot]:
    """Return the drawings of a phase, beside those of another measurement where that has it."""
    sources = [("", phase, 0)]
    if other is not None and other["measured"]:
        sources.append((" (other)", other, len(AXES)))
    plots = []
    for measure, title, across in (
        ("chords", "Chords up to so long", "length"),
        ("correlation", "Both of the phase (S2)", "distance"),
        ("lineal_path", "Line wholly inside", "length"),
    ):
        lines = []
        for suffix, one, first in sources:
            images = images_of(one)
            for style, axis in enumerate(images[0][measure]):
                points = (_points(measure, image[measure][axis]) for image in images)
                line = _line(f"{axis}{suffix}", points, 1.0, first + style)
                lines += [] if line is None else [line]
        if lines:
            label = f"{title} along each axis, {phase['name']}"
            plots.append(_plot(title, lines, label, across, unit))
    return plots


def _points(measure: str, found: Mapping[str, Any]) -> Points:
    if measure == "chords":
        counts = np.cumsum(found["counts"])
        return zip(found["lengths"], (counts / counts[-1]).tolist() if len(counts) else [], strict=True)
    return zip(found["distances"], found["probability"], strict=True)


def _is_there(phase: Phase) -> bool:
    return any(image["clusters"]["number"] for image in images_of(phase))


def _line(name: str, images: Iterable[Points], step: float, style: int) -> Line | None:
    """Return the line of a curve; of several draws their mean, with the band of their interval.

    Args:
        name: for the legend.
        images: points of the curve in each draw, or in the single image; what is before the first is 0, and draws
            that have none are left out.
        step: from one place to the next.
        style: of the line.
    """
    found = [[(step * place, value) for place, value in points if value is not None] for points in images]
    curves = [np.array(known, np.float64).T for known in found if known]
    if not curves:
        return None
    if len(curves) == 1:
        x, y = curves[0]
        return Line(name, x, y, style=style)
    places = np.unique(np.concatenate([x for x, _ in curves]))
    values = np.stack([np.interp(places, x, y, left=0.0) for x, y in curves])
    low, high = DrawInterval(len(curves)).bounds(values)
    return Line(name, places, values.mean(axis=0), low, high, style)


def _plot(title: str, lines: Sequence[Line], label: str, across: str, unit: str) -> Plot:
    """Lay out lines from 0 up, over lengths in `unit`: in micrometres where nanometres are too many."""
    longest = max(float(line.x.max()) for line in lines)
    ruler = Ruler.lengths(1.0 if unit == "nm" else None, longest, f"{unit}s")
    lines = [dataclasses.replace(line, x=ruler(line.x)) for line in lines]
    top = max(1.05 * max(float(line.y.max()) for line in lines), 1e-9)
    return plot(title, lines, label, ruler.label(across), y_range=(0.0, top))


def _comparison(document: Mapping[str, Any], compared: Mapping[str, Any]) -> Table:
    rows: list[list[str | Cell]] = []
    for phase, one, other in paired(document, compared):
        relative = "–"
        if math.isfinite(one.value) and math.isfinite(other.value) and other.value:
            relative = f"{(one.value - other.value) / abs(other.value):+.1%}"
        rows.append([f"{phase}: {number_title(one)}", number_cell(one), number_cell(other), relative])
    return Table(f"Beside {compared['name']}", ["", "here", str(compared["name"]), "difference"], rows)
