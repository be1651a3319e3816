"""What all tests share: how long they may take, and where recorded numbers and real slices are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from object_server import ACCESS_KEY, SECRET_KEY, ObjectServer, object_server

# Before torch is imported: test processes share the cores, and the arithmetic of the tests is small.
os.environ["OMP_NUM_THREADS"] = "1"

# The machine may be busy with other things.
settings.register_profile("untimed", deadline=None, max_examples=30)
settings.register_profile("quick", deadline=None, max_examples=15)
settings.load_profile("untimed")

SHARED = Path(os.environ.get("TXM2SEM_SHARED", Path(__file__).resolve().parents[2] / "shared"))


def _existing(path: Path) -> Path:
    if not path.is_dir():
        pytest.skip(f"needs {path}, which is not part of the project (set TXM2SEM_SHARED to its parent folder)")
    return path


@pytest.fixture(scope="session")
def reference() -> Path:
    """Folder of numbers recorded with the original implementation."""
    return _existing(SHARED / "reference")


@pytest.fixture(scope="session")
def shale() -> Path:
    """Data root of real aligned slices of a shale."""
    return _existing(SHARED / "data" / "shale")


@pytest.fixture(autouse=True, scope="session")
def no_power_cuts() -> Iterator[None]:
    """Let files reach the disk when they may: tests kill processes, and the system keeps what these have written."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(autouse=True, scope="session")
def no_models_at_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Unpack models in a folder of the tests, not in that of the user."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("txm2sem.archives.kept_models", lambda: tmp_path_factory.getbasetemp() / "models")
        yield


@pytest.fixture(scope="session")
def running_storage() -> Iterator[ObjectServer]:
    """Run an object storage for all tests of a process."""
    with object_server() as server:
        yield server


@pytest.fixture
def storage(running_storage: ObjectServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ObjectServer:
    """Return an object storage as new, at which the environment, and nothing else, signs in; nobody waits for it."""
    running_storage.reset()
    for name in list(os.environ):
        if name.startswith(("AWS_", "GOOGLE_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", running_storage.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setattr("txm2sem.objects.PAUSES", (0.0,) * 5)
    return running_storage


@pytest.fixture
def blank_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save figures without what is in them: to draw them takes longer than to train and test a tiny model."""
    from matplotlib.figure import Figure

    monkeypatch.setattr("txm2sem.figures.raster.FigureCanvasAgg.draw", lambda canvas: canvas.get_renderer())
    monkeypatch.setattr(Figure, "findobj", lambda *arguments: [])  # would make all ticks
    for draw in ("translation.draw_overview", "scores.draw_scores", "trust.draw_trust", "trust.draw_calibration"):
        monkeypatch.setattr(f"txm2sem.testing.{draw}", lambda *arguments: Figure())


@pytest.fixture
def no_scorecard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what the original code did not score, which takes ten times as long as the predictions."""
    monkeypatch.setattr("txm2sem.testing.translation.fit_trivial_predictions", lambda patches: {})
    monkeypatch.setattr("txm2sem.testing.translation.Scorecard.add", lambda *arguments: None)
    monkeypatch.setattr("txm2sem.testing.translation.write_scores", lambda *arguments, **named: ([], {}))
