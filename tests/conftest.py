"""Where the recorded numbers and the real slices are, for the tests that need them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Before torch is imported: test processes share the cores, and the arithmetic of the tests is small.
os.environ["OMP_NUM_THREADS"] = "1"

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


@pytest.fixture
def blank_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save figures without drawing what is in them: that takes longer than to train and test a tiny model."""
    monkeypatch.setattr("txm2sem.figures.overview.FigureCanvasAgg.draw", lambda canvas: canvas.get_renderer())


@pytest.fixture
def no_perceptual_distance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the perceptual distance out of scorecards, as where its weights are not installed."""
    monkeypatch.setattr("txm2sem.scoring.perceptual.find_spec", lambda name: None)
