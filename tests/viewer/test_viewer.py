"""What napari is given, without a screen; skipped where napari is not installed."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
napari = pytest.importorskip("napari")
npe2 = pytest.importorskip("npe2")
pytest.importorskip("qtpy.QtWidgets")

import dask.array as da
import zarr
from data.readers.compound import write_txm
from data.readers.formats import noise
from data_roots import write_data_root
from moved_pairs import moved, two_images
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer, Points
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QEventLoop
from qtpy.QtWidgets import QApplication

import txm2sem
from txm2sem.aligning.landmarks import read_landmarks
from txm2sem.measures import numbers
from txm2sem.viewer import layers, opening
from txm2sem.viewer.align import AlignPanel
from txm2sem.viewer.measure import COLUMNS, MeasurePanel
from txm2sem.viewer.panel import Panel
from txm2sem.viewer.phases import names_of
from txm2sem.viewer.predict import RUN, PredictPanel
from txm2sem.viewer.repair import RepairPanel

MANIFEST = Path(txm2sem.__file__).parent / "viewer" / "napari.yaml"
PLACE = {"scale": (32.0, 32.0), "translate": (640.0, -320.0), "rotate": 30.0, "units": ("nm", "nm")}


@dataclass
class Seen:
    """What panels use of a viewer: its model, and what is docked to its window, which would need a screen."""

    model: Any = field(default_factory=ViewerModel)
    docked: dict[str, Any] = field(default_factory=dict)

    @property
    def window(self) -> Seen:
        return self

    def add_dock_widget(self, widget: Any, *, name: str, area: str) -> None:
        self.docked[name] = widget

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)


@pytest.fixture(autouse=True)
def application() -> Any:
    notification_manager.records.clear()
    return napari.qt.get_qapp()


@pytest.fixture
def viewer() -> Seen:
    return Seen()


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that temporary ones are made in."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run that knows its uncertainty."""
    folder = tmp_path_factory.mktemp("viewer")
    write_data_root(folder / "images", size=(160, 160))
    tiny: dict[str, Any] = {"num_train": 8, "niter": 1, "num_threads": 0, "num_test": 4, "time_budget": 0, "ngf": 4}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("txm2sem.trust.opening.PATCHES", 4)
        trained = txm2sem.train(folder / "images", "mine", device="cpu", recipe="translate", **tiny)
        txm2sem.load("mine", device="cpu").predict_with_trust(noise((64, 64), "uint8"))
    return folder / trained.checkpoints


def finish(panel: Panel) -> list[str]:
    """Press the button, wait, and return what the viewer has said."""
    panel.run()
    while not panel.start.enabled:
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
    return [record.message for record in notification_manager.records]


def check_place(layer: Layer, other: Layer) -> None:
    corner = np.array(other.data.shape) - 1
    np.testing.assert_allclose(layer.data_to_world(corner), other.data_to_world(corner))
    assert layer.units == other.units


def test_manifest_names_what_is_there() -> None:
    manifest = npe2.PluginManifest.from_file(MANIFEST)
    manifest.validate_imports()
    patterns = manifest.contributions.readers[0].filename_patterns
    assert {"*.txm", "*.txrm", "*.nrrd", "*.mhd", "*.am"} <= set(patterns)


def test_panels_open_in_the_viewer() -> None:
    manager = npe2.PluginManager.instance()
    if "txm2sem" not in manager:
        manager.register(npe2.PluginManifest.from_file(MANIFEST))
    viewer = napari.Viewer(show=False)
    try:
        for widget in manager.get_manifest("txm2sem").contributions.widgets:
            dock, panel = viewer.window.add_plugin_dock_widget("txm2sem", widget.display_name)
            assert panel.native.isVisibleTo(dock)
            assert finish(panel)  # there are no layers, and that is said
    finally:
        viewer.close()


@pytest.mark.usefixtures("blank_pictures")
def test_the_model_that_comes_along_predicts_an_image_as_python_does(viewer: Seen, temporary: Path) -> None:
    txm = np.asarray(two_images(0, 48)[0], np.uint8)
    viewer.add_layer(Image(txm, name="scan", **PLACE))
    assert finish(PredictPanel(viewer)) == []
    (layer,) = viewer.layers[1:]
    np.testing.assert_array_equal(layer.data, txm2sem.load().predict(txm))
    check_place(layer, viewer.layers[0])
    assert tuple(layer.contrast_limits) == (0, 255)


