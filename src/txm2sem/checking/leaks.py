"""Areas that appear in two slices: what a model has learned by heart scores well on a test that shows it again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from txm2sem.checking.findings import Finding, Level
from txm2sem.checking.sources import TITLES, Place
from txm2sem.metrics import CommonArea, Sketch, common_area, likely_shifts, refine_shift

SKETCH_SIDE = 512
"""Rows and columns of a sketch at most [pixels]."""

SAME = {"sem": 0.8, "txm": 0.9}
"""Correlation of fine detail from which a window is the same area.

Different slices of one rock stay below: in phantoms, 99.5 % of windows correlate less than 0.73 in SEM two slices
apart and less than 0.86 in TXM of adjacent slices; in published slices of a shale, less than 0.43 and 0.79. A copy has
1, also with other brightness and contrast.
"""

MIN_WINDOWS = 2
"""Windows that must be the same: one may be so by chance."""

Images = Mapping[Literal["txm", "sem"], NDArray[Any]]
Load = Callable[[Place, Literal["txm", "sem"]], tuple[NDArray[Any], NDArray[np.bool_]]]
"""Returns an image and which of its pixels count, (H, W)."""


@dataclass(frozen=True)
class SharedArea:
    """An area that two slices have in common.

    Attributes:
        one, other: the slices.
        found: by image, `sem` or `txm`: the area where it is the same; at least one of them.
    """

    one: Place
    other: Place
    found: Mapping[str, CommonArea]

    @property
    def area(self) -> CommonArea:
        """The largest area that is the same."""
        return max(self.found.values(), key=lambda area: area.share)


def sketch_factor(shape: tuple[int, ...]) -> int:
    """Return by how much slices of a shape are made smaller for their sketches."""
    return max(1, -(-max(shape) // SKETCH_SIDE))


def find_shared_areas(
    sketches: Mapping[Place, Mapping[Literal["txm", "sem"], Sketch]], load: Load
) -> Iterator[tuple[float, SharedArea | None]]:
    """Compare all pairs of slices.

    Args:
        sketches: of each slice, by image.
        load: reads an image again, to compare it at full resolution where the sketches are alike.

    Yields:
        the share of the work that is done, and an area that a pair has in common, or None.
    """
    pairs = list(combinations(sketches, 2))
    for done, (one, other) in enumerate(pairs, start=1):
        yield done / len(pairs), _compare(one, other, sketches, load)


def judge_shared_areas(areas: Sequence[SharedArea]) -> list[Finding]:
    """Return what areas in common mean."""
    return [_judge(shared) for shared in areas]


def _compare(
    one: Place, other: Place, sketches: Mapping[Place, Mapping[Literal["txm", "sem"], Sketch]], load: Load
) -> SharedArea | None:
    found: dict[str, CommonArea] = {}
    for name in ("sem", "txm"):
        if name not in sketches[one] or name not in sketches[other]:
            continue
        pair = sketches[one][name], sketches[other][name]
        for rough in likely_shifts(*pair):
            (first, first_valid), (second, second_valid) = load(one, name), load(other, name)
            shift = refine_shift(first, second, pair, rough)
            area = common_area(first, second, (first_valid, second_valid), shift, SAME[name])
            if area.windows >= MIN_WINDOWS and (name not in found or area.share > found[name].share):
                found[name] = area
    return SharedArea(one, other, found) if found else None


def _judge(shared: SharedArea) -> Finding:
    area = shared.area
    place = "at the same place" if (area.rows, area.columns) == (0, 0) else f"shifted by ({area.rows}, {area.columns})"
    names = " and ".join(TITLES[name] for name in shared.found)
    text = (
        f"{shared.one} and {shared.other} show the same area in the {names}, {place}, correlation "
        f"{area.correlation:.2f}, over {area.share:.0%} of the slice"
    )
    learned = {shared.one.split, shared.other.split}
    level: Level = "problem" if "train" in learned and len(learned) == 2 else "warning"
    if len(shared.found) == 1:
        (name,) = shared.found
        rest = "SEM" if name == "txm" else "TXM"
        text += f"; the {rest} is different"
        advice = f"One of the two pairs has another slice's {TITLES[name]}: put the right file in its place."
        return Finding("problem", "shared", f"{shared.one}, {shared.other}", text, advice)
    if level == "problem":
        evaluated = next(split for split in ("test", "val") if split in learned)
        advice = f"Scores on {evaluated} would be those of learning by heart: remove one of the slices, or crop them."
    else:
        advice = "The area counts twice: remove one of the slices, or crop them."
    return Finding(level, "shared", f"{shared.one}, {shared.other}", text, advice)
