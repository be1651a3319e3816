"""Which phase each voxel of a volume is of: as labels say it, or thresholds of grey values."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.filters import threshold_multiotsu

from txm2sem.data.classes import CLASS_COLOURS, CLASSES
from txm2sem.data.readers import VolumeReader
from txm2sem.errors import UserError
from txm2sem.morphology.boxes import Region
from txm2sem.palette import COLOURS, colour_of, rgb, style_of

LARGEST_LABEL = 255

MOST_PHASES = 32
"""Labels have no more values than this; images have."""

SAMPLED_SLICES = 64
"""Slices whose grey values Otsu's thresholds are taken from."""

LEVELS = 1024
"""Grey values are counted in so many steps to find thresholds."""

TRUNCATED = 4.0
"""A Gaussian is cut off so many standard deviations away from its middle."""

Labels = NDArray[np.uint8]
Valid = NDArray[np.bool_]
ReadGrey = Callable[[Region, int], tuple[NDArray[Any], Valid]]


@dataclass(frozen=True)
class Phase3D:
    """A phase of a volume.

    Attributes:
        label: its number.
        name: for people.
        colour: (red, green, blue), 0 to 255.
    """

    label: int
    name: str
    colour: tuple[int, int, int]


@dataclass(frozen=True)
class Thresholds:
    """Phases by grey value.

    Attributes:
        values: between the phases, rising.
        blur: the standard deviation of a Gaussian before [voxels].
        says: where they come from, for people.
    """

    values: tuple[float, ...]
    blur: float
    says: str

    @property
    def labels(self) -> tuple[int, ...]:
        """The phases from dark to bright: 1 is the dark one, 2 the bright one, 0 what is between; others by number."""
        count = len(self.values) + 1
        return {2: (1, 0), 3: (1, 0, 2)}.get(count, tuple(range(count)))

    @property
    def halo(self) -> int:
        """How far around a voxel grey values count [voxels]."""
        return math.ceil(TRUNCATED * self.blur)

    def of(self, grey: NDArray[Any], valid: Valid) -> Labels:
        """Return the phase of each voxel (z, y, x); what is not valid blurs into no other one."""
        smooth = _smoothed(grey, valid, self.blur)
        labels: Labels = np.asarray(self.labels, np.uint8)[np.digitize(smooth, self.values, right=True)]
        return labels


def parse_thresholds(text: str, blur: float) -> Thresholds:
    """Return the thresholds that `--thresholds` names.

    Raises:
        UserError: they are no rising numbers, or too many.
    """
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    rising = all(one < other for one, other in pairwise(values))
    if not values or not all(map(math.isfinite, values)) or not rising or len(values) >= MOST_PHASES:
        raise UserError(
            f"--thresholds {text}: expected grey values between the phases, rising, such as 80 or 80,170, and at most "
            f"{MOST_PHASES - 1} of them"
        )
    return Thresholds(values, blur, f"grey values with the thresholds {', '.join(f'{value:g}' for value in values)}")


def otsu_thresholds(reader: VolumeReader, read: ReadGrey, images: int, blur: float) -> Thresholds:
    """Return the two thresholds that part the grey values of a volume best into three classes.

    Liao et al. 2001, A fast algorithm for multilevel thresholding, on slices that are spread evenly along z and over
    all images, blurred in their plane alone.

    Args:
        reader: says what the volume is.
        read: returns grey values of a part (z, y, x) of an image, by its number, and where something was imaged.
        images: of the volume, such as draws.
        blur: as in `Thresholds`.

    Raises:
        UserError: there are fewer than three grey values, or a slice cannot be read.
    """
    depth = reader.shape[0]
    count = max(min(SAMPLED_SLICES, depth * images), images)
    planes = []
    for number, z in enumerate(np.linspace(0, depth - 1, count).round().astype(int).tolist()):
        grey, valid = (part[0] for part in read((slice(z, z + 1), slice(None), slice(None)), number % images))
        planes.append(_smoothed(grey.astype(np.float32), valid, blur)[valid])
    values = np.concatenate(planes)
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    whole = reader.dtype.kind != "f" and high - low < LEVELS
    bins = round(high - low) + 1 if whole else LEVELS
    counts, edges = np.histogram(values, bins, (low - 0.5, high + 0.5) if whole else (low, high))
    if np.count_nonzero(counts) < 3:
        raise UserError(
            f"{reader.name} has {np.count_nonzero(counts)} different grey values where something was imaged; expected "
            "three or more to find thresholds between: pass --thresholds, or another --roi"
        )
    found = threshold_multiotsu(classes=3, hist=(counts, (edges[1:] + edges[:-1]) / 2))
    first, second = (float(f"{value:.6g}") for value in found)
    return Thresholds((first, second), blur, f"grey values with the thresholds {first:g}, {second:g} of Otsu")


