"""Figures, whatever the files are called that they show."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from txm2sem.applying.images.report import TranslatedImage, draw_translated
from txm2sem.figures.overview import save_figure


@pytest.mark.parametrize("name", [b"Probe_\xfc.tif", rb"a$\q$_{.tif", b"a$b$.tif"])
def test_names_in_figures_may_have_any_characters(tmp_path: Path, name: bytes) -> None:
    image = np.arange(100, dtype=np.uint8).reshape(10, 10)
    shown = TranslatedImage(os.fsdecode(name), image, image)
    save_figure(draw_translated([shown], f"SEM of {os.fsdecode(name)}"), tmp_path / "figure.png")
    with Image.open(tmp_path / "figure.png") as figure:
        assert figure.size[0] > 500
