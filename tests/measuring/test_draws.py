"""Volumes of several draws, measured: each draw for itself, and how far they differ."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.filters import threshold_multiotsu

import txm2sem
from measuring.volumes import QUICK, document, in_small_boxes, phases, write, write_draws
from txm2sem.errors import UserError
from txm2sem.files import json_text
from txm2sem.measures import Number, numbers, paired, read_measures, sentence
from txm2sem.measuring import boxes, job
from txm2sem.runs import MeasurePaths

DRAWN = {**QUICK, "voxel_size": ""}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plates(*thick: int) -> NDArray[np.uint8]:
    """Return draws of a dark plate in a bright volume, so many of 20 planes thick."""
    draws = np.full((len(thick), 20, 24, 28), 150, np.uint8)
    for draw, planes in zip(draws, thick, strict=True):
        draw[4 : 4 + planes] = 50
    return draws


def rocks(*seeds: int) -> NDArray[np.uint8]:
    """Return draws that differ in all, with a corner that was not imaged."""
    draws = np.stack([np.array([120, 60, 180], np.uint8)[phases((20, 24, 28), seed)] for seed in seeds])
    draws[:, :, :6, :7] = 0
    return draws


def of(phase: dict[str, Any], name: str, axis: str = "") -> Number:
    """Return a number of a phase."""
    return next(one for one in numbers(phase, "nm") if (one.name, one.axis) == (name, axis))


@pytest.mark.parametrize("name", ["drawn.ome.zarr", "drawn.ome.tif"])
def test_numbers_of_plates_are_known(name: str) -> None:
    write_draws(plates(5, 10, 6), name)
    found = txm2sem.measure(name, "out", thresholds="100", longest=12)
    assert [phase["name"] for phase in found["phases"]] == ["neither", "low density"]
    assert found["draws"] == {"count": 3, "left_out": 1, "interval_level": 0.5}
    assert found["voxel_size_nm"] == [32, 32, 32]
    plate = found["phases"][1]
    for one, each in (
        (of(plate, "fraction"), (0.25, 0.5, 0.3)),
        (of(plate, "relative diffusivity", "y"), (0.25, 0.5, 0.3)),
        (of(plate, "mean chord", "z"), (152, 304, 182.4)),  # 0.95 of the thickness, as there are 20 planes
        (of(plate, "clusters"), (1, 1, 1)),
        (of(plate, "relative diffusivity", "z"), (0, 0, 0)),
    ):
        assert one.draws == pytest.approx(each, rel=1e-5)
        assert (one.value, one.low, one.high) == pytest.approx((np.mean(each), min(each), max(each)), rel=1e-5)
    assert math.isnan(of(plate, "tortuosity factor", "z").value)
    assert math.isnan(of(plate, "tortuosity factor", "z").low)
    assert found["diffusion_region"] == {"z": [0, 20], "y": [0, 24], "x": [0, 28]}


@pytest.mark.parametrize("blur", [0.0, 1.0])
def test_a_draw_is_measured_as_an_image_is(blur: float, monkeypatch: pytest.MonkeyPatch) -> None:
    draws = rocks(0, 1, 2)
    write_draws(draws)
    options: dict[str, Any] = {**QUICK, "diffusion_side": 16, "thresholds": "90,150", "blur": blur}
    alone = []
    for number, draw in enumerate(draws):
        write(draw, f"{number}.tif")
        alone.append(txm2sem.measure(f"{number}.tif", f"alone{number}", **{**options, "diffusion_side": 0}))
    in_small_boxes(monkeypatch)
    found = txm2sem.measure("drawn.ome.zarr", "out", **options)
    assert found["share_imaged"] == pytest.approx(1 - 6 * 7 / (24 * 28))
    for place, phase in enumerate(found["phases"]):
        for one, draw in zip(alone, phase["draws"], strict=True):
            image = one["phases"][place]
            assert {**draw, "diffusion": None} == {name: image[name] for name in draw}
            assert bool(draw["diffusion"]) == phase["measured"]
    assert "draws" not in alone[0]
    assert "numbers" not in alone[0]["phases"][0]


def test_diffusion_is_that_of_one_part_in_all_draws() -> None:
    """A plate whose thickness differs along x: that of both draws together is most like its mean in the middle."""
    draws = np.full((2, 16, 16, 48), 150, np.uint8)
    for x, thick in enumerate(((6, 2), (4, 10), (12, 6))):
        for draw, planes in zip(draws, thick, strict=True):
            draw[:planes, :, 16 * x : 16 * (x + 1)] = 50
    write_draws(draws)
    found = txm2sem.measure("drawn.ome.zarr", "out", thresholds="100", **{**DRAWN, "diffusion_side": 16})
    assert found["diffusion_region"]["x"] == [16, 32]
    assert of(found["phases"][1], "relative diffusivity", "y").draws == pytest.approx((4 / 16, 10 / 16), rel=1e-5)


def test_thresholds_are_those_of_all_draws_and_never_of_their_mean() -> None:
    rng = np.random.default_rng(0)
    noise = np.stack([gaussian_filter(rng.standard_normal((20, 30, 30)), 1) for _ in range(4)])
    draws = (120 + 40 * noise / noise.std()).clip(1, 255).astype(np.uint8)
    draws[3] = (draws[3] // 2).clip(1)  # a darker one moves those of all
    write_draws(draws)
    found = txm2sem.measure("drawn.ome.zarr", "out", **DRAWN)
    low, high = (float(part) for part in found["phases_by"].split("thresholds ")[1].split(" of")[0].split(", "))
    expected = threshold_multiotsu(draws, 3)
    assert [low, high] == pytest.approx(expected, abs=2)
    for other in (draws.mean(axis=0).astype(np.uint8), draws[0], draws[3]):
        assert abs(np.array([low, high]) - threshold_multiotsu(other, 3)).max() > 10
    for label, phase in enumerate((draws <= low, draws > high), 1):
        assert of(found["phases"][label], "fraction").draws == pytest.approx(phase.mean(axis=(1, 2, 3)), rel=1e-5)


def test_what_is_black_in_one_draw_was_imaged() -> None:
    draws = plates(5, 10)
    draws[1, 4:14] = 0
    write_draws(draws)
    found = txm2sem.measure("drawn.ome.zarr", "out", thresholds="100", **DRAWN)
    assert found["share_imaged"] == 1
    assert of(found["phases"][1], "fraction").draws == (0.25, 0.5)


def test_what_a_draw_does_not_have_is_not_made_up() -> None:
    """The phase is not there in the first draw, and reaches from end to end in two of the others."""
    draws = plates(0, 5, 10, 20)
    draws[1, :, :3] = 150
    write_draws(draws)
    found = txm2sem.measure("drawn.ome.zarr", "out", thresholds="100", **DRAWN)
    phase = found["phases"][1]
    assert of(phase, "fraction").low == 0
    assert math.isnan(of(phase, "mean local thickness").value)
    assert math.isnan(of(phase, "mean local thickness").draws[0])
    text = sentence(phase, found)
    assert "y (in 2 of 4 draws) and x (in 3 of 4 draws)" in text
    assert "unknown thick" in text
    with Path("out/measures.csv").open(encoding="utf-8") as file:
        rows = {(row["phase"], row["measure"], row["axis"]): row for row in csv.DictReader(file)}
    row = rows["low density", "mean chord", "z"]
    assert (row["value"], row["low"], row["draw 0"], float(row["draw 2"])) == ("", "", "", 304)
    for name in ("value", "low", "high"):
        assert float(rows["low density", "fraction", ""][name]) == pytest.approx(getattr(of(phase, "fraction"), name))


def test_the_page_has_intervals_in_the_units_of_numbers() -> None:
    write_draws(rocks(0, 1))
    found = txm2sem.measure("drawn.ome.zarr", "out", thresholds="90,150", **DRAWN)
    surface = of(found["phases"][1], "surface per volume")
    page = Path("out/measures.html").read_text(encoding="utf-8")
    assert f"{1000 * surface.low:.4g} to {1000 * surface.high:.4g}" in page
    assert page.count('class="band') > 9
    assert sentence(found["phases"][1], found) in page
    assert all(note in page for note in found["notes"])
    assert "in 90 of 100 cases.</p>" not in page


def test_an_image_stands_beside_draws() -> None:
    write_draws(rocks(0, 1))
    write(rocks(2)[0], "true.tif")
    true = txm2sem.measure("true.tif", "true", thresholds="90,150", **QUICK)
    found = txm2sem.measure("drawn.ome.zarr", "out", thresholds="90,150", compare="true", **DRAWN)
    pairs = list(paired(found, read_measures(Path("true"))))
    assert len(pairs) == 2 * 18 + 3
    assert pairs[1][2].value == true["phases"][1]["fraction"]["value"]
    assert "Beside true" in Path("out/measures.html").read_text(encoding="utf-8")


def test_what_was_cut_off_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    write_draws(rocks(0, 1))
    options: dict[str, Any] = {**DRAWN, "thresholds": "90,150", "diffusion_side": 16}
    in_small_boxes(monkeypatch)
    whole = txm2sem.measure("drawn.ome.zarr", "whole", **options)
    done: list[str] = []
    measure = boxes.measure_box

    def interrupted(box: Any, *rest: Any) -> Any:
        if len(done) == 10:
            done.append("stopped")
            raise KeyboardInterrupt
        done.append(str(box.index))
        return measure(box, *rest)

    monkeypatch.setattr(job, "measure_box", interrupted)
    with pytest.raises(KeyboardInterrupt):
        txm2sem.measure("drawn.ome.zarr", "out", **options)
    assert len(list(MeasurePaths(Path("out").absolute()).work.glob("boxes/*.npz"))) == 10
    assert txm2sem.measure("drawn.ome.zarr", "out", **options)["phases"] == whole["phases"]
    assert len(done) == 1 + 2 * (2 * 2 * 2)


def renamed(change: Any) -> None:
    """Change the list of channels that the file names."""
    path = Path("drawn.ome.zarr/zarr.json")
    said = json.loads(path.read_text())
    said["attributes"]["ome"]["omero"]["channels"] = change(said["attributes"]["ome"]["omero"]["channels"])
    path.write_text(json.dumps(said))


@pytest.mark.parametrize(
    ("draws", "change", "options", "message"),
    [
        (3, lambda named: named[:3] + named[4:], {}, "expected the prediction, standard deviation, draw 0, draw 1:"),
        (3, lambda named: named[1:], {}, "expected the prediction, standard deviation, draw 0, draw 1, draw 2:"),
        (3, lambda named: named[:-1], {}, "has 5 channels, and the file has the names of 4"),
        (1, lambda named: named, {}, "has one draw, of which there is no interval; expected 2 or more"),
        (2, lambda named: named, {"thresholds": "", "method": "labels"}, "--method labels: .*drawn.ome.zarr has draws"),
        (2, lambda named: named, {"missing": "black"}, "--missing black: .*drawn.ome.zarr has draws"),
        (2, lambda named: named, {"dataset": "0"}, "has the axes c, z, y, x"),
    ],
)
def test_draws_that_cannot_be_measured_are_said(draws: int, change: Any, options: dict[str, Any], message: str) -> None:
    write_draws(plates(*range(5, 5 + draws)))
    renamed(change)
    with pytest.raises(UserError, match=message):
        txm2sem.measure("drawn.ome.zarr", "out", **{**DRAWN, "thresholds": "100", **options})
    assert not list(Path().glob("out*"))


def test_a_draw_that_was_lost_is_named() -> None:
    write_draws(plates(5, 10))
    Path("drawn.ome.zarr/0/c/3/1/0/0").unlink()
    with pytest.raises(UserError, match=r"drawn\.ome\.zarr/0, draw 1 lacks 40"):
        txm2sem.measure("drawn.ome.zarr", "out", thresholds="100", **DRAWN)


def test_another_number_of_draws_is_another_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    write_draws(plates(5, 10))

    def failing(*rest: Any) -> Any:
        raise UserError("no more")

    monkeypatch.setattr(job, "measure_box", failing)
    with pytest.raises(UserError, match="no more"):
        txm2sem.measure("drawn.ome.zarr", "out", thresholds="100", **DRAWN)
    write_draws(plates(5, 10, 15), "more.ome.zarr")
    with pytest.raises(UserError, match="holds a part of another output"):
        txm2sem.measure("more.ome.zarr", "out", thresholds="100", **DRAWN)


def test_a_damaged_document_of_draws_is_said() -> None:
    write_draws(plates(5, 10))
    txm2sem.measure("drawn.ome.zarr", "out", thresholds="100", **DRAWN)
    whole = document("out")
    changes: list[dict[str, Any]] = [{"numbers": [{"value": 1}]}, {"draws": [{"fraction": {}}]}, {"draws": 3}]
    for change in changes:
        MeasurePaths(Path("out")).document.write_text(json_text({**whole, "phases": [whole["phases"][1] | change]}))
        with pytest.raises(UserError, match=r"measures\.json is damaged"):
            read_measures(Path("out"))
