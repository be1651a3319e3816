"""Areas that appear in two slices: what a model has learned by heart scores well on a test that shows it again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from txm2sem.checking.findings import Finding, Level
from txm2sem.checking.sources import IMAGES, TITLES, Place
from txm2sem.metrics import CommonArea, Landmarks, Pixels, common_area, likely_shifts

OTHERS = 8
"""Slices, besides the two compared, that tell what is the same in all."""

SAME = {"sem": 0.8, "txm": 0.9}
"""Correlation of fine detail from which a window is the same area.

Different slices of one rock stay below: in phantoms, 99.5 % of windows correlate less than 0.73 in SEM two slices
apart and less than 0.86 in TXM of adjacent slices; in published slices of a shale, less than 0.43 and 0.79. A copy has
1, also with other brightness and contrast.
"""

MIN_WINDOWS = 2
"""Windows that must be the same: one may be so by chance."""

ImageName = Literal["txm", "sem"]
Marks = Mapping[Place, Mapping[ImageName, Landmarks]]
Load = Callable[[Place, ImageName], Pixels]
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


def find_shared_areas(marks: Marks, load: Load) -> Iterator[tuple[float, SharedArea | None]]:
    """Compare all slices with each other.

    Args:
        marks: the landmarks of each slice, by image.
        load: reads an image again, to compare it where landmarks are alike.

    Yields:
        the share of the work that is done, and an area that a pair has in common, or None.
    """
    likely: dict[tuple[Place, Place], set[tuple[int, int]]] = {}
    for name in IMAGES:
        places = [place for place, known in marks.items() if name in known]
        for found in likely_shifts([marks[place][name] for place in places]):
            likely.setdefault((places[found.one], places[found.other]), set()).add(found.shift)
    order = {place: index for index, place in enumerate(marks)}
    pairs = sorted(likely, key=lambda pair: (order[pair[0]], order[pair[1]]))
    for done, pair in enumerate(pairs, start=1):
        yield done / len(pairs), _compare(*pair, sorted(likely[pair]), marks, load)


def judge_shared_areas(areas: Sequence[SharedArea]) -> list[Finding]:
    """Return what areas in common mean."""
    return [_judge(shared) for shared in areas]


def _compare(
    one: Place, other: Place, shifts: Sequence[tuple[int, int]], marks: Marks, load: Load
) -> SharedArea | None:
    found: dict[str, CommonArea] = {}
    for name in reversed(IMAGES):
        if name not in marks[one] or name not in marks[other]:
            continue
        for shift in shifts:
            area = common_area(load(one, name), load(other, name), shift, SAME[name])
            if area.windows >= MIN_WINDOWS:
                others = _others(one, other, name, marks, load)
                area = common_area(load(one, name), load(other, name), shift, SAME[name], others)
            if area.windows >= MIN_WINDOWS and (name not in found or area.share > found[name].share):
                found[name] = area
    return SharedArea(one, other, found) if found else None


def _others(one: Place, other: Place, name: ImageName, marks: Marks, load: Load) -> list[Pixels]:
    """Return images of other slices, evenly spread, of the same shape as those of two."""
    places = [place for place, known in marks.items() if name in known]
    spread = [places[index] for index in np.linspace(0, len(places) - 1, min(len(places), OTHERS + 2)).astype(int)]
    images = [load(place, name) for place in spread if place not in (one, other)]
    shapes = {load(place, name)[0].shape for place in (one, other)}
    return [image for image in images if {image[0].shape} == shapes]


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
