"""Predict the SEM of a TXM layer, or its phases, and where not to believe that."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import dask.array as da
import zarr
from magicgui.widgets import CheckBox, ComboBox, FileEdit
from napari.layers import Image, Layer

import txm2sem
from txm2sem.data.draws import draw_channels
from txm2sem.data.readers.ome_zarr import label_images, label_meanings
from txm2sem.errors import UserError
from txm2sem.runs import VOLUME_SUFFIXES, VolumePaths
from txm2sem.viewer.layers import LayerVolume, chosen_output, work_folder
from txm2sem.viewer.panel import Job, Panel, layer_choice, output_choice
from txm2sem.viewer.phases import labels_layer

SHIPPED, RUN, FILE = "the one that comes along", "a run (its folder)", "a file (.zip)"

SAMPLES = 8
"""Predictions that an uncertainty is taken from."""

COLOURS = {
    **{"prediction": "gray", "uncertainty": "magma", "contradiction": "inferno", "novelty": "viridis"},
    **{"standard deviation": "magma", **dict.fromkeys(draw_channels(SAMPLES)[2:], "gray")},
}
"""Colour maps of the channels of a prediction; others are of what may be of a class."""


class PredictPanel(Panel):
    """Predicts, block by block, into a file."""

    def __init__(self, napari_viewer: Any) -> None:
        self.image = layer_choice(napari_viewer, Image, "TXM", "an image (y, x) or a volume (z, y, x)")
        self.kind = ComboBox(label="model", choices=[SHIPPED, RUN, FILE], tooltip="what predicts")
        self.place = FileEdit(label="", mode="d", nullable=True, visible=False)
        self.sure = CheckBox(
            text="with uncertainty",
            tooltip="uncertainty, contradiction and novelty as further layers; how likely each phase is, where the "
            "model tells phases",
        )
        self.output = output_choice("keep in", "a new OME-Zarr, such as predicted.ome.zarr; empty: a temporary one")
        super().__init__(napari_viewer, "Predict", [self.image, self.kind, self.place, self.sure, self.output])
        self.kind.changed.connect(self._choose)

    def job(self) -> Job[list[Layer]]:
        """As `Panel.job`."""
        volume = LayerVolume.of(self.image.value)
        output = chosen_output(str(self.output.value or ""), VOLUME_SUFFIXES[0])
        if output is not None and volume.voxel_size is None:
            raise UserError(
                f"the layer {volume.name} does not say how large its voxels are, which the file has to; set its scale "
                f"and unit, such as viewer.layers['{volume.name}'].units = 'nm', or leave out where to keep the result"
            )
        load = self._load()
        return partial(predicted, volume, load, sure=self.sure.value, output=output), self._show

    def _choose(self, kind: str) -> None:
        self.place.visible = kind != SHIPPED
        self.place.mode = "d" if kind == RUN else "r"

    def _load(self) -> Callable[[], txm2sem.TrainedModel]:
        if self.kind.value == SHIPPED:
            return txm2sem.load
        if self.place.value is None:
            raise UserError(f"expected a model: choose {self.kind.value}")
        path = Path(self.place.value)
        if self.kind.value == FILE:
            return partial(txm2sem.load, str(path))
        return partial(txm2sem.load, path.name, checkpoints_dir=path.parent)

    def _show(self, layers: list[Layer]) -> None:
        for layer in layers:
            self.viewer.add_layer(layer)


def predicted(
    volume: LayerVolume, load: Callable[[], txm2sem.TrainedModel], *, sure: bool = False, output: Path | None = None
) -> list[Layer]:
    """Return what a model makes of a volume, as layers that lie where it does, the prediction above the others.

    Args:
        volume: the TXM; it is read part by part.
        load: returns the model.
        sure: with the uncertainty of the prediction, or the probabilities of phases.
        output: a new OME-Zarr; None: a temporary one, which goes away with the layers.

    Raises:
        UserError: as `TrainedModel.predict_volume`.
    """
    model = load()
    with work_folder(output) as folder:
        source = volume.written(Path(folder.name), None if model.segments else model.grey_match(volume))
        grown = VolumePaths(Path(folder.name) / ("predicted.ome.zarr" if output is None else output.name))
        options: dict[str, Any] = {"voxel_size": ",".join(map(repr, volume.voxel_size or (1.0, 1.0, 1.0)))}
        if sure and model.segments:
            options |= {"probabilities": True}
        elif sure:
            options |= {"draws" if model.samples else "uncertainty": SAMPLES, "dtype": "float32"}
        model.predict_volume(source, grown.output, **options)
        source.unlink()
        if output is None:
            layers = layers_of(grown.output, volume)
            for layer in layers:
                layer.metadata["txm2sem"] = folder
            return layers
        with folder:
            for path in (grown.output, *map(grown.report, (".txt", ".json", ".png"))):
                path.rename(output.with_name(path.name))
        return layers_of(output, volume)


def layers_of(path: Path, volume: LayerVolume) -> list[Layer]:
    """Return the layers of an OME-Zarr that was predicted from a volume, the most important one last."""
    group = zarr.open_group(path, mode="r")
    stored = group["0"]
    assert isinstance(stored, zarr.Array)
    labels = label_images(path)
    said: Any = group.attrs["ome"]
    layers: list[Layer] = []
    # Of a segmentation, an image without channels is the one that was segmented.
    for number, channel in enumerate(said["omero"]["channels"] if stored.ndim == 4 or not labels else []):
        name, window = channel["label"] if number else "prediction", channel["window"]
        if labels and not number:
            continue
        layers.append(
            Image(
                volume.shown(stored if stored.ndim == 3 else _channel(stored, number)),
                name=f"{volume.name}: {name}",
                colormap=COLOURS.get(name, "viridis"),
                contrast_limits=(window["start"], window["end"]),
                visible=not number,
                **volume.place,
            )
        )
    for found in labels:
        meanings = label_meanings(path / found)
        data = volume.shown(zarr.open_array(path / found / "0", mode="r"))
        layers.insert(0, labels_layer(data, f"{volume.name}: phases", meanings, volume.place))
    return layers[::-1]


def _channel(stored: zarr.Array[Any], number: int) -> Any:
    return da.from_array(stored, chunks=stored.chunks)[number]
