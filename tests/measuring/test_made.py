"""What a volume says of the model that has made it, in the report beside it, or in itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from txm2sem.data.classes import CLASSES
from txm2sem.errors import UserError
from txm2sem.measuring.made import Made, made_by


def report(model: str = "segmentation", seg_mode: str = "txm", **classes: Any) -> dict[str, Any]:
    return {
        "model": "mine (epoch latest)",
        "options": {"model": model, "seg_mode": seg_mode},
        "scores": {"classes": classes} if classes else {},
    }


BEYOND: dict[str, Any] = {CLASSES[0]: {"fraction_error": 1.5}}


def write(content: Any) -> Path:
    Path("it.tif_report.json").write_text(json.dumps(content))
    return Path("it.tif")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("said", "guess"),
    [
        (report(), True),
        (report(seg_mode="semfake"), True),
        (report("srgan", "sem"), True),
        (report(seg_mode="sem"), False),
    ],
)
def test_what_is_told_from_the_txm_is_a_guess(said: dict[str, Any], guess: bool) -> None:
    assert made_by(write(said)) == Made("mine (epoch latest)", guess)


def test_errors_and_shares_are_those_of_the_classes() -> None:
    known: dict[str, Any] = {
        name: {"fraction_error": 0.01 * n, "training_share": 0.2 * n} for n, name in enumerate(CLASSES)
    }
    made = made_by(write(report(**known)))
    assert made.fraction_errors == pytest.approx((0, 0.01, 0.02))
    assert made.training_shares == pytest.approx((0, 0.2, 0.4))
    del known[CLASSES[1]]["training_share"]
    assert made_by(write(report(**known))).training_shares == ()


@pytest.mark.parametrize("content", [[], {}, {"scores": 1}, report(**BEYOND)])
def test_a_damaged_report_is_named(content: Any) -> None:
    with pytest.raises(UserError, match=r"it\.tif_report\.json"):
        made_by(write(content))


def test_a_volume_without_a_report_speaks_for_itself() -> None:
    group = zarr.open_group("it.ome.zarr", mode="w", zarr_format=3)
    group.create_array("0", data=np.zeros((2, 4, 4), np.uint8))
    assert made_by(Path("it.ome.zarr")) == Made()
    group.attrs["txm2sem"] = {"of": "another version"}
    assert made_by(Path("it.ome.zarr")) == Made()
    group.attrs["txm2sem"] = report()
    assert made_by(Path("it.ome.zarr")) == Made("mine (epoch latest)", True)
    Path("it.ome.zarr_report.json").write_text(json.dumps(report(seg_mode="sem")))
    assert not made_by(Path("it.ome.zarr")).is_guess
    assert made_by(Path("absent.tif")) == Made()
