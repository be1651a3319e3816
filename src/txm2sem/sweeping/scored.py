"""What the tests of a run have found, read from the documents that they leave."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from txm2sem.documents import read_continuity, read_scores
from txm2sem.scoring.names import PHASES
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
in the draws than in the SEM, of the area; with the name of the phase."""

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
        model, *others = kinds
        values, truth = dict(kinds[model]), math.nan
        if "probabilities" in scores:
            tested = scores["probabilities"]["tested"]
            values[BITS] = _number(tested.get("calibrated", tested["raw"])["bits_per_pixel"])
            measures[BITS] = MEASURES[BITS]
        drawn = _of_draws(scores.get("draws", {}))
        values |= drawn
        measures |= {key: MEASURES[key] for key in drawn}
        if run.has_cube:
            volumes = read_continuity(run.product("cube"))["volumes"]
            change = {name: _number(found["adjacent_difference_of_txm"]) for name, found in volumes.items()}
            values[CHANGE], truth = change.get("prediction", math.nan), change.get("truth", math.nan)
            measures[CHANGE] = MEASURES[CHANGE]
        return cls(values, measures, {kind: kinds[kind] for kind in others}, truth)


def _of_draws(found: Mapping[str, Any]) -> dict[str, float]:
    """Return how often the interval of draws holds the truth, and how far their fractions are off, in percent."""
    if not found:
        return {}
    held = {HELD_PIXELS: found["pixels"]} | {HELD.format(name): share for name, share in found["fraction"].items()}
    # Tests of earlier versions have nothing of all patches together.
    of_all = found.get("fraction_of_all", {})
    excess = {EXCESS.format(name): 100 * (one["value"] - one["truth"]) for name, one in of_all.items()}
    return {key: 100 * _number(share["value"]) for key, share in held.items()} | excess


def _numbers(values: Mapping[str, Any], key: str) -> dict[str, float]:
    return {name: _number(found[key]) for name, found in values.items()}


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
