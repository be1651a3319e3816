"""Orthogonal views of the cubes that a run was tested on, and of whole volumes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.addresses import Place
from txm2sem.errors import UserError
from txm2sem.pages import COLOUR_MAPS, ColourMap, Html, Layer, Table, fragment, volume_viewer
from txm2sem.reporting.record import RunRecord, VolumeRecord, number_of
from txm2sem.reporting.stored import DisplayVolume, factor_for, open_display, open_input, shrink, shrunk_shape
from txm2sem.scoring.continuity import KEYS, PREDICTION, TRUTH, TXM, lag_ruler
from txm2sem.scoring.table import number_text
from txm2sem.trust.stored import value_of_step

MOST_VOXELS = 24_000_000
"""Voxels of all layers of a page: a byte each or less, as JPEG."""

MOST_CUBES = 3
"""Cubes that are shown, the latest first; the others are named."""

PAGE_LAGS = (1, 4, 16)

COLOURS = {"uncertainty": "viridis", "contradiction": "cividis", "novelty": "inferno"}
UNITS = {"uncertainty": "grey values of the prediction", "contradiction": "σ", "novelty": "× threshold"}

ORDER = (PREDICTION, TXM, TRUTH)
SAVED = {TXM: "txm", TRUTH: "sem"}
"""What a test on a cube may save beside the prediction."""


def whole_volumes(volumes: Sequence[Place], cubes: int, txm: Sequence[Place] = ()) -> list[Html]:
    """Return the viewers of whole volumes, in a page with as many cubes.

    Args:
        volumes: the whole volumes.
        cubes: their number.
        txm: what they were translated from, in the same order, as far as it is not beside them.

    Raises:
        UserError: a volume cannot be read, or there are more TXM volumes than others.
    """
    if len(txm) > len(volumes):
        raise UserError(
            f"--txm: expected one for each --volume at most, found {len(txm)} for {len(volumes)}; leave some out"
        )
    each = MOST_VOXELS // max(1, len(volumes) + min(cubes, MOST_CUBES))
    pairs = enumerate(zip_longest(volumes, txm))
    return [whole_volume_html(path, number, each, source) for number, (path, source) in pairs]


def cube_viewers(record: RunRecord) -> list[Callable[[], Html]]:
    """Return what makes the viewers of a run's cubes, and names those that are not shown."""
    left = [cube.name for cube in record.volumes[MOST_CUBES:]]
    viewers = [partial(_cube_html, record, cube, MOST_VOXELS // MOST_CUBES) for cube in record.volumes[:MOST_CUBES]]
    return [*viewers, *([partial(fragment, "run.html", "other_cubes", names=left)] if left else [])]


def whole_volume_html(path: Place, number: int, most: int, source: Place | None = None) -> Html:
    """Return the viewer of a translated volume, beside its TXM where that is named or still beside it.

    Args:
        path: an OME-Zarr or a TIFF file.
        number: of the viewer in the page.
        most: voxels to show of it.
        source: the TXM, see `open_input`.
    """
    opened = open_display(path)
    factor = factor_for(opened.shape, most // (len(opened.channels) + 1))
    shape = shrunk_shape(opened.shape, factor)
    layers = [_channel(name, shrink(read, shape, factor), opened) for name, read in opened.channels.items()]
    z, y, x = (side * opened.scale for side in opened.shape)
    txm = open_input(path, (z, y, x), source)
    if txm is not None:
        layers.insert(1, Layer(TXM, as_bytes(shrink(txm, shape, factor, opened.scale))))
    step = factor * opened.scale
    viewer = volume_viewer(f"whole-{number}", layers, step=step, voxel_size=opened.voxel_size)
    size = None if opened.voxel_size is None else [side / opened.scale for side in opened.voxel_size]
    note = "" if txm is not None else "Its TXM is shown where it is in the same folder, or named with --txm."
    return _volume(path.name, (z, y, x), step, viewer, note, voxel_size=size)


def continuity_tables(continuity: Mapping[str, Any]) -> list[Table]:
    """Return the table of a `continuity_SAVENAME.json`; none where it has no numbers."""
    volumes = continuity.get("volumes", {})
    found = {name: volumes[key] for name, key in KEYS.items() if key in volumes}
    if not found:
        return []
    lags = [lag for lag in PAGE_LAGS if lag <= len(next(iter(found.values()))["autocorrelation_along_z"])]
    head = ["", "adjacent slices: |difference| [grey levels]", "ratio to the TXM"]
    ruler = lag_ruler(continuity.get("voxel_size_nm", ()), PAGE_LAGS[-1])
    unit = "" if ruler.unit == "voxels" else f" {ruler.unit}"
    head += [f"{words}, lag {ruler(float(lag)):.3g}{unit}" for words in ("along z", "in-plane") for lag in lags]
    rows = []
    for name, values in found.items():
        changes = (number_of(values, key) for key in ("adjacent_difference", "adjacent_difference_of_txm"))
        correlations = (
            number_of(dict(enumerate(values[direction], 1)), lag)
            for direction in ("autocorrelation_along_z", "autocorrelation_in_plane")
            for lag in lags
        )
        rows.append([name, *(number_text(one, 2) for one in changes), *(number_text(one, 3) for one in correlations)])
    return [Table("Continuity: change from slice to slice, and autocorrelation", head, rows)]


def as_bytes(volume: NDArray[Any], low: float | None = None, high: float | None = None) -> NDArray[np.uint8]:
    """Return a volume with 0 (black) to 255 (white): 8 bits as they are, others from `low` to `high`.

    Where these are absent, they are the percentiles 0.5 and 99.5 of what is not 0.
    """
    if volume.dtype == np.uint8:
        return volume
    numbers = np.nan_to_num(volume.astype(np.float64), posinf=0.0, neginf=0.0)
    if low is None or high is None:
        inside = numbers[numbers != 0]
        low, high = np.percentile(inside, (0.5, 99.5)).tolist() if inside.size else (0.0, 1.0)
    scaled = (numbers - low) / max(high - low, 1e-12)
    return np.rint(255 * np.clip(scaled, 0, 1)).astype(np.uint8)


def _cube_html(record: RunRecord, cube: VolumeRecord, most: int) -> Html:
    opened = open_display(record.file(record.paths.volume_stack("pred", cube.name)))
    reads = {PREDICTION: next(iter(opened.channels.values()))}
    for name, content in SAVED.items():
        saved = record.paths.volume_stack(content, cube.name)
        if saved.exists():
            known = open_display(record.file(saved))
            if known.shape == opened.shape:
                reads[name] = next(iter(known.channels.values()))
    note = "" if TXM in reads else "The test has not saved the TXM beside it (--save_txm)."
    factor = factor_for(opened.shape, most // len(reads))
    shape = shrunk_shape(opened.shape, factor)
    layers = [Layer(name, as_bytes(shrink(reads[name], shape, factor))) for name in ORDER if name in reads]
    start = cube.continuity.get("first", {})
    first = (start.get("z", 0), start.get("row", 0), start.get("column", 0))
    sides = cube.continuity.get("voxel_size_nm", [])
    size = (sides[0], sides[1], sides[2]) if len(sides) == len(shape) and None not in sides else None
    viewer = volume_viewer(f"cube-{cube.name}", layers, first, factor, size)
    tables = continuity_tables(cube.continuity)
    return _volume(f"Cube: {cube.name}", opened.shape, factor, viewer, note, tables, size)


def _channel(name: str, volume: NDArray[Any], opened: DisplayVolume) -> Layer:
    kind = next((kind for kind in COLOURS if kind in name.lower()), None)
    if kind is None:
        low, high = opened.window or (None, None)
        return Layer(name, as_bytes(volume, low, high))
    colours: ColourMap = COLOUR_MAPS[COLOURS[kind]]
    finite = volume[np.isfinite(volume)]
    top = float(np.percentile(finite, 99.5)) if finite.size else 1.0
    scaled = as_bytes(volume.astype(np.float32), 0.0, top)
    return Layer(name, scaled, colours, "0", f"{top * value_of_step(kind, volume.dtype):.3g} {UNITS[kind]}")


def _volume(
    title: str,
    shape: Sequence[int],
    step: int,
    viewer: Html,
    hint: str,
    tables: Sequence[Table] = (),
    voxel_size: Sequence[float] | None = None,
) -> Html:
    voxels = " × ".join(map(str, shape)) + " voxels (z, y, x)"
    if voxel_size:
        voxels += " of " + " × ".join(f"{size:.4g}" for size in voxel_size) + " nm"
    shown = f"shown at a resolution {step} times coarser" if step > 1 else "all of them shown"
    return fragment(
        "run.html", "volume", title=title, voxels=voxels, shown=shown, hint=hint, viewer=viewer, tables=tables
    )
