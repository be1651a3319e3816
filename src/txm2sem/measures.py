"""What was measured, as a document for programs; and its numbers one by one, for tables and comparisons."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from txm2sem.data.classes import CLASSES
from txm2sem.errors import UserError
from txm2sem.files import interpreting, read_json
from txm2sem.metrics import DrawInterval
from txm2sem.quantities import format_length
from txm2sem.runs import MeasurePaths

PROGRAM, KIND = "txm2sem", "measures"

DEFINITIONS = {
    "fraction": "share of the imaged voxels that are of the phase",
    "expected_fraction": "mean of the phase's probability over the imaged voxels: no threshold is in it",
    "interval": "where the fraction of the rock lies, of which the volume is a part, in 90 of 100 cases: from how much "
    "blocks of the volume differ (ratio estimator over blocks as long as what is alike, Student's t), and the "
    "calibration's own error where probabilities are known",
    "rim": "the outermost voxels of each plane across z: those within so many voxels of one that was not imaged, or of "
    "the end of the volume; the fraction there (the expected one where probabilities are known) and inside of it, each "
    "with its own interval. What differs by more than rock does is made by the instrument, or by a model that has not "
    "seen what is around",
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

DRAWN = {
    "draws": "of each phase what was measured of it in each draw of a model, as of a volume that is one image; and its "
    "numbers: each, their mean, and the interval from the k-th smallest to the k-th largest (left_out is k). That is "
    "how far the draws differ, which is what the TXM leaves open according to the model: if the rock is like one more "
    "draw, it is inside in a share of interval_level of all cases, 1 - 2 k / (count + 1) (rank histograms; Hamill "
    "2001). A number that a draw does not have, such as the tortuosity of what reaches nowhere from end to end, has no "
    "mean and no interval",
}
"""The same, where there are draws."""


FAR, NEARLY_NOTHING = 1.5, 0.05
"""Labels tell no sizes of a phase where their share is so many times its expected fraction, or that of theirs; and find
nearly nothing below this share of it."""

HELD = "on ten synthetic rocks of other contents such intervals held {} in {} of 10"
"""What was counted in docs/rock.md, of the phase that a TXM shows weakly."""

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
        draws: it in each draw, of which the value is the mean; empty of a single image.
    """

    measure: str
    name: str
    axis: str
    value: float
    unit: str = ""
    low: float = math.nan
    high: float = math.nan
    draws: tuple[float, ...] = ()

    @property
    def title(self) -> str:
        """Its name with the axis."""
        return f"{self.name} along {self.axis}" if self.axis else self.name

    @property
    def shown(self) -> Number:
        """The same as people read it: densities per micrometre."""
        per_length = {"1/nm": 1, "1/nm^2": 2, "1/nm^3": 3}
        factor = MICRO ** per_length.get(self.unit, 0)
        unit = self.unit.replace("nm", "µm") if self.unit in per_length else self.unit
        value, low, high, *draws = (factor * one for one in (self.value, self.low, self.high, *self.draws))
        unit = unit.replace("^2", "²").replace("^3", "³")
        return replace(self, value=value, low=low, high=high, draws=tuple(draws), unit=unit)


def numbers(phase: Mapping[str, Any], unit: str) -> Iterator[Number]:
    """Yield the numbers of a phase of a document, in the order of its measures.

    Args:
        phase: of it.
        unit: of lengths.
    """
    if "draws" in phase:
        yield from map(_number_over_draws, phase["numbers"])
        return
    for measure, name in (("fraction", "fraction"), ("expected_fraction", "expected fraction")):
        found = phase.get(measure)
        if found:
            value, low, high = (number(found[end]) for end in ("value", "low", "high"))
            yield Number(measure, name, "", value, low=low, high=high)
    for place, name in (("near", "fraction near the rim"), ("inside", "fraction inside of the rim")):
        found = (phase.get("rim") or {}).get(place)
        if found:
            value, low, high = (number(found[end]) for end in ("value", "low", "high"))
            yield Number("rim", name, "", value, low=low, high=high)
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


