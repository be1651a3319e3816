"""Make the pictures of docs/napari.md, on a screen (or xvfb-run): what a user sees after a few clicks.

    python benchmarks/napari_pictures.py RUN docs/napari

RUN is the folder of a run that was trained on a phantom, and knows its uncertainty (txm2sem test --uncertainty 8).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import napari
import numpy as np
from napari.layers import Layer
from PIL import Image
from qtpy.QtCore import QEventLoop
from qtpy.QtWidgets import QApplication

import txm2sem
from txm2sem.phantoms.levels import to_levels
from txm2sem.viewer.align import AlignPanel
from txm2sem.viewer.measure import MeasurePanel
from txm2sem.viewer.opening import phantom_layers
from txm2sem.viewer.panel import Panel
from txm2sem.viewer.predict import RUN, PredictPanel

SIZE = 1280, 800
NM = ("nm", "nm")


def shown() -> Any:
    viewer = napari.Viewer(show=False)
    viewer.window.resize(*SIZE)
    viewer.canvas.overlays.scale_bar.visible = True
    return viewer


def docked(viewer: Any, panel: Panel, name: str) -> Any:
    viewer.window.add_dock_widget(panel, name=name, area="right")
    return panel


def finish(panel: Panel) -> None:
    panel.run()
    while not panel.start.enabled:
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)


def save(viewer: Any, path: Path) -> None:
    viewer.show()
    viewer.window.resize(*SIZE)
    for _ in range(20):
        QApplication.processEvents()
    viewer.reset_view()
    for _ in range(20):
        QApplication.processEvents()
    picture = Image.fromarray(viewer.screenshot(canvas_only=False, flash=False)[..., :3])
    picture.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    viewer.close()


def prediction(run: Path, path: Path) -> None:
    viewer = shown()
    txm, place, kind = phantom_layers()[0]
    viewer.add_layer(Layer.create(txm[8:12], place, kind))
    panel = docked(viewer, PredictPanel(viewer), "Predict SEM from TXM")
    panel.kind.value, panel.place.value, panel.sure.value = RUN, run, True
    finish(panel)
    viewer.layers.remove(viewer.layers["phantom TXM: novelty"])
    for layer in viewer.layers:
        layer.visible = True
    viewer.canvas.grid.enabled, viewer.canvas.grid.shape = True, (2, 2)
    save(viewer, path)


def measures(path: Path) -> None:
    viewer = shown()
    for found in phantom_layers()[1:3]:
        viewer.add_layer(Layer.create(*found)).visible = True
    panel = docked(viewer, MeasurePanel(viewer), "Measure phases")
    panel.diffusion.value = False
    finish(panel)
    save(viewer, path)


def landmarks(path: Path) -> None:
    viewer = shown()
    rock = txm2sem.phantom(320, 48, seed=3, unaligned=True, train_slices=4, tilt=0.0)
    face = rock.faces[0]
    cut = to_levels(np.asarray(face.cut(rock.sem)), "sem", 8)
    rows, columns = (np.linspace(0.3, 0.7, 2) * side for side in cut.shape)
    marked = np.array([(row, column) for row in rows for column in columns])
    places = face.places(*marked.T).T
    depth = round(float(places[:, 0].mean()))
    step = 32.0 * np.linalg.norm(places[1] - places[0]) / np.linalg.norm(marked[1] - marked[0])
    txm = to_levels(rock.txm, "txm", 8)[depth]
    viewer.add_image(txm, name="TXM", scale=(32, 32), units=NM)
    viewer.add_image(cut, name="SEM", scale=(step, step), units=NM, translate=(0, 11500), visible=True)
    how: dict[str, Any] = {"size": 12, "units": NM, "border_color": "white"}
    viewer.add_points(places[:, 1:], name="on TXM", scale=(32, 32), face_color="cyan", **how)
    viewer.add_points(marked, name="on SEM", scale=(step, step), translate=(0, 11500), face_color="lime", **how)
    panel = docked(viewer, AlignPanel(viewer), "Align SEM by landmarks")
    panel.txm.value, panel.txm_points.value = viewer.layers["TXM"], viewer.layers["on TXM"]
    panel.sem.value, panel.sem_points.value = viewer.layers["SEM"], viewer.layers["on SEM"]
    finish(panel)
    save(viewer, path)


def main(run: Path, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    prediction(run.absolute(), folder / "prediction.png")
    measures(folder / "measures.png")
    landmarks(folder / "landmarks.png")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
