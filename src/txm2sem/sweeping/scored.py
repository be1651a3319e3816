"""What the tests of a run have found, read from the documents that they leave."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from txm2sem.documents import read_continuity, read_scores
from txm2sem.figures.fractions import PhaseFraction
from txm2sem.scoring.names import ONE_DRAW, PHASES
from txm2sem.sweeping.steps import SweptRun

CHANGE = "change_along_z"
"""How much neighbouring slices of a predicted cube differ, as a multiple of how much those of the TXM do."""


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


OF_PATCHES = {"PSNR": "psnr_of_patches", "SSIM": "ssim_of_patches"}
"""Means of `eval_metrics.txt`, over all pixels of patches as in the original code, by their keys there."""

BITS = "bits_per_pixel"
"""How well the probabilities of a segmentation tell the classes; calibrated, where they were."""

HELD_PIXELS = "held_pixels"
"""How many pixels lie in the interval of a model's draws."""

HELD, EXCESS = "held_{}", "excess_{}"
"""In how many patches the fraction of a phase lies in that interval, and how much more of it all patches together have
by the model than by the SEM, of the area; with the name of the phase."""

MEASURES = {
    "psnr_of_patches": Measure("PSNR of whole patches", "dB", 2),
    "ssim_of_patches": Measure("SSIM of whole patches", "1", 3),
    "psnr": Measure("PSNR", "dB", 2),
    "ssim": Measure("SSIM", "1", 3),
    "ms_ssim": Measure("MS-SSIM", "1", 3),
    "pearson": Measure("correlation", "1", 3),
    "perceptual": Measure("perceptual distance", "1", 3),
    CHANGE: Measure("change along z", "of the TXM's", 2),
    BITS: Measure("bits per pixel", "bit", 4),
    HELD_PIXELS: Measure("pixels held", "%", 1),
    **{HELD.format(name): Measure(f"{name.replace('_', ' ')} held", "%", 1) for name in PHASES},
    **{EXCESS.format(name): Measure(f"{name.replace('_', ' ')}, less the SEM's", "%", 2) for name in PHASES},
}


OF_FRACTIONS = tuple(EXCESS.format(name) for name in PHASES)
"""Measures of how much more there is of each phase by the model than by the SEM."""


@dataclass(frozen=True)
class Scored:
    """What the tests of a run have found.

    Attributes:
        values: of its measures, by key; not a number where one is not defined.
        measures: what they are.
        trivial: the same of predictions without a model, by their name.
        fractions: of the phases by the model, by their names; none where neither is measured.
        truth: `CHANGE` of the true SEM; not a number where it is not known.
    """

    values: dict[str, float]
    measures: dict[str, Measure]
    trivial: dict[str, dict[str, float]]
    fractions: dict[str, PhaseFraction]
    truth: float

    @classmethod
    def read(cls, run: SweptRun) -> Scored:
        """Read what the tests of a run have left.

        Raises:
            UserError: a document is not there, or damaged.
        """
        scores = read_scores(run.product("test"))
        rows = scores.get("means", {"rows": {}})["rows"]
        means = {kind: _numbers(found, "mean") for kind, found in rows.items()}
        if "similarity" in scores:
            kinds = {
                kind: {OF_PATCHES[key]: value for key, value in means.get(kind, {}).items() if key in OF_PATCHES}
                | _numbers(found["all"], "value")
                for kind, found in scores["similarity"].items()
            }
            measures = {key: MEASURES[key] for key in MEASURES if key in next(iter(kinds.values()))}
        else:
            kinds = means
            columns = [item for table in scores["means"]["tables"] for item in table.items()]
            measures = {key: Measure(said["name"], said["unit"], 4) for key, said in columns}
        model, *others = (kind for kind in kinds if not kind.startswith(ONE_DRAW))
        values, truth = dict(kinds[model]), math.nan
        if "probabilities" in scores:
            tested = scores["probabilities"]["tested"]
            values[BITS] = _number(tested.get("calibrated", tested["raw"])["bits_per_pixel"])
        fractions = _fractions(scores, model)
        values |= _held(scores.get("draws", {})) | _excess(fractions)
        if run.has_cube:
            volumes = read_continuity(run.product("cube"))["volumes"]
            change = {name: _number(found["adjacent_difference_of_txm"]) for name, found in volumes.items()}
            values[CHANGE], truth = change.get("prediction", math.nan), change.get("truth", math.nan)
        measures |= {key: measure for key, measure in MEASURES.items() if key in values}
        trivial = {kind: kinds[kind] | _excess(_by_thresholds(scores, kind)) for kind in others}
        return cls(values, measures, trivial, fractions, truth)


def _held(found: Mapping[str, Any]) -> dict[str, float]:
    """Return how often the interval of draws holds the truth [%]."""
    if not found:
        return {}
    held = {HELD_PIXELS: found["pixels"]} | {HELD.format(name): share for name, share in found["fraction"].items()}
    return {key: 100 * _number(share["value"]) for key, share in held.items()}


def _fractions(scores: Mapping[str, Any], model: str) -> dict[str, PhaseFraction]:
    """Return what a model says of each phase: its draws, where it has some, its probabilities, or its prediction."""
    if draws := scores.get("draws"):
        # Tests of earlier versions have nothing of all patches together.
        of_all = draws.get("fraction_of_all", {})
        order = ("value", "low", "high", "truth")
        return {name: PhaseFraction(*(_number(one[key]) for key in order)) for name, one in of_all.items()}
    if "probabilities" in scores:
        tested = scores["probabilities"]["tested"]
        found = tested.get("calibrated", tested["raw"])
        expected, true = found["expected_shares"], found["true_shares"]
        return {name: PhaseFraction(expected[label], math.nan, math.nan, true[label]) for name, label in PHASES.items()}
    return _by_thresholds(scores, model)


def _by_thresholds(scores: Mapping[str, Any], kind: str) -> dict[str, PhaseFraction]:
    """Return what a prediction has of each phase by thresholds."""
    found = {name: phase["fraction"] for name, phase in scores.get("rock", {}).get(kind, {}).items()}
    return {
        name: PhaseFraction(_number(one["predicted"]["value"]), math.nan, math.nan, _number(one["true"]["value"]))
        for name, one in found.items()
    }


def _excess(fractions: Mapping[str, PhaseFraction]) -> dict[str, float]:
    return {EXCESS.format(name): one.excess for name, one in fractions.items()}


def _numbers(values: Mapping[str, Any], key: str) -> dict[str, float]:
    return {name: _number(found[key]) for name, found in values.items()}


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
