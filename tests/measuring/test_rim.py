"""The rim of what was imaged: what is found of phases there, what is said of it, and how it is left out."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

import txm2sem
from measuring.test_measure import write_segmented
from measuring.volumes import QUICK, in_small_boxes, phases, write, write_draws
from txm2sem.data.classes import IGNORED
from txm2sem.measures import numbers
from txm2sem.measuring.boxes import RIM
from txm2sem.measuring.verdict import verdict_on

SHAPE = (9, 110, 120)
ROUND: dict[str, Any] = QUICK | {"not_imaged": 255}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def field_of_view() -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Return phases in a round field of view, with 255 around it, and how far each pixel of a plane lies from that."""
    labels = phases(SHAPE)
    y, x = np.ogrid[: SHAPE[1], : SHAPE[2]]
    seen = np.hypot(y - 54, x - 58) < 52
    labels[:, ~seen] = 255
    return labels, distance_transform_edt(np.pad(seen, 1))[1:-1, 1:-1]


def rim_of(found: dict[str, Any]) -> list[str]:
    return [one.text for one in verdict_on(found).concerns if one.kind == "rim"]


def test_fractions_at_the_rim_and_inside_are_those_of_the_voxels(monkeypatch: pytest.MonkeyPatch) -> None:
    labels, away = field_of_view()
    write(labels)
    near, inside = (labels[:, where] for where in ((away > 0) & (away <= RIM), away > RIM))
    found = txm2sem.measure("labels.tif", "whole", **ROUND)
    for phase in found["phases"]:
        assert phase["rim"]["near"]["value"] == pytest.approx((near == phase["label"]).mean(), rel=1e-5)
        assert phase["rim"]["inside"]["value"] == pytest.approx((inside == phase["label"]).mean(), rel=1e-5)
        assert phase["rim"]["near"]["low"] < phase["rim"]["near"]["value"] < phase["rim"]["near"]["high"]
    assert found["rim"] == {
        "within": RIM,
        "share_imaged": pytest.approx(near.size / (near.size + inside.size), rel=1e-5),
    }
    assert rim_of(found) == []
    in_small_boxes(monkeypatch)
    cut = txm2sem.measure("labels.tif", "boxes", **ROUND)
    assert [phase["rim"] for phase in cut["phases"]] == [phase["rim"] for phase in found["phases"]]


def test_where_probabilities_are_known_fractions_at_the_rim_are_means_of_them() -> None:
    labels, away = field_of_view()
    likely = np.random.default_rng(0).integers(0, 85, (3, *SHAPE), np.uint8)
    likely[2, :, away <= RIM] += 90
    likely[:, :, away == 0] = 0
    write_segmented(Path("it.ome.zarr"), labels, likely, np.where(labels == IGNORED, 0, 90).astype(np.uint8))
    found = txm2sem.measure("it.ome.zarr", "out", measured="2", diffusion_side=0, longest=4)
    for phase, probability in zip(found["phases"], likely / 255, strict=True):
        near, inside = (probability[:, where].mean() for where in ((away > 0) & (away <= RIM), away > RIM))
        assert phase["rim"]["near"]["value"] == pytest.approx(near, rel=1e-5)
        assert phase["rim"]["inside"]["value"] == pytest.approx(inside, rel=1e-5)
    (said,) = rim_of(found)
    share = likely[2, :, away <= RIM].sum() / likely[2].sum()
    assert said.startswith(f"{share:.0%} of high density lies within 16 voxels")
    with Path("out/measures.csv").open(encoding="utf-8") as file:
        of = {row["measure"]: row["of"] for row in csv.DictReader(file) if row["phase"] == "high density"}
    told = ("fraction", "expected fraction", "fraction near the rim", "mean local thickness")
    assert [of[name] for name in told] == ["labels", "probabilities", "probabilities", "labels"]


