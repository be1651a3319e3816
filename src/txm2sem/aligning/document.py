"""What an alignment has found, slice by slice: `alignment.json`, and files beside it for other tools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.data.bars import DataBar
from txm2sem.data.files import readable
from txm2sem.files import interpreting, json_text, read_json, typed, write_text, write_whole
from txm2sem.registration.evidence import Correlation
from txm2sem.registration.pair import PairAlignment
from txm2sem.registration.planes import Plane
from txm2sem.registration.transforms import Field, Matrix, scale_of
from txm2sem.registration.volume import PlaneAlignment

NAME = "alignment.json"

FORMAT = "txm2sem alignment 1"

REMEDY = "align again into another folder"

TFM_STEP = 8
"""Distance of the displacements in a `.tfm`, which are linear between them [pixels]."""


@dataclass(frozen=True)
class SliceAlignment:
    """Where a slice of the SEM lies in the TXM.

    Attributes:
        sem: its file.
        txm: the TXM slice, or the volume.
        shape: rows and columns of the SEM's file.
        bar: rows of it that are a data bar, for people; empty: there is none.
        to_txm: 3 x 3, maps (row, column, 1) of the file's pixels to (z, y, x) of the TXM's voxels, but for the field.
        field: file of the smooth displacement on top, see `write_field`; empty: there is none.
        tilt: angle between the slice and those of the TXM [degrees].
        turn: angle by which the SEM is turned, from the row axis towards the column axis [degrees].
        scale: pixels of the TXM in one of the SEM.
        mirrored: the columns of the SEM are turned around first.
        inverted: what is bright in one image is dark in the other.
        fitted: correlation of the tiles that were fitted, before and after.
        held_out: the same of tiles that took no part.
        improved: it was moved from where the start, by sizes and centres, puts it.
        confident: tiles that took no part confirm it.
        reason: why it is not confident, or was not moved; else empty.
        halves_apart: by how much the planes differ that either half of the tiles leads to: z at the middle of the
            slice, and its growth from row to row and from column to column of the TXM [voxels]; empty: there are none.
        landmarks: how far each pair of points that were marked lies apart [pixels of the TXM]; empty: there are none.
        split: where its images are written; empty: nowhere.
    """

    sem: str
    txm: str
    shape: tuple[int, int]
    bar: str
    to_txm: tuple[tuple[float, float, float], ...]
    field: str
    tilt: float
    turn: float
    scale: float
    mirrored: bool
    inverted: bool
    fitted: Correlation
    held_out: Correlation
    improved: bool
    confident: bool
    reason: str
    halves_apart: tuple[float, ...]
    landmarks: tuple[float, ...]
    split: str

    @property
    def middle(self) -> tuple[float, float, float]:
        """Place of its middle (z, y, x), but for the field."""
        row, column = ((side - 1) / 2 for side in self.shape)
        z, y, x = (float(a * row + b * column + c) for a, b, c in self.to_txm)
        return z, y, x

    @property
    def corners(self) -> NDArray[np.float64]:
        """Places of its corners, in turn (4, 3), (z, y, x), but for the field."""
        down, right = (side - 1 for side in self.shape)
        return self._places(0, 0, down, right)

    @property
    def outline(self) -> NDArray[np.float64]:
        """The same of what shows rock: without a data bar."""
        bar = DataBar.said(self.bar)
        top = bar.rows if bar is not None and bar.edge == "top" else 0
        below = bar.rows if bar is not None and bar.edge == "bottom" else 0
        return self._places(top, 0, self.shape[0] - 1 - below, self.shape[1] - 1)

    def _places(self, top: int, left: int, bottom: int, right: int) -> NDArray[np.float64]:
        corners = np.array([[top, left, 1], [top, right, 1], [bottom, right, 1], [bottom, left, 1]])
        places: NDArray[np.float64] = corners @ np.array(self.to_txm).T
        return places

    def pair(self, shape: tuple[int, int], field: Field | None) -> PairAlignment:
        """Return where it lies on the image of its plane.

        Args:
            shape: rows and columns of the TXM.
            field: what its file says.
        """
        return PairAlignment(
            shape=shape,
            to_txm=self.in_plane,
            field=field,
            start=self.in_plane,
            inverted=self.inverted,
            fitted=self.fitted,
            held_out=self.held_out,
            improved=self.improved,
            confident=self.confident,
            reason=self.reason,
        )

    @property
    def in_plane(self) -> Matrix:
        """3 x 3, maps (row, column, 1) to (y, x, 1)."""
        return np.array([*self.to_txm[1:], (0.0, 0.0, 1.0)])


@dataclass(frozen=True)
class Alignment:
    """What an alignment has found.

    Attributes:
        txm: place of the TXM, or the data root that was refined.
        sem: place of the SEM; empty for a data root.
        transform: what was fitted.
        txm_pixel_size: (y, x) [nm]; empty: not known.
        outliers: slices that lie further from where the others of the specimen let expect them than these scatter, and
            how far [voxels].
        slices: by their keys.
        covered: first voxel and the one behind the last, along z, y and x, of the box of a TXM volume that all
            confirmed slices cover; empty: there is none, or no volume.
    """

    txm: str
    sem: str
    transform: str
    txm_pixel_size: tuple[float, ...]
    outliers: dict[str, float]
    slices: dict[str, SliceAlignment]
    covered: tuple[tuple[int, int], ...] = ()

    @property
    def roi(self) -> str:
        """That box, as `--roi` takes it."""
        return ",".join(f"{first}:{last}" for first, last in self.covered)


def described(
    pair: PairAlignment,
    plane: Plane,
    depth: float,
    **facts: Any,
) -> SliceAlignment:
    """Return what was found of a slice as a plain document.

    Args:
        pair: where it lies on a plane of the TXM, on rows and columns of this.
        plane: which one.
        depth: voxels of the TXM are so many times as deep as wide.
        facts: the rest, see `SliceAlignment`.
    """
    placed = PlaneAlignment(plane, pair, depth)
    linear = pair.to_txm[:2, :2]
    return SliceAlignment(
        to_txm=tuple((float(a), float(b), float(c)) for a, b, c in placed.to_txm),
        tilt=placed.tilt,
        turn=placed.turn,
        scale=scale_of(np.asarray(np.linalg.inv(plane.foreshortening(depth)) @ pair.to_txm, np.float64)),
        mirrored=bool(np.linalg.det(linear) < 0),
        inverted=pair.inverted,
        fitted=pair.fitted,
        held_out=pair.held_out,
        improved=pair.improved,
        confident=pair.confident,
        reason=pair.reason,
        **facts,
    )


def write_alignment(path: Path, alignment: Alignment) -> None:
    """Write `alignment.json`.

    Raises:
        UserError: the disk is full or not writable.
    """
    write_text(path, json_text({"format": FORMAT, **asdict(alignment)}))


def read_alignment(path: Path) -> Alignment:
    """Read `alignment.json`.

    Raises:
        UserError: it is missing, damaged, or of another version.
    """
    found = read_json(path, REMEDY)
    with interpreting(path, "an alignment", REMEDY):
        if found.pop("format") != FORMAT:
            raise ValueError("another format")
        alignment: Alignment = typed(Alignment, found)
        return alignment


def write_slice(path: Path, found: SliceAlignment) -> None:
    """Write what was found of one slice, while others are not done.

    Raises:
        UserError: the disk is full or not writable.
    """
    write_text(path, json_text(asdict(found)))


def read_slice(path: Path) -> SliceAlignment:
    """Read what `write_slice` wrote.

    Raises:
        UserError: it is missing or damaged.
    """
    found = read_json(path, REMEDY)
    with interpreting(path, "an aligned slice", REMEDY):
        aligned: SliceAlignment = typed(SliceAlignment, found)
        return aligned


def write_field(path: Path, field: Field) -> None:
    """Write a displacement as `.npz`: `rows` and `columns` of the nodes (R,), (C,), `displacement` (R, C, 2) [pixels].

    What `to_txm` maps to x + displacement(x) belongs at x, in (row, column) of the TXM; cubic between the nodes.

    Raises:
        UserError: the disk is full or not writable.
    """
    write_whole(path, lambda buffer: np.savez(buffer, allow_pickle=False, **_arrays(field)))


def read_field(path: Path) -> Field:
    """Read what `write_field` wrote; nothing in it is executed.

    Raises:
        UserError: it is missing or damaged.
    """
    with readable(path, "a displacement"), np.load(path, allow_pickle=False) as found:
        parts = {name: np.asarray(found[name], np.float64) for name in ("rows", "columns", "displacement")}
        field = Field(**parts)
        if field.displacement.shape != (len(field.rows), len(field.columns), 2):
            raise ValueError(f"displacements of {field.displacement.shape}")
        return field


def _arrays(field: Field) -> Mapping[str, NDArray[np.float64]]:
    return {"rows": field.rows, "columns": field.columns, "displacement": field.displacement}


def itk_transform(to_txm: Matrix, field: Field | None, shape: tuple[int, int]) -> str:
    """Return a transform of the plane as ITK and SimpleITK read it (`.tfm`): from points of the TXM to the SEM's.

    That is the direction in which images are resampled. Points are (x, y) in pixels, so both images have a spacing of 1
    and an origin of 0.

    Args:
        to_txm: 3 x 3, maps (row, column, 1) of the SEM to those of the TXM, but for the field.
        field: on top of it.
        shape: rows and columns of the TXM.
    """
    back = np.linalg.inv(to_txm)[[1, 0]][:, [1, 0, 2]]
    affine = [
        "Transform: AffineTransform_double_2_2",
        f"Parameters: {_numbers([*back[:, :2].ravel(), *back[:, 2]])}",
        "FixedParameters: 0 0",
    ]
    head = ["#Insight Transform File V1.0", "#From pixels (x, y) of the TXM to those of the SEM; spacing 1, origin 0"]
    if field is None:
        return "\n".join([*head, "#Transform 0", *affine]) + "\n"
    rows, columns = (-(-(side - 1) // TFM_STEP) + 1 for side in shape)
    grid = np.stack(np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"), axis=-1).reshape(-1, 2) * TFM_STEP
    displacement = field.at(grid.astype(np.float64))[:, ::-1]
    # The last one of a composite transform is applied first.
    parts = [
        *("#Transform 0", "Transform: CompositeTransform_double_2_2"),
        *("#Transform 1", *affine),
        *("#Transform 2", "Transform: DisplacementFieldTransform_double_2_2"),
        f"Parameters: {_numbers(displacement.ravel())}",
        f"FixedParameters: {columns} {rows} 0 0 {TFM_STEP} {TFM_STEP} 1 0 0 1",
    ]
    return "\n".join([*head, *parts]) + "\n"


def _numbers(values: Any) -> str:
    return " ".join(f"{float(value):.9g}" for value in values)
