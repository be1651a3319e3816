"""Figures as files: of which kinds, with text as text, and pictures in their own pixels."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from txm2sem.figures.overview import OverviewRow, draw_rows
from txm2sem.figures.saving import save_figure

WIDTH, HEIGHT = 37, 23


def picture() -> Figure:
    image = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH), np.uint8)
    return draw_rows([OverviewRow("row", [image])], ["column"], "a title")


def test_a_figure_is_png_alone_where_nothing_else_is_asked_for(tmp_path: Path) -> None:
    save_figure(picture(), tmp_path / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_pdf_has_fonts_that_journals_take_and_pictures_pixel_by_pixel(tmp_path: Path) -> None:
    save_figure(picture(), tmp_path / "a.b.png", "pdf")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.b.pdf", "a.b.png"]
    content = (tmp_path / "a.b.pdf").read_bytes()
    assert content.startswith(b"%PDF-")
    assert b"/FontFile2" in content
    assert b"/Type3" not in content
    assert re.search(rb"/Height %d\b" % HEIGHT, content)
    assert re.search(rb"/Width %d\b" % WIDTH, content)


def test_svg_has_text_as_text_and_pictures_pixel_by_pixel(tmp_path: Path) -> None:
    save_figure(picture(), tmp_path / "a.png", "svg")
    content = (tmp_path / "a.svg").read_text()
    assert content.startswith("<?xml")
    assert re.search("<text[^>]*>a title</text>", content)
    found = re.findall(r'data:image/png;base64,\s*([^"]+)"', content)
    sizes = {Image.open(io.BytesIO(base64.b64decode(one))).size for one in found}
    assert (WIDTH, HEIGHT) in sizes


@pytest.mark.parametrize("kind", ["pdf", "svg"])
def test_equal_figures_are_equal_files(tmp_path: Path, kind: str) -> None:
    for name in ("one", "two"):
        save_figure(picture(), tmp_path / f"{name}.png", "pdf" if kind == "pdf" else "svg")
    assert (tmp_path / f"one.{kind}").read_bytes() == (tmp_path / f"two.{kind}").read_bytes()
