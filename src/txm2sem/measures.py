"""What was measured, as a document for programs; and its numbers one by one, for tables and comparisons."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from txm2sem.errors import UserError
from txm2sem.files import interpreting, read_json
from txm2sem.quantities import format_length
from txm2sem.runs import MeasurePaths

PROGRAM, KIND = "txm2sem", "measures"

DEFINITIONS = {
    "fraction": "share of the imaged voxels that are of the phase",
    "expected_fraction": "mean of the phase's probability over the imaged voxels: no threshold is in it",
    "interval": "where the fraction of the rock lies, of which the volume is a part, in 90 of 100 cases: from how much "
    "blocks of the volume differ (ratio estimator over blocks as long as what is alike, Student's t), and the "
    "calibration's own error where probabilities are known",
    "surface": "area of the phase's surface per volume, by Crofton's formula in 13 directions (Ohser and Mücklich "
    "2000; Lehmann and Legland 2012)",
    "perimeter": "of a section: length of the phase's boundary per area, by Crofton's formula in 4 directions (Serra "
    "1982); only where pixels are square",
    "euler_number": "objects minus tunnels plus cavities, per volume; voxels of the phase hang together by faces. Of a "
    "section: objects minus holes, per area",
    "clusters": "bodies of the phase, whose voxels hang together by faces",
    "percolates": "whether a cluster reaches from the first to the last plane of the volume along the axis",
    "thickness": "diameter of the largest sphere in the phase that holds a voxel, over the phase's voxels (Hildebrand "
    "and Rüegsegger 1997); what lies beyond the volume is no wall",
    "chords": "unbroken runs of the phase along an axis; the mean has no bias from those that the volume's edge "
    "cuts (Underwood 1970)",
    "lineal_path": "probability that a line of that length lies wholly in the phase (Lu and Torquato 1992)",
    "correlation": "probability S2 that two voxels at that distance are both of the phase; the length is where its "
    "covariance has fallen to 1/e",
    "anisotropy": "longest of the correlation lengths along the axes, divided by the shortest",
    "diffusion": "effective diffusivity relative to that of the conducting phase alone, and the tortuosity factor: "
    "fraction / relative diffusivity (Cooper et al. 2016), in a part of the volume",
}
"""What the numbers of the document are."""


MICRO = 1e3
"""Nanometres of a micrometre, in which densities are shown: per nm they would be tiny."""


@dataclass(frozen=True)
class Number:
    """A number of a phase.

    Attributes:
        measure: what it is of, as in the document.
        name: for people.
        axis: `z`, `y`, `x`; empty where it is of none.
        value: may not be a number.
        unit: of the value; empty for shares.
        low, high: ends of its interval; not numbers where there is none.
    """

    measure: str
    name: str
    axis: str
    value: float
    unit: str = ""
    low: float = math.nan
    high: float = math.nan

    @property
    def title(self) -> str:
        """Its name with the axis."""
        return f"{self.name} along {self.axis}" if self.axis else self.name

    @property
    def shown(self) -> tuple[float, str]:
        """Its value and unit as people read them: densities per micrometre."""
        if self.unit == "1/nm":
            return self.value * MICRO, "1/µm"
        if self.unit == "1/nm^3":
            return self.value * MICRO**3, "1/µm³"
        if self.unit == "1/nm^2":
            return self.value * MICRO**2, "1/µm²"
        return self.value, self.unit.replace("^2", "²").replace("^3", "³")


def numbers(phase: Mapping[str, Any], unit: str) -> Iterator[Number]:
    """Yield the numbers of a phase of a document, in the order of its measures.

    Args:
        phase: of it.
        unit: of lengths.
    """
    for measure, name in (("fraction", "fraction"), ("expected_fraction", "expected fraction")):
        found = phase.get(measure)
        if found:
            value, low, high = (number(found[end]) for end in ("value", "low", "high"))
            yield Number(measure, name, "", value, low=low, high=high)
    if not phase["measured"]:
        return
    thick, clusters = phase["thickness"], phase["clusters"]
    yield Number("thickness", "mean local thickness", "", number(thick["mean"]), unit)
    yield Number("thickness", "median local thickness", "", number(thick["median"]), unit)
    yield Number("thickness", "largest sphere", "", number(thick["largest"]), unit)
    if "perimeter" in phase:
        yield Number("perimeter", "perimeter per area", "", number(phase["perimeter"]), f"1/{unit}")
        yield Number("euler_number", "Euler number per area", "", number(phase["euler_number"]), f"1/{unit}^2")
    else:
        yield Number("surface", "surface per volume", "", number(phase["surface"]), f"1/{unit}")
        yield Number("euler_number", "Euler number per volume", "", number(phase["euler_number"]), f"1/{unit}^3")
    yield Number("clusters", "clusters", "", number(clusters["number"]))
    yield Number("clusters", "clusters per volume", "", number(clusters["number_per_volume"]), f"1/{unit}^3")
    yield Number("clusters", "share in the largest cluster", "", number(clusters["largest_share"]))
    for axis, share in clusters["percolating_share"].items():
        yield Number("clusters", "share that percolates", axis, number(share))
    for axis, chords in phase["chords"].items():
        yield Number("chords", "mean chord", axis, number(chords["mean"]), unit)
    for axis, correlation in phase["correlation"].items():
        yield Number("correlation", "correlation length", axis, number(correlation["length"]), unit)
    yield Number("anisotropy", "anisotropy", "", number(phase["anisotropy"]))
    for axis, found in (phase.get("diffusion") or {}).items():
        yield Number("diffusion", "relative diffusivity", axis, number(found["relative"]))
        yield Number("diffusion", "tortuosity factor", axis, number(found["tortuosity_factor"]))


def number(value: float | None) -> float:
    """Return a number of a document; what it does not know is not a number."""
    return math.nan if value is None else float(value)


def table_text(document: Mapping[str, Any]) -> str:
    """Return the numbers of a document as CSV, one a line."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["phase", "measure", "axis", "value", "low", "high", "unit"])
    for phase in document["phases"]:
        for one in numbers(phase, document["unit"]):
            values = ["" if math.isnan(value) else f"{value:.7g}" for value in (one.value, one.low, one.high)]
            writer.writerow([phase["name"], one.name, one.axis, *values, one.unit])
    return buffer.getvalue()


