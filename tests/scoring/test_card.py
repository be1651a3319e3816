"""The scorecard of predictions whose faults are known."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from scoring.test_phases import rock
from txm2sem.figures.scores import draw_scores
from txm2sem.files import json_text
from txm2sem.metrics import psnr
from txm2sem.scoring.card import Scores, scorecard
from txm2sem.scoring.document import UNITS, scores_csv, scores_document
from txm2sem.scoring.phases import Phases
from txm2sem.scoring.table import scores_table

PHASES = Phases((1, 0, 2), (90, 160), 0)
Bytes = NDArray[np.uint8]


@pytest.fixture(scope="module")
def targets() -> Bytes:
    return np.stack([rock(seed, 64, noise=8)[0] for seed in range(6)])


@pytest.fixture(scope="module")
def predictions(targets: Bytes) -> dict[str, Bytes]:
    """Return predictions: perfect, blurred, of pores filled, with a checkerboard, constant."""
    rows, columns = np.indices(targets.shape[1:])
    return {
        "perfect": targets,
        "blurred": np.rint(gaussian_filter(targets.astype(float), (0, 2, 2))).astype(np.uint8),
        "filled": np.where(targets <= 90, 120, targets).astype(np.uint8),
        "checkered": np.clip(targets + 10.0 * (-1) ** (rows + columns), 0, 255).astype(np.uint8),
        "constant": np.full_like(targets, 115),
    }


@pytest.fixture(scope="module")
def scores(predictions: dict[str, Bytes], targets: Bytes) -> Scores:
    return scorecard(predictions, targets, slices=[0, 0, 1, 1, 2, 2], phases=PHASES)


def test_similarity_with_intervals_over_slices(scores: Scores, predictions: dict[str, Bytes], targets: Bytes) -> None:
    found = scores.similarity("blurred")["all"]["psnr"]
    each = np.array([psnr(one, other) for one, other in zip(predictions["blurred"], targets, strict=True)])
    assert found.value == pytest.approx(each.mean())
    slices = each.reshape(3, 2).mean(axis=1)
    assert slices.min() <= found.low < found.value < found.high <= slices.max()
    assert scores.similarity("perfect")["all"]["psnr"].value == np.inf
    assert scores.similarity("perfect")["high_density"]["ms_ssim"].value == pytest.approx(1)
    assert np.isnan(scores.similarity("constant")["all"]["pearson"].value)


def test_regions_show_where_a_prediction_fails(scores: Scores) -> None:
    found = scores.similarity("filled")
    assert found["low_density"]["psnr"].value < 20
    assert found["high_density"]["psnr"].value == found["rest"]["psnr"].value == np.inf


def test_spectra(scores: Scores) -> None:
    perfect, blurred = scores.spectrum("perfect"), scores.spectrum("blurred")
    assert perfect["spectrum_mean_db"].value == 0
    assert perfect["resolution_seventh_px"].value == 2
    # A Gaussian of sigma 2 lets exp(-(2 pi f 2)^2 / 2) pass: at Nyquist rounding to 8 bits is left of it.
    assert blurred["spectrum_largest_db"].value < -20
    assert blurred["spectrum_largest_db"].high < -20
    assert np.isnan(scores.spectrum("constant")["spectrum_mean_db"].value)
    assert scores.spectrum("constant")["resolution_half_px"].value == np.inf


def test_a_checkerboard_is_found_beside_the_truth(scores: Scores) -> None:
    grids = {kind: scores.grid(kind)[2]["0.5,0.5"] for kind in ("checkered", "perfect", "truth")}
    assert grids["checkered"] > 15
    assert grids["perfect"] == grids["truth"] < 6
    assert all(np.isnan(value) for grid in scores.grid("constant").values() for value in grid.values())


def test_the_rock_that_a_prediction_lacks(scores: Scores, targets: Bytes) -> None:
    low = scores.rock("filled")["low_density"]
    true = np.mean(targets <= 90)
    assert low["fraction"].true.value == pytest.approx(true)
    assert low["fraction"].predicted.value == 0
    assert low["fraction"].error.value == pytest.approx(-true)
    assert low["fraction"].error.low < -true < low["fraction"].error.high < 0
    assert low["fraction"].absolute_error == pytest.approx(true)
    assert np.isnan(low["chord_rows_px"].predicted.value)
    assert all(found.error.value == 0 for found in scores.rock("filled")["high_density"].values())
    assert scores.s2_error("filled", "low_density").value > 0.01
    assert scores.s2_error("filled", "high_density").value == 0


def test_a_constant_has_no_power_beside_pixels_that_do_not_count(targets: Bytes) -> None:
    valid = np.ones(targets.shape, bool)
    valid[:, :12, :30] = False
    scores = scorecard({"constant": np.full_like(targets, 115)}, targets, valid=valid)
    assert np.isnan(scores.spectrum("constant")["spectrum_mean_db"].value)
    assert all(np.isnan(value) for grid in scores.grid("constant").values() for value in grid.values())
    assert not scores.curve("constant", "frc").any()


def test_pixels_that_do_not_count_change_nothing(targets: Bytes, predictions: dict[str, Bytes]) -> None:
    valid = np.ones(targets.shape, bool)
    valid[:, :12, :30] = False
    kinds = ("blurred", "checkered")

    def score(outside: int) -> str:
        images = {kind: np.where(valid, predictions[kind], outside).astype(np.uint8) for kind in kinds}
        truth = np.where(valid, targets, 255 - outside).astype(np.uint8)
        # SSIM has running sums, which carry the last digits of the pixels before.
        return json_text(scores_document(scorecard(images, truth, valid=valid, phases=PHASES), {}, []))

    one, other = json.loads(score(0)), json.loads(score(200))
    for part in ("spectrum", "rock", "grid", "curves"):
        assert one[part] == other[part]
    for kind in kinds:
        for region, found in one["similarity"][kind].items():
            for name, interval in found.items():
                assert interval == pytest.approx(other["similarity"][kind][region][name], rel=1e-6)
    assert one["valid_share"] == pytest.approx(1 - 12 * 30 / 64**2)


def test_one_slice_has_no_interval(targets: Bytes, predictions: dict[str, Bytes]) -> None:
    scores = scorecard(predictions, targets, slices=[7] * 6)
    found = scores_document(scores, {}, [])
    assert found["interval"] is None
    assert found["similarity"]["blurred"]["all"]["psnr"]["low"] is None
    assert "[" not in scores_table(scores).replace("[dB]", "").replace("[pixels]", "")
    assert (scores.regions, found["rock"], scores.rock("blurred")) == (["all"], {}, {})


def test_json_csv_and_table_say_the_same(scores: Scores) -> None:
    found = scores_document(scores, {"model": "m"}, ["a note"])
    assert (found["format"], found["model"], found["images"], found["slices"]) == (1, "m", 6, 3)
    assert found["notes"] == ["a note"]
    assert found["ms_ssim_scales"] == 3
    rows = list(csv.DictReader(io.StringIO(scores_csv(found))))
    assert len(rows) == 6 * 6
    assert [row["slice"] for row in rows[::6]] == ["0", "0", "1", "1", "2", "2"]
    blurred = [float(row["ssim_all"]) for row in rows if row["kind"] == "blurred"]
    assert found["similarity"]["blurred"]["all"]["ssim"]["value"] == pytest.approx(np.mean(blurred), rel=1e-5)
    truth = [float(row["fraction_low_density"]) for row in rows if row["kind"] == "truth"]
    fraction = found["rock"]["blurred"]["low_density"]["fraction"]
    assert fraction["true"]["value"] == pytest.approx(np.mean(truth), rel=1e-5)
    measures = {key for kind in found["similarity"].values() for region in kind.values() for key in region}
    assert measures | set(found["spectrum"]["blurred"]) <= set(UNITS)
    table = scores_table(scores)
    assert f"{100 * fraction['true']['value']:.2f}" in table
    assert max(map(len, table.splitlines())) <= 140


def test_the_picture_has_a_panel_for_each_theme(scores: Scores) -> None:
    titles = [axes.get_title(loc="left") for axes in draw_scores(scores, "a title").axes]
    assert titles[0] == "(a) PSNR [dB]"
    assert len(titles) == 8
    assert titles[-1] == "(h) high density"


def test_a_single_slice_without_phases_is_drawn_without_what_it_lacks(targets: Bytes) -> None:
    found = scorecard({"model": targets[:1]}, targets[:1])
    assert not found.has_intervals
    axes = draw_scores(found, "a title").axes
    assert axes[0].get_title(loc="left") == "(a) PSNR [dB]"
    assert not any("two-point correlation" in one.get_ylabel() for one in axes)


def test_arrays_that_do_not_fit(targets: Bytes) -> None:
    with pytest.raises(ValueError, match=r"model: expected the shape of the targets, \(6, 64, 64\), found \(5, 64, 64"):
        scorecard({"model": targets[:5]}, targets)
    with pytest.raises(ValueError, match="there are no scores yet"):
        scorecard({"model": targets[:0]}, targets[:0])


def test_where_the_truth_lies_beside_the_prediction(targets: Bytes) -> None:
    """Of three slices two are shifted; where nothing is predicted, nobody knows."""
    shifts = {0: (0, 0), 1: (2, -3), 2: (-1, 0)}
    moved = np.stack([np.roll(image, shifts[index // 2], (0, 1)) for index, image in enumerate(targets)])
    blurred = np.rint(gaussian_filter(targets.astype(float), (0, 2, 2))).astype(np.uint8)
    scores = scorecard({"model": blurred}, moved, slices=[0, 0, 1, 1, 2, 2])
    found = {number: (one.rows, one.columns) for number, one in scores.displacements.items()}
    assert found.keys() == shifts.keys()
    for number, shift in shifts.items():
        assert found[number] == pytest.approx(shift, abs=0.3)
    assert scores_document(scores, {}, [])["displacements_px"]["1"] == pytest.approx(found[1], abs=1e-5)
    nothing = scorecard({"model": np.full_like(targets, 115)}, targets)
    assert nothing.displacements == {}