def imaged(voxels: NDArray[Any], not_imaged: float | None) -> Valid:
    """Return where something was imaged."""
    return np.ones(voxels.shape, np.bool_) if not_imaged is None else voxels != not_imaged


def as_labels(voxels: NDArray[Any], valid: Valid, where: str) -> Labels:
    """Return voxels as numbers of phases.

    Args:
        voxels: of any type.
        valid: which of them count.
        where: they are, for messages.

    Raises:
        UserError: one is no whole number from 0 to `LARGEST_LABEL`.
    """
    kept = np.where(valid, voxels, 0)
    odd = (kept < 0) | (kept > LARGEST_LABEL) | (kept != np.floor(kept))
    if odd.any():
        raise UserError(
            f"{where} has the value {kept[odd].flat[0]:g}; expected whole numbers from 0 to {LARGEST_LABEL}, which "
            "name the phases: for grey values pass --thresholds, or --method otsu"
        )
    return kept.astype(np.uint8)


def name_phases(
    labels: tuple[int, ...], asked: str, said: Mapping[int, tuple[str, tuple[int, int, int]]]
) -> list[Phase3D]:
    """Return the phases with these labels, by their order.

    Args:
        labels: the numbers.
        asked: `--phases`.
        said: name and colour by label, as far as a file or the program knows them.

    Raises:
        UserError: what is asked for is not of the form NUMBER=NAME, or names a phase that is not there.
    """
    names: dict[int, str] = {}
    for part in asked.split(",") if asked else ():
        match = re.fullmatch(r"\s*(\d+)\s*=\s*(\S.*?)\s*", part)
        if match is None or int(match[1]) in names:
            raise UserError(f"--phases {asked}: expected numbers and names, each once, such as 0=matrix,1=pores")
        names[int(match[1])] = match[2]
    unknown = sorted(set(names) - set(labels))
    if unknown:
        raise UserError(
            f"--phases {asked}: there is no phase {unknown[0]}; found {', '.join(map(str, labels))}: leave it out"
        )
    known = [names.get(label) or said.get(label, ("", None))[0] or f"phase {label}" for label in labels]
    doubled = next((name for name in known if known.count(name) > 1), None)
    if doubled is not None:
        raise UserError(f"--phases {asked}: two phases are called {doubled}; give each its own name")
    return [
        Phase3D(label, name, said[label][1] if label in said else rgb(colour_of(phase_style(label))))
        for label, name in zip(labels, known, strict=True)
    ]


OWN_PHASES = {number: (name, CLASS_COLOURS[number]) for number, name in enumerate(CLASSES)}
"""Name and colour of the phases that this program's models tell apart."""


def phase_style(label: int, name: str = "") -> int:
    """Return the style of a phase's lines in pages, whose colour is like its own."""
    return style_of(name) if name in CLASSES else (label - 1) % len(COLOURS)


def parse_labels(text: str, option: str, known: tuple[int, ...]) -> tuple[int, ...]:
    """Return the numbers of phases that an option names.

    Raises:
        UserError: they are none, or no phase has one.
    """
    try:
        found = tuple(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError:
        found = (-1,)
    absent = [label for label in found if label not in known]
    if absent:
        raise UserError(
            f"{option} {text}: expected numbers of phases, of {', '.join(map(str, known))}, such as {known[-1]}"
        )
    return found


def _smoothed(grey: NDArray[Any], valid: Valid, blur: float) -> NDArray[Any]:
    if not blur:
        return grey
    kept = np.where(valid, grey, 0).astype(np.float32)
    sums, weights = (
        gaussian_filter(part, blur, truncate=TRUNCATED, mode="constant") for part in (kept, valid.astype(np.float32))
    )
    smooth: NDArray[np.float32] = np.divide(sums, weights, out=np.zeros_like(sums), where=weights > 0)
    return smooth