@pytest.mark.usefixtures("blank_pictures")
def test_a_run_predicts_a_lazy_volume_with_its_uncertainty_into_a_file(
    viewer: Seen, run: Path, tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layers, "READ_VOXELS", 64 * 64)
    monkeypatch.setattr(layers, "HELD_BYTES", 0)
    txm = np.stack([np.asarray(two_images(seed, 64)[0], np.uint8) for seed in range(2)])
    most = [0]

    def seen(block: Any) -> Any:
        most[0] = max(most[0], len(block))
        return block

    lazy = da.from_array(txm, chunks=(1, 64, 64)).map_blocks(seen, dtype=txm.dtype)
    viewer.add_layer(Image(lazy, name="scan", contrast_limits=(0, 255), scale=(64, 32, 32), units="nm"))
    panel = PredictPanel(viewer)
    panel.kind.value, panel.place.value, panel.sure.value = RUN, run, True
    panel.output.value = tmp_path / "kept.ome.zarr"
    assert finish(panel) == []
    assert most == [1]
    assert [layer.name.removeprefix("scan: ") for layer in viewer.layers[1:]] == [
        *("novelty", "contradiction", "uncertainty", "prediction")
    ]
    for layer in viewer.layers[1:]:
        assert isinstance(layer.data, da.Array)
        check_place(layer, viewer.layers[0])
    trusted = txm2sem.load("mine", checkpoints_dir=run.parent).predict_with_trust(txm)
    np.testing.assert_allclose(viewer.layers["scan: uncertainty"].data, trusted.uncertainty, rtol=1e-4)
    said: Any = zarr.open_group(tmp_path / "kept.ome.zarr", mode="r").attrs["ome"]
    (image,) = said["multiscales"]
    assert image["datasets"][0]["coordinateTransformations"][0]["scale"] == [1, 64, 32, 32]
    assert json.loads((tmp_path / "kept.ome.zarr_report.json").read_text())["model"].startswith("mine")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".txm2sem")]
    assert "is there already" in finish(panel)[0]


def test_cancelling_ends_the_work_and_leaves_nothing(viewer: Seen, temporary: Path) -> None:
    panels: list[PredictPanel] = []

    def cancel(block: Any) -> Any:
        for panel in panels:
            panel._worker.quit()
        return block

    lazy = da.from_array(noise((2, 32, 32), "uint8"), chunks=(1, 32, 32)).map_blocks(cancel, dtype="uint8")
    viewer.add_layer(Image(lazy, name="scan", contrast_limits=(0, 255)))
    panels.append(PredictPanel(viewer))
    assert finish(panels[0]) == ["Predict: cancelled"]
    assert len(viewer.layers) == 1
    assert not list(temporary.iterdir())
    assert not panels[0].stop.enabled


def test_what_the_user_can_put_right_is_said_without_a_traceback(viewer: Seen, tmp_path: Path, temporary: Path) -> None:
    viewer.add_layer(Image(np.zeros((32, 32), np.uint8), name="black"))
    panel = PredictPanel(viewer)
    (said,) = finish(panel)
    assert "cannot measure the contrast" in said
    panel.output.value = tmp_path / "kept.ome.zarr"
    assert "units" in finish(panel)[-1]
    assert notification_manager.records[-1].severity == "error"
    assert not list(temporary.iterdir())


def test_repair_fills_what_was_painted_and_nothing_else(viewer: Seen, temporary: Path) -> None:
    sem = np.asarray(two_images(1, 48)[1], np.uint8)
    volume, painted = np.stack([sem, sem]), np.zeros((2, 48, 48), np.int64)
    painted[1, 20:24, 30:34] = 3
    viewer.add_layer(Image(volume, name="SEM", scale=(64, 32, 32), units="nm"))
    viewer.add_layer(Labels(painted, name="mask", scale=(64, 32, 32), units="nm"))
    assert finish(RepairPanel(viewer)) == []
    repaired = viewer.layers["SEM: repaired"]
    np.testing.assert_array_equal(repaired.data[1], txm2sem.repair(sem, painted[1]))
    np.testing.assert_array_equal(repaired.data[painted == 0], volume[painted == 0])
    check_place(repaired, viewer.layers["SEM"])


def test_measures_of_labels_are_in_a_table_with_their_units(viewer: Seen, tmp_path: Path, temporary: Path) -> None:
    phases = (noise((24, 24, 24), "uint8") > 127).astype(np.int64) + 1
    phases[0] = 0
    layer = Labels(
        phases, name="rock", scale=(0.032,) * 3, units="um", features={"index": [0, 1], "phase": ["not imaged", "pore"]}
    )
    viewer.add_layer(layer)
    panel = MeasurePanel(viewer)
    panel.names.value, panel.diffusion.value, panel.output.value = "1=pore,2=grain", False, tmp_path / "kept"
    assert finish(panel) == []
    document = txm2sem.measures.read_measures(tmp_path / "kept")
    assert document["voxel_size_nm"] == pytest.approx([32] * 3)
    assert document["share_imaged"] == pytest.approx(23 / 24)
    assert names_of(layer) == {0: "not imaged", 1: "pore", 2: "grain"}
    table = viewer.docked["measures of rock"]
    cells = [[table.item(row, column).text() for column in range(len(COLUMNS))] for row in range(table.rowCount())]
    expected = [number for phase in document["phases"] for number in numbers(phase, "nm")]
    assert [row[1] for row in cells] == [number.title for number in expected]
    surface = next(number for number in expected if number.measure == "surface")
    assert ["pore", "surface per volume", f"{surface.value * 1000:.4g}", "1/µm", ""] in cells
    first = expected[0]
    assert cells[0] == ["pore", "fraction", f"{first.value:.4g}", "", f"{first.low:.4g} to {first.high:.4g}"]
    assert not list(temporary.iterdir())


