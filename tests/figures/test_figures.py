"""Figures, whatever the files are called that they show."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from txm2sem.applying.images.report import TranslatedImage, draw_translated
from txm2sem.data.classes import CLASS_COLOURS, IGNORED
from txm2sem.figures.colours import IGNORED_COLOURS
from txm2sem.figures.overview import OverviewRow, draw_rows
from txm2sem.figures.saving import save_figure
from txm2sem.figures.sheet import CELL, Shown, draw_sheet, save_sheet, scaled

ODD_NAMES = [b"Probe_\xfc.tif", rb"a$\q$_{.tif", b"a$b$.tif"]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_names_in_figures_may_have_any_characters(tmp_path: Path, name: bytes) -> None:
    image = np.arange(100, dtype=np.uint8).reshape(10, 10)
    text = os.fsdecode(name)
    save_figure(draw_rows([OverviewRow(text, [image])], [text], f"SEM of {text}"), tmp_path / "figure.png")
    with Image.open(tmp_path / "figure.png") as figure:
        assert figure.size[0] > 100


@pytest.mark.parametrize("name", [*ODD_NAMES, b"two\nlines\t.tif", b"x" * 255])
def test_names_on_sheets_may_have_any_characters(tmp_path: Path, name: bytes) -> None:
    image = np.arange(100, dtype=np.uint8).reshape(10, 10)
    shown = TranslatedImage(os.fsdecode(name), image, image)
    save_sheet(draw_translated([shown], f"SEM of {os.fsdecode(name)}"), tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        pixels = np.asarray(sheet)
    assert pixels.shape[1] > 2 * CELL
    # Title and headings are written, and none of them runs out of the sheet.
    written = pixels < 128
    assert written.any()
    assert not written[:, :2].any()
    assert not written[:, -2:].any()


def test_a_sheet_shows_every_pixel_in_its_grey_level_and_keeps_the_form_of_images() -> None:
    wide, tall = np.arange(1, 201, dtype=np.uint8).reshape(10, 20), np.full((30, 10), 7, np.uint8)
    sheet = np.asarray(draw_sheet([[Shown("wide", wide), Shown("tall", tall)]], "both"))
    counts = np.bincount(sheet.ravel(), minlength=256)
    assert (counts[8:201] >= (CELL // 20) ** 2).all()
    # Letters have the level of the tall image here and there.
    right = sheet[:, sheet.shape[1] // 2 :] == 7
    assert np.count_nonzero(right.sum(axis=0) > CELL // 2) == CELL // 3
    assert np.count_nonzero(right.sum(axis=1) > CELL // 4) == CELL


def test_a_sheet_of_labels_says_what_their_colours_are() -> None:
    labels = np.array([[0, 1], [2, IGNORED]], np.uint8)
    sheet = np.asarray(draw_translated([TranslatedImage("a", labels, labels)], "classes", labels=True))
    below = sheet[-40:].reshape(-1, 3)
    assert {tuple(colour) for colour in below} >= {*CLASS_COLOURS, *IGNORED_COLOURS}
    plain = np.asarray(draw_translated([TranslatedImage("a", labels, labels)], "grey"))
    assert plain.ndim == 2


def test_a_sheet_has_a_scale_bar_where_the_size_of_pixels_is_known() -> None:
    image = np.full((60, 90), 100, np.uint8)
    known, counted = (
        np.asarray(draw_translated([TranslatedImage("a", image, image, size)], "t")) for size in (50.0, None)
    )
    first = slice(None, known.shape[1] // 2)
    bars = [(part == 255).sum(axis=1).max() for part in (known[-30:-12, first], counted[-30:-12, first])]
    # A micrometre of 90 pixels of 50 nm, and the space around the picture.
    space = known.shape[1] // 2 - CELL
    assert bars[0] - bars[1] == round(CELL / 90 * 20)
    assert bars[1] == space


def test_grey_values_are_scaled_between_two_of_them() -> None:
    image = np.array([[-5.0, 10, 20, 30, 99]])
    assert scaled(image, 10, 30).tolist() == [[0, 0, 128, 255, 255]]
    assert scaled(image, 10, 10).max() == 255
