"""Repair a SEM layer where a labels layer says that it is charged."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from magicgui.widgets import CheckBox
from napari.layers import Image, Labels

import txm2sem
from txm2sem.errors import UserError
from txm2sem.progress import progress_bar
from txm2sem.viewer.layers import Array, LayerVolume, work_folder, write_parts
from txm2sem.viewer.panel import Job, Panel, layer_choice


class RepairPanel(Panel):
    """Repairs, slice by slice, by kriging."""

    def __init__(self, napari_viewer: Any) -> None:
        self.sem = layer_choice(napari_viewer, Image, "SEM", "an image (y, x) or a volume (z, y, x)")
        self.mask = layer_choice(napari_viewer, Labels, "charged", "painted where it is charged: above 0")
        self.txm = layer_choice(napari_viewer, Image, "TXM", "aligned, of the same shape; it helps", nullable=True)
        self.texture = CheckBox(
            text="with texture", tooltip="noise like that of the rest: better to look at, further from the truth"
        )
        super().__init__(napari_viewer, "Repair", [self.sem, self.mask, self.txm, self.texture])

    def job(self) -> Job[Image]:
        """As `Panel.job`."""
        sem = LayerVolume.of(self.sem.value)
        if self.mask.value is None:
            raise UserError("there is no labels layer; add one, and paint on it what is charged")
        others = [LayerVolume.of(layer) for layer in (self.mask.value, self.txm.value) if layer is not None]
        for other in others:
            if other.data.shape != sem.data.shape:
                raise UserError(
                    f"the layer {other.name} has the shape {other.data.shape}; expected {sem.data.shape}, that of "
                    f"{sem.name}: choose, or add, one of that shape"
                )
        return partial(repaired, sem, *others, seed=0 if self.texture.value else None), self.viewer.add_layer


def repaired(
    sem: LayerVolume, charge: LayerVolume, txm: LayerVolume | None = None, *, seed: int | None = None
) -> Image:
    """Return a layer with the charged regions of a volume filled, slice by slice, see `txm2sem.repair`.

    Args:
        sem: the volume.
        charge: above 0 where it is charged; of its shape.
        txm: of its shape.
        seed: of the texture.

    Raises:
        UserError: as `txm2sem.repair`.
    """

    def planes() -> Iterator[Array]:
        for z in progress_bar(range(sem.shape[0]), desc="repairing", unit="slice"):
            window = (z, slice(None), slice(None))
            image, mask = sem[window], charge[window] > 0
            other = None if txm is None else txm[window]
            yield (txm2sem.repair(image, mask, other, seed=seed) if mask.any() else image)[None]

    with work_folder(None) as folder:
        path = write_parts(Path(folder.name) / "repaired.npy", sem.shape, planes())
    layer = Image(sem.shown(np.load(path, mmap_mode="r")), name=f"{sem.name}: repaired", **sem.place)
    layer.metadata["txm2sem"] = folder
    return layer