def read_measures(folder: Path) -> dict[str, Any]:
    """Return the document of a measurement.

    Raises:
        UserError: there is none in the folder, or it is damaged.
    """
    path = MeasurePaths(folder).document
    remedy = "expected the folder that txm2sem measure has written; measure the volume again"
    if not path.is_file():
        raise UserError(f"there is no {path}; {remedy}")
    document = read_json(path, remedy)
    with interpreting(path, "the measures of a volume", remedy):
        if (document["program"], document["kind"]) != (PROGRAM, KIND):
            raise ValueError(f"it is of {document['program']} {document['kind']}")
        for phase in document["phases"]:
            if not isinstance(phase["name"], str):
                raise TypeError(f"a phase is called {phase['name']}")
            list(numbers(phase, document["unit"]))
    return document


def paired(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[tuple[str, Number, Number]]:
    """Yield the name of each phase that two documents have, see `counterpart`, with each number that both have of it.

    Args:
        one, other: documents of measurements.
    """
    for phase in one["phases"]:
        same = counterpart(phase, one, other)
        if same is None:
            continue
        known = {(found.name, found.axis): found for found in numbers(same, other["unit"])}
        for found in numbers(phase, one["unit"]):
            if (found.name, found.axis) in known and known[found.name, found.axis].unit == found.unit:
                yield phase["name"], found, known[found.name, found.axis]


def counterpart(phase: Mapping[str, Any], one: Mapping[str, Any], other: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the phase of another document that is the same: by its name, or by its number where no names agree."""
    names = {found["name"] for found in one["phases"]} & {found["name"] for found in other["phases"]}
    key = "name" if names else "label"
    found: Mapping[str, Any] | None = next((each for each in other["phases"] if each[key] == phase[key]), None)
    return found


def sentence(phase: Mapping[str, Any], unit: str) -> str:
    """Return what a phase is like, in words."""
    found = phase.get("expected_fraction") or phase["fraction"]
    value, low, high = (number(found[name]) for name in ("value", "low", "high"))
    if not value:
        return f"{phase['name']}: absent."
    interval = "" if math.isnan(low) else f" ({low:.1%} to {high:.1%})"
    text = f"{phase['name']}: {value:.1%}{interval}"
    if not phase["measured"]:
        return f"{text}."
    clusters, thick = phase["clusters"], phase["thickness"]
    if not clusters["number"]:
        return f"{text}."
    through = [axis for axis, percolates in clusters["percolates"].items() if percolates]
    reach = f"reaching through the volume along {_listed(through)}" if through else "reaching through it along no axis"
    text += f", {format_length(number(thick['mean']), unit)} thick in the mean; "
    text += f"{clusters['number']} clusters, {number(clusters['largest_share']):.0%} of it in the largest, {reach}"
    diffusion = phase.get("diffusion") or {}
    conducts = {axis: number(values["relative"]) for axis, values in diffusion.items() if values["relative"]}
    if conducts:
        text += "; it conducts " + _listed([f"{value:.2g} along {axis}" for axis, value in conducts.items()])
        text += " of what it would if it filled the volume"
    return f"{text}."


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