def test_landmarks_lay_a_slice_of_the_sem_upon_the_txm(viewer: Seen, tmp_path: Path) -> None:
    """Points are marked in the world, where the two images are scaled and placed differently."""
    txm, sem = two_images(2, 192)
    to_txm = np.array([[1.0, 0.08, 9.0], [-0.08, 1.0, -4.0], [0, 0, 1]])
    there = moved(sem, to_txm)
    volume = np.stack([np.ones_like(txm), txm, np.ones_like(txm)]).astype(np.uint8)
    txm_layer = Image(volume, name="TXM", scale=(50, 32, 32), translate=(100, 1000, 0), units="nm")
    sem_layer = Image(there.image.astype(np.uint8), name="SEM", scale=(32, 32), units="nm")
    viewer.add_layer(txm_layer)
    viewer.add_layer(sem_layer)
    pick = np.linspace(0, len(there.points) - 1, 5).astype(int)
    on_txm = np.c_[np.ones(5), there.truth[pick]]
    viewer.add_layer(Points([txm_layer.data_to_world(point) for point in on_txm], name="txm", units="nm"))
    viewer.add_layer(Points([sem_layer.data_to_world(point) for point in there.points[pick]], name="sem", units="nm"))
    viewer.dims.set_point(0, 150)
    panel = AlignPanel(viewer)
    panel.txm.value, panel.sem.value, panel.transform.value = txm_layer, sem_layer, "affine"
    panel.txm_points.value, panel.sem_points.value = viewer.layers["txm"], viewer.layers["sem"]
    (said,) = finish(panel)
    assert said.startswith("SEM: aligned")
    overlaid = viewer.layers["SEM: aligned"]
    np.testing.assert_allclose(overlaid.data_to_world((0, 5, 7)), txm_layer.data_to_world((1, 5, 7)))
    inner = (slice(48, -48),) * 2
    assert np.corrcoef(overlaid.data[0][inner].ravel(), sem[inner].ravel())[0, 1] > 0.9
    panel.folder.value = tmp_path / "landmarks"
    panel.save_landmarks()
    (pairs,) = read_landmarks(tmp_path / "landmarks", [0]).values()
    np.testing.assert_allclose(pairs.sem, there.points[pick], atol=1e-9)
    np.testing.assert_allclose(pairs.txm, there.truth[pick], atol=1e-9)


def test_a_volume_of_an_instrument_is_read_where_it_is_looked_at(tmp_path: Path) -> None:
    array = noise((5, 6, 7), "uint16")
    path = write_txm(tmp_path / "scan.txm", array)
    read = opening.reader_of(str(path))
    assert read is not None
    ((data, place, kind),) = read(str(path))
    layer = Layer.create(data, place, kind)
    assert isinstance(data, da.Array)
    np.testing.assert_array_equal(layer.data, array)
    assert tuple(layer.scale) == pytest.approx((64,) * 3)
    assert {str(unit) for unit in layer.units} == {"nanometer"}
    assert opening.reader_of([str(path)]) is None


def test_a_nrrd_is_read_with_its_place(tmp_path: Path) -> None:
    array = noise((5, 6, 7), "uint8")
    header = "NRRD0004\ntype: uint8\ndimension: 3\nsizes: 7 6 5\nencoding: raw\nspace dimension: 3\n"
    header += 'space directions: (2,0,0) (0,3,0) (0,0,4)\nspace units: "um" "um" "um"\nspace origin: (10,20,30)\n\n'
    path = tmp_path / "scan.nrrd"
    path.write_bytes(header.encode() + array.tobytes())
    layer = Layer.create(*opening.opened(str(path))[0])
    np.testing.assert_array_equal(layer.data, array)
    np.testing.assert_allclose(layer.data_to_world((1, 1, 1)), (34000, 23000, 12000))


def test_a_damaged_volume_is_said_and_opens_nothing(tmp_path: Path) -> None:
    path = tmp_path / "scan.txm"
    path.write_bytes(b"nothing")
    assert opening.opened(str(path)) == [(None,)]
    assert str(path) in notification_manager.records[-1].message


def test_phantom_comes_with_its_phases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "SIZE", 64)
    monkeypatch.setattr(opening, "DEPTH", 4)
    txm, sem, phases, charged = (Layer.create(*found) for found in opening.phantom_layers())
    assert {layer.data.shape for layer in (txm, sem, phases, charged)} == {(4, 64, 64)}
    assert names_of(phases)[1] == "pore"
    np.testing.assert_array_equal(phases.data == 0, sem.data == 0)
    assert tuple(txm.scale) == (32, 32, 32)
