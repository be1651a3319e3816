"""The model that comes along: it is whole, small, said what it is, and predicts what it did when it was made."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from cli.calls import options_of
from numpy.typing import NDArray

import txm2sem
from txm2sem.applying.images.contrast import PERCENTILES, measure_contrast, thinned
from txm2sem.errors import UserError
from txm2sem.options import TrainCommand, to_mapping
from txm2sem.runs import MODEL_CARD, SHIPPED_MODELS, SHIPPED_TRANSLATION, RunPaths, read_options

PATHS = RunPaths.of(SHIPPED_TRANSLATION, SHIPPED_MODELS, SHIPPED_MODELS)
FILES = {"latest_net_G.pth", "options.yaml", "txm_contrast.json", MODEL_CARD}
CARD = (PATHS.checkpoints / MODEL_CARD).read_text(encoding="utf-8")
PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def synthetic_txm() -> NDArray[np.uint8]:
    """Return waves with a bright grain and a corner that was not imaged."""
    y, x = np.indices((100, 150))
    waves = 120 + 50 * np.sin(x / 9) * np.cos(y / 7)
    grain = 40 * np.exp(-((x - 75) ** 2 + (y - 50) ** 2) / 120)
    txm: NDArray[np.uint8] = np.rint(waves + grain).astype(np.uint8)
    txm[:20, :30] = 0
    return txm


def test_its_files_are_small_and_go_into_the_package() -> None:
    assert {path.name for path in PATHS.checkpoints.iterdir()} == FILES
    assert sum(path.stat().st_size for path in PATHS.checkpoints.iterdir()) < 3e6
    patterns = tomllib.loads(PYPROJECT.read_text())["tool"]["setuptools"]["package-data"]["txm2sem"]
    packed = {path for pattern in patterns for path in Path(txm2sem.__file__).parent.glob(pattern)}
    assert {PATHS.checkpoints / name for name in FILES} <= packed


def test_it_is_plain_weights_trained_by_the_cards_command_on_no_machines_path() -> None:
    state = torch.load(PATHS.network("latest", "G"), weights_only=True)
    assert all(value.dtype == torch.float32 for value in state.values())
    options = read_options(PATHS.options)
    (words,) = re.findall(r"^txm2sem train (.*)$", CARD, re.MULTILINE)
    asked = to_mapping(options_of(TrainCommand(), words.split()))
    # Younger options have their defaults, and grey ranges were measured.
    ours = {name: asked[name] for name in options if name not in ("checkpoints_dir", "results_dir")}
    measured = {"txm_range": "0,255", "sem_range": "0,255"}
    assert options.items() >= {**ours, **measured}.items()
    assert options["dataroot"] == "SHALE"
    assert not any(str(value).startswith("/") for value in options.values())


@pytest.mark.parametrize(
    ("grey", "mean", "values"),
    [
        ("match", 92.490, [[104, 91, 101, 90], [91, 142, 90, 100], [115, 88, 114, 88]]),
        ("as_is", 89.016, [[96, 91, 93, 91], [90, 103, 90, 93], [97, 89, 96, 89]]),
    ],
)
def test_its_prediction_is_the_recorded_one(grey: str, mean: float, values: list[list[int]]) -> None:
    """Recorded when it was made; other processors round otherwise, by a grey level at most."""
    predicted = txm2sem.load().predict(synthetic_txm(), grey=grey)
    assert (predicted.shape, str(predicted.dtype)) == ((100, 150), "uint8")
    assert predicted.mean() == pytest.approx(mean, abs=0.2)
    np.testing.assert_allclose(predicted[30:90:20, 40:140:30], values, atol=1)
    assert (predicted[:17, :27] == 0).all()


def test_contrast_is_matched_by_default() -> None:
    np.testing.assert_array_equal(
        txm2sem.load().predict(synthetic_txm()),
        txm2sem.load().predict(synthetic_txm().astype(np.uint16) * 200, grey="match"),
    )


@pytest.mark.parametrize(
    ("image", "options", "expected"),
    [
        (np.ones(30, np.uint8), {}, "z, y, x"),
        (np.ones((30, 30), np.int64), {}, "int64"),
        (np.full((30, 30), np.inf, np.float32), {}, "not finite"),
        (synthetic_txm(), {"grey": "matched"}, "--grey matched: expected one of auto, match, as_is"),
        (synthetic_txm(), {"gray": "match"}, "txm2sem volume has no option --gray"),
        (synthetic_txm(), {"name": "mine"}, "mine"),
    ],
)
def test_what_the_call_does_not_take_is_said(
    image: NDArray[np.generic], options: dict[str, str], expected: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=expected):
        txm2sem.load(options.pop("name", ""), checkpoints_dir=tmp_path).predict(image, **options)


def _row(text: str) -> list[str]:
    """Return the cells of the card's table row that begins with `text`."""
    (line,) = re.findall(rf"^\| {re.escape(text)} \|(.*)\|$", CARD, re.MULTILINE)
    return [cell.strip() for cell in line.split("|")]


def test_its_card_says_what_it_is() -> None:
    for words in ("Vaca Muerta", "MIT", "--dataroot SHALE --name translate --seed 0", "## Limits"):
        assert words in CARD
    for row in ("this model", "linear fit of the TXM", "constant grey"):
        assert re.match(r"\d\d\.\d\d ± 0\.\d\d", _row(row)[0])
    results = (PYPROJECT.parent / "docs" / "tried" / "translation.md").read_text(encoding="utf-8")
    assert f"| seed 0 | {' | '.join(_row('this model'))} |" in results


def test_its_cards_scores_are_those_of_the_slices(shale: Path) -> None:
    for number in ("013", "019"):
        txm, sem = (tifffile.imread(shale / "test" / folder / f"{number}.tif") for folder in ("txm", "sem"))
        imaged = (txm > 0) & (sem > 0)
        for grey, said in zip(("as_is", "match"), _row(number), strict=True):
            errors = txm2sem.load().predict(txm, grey=grey).astype(float) - sem
            assert 10 * np.log10(255**2 / np.mean(errors[imaged] ** 2)) == pytest.approx(float(said), abs=0.02)


def test_its_contrast_is_that_of_the_training_slices(shale: Path) -> None:
    contrast = measure_contrast(
        (thinned(tifffile.imread(path)) for path in sorted((shale / "train" / "txm").glob("*.tif"))), shale
    )
    assert PERCENTILES == (5, 95)
    text = PATHS.txm_contrast.read_text()
    assert [float(number) for number in re.findall(r"\d+\.\d+", text)] == [contrast.low, contrast.high]