def over_draws(phase: Mapping[str, Any], draws: Sequence[Mapping[str, Any]], unit: str) -> dict[str, Any]:
    """Return a phase of a document of draws.

    Args:
        phase: what is the same in all draws.
        draws: what was measured of it in each.
        unit: of lengths.
    """
    interval = DrawInterval(len(draws))
    found = []
    for same in zip(*(numbers({**phase, **one}, unit) for one in draws), strict=True):
        values = np.array([one.value for one in same])
        known = np.isfinite(values).all()
        low, high = interval.bounds(values) if known else (math.nan, math.nan)
        value = float(values.mean()) if known else math.nan
        found.append(replace(same[0], value=value, low=float(low), high=float(high), draws=tuple(values.tolist())))
    return {**phase, "numbers": [asdict(one) for one in found], "draws": list(draws)}


def images_of(phase: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return a phase of a document as it is in each draw, like that of a single image; of such a one, itself."""
    if "draws" not in phase:
        return [phase]
    own = {name: value for name, value in phase.items() if name not in ("numbers", "draws")}
    return [own | one for one in phase["draws"]]


def about_draws(draws: int) -> list[str]:
    """Return what has to be known of numbers over draws, for people."""
    interval = DrawInterval(draws)
    beyond = interval.left_out - 1
    but = f"but the {beyond} smallest and the {beyond} largest" if beyond else "from the smallest to the largest"
    return [
        f"numbers are means over {draws} draws of the model, and intervals hold all of them {but}: how far the draws "
        f"differ, which is what the TXM leaves open according to the model. If the rock is like one more draw, it is "
        f"inside in {interval.share:.0%} of all cases; that the model or the thresholds may be wrong, and that the "
        "volume is a part of the rock, is not in them",
        "the thresholds are those of all draws; the mean of the draws, which is smoother than each of them, is not "
        "measured",
    ]


def number(value: float | None) -> float:
    """Return a number of a document; what it does not know is not a number."""
    return math.nan if value is None else float(value)


def table_text(document: Mapping[str, Any]) -> str:
    """Return the numbers of a document as CSV, one a line."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    draws = range(document["draws"]["count"] if "draws" in document else 0)
    columns = ("phase", "measure", "axis", "value", "low", "high", "unit", "of")
    writer.writerow([*columns, *(f"draw {one}" for one in draws)])
    for phase in document["phases"]:
        for one in numbers(phase, document["unit"]):
            texts = [
                "" if math.isnan(value) else f"{value:.7g}" for value in (one.value, one.low, one.high, *one.draws)
            ]
            of = told_by(one.measure, phase, document)
            writer.writerow([phase["name"], one.name, one.axis, *texts[:3], one.unit, of, *texts[3:]])
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
            for one in (phase, *images_of(phase)):
                list(numbers(one, document["unit"]))
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


def is_guess(document: Mapping[str, Any]) -> bool:
    """Say whether the phases of a document are told from a TXM by a model, which may be wrong."""
    # Documents of earlier versions say only whether there was a model.
    return bool(document.get("guess", document["model"] is not None))


def sentences(document: Mapping[str, Any]) -> list[str]:
    """Return what each phase is like, in words; last what is between them."""
    phases = sorted(document["phases"], key=lambda phase: phase["label"] == 0 and not phase["measured"])
    return [sentence(phase, document) for phase in phases]


def sentence(phase: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """Return what a phase is like, in words: of a prediction, what of it can be believed at all."""
    unit, guess = document["unit"], is_guess(document) and "draws" not in document
    known = {(one.name, one.axis): one for one in numbers(phase, unit)}
    fraction = known.get(("expected fraction", "")) or known["fraction", ""]
    is_rest = phase["name"] == CLASSES[0] and not phase["measured"]
    name = f"rest ({CLASSES[0]} phase)" if is_rest else phase["name"]
    if not fraction.value:
        return f"{name}: absent."
    text = f"{name}: {_of_guess(phase, fraction) if guess else _shown(fraction, '{:.1%}'.format)}"
    if missed := missed_by_labels(phase):
        return f"{text}; {missed}, so its sizes are not known."
    if not phase["measured"] or not known["clusters", ""].value:
        return f"{text}."
    text += f", {_shown(known['mean local thickness', ''], partial(format_length, unit=unit))} thick in the mean"
    if phase.get("expected_fraction"):
        text += f" (of the {known['fraction', ''].value:.1%} that labels find)"
    return f"{text}." if guess else f"{text}; {_connected(known)}."


def promise(document: Mapping[str, Any]) -> str:
    """Return what the intervals of fractions hold how often; nothing of draws, of which notes say it."""
    if document.get("draws"):
        return ""
    cases = f"in {100 * document['interval_level']:.0f} of 100 cases"
    if not is_guess(document):
        return f"Fractions with the interval that holds that of the rock, of which this volume is a part, {cases}."
    return (
        f"Fractions with the interval that would hold that of the rock, of which this volume is a part, {cases} if the "
        f"model were right here; {HELD.format('low density', _held(document['phases']))} (docs/rock.md)."
    )


def missed_by_labels(phase: Mapping[str, Any]) -> str:
    """Return how much of a phase labels find, in words; nothing where that is about its expected fraction.

    Thickness, clusters and all else but the expected fraction are of labels.
    """
    if not phase["measured"] or not phase.get("expected_fraction"):
        return ""
    found, expected = (number(phase[name]["value"]) for name in ("fraction", "expected_fraction"))
    if found < NEARLY_NOTHING * expected:
        return f"labels find only {100 * found:.2g}% of the {expected:.1%}, nearly nothing"
    if found < expected / FAR:
        return f"labels find only {found:.1%} of the {expected:.1%}"
    return f"labels find {found:.1%} in place of the {expected:.1%}" if found > FAR * expected else ""


def told_by(measure: str, phase: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """Return what a number is of: `labels`, `thresholds` or `probabilities`."""
    if phase.get("expected_fraction") and measure in ("expected_fraction", "rim"):
        return "probabilities"
    return "thresholds" if document.get("thresholds") else "labels"


def _of_guess(phase: Mapping[str, Any], fraction: Number) -> str:
    """Return the fraction of a phase in a prediction: with what was learned from, and what its interval is worth."""
    asides = []
    if phase.get("training_share") is not None:
        asides.append(f"training slices: {phase['training_share']:.1%}")
    if not math.isnan(fraction.low):
        asides.append(f"{fraction.low:.1%} to {fraction.high:.1%} if the model were right here")
        if phase["label"] == 1:
            asides.append(f"{HELD.format('it', _held([phase]))}, docs/rock.md")
    return f"{fraction.value:.1%}" + (f" ({'; '.join(asides)})" if asides else "")


def _held(phases: Sequence[Mapping[str, Any]]) -> str:
    """Return in how many of ten rocks intervals held low density: of probabilities, or of thresholds."""
    return "3 to 5" if any(phase.get("expected_fraction") for phase in phases) else "0 to 2"


def _connected(known: Mapping[tuple[str, str], Number]) -> str:
    """Return how a phase hangs together and conducts, of its numbers by name and axis."""
    number_of = _shown(known["clusters", ""], "{:.0f}".format)
    largest = _shown(known["share in the largest cluster", ""], "{:.0%}".format)
    text = f"{number_of} clusters, {largest} of it in the largest, "
    through = [_reached(one) for one in known.values() if one.name == "share that percolates" and _times(one)]
    text += f"reaching through the volume along {_listed(through)}" if through else "reaching through it along no axis"
    conducts = [one for one in known.values() if one.name == "relative diffusivity" and one.value > 0]
    if conducts:
        text += "; it conducts " + _listed([f"{_shown(one, '{:.2g}'.format)} along {one.axis}" for one in conducts])
        text += " of what it would if it filled the volume"
    return text


def _shown(one: Number, form: Callable[[float], str]) -> str:
    """Return a number with its interval, where it has one."""
    interval = "" if math.isnan(one.low) else f" ({form(one.low)} to {form(one.high)})"
    return f"{'unknown' if math.isnan(one.value) else form(one.value)}{interval}"


def _times(share: Number) -> int:
    """Return in how many images a share is more than nothing."""
    return sum(value > 0 for value in share.draws or (share.value,))


def _reached(share: Number) -> str:
    """Return the axis of a share that percolates; where it does so in some draws alone, in how many."""
    times = _times(share)
    return f"{share.axis} (in {times} of {len(share.draws)} draws)" if times < len(share.draws) else share.axis


def _number_over_draws(one: Mapping[str, Any]) -> Number:
    measure, name, axis, unit = (one[key] for key in ("measure", "name", "axis", "unit"))
    value, low, high = (number(one[key]) for key in ("value", "low", "high"))
    return Number(measure, name, axis, value, unit, low, high, tuple(map(number, one["draws"])))


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
