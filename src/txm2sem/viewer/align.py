"""Lay a SEM layer upon a TXM layer, beginning with pairs of points that were marked in both."""

from __future__ import annotations

import csv
import io
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
from magicgui.widgets import ComboBox, PushButton
from napari.layers import Image, Points
from napari.utils.notifications import show_error, show_info, show_warning

import txm2sem
from txm2sem.aligning.landmarks import MarkedPoints
from txm2sem.aligning.placing import NEAR_ANGLE
from txm2sem.data.pixels import to_dtype
from txm2sem.errors import UserError
from txm2sem.files import make_folder, write_text
from txm2sem.options import TransformName
from txm2sem.registration import PairAlignment
from txm2sem.viewer.layers import Array, LayerVolume, chosen_output
from txm2sem.viewer.panel import Job, Panel, layer_choice, output_choice

ALL = slice(None)


class AlignPanel(Panel):
    """Aligns the slices that are shown."""

    def __init__(self, napari_viewer: Any) -> None:
        image, points = (
            "an image, or a volume, of which the slice that is shown counts",
            "the same places, in one order",
        )
        self.txm = layer_choice(napari_viewer, Image, "TXM", image)
        self.txm_points = layer_choice(napari_viewer, Points, "points on TXM", points)
        self.sem = layer_choice(napari_viewer, Image, "SEM", image)
        self.sem_points = layer_choice(napari_viewer, Points, "points on SEM", points)
        self.transform = ComboBox(
            label="transform",
            choices=get_args(TransformName),
            value="smooth",
            tooltip="what may differ between the images; none: the points alone say where the SEM lies",
        )
        self.folder = output_choice("landmarks", "a new folder, for txm2sem align --landmarks")
        self.save = PushButton(text="Save landmarks")
        widgets = [self.txm, self.txm_points, self.sem, self.sem_points, self.transform, self.folder, self.save]
        super().__init__(napari_viewer, "Align", widgets)
        self.save.clicked.connect(self.save_landmarks)

    def job(self) -> Job[tuple[PairAlignment, Image]]:
        """As `Panel.job`."""
        txm, sem = LayerVolume.of(self.txm.value), LayerVolume.of(self.sem.value)
        marked = self._marked()
        z, sem_z = (self._shown(volume, layer) for volume, layer in ((txm, self.txm.value), (sem, self.sem.value)))
        here = np.ones(len(marked[0]), np.bool_)
        for points, shown in zip(marked, (z, sem_z), strict=True):
            here &= points.shape[1] == 2 or np.rint(points[:, 0]) == shown
        pairs = MarkedPoints(Path(self.sem_points.value.name), marked[1][here, -2:], marked[0][here, -2:])
        pairs.check(sem.shape[1:], txm.shape[1:])
        place = dict(txm.place)
        if not txm.is_flat:
            layer = self.txm.value
            place["translate"] = np.asarray(layer.affine.inverse(layer.data_to_world((z, 0, 0))))
        work = partial(aligned, txm, z, sem, sem_z, pairs, self.transform.value, place)
        return work, self._show

    def save_landmarks(self) -> None:
        """Write the pairs of points, in pixels of the images, as `txm2sem align --landmarks` takes them."""
        try:
            folder = chosen_output(str(self.folder.value or ""))
            if folder is None:
                raise UserError("expected a new folder for the landmarks: choose one")
            txm, sem = self._marked()
            make_folder(folder)
            for name, points in (("txm", txm), ("sem", sem)):
                write_text(folder / f"{name}.csv", landmarks_text(points))
        except UserError as error:
            show_error(str(error))
            return
        show_info(f"{len(sem)} pairs of points are in {folder}: pass --landmarks {folder} to txm2sem align")

    def _marked(self) -> tuple[Array, Array]:
        """Return the points on both layers, as (row, column) or (slice, row, column) of the images."""
        pairs = ((self.txm_points.value, self.txm.value), (self.sem_points.value, self.sem.value))
        if any(layer is None for pair in pairs for layer in pair):
            raise UserError("expected two images and two layers of points: add those, and mark the same places on both")
        txm, sem = (pixels_of(points, image, self.viewer.dims.point) for points, image in pairs)
        if len(txm) != len(sem):
            raise UserError(
                f"there are {len(txm)} points on the TXM and {len(sem)} on the SEM; expected pairs: mark the same "
                "places, in the same order"
            )
        return txm, sem

    def _shown(self, volume: LayerVolume, layer: Image) -> int:
        """Return which slice of a volume the viewer shows."""
        if volume.is_flat:
            return 0
        z = round(float(layer.world_to_data(self.viewer.dims.point)[0]))
        if not 0 <= z < volume.shape[0]:
            raise UserError(f"no slice of the layer {volume.name} is shown; move the slider to one of them")
        return z

    def _show(self, found: tuple[PairAlignment, Image]) -> None:
        alignment, layer = found
        self.viewer.add_layer(layer)
        before, after = alignment.held_out.before, alignment.held_out.after
        said = f"correlation of squares that took no part: {before:.2f} before, {after:.2f} after"
        if alignment.confident:
            show_info(f"{layer.name}: {said}. {alignment.reason}")
        else:
            show_warning(f"{layer.name}: not confirmed, as {alignment.reason}; {said}")


def aligned(
    txm: LayerVolume, z: int, sem: LayerVolume, sem_z: int, pairs: MarkedPoints, transform: TransformName, place: Any
) -> tuple[PairAlignment, Image]:
    """Return where a slice of the SEM lies on one of the TXM, and a layer of it that lies there.

    Args:
        txm: has the slice `z`.
        z: which one.
        sem: has the slice `sem_z`.
        sem_z: which one.
        pairs: of points, to begin with.
        transform: what is fitted, see `txm2sem.align`.
        place: of the layer.

    Raises:
        UserError: as `txm2sem.align`.
    """
    image = sem[sem_z, ALL, ALL]
    alignment = txm2sem.align(
        txm[z, ALL, ALL], image, transform=transform, start=pairs.start(), search_angle=NEAR_ANGLE, mirror="no"
    )
    laid = to_dtype(alignment.resample(image), image.dtype)
    layer = Image(
        laid if txm.is_flat else laid[None],
        name=f"{sem.name}: aligned",
        colormap="bop orange",
        blending="additive",
        opacity=0.7,
        **place,
    )
    return alignment, layer


def pixels_of(points: Points, image: Image, shown: tuple[float, ...]) -> Array:
    """Return where points lie in an image, (N, 2 or 3) [pixels], wherever both layers are.

    Args:
        points: layer of points.
        image: layer of an image or a volume.
        shown: where the viewer is in the world, for axes that the points do not have.
    """
    places = [np.asarray(points.data_to_world(point)) for point in points.data]
    whole = [np.r_[shown[: max(image.ndim - len(place), 0)], place] for place in places]
    return np.array([image.world_to_data(place) for place in whole]).reshape(len(whole), image.ndim)


def landmarks_text(points: Array) -> str:
    """Return points as napari saves a layer of them."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["index", *(f"axis-{axis}" for axis in range(points.shape[1]))])
    writer.writerows([index, *map(repr, map(float, point))] for index, point in enumerate(points))
    return buffer.getvalue()