def test_a_rim_that_is_taken_for_another_phase_is_named_and_left_out() -> None:
    labels, away = field_of_view()
    true = (labels[:, away > 10] == 2).mean()
    labels[(np.random.default_rng(0).random(SHAPE) < 0.8) & (away <= 10) & (away > 0)] = 2
    write(labels)
    found = txm2sem.measure("labels.tif", "out", **ROUND)
    assert found["phases"][2]["fraction"]["value"] > 2 * true
    (said,) = rim_of(found)
    near = (labels == 2)[:, (away <= RIM) & (away > 0)].sum() / (labels == 2).sum()
    assert said.startswith(f"{near:.0%} of phase 2 lies within {RIM} voxels (512 nm) of the rim: there it is")
    assert "measure with --rim 16," in said
    page = Path("out/measures.html").read_text(encoding="utf-8")
    assert said in page
    assert "fraction near the rim" in page
    inside = txm2sem.measure("labels.tif", "inside", rim=16, **ROUND)
    assert inside["phases"][2]["fraction"]["value"] == pytest.approx((labels[:, away > 16] == 2).mean(), rel=1e-5)
    assert inside["share_imaged"] == pytest.approx((away > 16).mean(), rel=1e-5)
    assert rim_of(inside) == []
    narrow = txm2sem.measure("labels.tif", "narrow", rim=2, **ROUND)
    assert any("measure with --rim 18," in one for one in rim_of(narrow))


def test_a_phase_that_is_missing_at_the_rim_is_named() -> None:
    labels, away = field_of_view()
    labels[(labels == 1) & (away <= RIM)] = 0
    write(labels)
    (said,) = rim_of(txm2sem.measure("labels.tif", "out", **ROUND))
    assert said.startswith("within 16 voxels (512 nm) of the rim phase 1 is 0.0% of the rock, inside")


def test_boxes_do_not_tell_where_the_rim_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    labels, _ = field_of_view()
    write(labels)
    options = ROUND | {"rim": 21, "roi": ":,10:,:"}
    whole = txm2sem.measure("labels.tif", "whole", **options)
    in_small_boxes(monkeypatch)
    assert txm2sem.measure("labels.tif", "boxes", **options)["phases"] == whole["phases"]


def test_the_rim_of_grey_values_takes_no_part_in_thresholds() -> None:
    """It is as bright as nothing inside is, so Otsu's thresholds would lie elsewhere with it."""
    labels, away = field_of_view()
    noise = np.random.default_rng(0).normal(0, 6, SHAPE)
    grey = (np.array([100, 40, 160] + [0] * 253)[labels] + noise).clip(1, 200)
    grey[:, away <= 8] = 255
    grey[:, away == 0] = 0
    write(grey.astype(np.uint8), "grey.tif")
    found = txm2sem.measure("grey.tif", "out", method="otsu", rim=8, **QUICK)
    for number in (1, 2):
        expected = (labels[:, away > 8] == number).mean()
        assert found["phases"][number]["fraction"]["value"] == pytest.approx(expected, abs=0.01)


def test_the_rim_of_draws_is_that_of_what_was_imaged() -> None:
    labels, away = field_of_view()
    grey = np.array([100, 40, 160] + [0] * 253, np.uint8)[labels]
    grey[:, (away > 0) & (away <= 9)] = 200
    write_draws(np.stack([grey, np.maximum(grey, 1) * (grey > 0)]))
    options = {"thresholds": "70,130", "diffusion_side": 0, "longest": 8}
    found = txm2sem.measure("drawn.ome.zarr", "out", **options)
    assert any("of high density lies within" in one for one in rim_of(found))
    left = txm2sem.measure("drawn.ome.zarr", "left", rim=9, **options)
    fraction = next(numbers(left["phases"][2], "nm"))
    assert fraction.draws == pytest.approx([(labels[:, away > 9] == 2).mean()] * 2, rel=1e-5)


def test_what_is_all_rim_has_no_inside() -> None:
    write(phases((8, 30, 70)))
    found = txm2sem.measure("labels.tif", "out", **QUICK)
    assert [phase["rim"] for phase in found["phases"]] == [None] * 3
    assert rim_of(found) == []
