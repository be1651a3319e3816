"""Tables have lengths where the size of pixels is known, and count pixels where it is not; documents always do."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from run_folders import write_run

from scoring.test_phases import rock
from txm2sem.checking.resolution import Resolution, judge_resolution
from txm2sem.metrics import Continuity, Spectrum
from txm2sem.quantities import with_pixels
from txm2sem.reporting import compare_runs, report_run
from txm2sem.reporting.volumes import continuity_tables
from txm2sem.runs import RunPaths
from txm2sem.scoring.card import Scorecard
from txm2sem.scoring.continuity import PREDICTION, TXM, continuity_table
from txm2sem.scoring.document import scores_document
from txm2sem.scoring.names import resolution_column, rock_columns
from txm2sem.scoring.phases import Phases
from txm2sem.scoring.table import scores_table


@pytest.mark.parametrize(
    ("size", "name", "counted", "heading", "shown"),
    [
        (None, "chord_rows_px", 12.345, "mean chord in rows [pixels]", "12.35"),
        (32.0, "chord_rows_px", 12.345, "mean chord in rows [nm]", "395.0"),
        (200.0, "chord_columns_px", 12.345, "mean chord in columns [µm]", "2.469"),
        (0.5, "chord_columns_px", 12.345, "mean chord in columns [nm]", "6.173"),
        (None, "perimeter_per_px", 0.0412, "perimeter per area [1 / 1000 pixels]", "41.2"),
        (32.0, "perimeter_per_px", 0.0412, "perimeter per area [1/µm]", "1.288"),
        (None, "euler_per_px2", 0.001286, "Euler number [per 10^6 pixels]", "1286"),
        (32.0, "euler_per_px2", 0.001286, "Euler number [1/µm²]", "1.256"),
        (32.0, "fraction", 0.1234, "fraction [%]", "12.34"),
    ],
)
def test_columns_of_the_rock(size: float | None, name: str, counted: float, heading: str, shown: str) -> None:
    words, factor, digits = rock_columns(size)[name]
    assert (words, f"{factor * counted:.{digits}f}") == (heading, shown)


def cells(table: str, first: str) -> list[str]:
    """Return the cells of the first line of a table on the console that begins with some words."""
    line = next(line for line in table.splitlines() if line.startswith(first))
    return re.split(" {2,}", line)


def test_the_console_has_lengths_and_the_document_pixels() -> None:
    targets = np.stack([rock(seed, 64, noise=8)[0] for seed in range(2)])
    tables, documents = [], []
    for size in (None, 200.0):
        card = Scorecard(Phases((1, 0, 2), (90, 160), 0), pixel_size=size)
        for number, target in enumerate(targets):
            card.add(number, {"model": np.roll(target, 1, axis=0)}, target)
        scores = card.summary()
        tables.append(scores_table(scores))
        documents.append(scores_document(scores, {}, []))
    assert "[pixels]" in tables[0]
    assert "pixel" not in tables[1]
    known = documents[1]["rock"]["model"]["low_density"]["chord_rows_px"]["true"]["value"]
    assert known == documents[0]["rock"]["model"]["low_density"]["chord_rows_px"]["true"]["value"]
    assert float(cells(tables[1], "mean chord in rows [µm]")[1]) == pytest.approx(0.2 * known, abs=6e-4)
    resolved = documents[1]["spectrum"]["model"]["resolution_half_px"]["value"]
    shown = re.split(" {2,}", tables[1].split("\n\n")[2].splitlines()[1])
    assert float(shown[3]) == pytest.approx(0.2 * resolved, abs=6e-3)


def sized(root: Path, name: str, size: float | None) -> RunPaths:
    """Return a run whose test knows the size of its pixels."""
    paths = write_run(root, name)
    place = paths.scores(".json")
    place.write_text(json.dumps({**json.loads(place.read_text()), "pixel_size_nm": size}))
    return paths


def test_pages_have_lengths_where_all_their_runs_know_them(tmp_path: Path) -> None:
    one, same, other = (sized(tmp_path, name, size) for name, size in (("one", 32), ("same", 32), ("other", 16)))
    words = ("mean chord in rows [nm]", "resolved to [nm] (FRC 1/2)", "perimeter per area [1/µm]")
    pages = [
        report_run(one).path.read_text(),
        compare_runs([one, same], tmp_path / "same.html").path.read_text(),
        compare_runs([one, other], tmp_path / "other.html").path.read_text(),
    ]
    assert [[word in page for word in words] for page in pages] == [[True] * 3, [True] * 3, [False] * 3]
    assert "mean chord in rows [pixels]" in pages[2]
    found = json.loads(one.scores(".json").read_text())
    kind = next(iter(found["rock"]))
    true = found["rock"][kind]["low_density"]["chord_rows_px"]["true"]["value"]
    assert f">{32 * true:.1f}<" in re.sub(r"\s", "", pages[0])


@pytest.mark.parametrize(
    ("size", "unit", "lags"),
    [
        ((32.0, 32.0, 32.0), "nm", [32, 64, 128]),
        ((100.0, 100.0, 100.0), "µm", [0.1, 0.2, 0.4]),
        ((None, 32.0, 32.0), "voxels", [1, 2, 4]),
        ((64.0, 32.0, 32.0), "voxels", [1, 2, 4]),
    ],
)
def test_lags_are_lengths_where_voxels_are_cubes(size: tuple[float | None, ...], unit: str, lags: list[float]) -> None:
    volume = np.random.default_rng(0).integers(0, 255, (6, 8, 10), np.uint8)
    measured = {TXM: Continuity.of(volume, 4), PREDICTION: Continuity.of(volume, 4)}
    first, second, *_ = continuity_table(measured, size).splitlines()
    assert first.endswith(f"autocorrelation at lag [{unit}]")
    assert [float(word) for word in second.split()[-3:]] == lags


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (None, ("down to periods of 3.0 pixels", "noise at 4.0 pixels", "periods of 4 pixels and more")),
        (50.0, ("down to periods of 150 nm", "noise at 200 nm", "periods of 200 nm and more")),
    ],
)
def test_a_check_says_what_is_resolved(size: float | None, words: tuple[str, ...]) -> None:
    flat = Spectrum(np.array([0.1, 0.3, 0.5]), np.array([4.0, 2.0, 1.0]))
    (finding,) = judge_resolution(Resolution(flat, flat, flat, 3.0, 4.0, {}, 2), size)
    said = f"{finding.text} {finding.advice}"
    assert [word for word in words if word not in said] == []


def test_what_options_count_is_said_in_pixels_too() -> None:
    assert with_pixels(2.04, None) == "2.0 pixels"
    assert with_pixels(2.04, 32) == "65.3 nm (2.0 pixels)"
    assert resolution_column(None) == ("resolved to [pixels]", 1.0, 1)


@pytest.mark.parametrize(
    ("sides", "heading"), [([32, 32, 32], "along z, lag 128 nm"), ([None, 32, 32], "along z, lag 4")]
)
def test_the_page_has_the_same_lags(sides: list[float | None], heading: str) -> None:
    values = {"autocorrelation_along_z": [1.0] * 4, "autocorrelation_in_plane": [1.0] * 4}
    continuity = {"voxel_size_nm": sides, "volumes": {"txm": values}}
    (table,) = continuity_tables(continuity)
    assert heading in table.head
