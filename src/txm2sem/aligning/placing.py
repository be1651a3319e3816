"""Where slices of the SEM lie: each on its own slice of the TXM, or on a plane of a volume."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from txm2sem.aligning.document import SliceAlignment
from txm2sem.aligning.inputs import Inputs, SlicePair, mean_side
from txm2sem.data.bars import DataBar
from txm2sem.data.pixels import to_dtype
from txm2sem.figures.planes import draw_planes
from txm2sem.options import AlignOptions
from txm2sem.registration.geometry import Geometry, find_again, geometry_of, together
from txm2sem.registration.given import SCALES
from txm2sem.registration.pair import PairAlignment, align_pair
from txm2sem.registration.planes import Plane, Pyramid
from txm2sem.registration.transforms import Field, Matrix, scale_of, turned
from txm2sem.registration.volume import PlaneAlignment, find_slice

KNOWN_WITHIN = 1.05
"""Sizes of pixels that both instruments say fit each other within this factor."""

NEAR_ANGLE = 3.0
"""Turns that are tried around what landmarks say [degrees]."""

PREVIEW = 512
"""Rows or columns of the volume where it is drawn, at most [voxels]."""

Found = TypeVar("Found", PairAlignment, PlaneAlignment)

Scales = float | tuple[float, float] | None


@dataclass(frozen=True)
class Placed:
    """Where a slice of the SEM was found.

    Attributes:
        txm: what the TXM shows there (H, W), in its type.
        pair: where the SEM lies on that.
        plane: on which of the TXM.
        apart: by how much the planes of its halves differ, see `PlaneAlignment.apart`; empty: it has none.
    """

    txm: NDArray[Any]
    pair: PairAlignment
    plane: Plane
    apart: tuple[float, ...] = ()


@dataclass(frozen=True)
class _Lying:
    """What a geometry is fitted to."""

    to_txm: Matrix
    depth: float
    confident: bool


class Placing:
    """Finds the slices of the SEM.

    Args:
        inputs: what is aligned.
        options: how.

    Attributes:
        depth: voxels of the TXM are so many times as deep as wide.
    """

    def __init__(self, inputs: Inputs, options: AlignOptions) -> None:
        self.inputs, self.options = inputs, options
        volume = inputs.volume
        size = volume.voxel_size if volume is not None else None
        self.depth = 1.0 if size is None else size[0] / mean_side(size[1:])
        self._pyramid = None if volume is None else Pyramid(volume, self.depth)

    def place(self, pair: SlicePair, sem: NDArray[Any], valid: NDArray[np.bool_], bar: DataBar | None = None) -> Placed:
        """Return where a slice lies.

        Args:
            pair: which one.
            sem: its grey values (h, w).
            valid: pixels that count (h, w).
            bar: rows of it that are no image.

        Raises:
            UserError: an image is blank or too small, or sizes contradict.
        """
        options, start = self.options, None if pair.landmarks is None else pair.landmarks.start()
        near = start is not None
        how: dict[str, Any] = {
            "sem_valid": valid,
            "transform": options.transform,
            "search_angle": min(options.search_angle, NEAR_ANGLE) if near else options.search_angle,
            "mirror": "no" if near else options.mirror,
            "quarter_turns": options.quarter_turns and not near,
        }
        scales = self._scales(pair, start)
        if pair.txm is None:
            pyramid = self._pyramid
            assert pyramid is not None
            on_plane = first_confident(
                scales, lambda scale: find_slice(pyramid, sem, scale=scale, tilt=options.tilt, **how)
            )
            return self._on_plane(on_plane, sem.shape)
        txm = pair.txm.read()

        def begin(scale: Scales) -> Matrix | None:
            return start if near or bar is None else _centred(txm.shape, sem.shape, bar, scale)

        found = first_confident(scales, lambda scale: align_pair(txm, sem, scale=scale, start=begin(scale), **how))
        return Placed(txm, found, Plane(float(pair.txm.z)))

    def geometry(self, slices: Mapping[str, SliceAlignment]) -> Geometry | None:
        """Return what all slices in a volume have in common; None: too little, or they are no slices of a volume."""
        if self._pyramid is None:
            return None
        lying = self._lying(slices)
        size = self.inputs.txm_pixel_size
        spacing = self.options.spacing / mean_side(size) if self.options.spacing and size else None
        rows, columns = self.inputs.pairs[0].sem.image.shape
        return geometry_of(lying, (rows, columns), spacing)

    def together(self, slices: Mapping[str, SliceAlignment], geometry: Geometry) -> dict[int, Plane]:
        """Return the planes of slices by their numbers, each drawn towards what all have in common."""
        apart = {pair.sem.number: slices[pair.sem.key].halves_apart for pair in self.inputs.pairs}
        return together(self._lying(slices), apart, geometry)

    def on(self, plane: Plane, found: SliceAlignment, field: Field | None) -> Placed:
        """Return a slice on another plane, close to the one where it was found."""
        assert self._pyramid is not None
        _, height, width = self._pyramid.shape
        return Placed(self._image(plane), found.pair((height, width), field), plane, found.halves_apart)

    def _lying(self, slices: Mapping[str, SliceAlignment]) -> dict[int, _Lying]:
        return {
            pair.sem.number: _Lying(np.array(found.to_txm), self.depth, found.confident)
            for pair in self.inputs.pairs
            for found in [slices[pair.sem.key]]
        }

    def _image(self, plane: Plane) -> NDArray[Any]:
        assert self._pyramid is not None
        assert self.inputs.volume is not None
        return to_dtype(self._pyramid.image(plane), self.inputs.volume.dtype)

    def place_again(self, pair: SlicePair, sem: NDArray[Any], valid: NDArray[np.bool_], geometry: Geometry) -> Placed:
        """Return where a slice lies that was not found, close to where the others let expect it."""
        assert self._pyramid is not None
        found = find_again(
            self._pyramid, sem, geometry, pair.sem.number, sem_valid=valid, transform=self.options.transform
        )
        return self._on_plane(found, sem.shape)

    def planes(self, slices: Mapping[str, SliceAlignment]) -> Figure | None:
        """Return a picture of where slices lie in the volume; None: there is none, or no slice was confirmed."""
        found = {key: one for key, one in slices.items() if one.confident}
        if self._pyramid is None or self.inputs.volume is None or not found:
            return None
        shape, voxels = self._pyramid.shape, self._pyramid.preview(PREVIEW)
        at = np.median([one.middle for one in found.values()], axis=0)
        index = [
            int(np.clip(place / side * part, 0, part - 1))
            for place, side, part in zip(at, shape, voxels.shape, strict=True)
        ]
        images = {axis: np.moveaxis(voxels, number, 0)[index[number]] for number, axis in enumerate("zyx")}
        size = self.inputs.volume.voxel_size
        z, y, x = (float(place) for place in at)
        return draw_planes(images, shape, (z, y, x), {key: one.corners for key, one in found.items()}, size)

    def _on_plane(self, found: PlaneAlignment, shape: tuple[int, ...]) -> Placed:
        # It was found on the plane, whether or not tiles of that moved it further.
        pair = replace(found.pair, improved=True, reason="") if found.confident else found.pair
        return Placed(self._image(found.plane), pair, found.plane, found.apart(shape))

    def _scales(self, pair: SlicePair, start: Matrix | None) -> list[Scales]:
        """Return the scales to try, one after the other: pixels of the TXM in one of the SEM."""
        fixed = self.options.transform in ("none", "shift", "rigid")
        if start is not None:
            marked = scale_of(start)
            return [None if fixed else (marked / KNOWN_WITHIN, marked * KNOWN_WITHIN)]
        if self.inputs.dataroot is not None:  # it has one grid
            return [1.0]
        ours = self.inputs.txm_pixel_size if pair.txm is None else pair.txm.pixel_size
        theirs = pair.sem.pixel_size
        if ours is not None and theirs is not None:
            said = mean_side(theirs) / mean_side(ours)
            return [said if fixed else (said / KNOWN_WITHIN, said * KNOWN_WITHIN)]
        if fixed:
            return [None]
        shape = self.inputs.txm_shape[-2:] if pair.txm is None else pair.txm.shape
        fills = min(a / b for a, b in zip(shape, pair.sem.image.shape, strict=True))
        centres = [1.0] if SCALES[0] < fills < SCALES[1] else [1.0, fills]
        return [(SCALES[0] * centre, SCALES[1] * centre) for centre in centres]


def _centred(txm: tuple[int, ...], sem: tuple[int, ...], bar: DataBar, scale: Scales) -> Matrix:
    """Return the map that lays the centre of what is left of a SEM without its data bar upon that of the TXM."""
    size = math.sqrt(math.prod(scale)) if isinstance(scale, tuple) else scale or 1.0
    first = bar.rows if bar.edge == "top" else 0
    middle = np.array([first + (sem[0] - bar.rows - 1) / 2, (sem[1] - 1) / 2])
    return turned(0.0, size, False, middle, (np.array(txm) - 1) / 2)


def first_confident(scales: list[Scales], find: Callable[[Scales], Found]) -> Found:
    """Return what is found with the first scale that is confirmed, else with the first one."""
    found = [find(scales[0])]
    for scale in scales[1:]:
        if found[-1].confident:
            break
        found.append(find(scale))
    return found[-1] if found[-1].confident else found[0]
