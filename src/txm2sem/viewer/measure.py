"""Measure the phases of a labels layer, and show the numbers beside it."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

from magicgui.widgets import CheckBox, LineEdit
from napari.layers import Labels
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QTableWidget, QTableWidgetItem

import txm2sem
from txm2sem.measures import numbers
from txm2sem.viewer.layers import LayerVolume, chosen_output, work_folder
from txm2sem.viewer.panel import Job, Panel, layer_choice, output_choice
from txm2sem.viewer.phases import NOT_IMAGED, name_phases, names_of

COLUMNS = ("phase", "measure", "value", "unit", "interval")


class MeasurePanel(Panel):
    """Measures, box by box, through a file."""

    def __init__(self, napari_viewer: Any) -> None:
        self.phases = layer_choice(napari_viewer, Labels, "phases", "a labels layer, with numbers of phases")
        self.names = LineEdit(label="names", tooltip="of the phases by their numbers, such as 0=matrix,1=pores")
        self.diffusion = CheckBox(text="with diffusion", value=True, tooltip="tortuosity, in a part of the volume")
        self.output = output_choice("keep in", "a new folder for the numbers, as JSON, CSV and a page; empty: nowhere")
        super().__init__(napari_viewer, "Measure", [self.phases, self.names, self.diffusion, self.output])
        self.phases.changed.connect(self._say_names)
        self._say_names(self.phases.value)

    def job(self) -> Job[dict[str, Any]]:
        """As `Panel.job`."""
        layer = self.phases.value
        volume, output = LayerVolume.of(layer), chosen_output(str(self.output.value or ""))
        options: dict[str, Any] = {"phases": self.names.value.strip()}
        if not self.diffusion.value:
            options["diffusion_side"] = 0
        nowhere = [number for number, name in names_of(layer).items() if name == NOT_IMAGED]
        if nowhere:
            options["not_imaged"] = nowhere[0]
        return partial(measured, volume, output=output, **options), partial(self._show, layer)

    def _say_names(self, layer: Labels | None) -> None:
        known = {} if layer is None else names_of(layer)
        self.names.value = ",".join(f"{number}={name}" for number, name in known.items() if name != NOT_IMAGED)

    def _show(self, layer: Labels, document: dict[str, Any]) -> None:
        found = {phase["label"]: phase["name"] for phase in document["phases"]}
        name_phases(layer, names_of(layer) | found)
        table = measures_table(layer, document)
        self.viewer.window.add_dock_widget(table, name=f"measures of {layer.name}", area="bottom")


def measured(volume: LayerVolume, *, output: Path | None = None, **options: Any) -> dict[str, Any]:
    """Return what is measured of the phases of a volume of labels, see `txm2sem.measure`.

    Args:
        volume: the labels; they are read part by part.
        output: a new folder for the numbers; None: they are kept nowhere.
        options: as there.

    Raises:
        UserError: as there.
    """
    if volume.voxel_size is not None:
        options["voxel_size"] = ",".join(map(repr, volume.voxel_size))
    with work_folder(output) as folder, folder as name:
        grown = Path(name) / "measures"
        document = txm2sem.measure(volume.written(Path(name)), grown, **options)
        if output is not None:
            grown.rename(output)
    return document


def measures_table(layer: Labels, document: dict[str, Any]) -> QTableWidget:
    """Return a table of the numbers of all phases, each with the colour that the layer gives it."""
    rows = [(phase, number.shown) for phase in document["phases"] for number in numbers(phase, document["unit"])]
    table = QTableWidget(len(rows), len(COLUMNS))
    table.setHorizontalHeaderLabels(COLUMNS)
    table.verticalHeader().hide()
    for row, (phase, number) in enumerate(rows):
        interval = "" if math.isnan(number.low) else f"{number.low:.4g} to {number.high:.4g}"
        value = "" if math.isnan(number.value) else f"{number.value:.4g}"
        for column, text in enumerate((phase["name"], number.title, value, number.unit, interval)):
            table.setItem(row, column, QTableWidgetItem(text))
        colour = layer.get_color(phase["label"])
        if colour is not None:
            table.item(row, 0).setData(1, QColor.fromRgbF(*map(float, colour)))  # beside the text
    table.resizeColumnsToContents()
    table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
    return table
