"""Blocks that are marked to be run (`<!-- run -->`) are executed as they stand there, page by page, with less work."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from data_roots import write_slice
from moved_pairs import rock
from snippets import Snippet, commands_in, needs_bash, snippets

from txm2sem.aligning.document import read_alignment
from txm2sem.cli.main import main

FIRST = "docs/first_volume.md"

LESS = {
    "phantom": "--size 256 --depth 64 --train_slices 1 --val_slices 1 --test_slices 1",
    "phantom --unaligned": "--tilt 2 --turn 3 --distortion 1 --scale 1.05",
    "align": "--transform rigid --search_angle 4 --mirror no",
    "check": "--patch_size 32 --num_test 2",
    "train": "--niter 1 --niter_decay 0 --time_budget 0 --num_train 8 --num_test 2 --patch_size 32 --ngf 4 --no_html "
    "--num_threads 0 --gpu_ids -1",
    "test": "--num_test 4 --gpu_ids -1",
    "measure": "--diffusion_side 32",
    "volume": "--roi 24:40,64:192,64:192 --gpu_ids -1",
}
"""Options that are put behind a command that has these words; they count over those of the page."""

OWN_SIDE, OWN_LEVEL = 96, 21000
"""Of the reader's own slices: their rows and columns, and the grey value outside a disc in the middle."""


def write_own_slices(folder: Path) -> None:
    """Write 16-bit slices of two instruments and a scan, as a reader has them; a square of the SEM is saturated."""
    y, x = np.mgrid[-1 : 1 : OWN_SIDE * 1j, -1 : 1 : OWN_SIDE * 1j]
    inside, rng = x**2 + y**2 < 0.9, np.random.default_rng(0)
    scan = []
    for number in range(4):
        stone = rock(number, OWN_SIDE)
        txm, sem = 25000 + 60 * stone, np.where(stone < 70, 9000, np.where(stone > 130, 40000, 22000))
        noise = rng.normal(0, 60, (2, *stone.shape))
        scan.append((np.where(inside, txm, OWN_LEVEL) + noise[0]).round().astype(np.uint16))
        taken = np.where(inside, sem + noise[1], 0).round().astype(np.uint16)
        taken[40:50, 40:50] = 65535
        write_slice(folder / "txm_slices" / f"TXM_{number:04d}.tif", scan[-1])
        write_slice(folder / "sem_slices" / f"SEM_{number:04d}.tif", taken)
    write_slice(folder / "scan.tif", np.stack(scan))


GIVEN = {"docs/slices.md": write_own_slices}
"""Writes what a page takes to be there."""

pytestmark = [needs_bash, pytest.mark.usefixtures("blank_pictures")]

RunPage = Callable[[str], Path]


def marked() -> dict[str, list[Snippet]]:
    """Return the marked blocks of each document that has some, in its order."""
    pages: dict[str, list[Snippet]] = {}
    for snippet in sorted([*snippets("sh"), *snippets("python")], key=lambda snippet: snippet.line):
        if snippet.runs:
            pages.setdefault(snippet.document, []).append(snippet)
    return pages


@pytest.fixture(scope="module")
def run_page(tmp_path_factory: pytest.TempPathFactory) -> RunPage:
    """Return a function that runs the marked blocks of a document, the first time, and returns the folder."""
    folders: dict[str, Path] = {}

    def run(document: str) -> Path:
        if document not in folders:
            folder = tmp_path_factory.mktemp("page")
            GIVEN.get(document, lambda _: None)(folder)
            names: dict[str, Any] = {}
            with chdir(folder):
                for block in marked()[document]:
                    if block.language == "python":
                        exec(block.text, names)
                    for words in commands_in(block, tmp_path_factory.mktemp("lines")) if block.language == "sh" else ():
                        assert main([*words, *_less(words)]) == 0, f"{block}: txm2sem {' '.join(words)}"
            folders[document] = folder
        return folders[document]

    return run


@pytest.mark.parametrize("document", marked())
def test_a_page_leads_to_its_end(run_page: RunPage, document: str) -> None:
    run_page(document)


def test_the_first_page_leads_from_two_instruments_to_a_volume(run_page: RunPage) -> None:
    folder = run_page(FIRST)
    truth = json.loads((folder / "scans" / "phantom.json").read_text())["sem_slices"]
    found = read_alignment(folder / "images" / "alignment.json").slices
    assert {one.split for one in found.values()} >= {"train", "val", "test"}
    for key, one in found.items():
        if one.confident:
            rows, columns = truth[key]["shape"]
            corners = np.array([[row, column, 1] for row in (0, rows - 1) for column in (0, columns - 1)])
            away = corners @ (np.array(one.to_txm) - truth[key]["to_txm"]).T
            # Slices of 200 pixels tell little of a tilt, and are distorted by a pixel besides.
            assert np.abs(away[:, 0]).max() < 2
            assert np.linalg.norm(away[:, 1:], axis=1).max() < 3
            assert one.tilt == pytest.approx(truth[key]["tilt"], abs=1)
    assert (folder / "images" / "slice_positions.csv").read_text().startswith("number,z\n")
    assert "three cuts through the volume" in (folder / "images" / "alignment.html").read_text()
    assert list(folder.glob("*.ome.zarr/zarr.json"))


def test_own_slices_get_zeros_outside_the_sample_and_masks(run_page: RunPage) -> None:
    folder = run_page("docs/slices.md")
    y, x = np.mgrid[-1 : 1 : OWN_SIDE * 1j, -1 : 1 : OWN_SIDE * 1j]
    far = np.sqrt(x**2 + y**2) - np.sqrt(0.9)  # from the rim, in halves of the side
    pixel = 2 / OWN_SIDE
    scan, zeroed_scan = (tifffile.imread(folder / name) for name in ("scan.tif", "scan_0.tif"))
    masks = {"low": (0, 15000), "high": (31000, 60000)}
    for number in range(4):
        image = tifffile.imread(folder / "txm_slices" / f"TXM_{number:04d}.tif")
        zeroed = tifffile.imread(folder / "txm_0" / f"TXM_{number:04d}.tif")
        assert zeroed.dtype == np.uint16
        assert not zeroed[far > -pixel].any()
        np.testing.assert_array_equal(zeroed[far < -5 * pixel], image[far < -5 * pixel])
        np.testing.assert_array_equal(zeroed_scan[number], zeroed)
        sem = tifffile.imread(folder / "sem_slices" / f"SEM_{number:04d}.tif")
        for name, (least, most) in masks.items():
            mask = tifffile.imread(folder / name / f"SEM_{number:04d}.tif")
            assert set(np.unique(mask)) == {0, 255}
            true = (sem > least) & (sem < most)
            assert np.mean((mask > 0) == true) > 0.9
            assert not mask[40:50, 40:50].any()
            assert not mask[sem == 0].any()
    assert scan.shape == zeroed_scan.shape


def _less(words: list[str]) -> list[str]:
    return [word for key, options in LESS.items() if set(key.split()) <= set(words) for word in options.split()]
