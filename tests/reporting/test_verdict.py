"""What there is to mind about the test of a model, and what its training says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from run_folders import write_run

from txm2sem.course import append_scores, append_trivial
from txm2sem.metrics import Summary
from txm2sem.reporting import concerns_of_test, verdict_on, verdict_on_training
from txm2sem.reporting.judging import judge
from txm2sem.reporting.record import RunRecord
from txm2sem.runs import RunPaths

Document = dict[str, Any]


def edited(tmp_path: Path, change: Callable[[Document], object]) -> RunPaths:
    """Return a run whose predictions are good, with a change to the document of its scores."""
    paths = write_run(tmp_path)
    document = json.loads(paths.scores(".json").read_text())
    document["by_image"]["slice"] = [index % 7 for index in range(len(document["by_image"]["slice"]))]
    for spectrum in document["spectrum"].values():
        spectrum["spectrum_mean_db"] = {"value": 0.5, "low": None, "high": None}
    change(document)
    paths.scores(".json").write_text(json.dumps(document))
    return paths


def shifted(document: Document) -> None:
    document["displacements_px"] = {"8": [0.3, 0.4], "9": [3.0, -4.0]}


def noisy(document: Document) -> None:
    document["txm_noise"] = {"training": 3.0, "here": 9.0}


def one_slice(document: Document) -> None:
    document["by_image"]["slice"] = [8] * len(document["by_image"]["slice"])


def fewer(document: Document) -> None:
    fraction = document["rock"]["model run"]["low_density"]["fraction"]
    fraction["predicted"]["value"] = 0.7 * fraction["true"]["value"]


def smooth(document: Document) -> None:
    found = document["spectrum"]["model run"]
    found["spectrum_mean_db"]["value"], found["spectrum_largest_db"]["value"] = 7.0, -20.0


def gridded(document: Document) -> None:
    document["grid"]["model run"]["4"] = dict.fromkeys(document["grid"]["model run"]["4"], 8.0)
    document["grid"]["truth"]["4"] = dict.fromkeys(document["grid"]["truth"]["4"], 1.0)


@pytest.mark.parametrize(
    ("change", "kinds", "said"),
    [
        (lambda _: None, [], ""),
        (shifted, ["misaligned"], "in 1 of 2 slices (009) the SEM lies up to 5.0 pixels"),
        (noisy, ["noise"], "9.0 of 255 grey levels, that of the training 3.0"),
        (one_slice, ["few slices"], "one slice"),
        (fewer, ["fraction"], "of low density (truth: "),
        (smooth, ["smooth"], "smoother than a SEM, by 7 dB"),
        (gridded, ["grid"], "a grid of 4 pixels stands out by 8 dB"),
    ],
)
def test_each_fault_is_named_and_nothing_else(
    tmp_path: Path, change: Callable[[Document], object], kinds: list[str], said: str
) -> None:
    verdict = verdict_on(edited(tmp_path, change))
    assert [one.kind for one in verdict.concerns] == kinds
    assert said in " ".join(verdict.named)


def test_of_draws_a_single_one_is_judged(tmp_path: Path) -> None:
    """Their mean is smooth, and has too little of a phase; that is as it should be."""

    def drawn(document: Document) -> None:
        smooth(document)
        fewer(document)
        parts = [document[part] for part in ("similarity", "rock", "spectrum", "grid")]
        for kinds in (*parts, document["curves"]["power"], document["curves"]["frc"], document["by_image"]["values"]):
            model, *others = kinds.items()
            draw = ("one draw of run", json.loads(json.dumps(kinds["linear fit"])))
            kinds.clear()
            kinds.update([model, draw, *others])
        for measures in document["rock"]["one draw of run"].values():
            measures["fraction"]["predicted"] = measures["fraction"]["true"]
        single = document["by_image"]["values"]["one draw of run"]
        single["ssim_all"] = [1.0] * len(single["ssim_all"])

    paths = edited(tmp_path, drawn)
    assert [one.kind for one in verdict_on(paths).concerns] == []
    # Nor is a draw a prediction without a model, however good it is.
    assert not [one for one in judge(RunRecord.read(paths))[1] if "one draw" in one.text]


def test_what_is_the_models_own_goes_with_all_that_it_makes(tmp_path: Path) -> None:
    untested = write_run(tmp_path / "untested", tested=False)
    (concern,) = concerns_of_test(untested)
    assert concern.kind == "not confirmed"
    assert "txm2sem test --name run" in concern.text
    bad = write_run(tmp_path / "bad", noise=200.0)
    assert [one.kind for one in concerns_of_test(bad) if one.kind == "needless"] == ["needless"]
    assert concerns_of_test(edited(tmp_path / "good", one_slice)) == []
    assert concerns_of_test(RunPaths.of("nowhere", tmp_path, tmp_path)) == []


@pytest.mark.parametrize(
    ("scores", "beaten", "concerns"),
    [
        ([10.0, 18.0, 20.0, 21.0], True, ["unfinished"]),
        ([10.0, 18.0, 21.0, 20.0], True, ["unfinished"]),
        # What is within a standard error of the best is as good.
        ([10.0, 11.0, 10.5, 10.95], False, []),
        ([10.0, 11.0, 10.5, 10.85], False, ["unfinished"]),
        ([10.0, 20.5], True, []),
    ],
)
def test_a_training_says_whether_it_has_learned_something(
    tmp_path: Path, scores: list[float], beaten: bool, concerns: list[str]
) -> None:
    paths = write_run(tmp_path, tested=False)
    paths.course.unlink()
    append_trivial(paths, {"raw TXM": {"PSNR": 12.0}, "linear fit": {"PSNR": 19.0}})
    for epoch, score in enumerate(scores):
        append_scores(paths, epoch, {"PSNR": Summary(score, 0.1)})
    paths.network("best", "G").write_text("")
    verdict = verdict_on_training(paths)
    assert verdict.sentence.startswith("It has learned something" if beaten else "It is no better than what needs no")
    assert f"PSNR is {scores[-1]:.4g}" in verdict.sentence
    assert "linear fit, which needs no model, is 19" in verdict.sentence
    assert [one.kind for one in verdict.concerns] == concerns
    if concerns and max(scores) != scores[-1]:
        assert f"best in epoch {scores.index(max(scores))}" in verdict.named[0]


def reliability(expected: float, error: float) -> dict[str, Any]:
    return {
        **{"bits_per_pixel": 0.5, "calibration_error": error, "class_calibration_errors": [error] * 3},
        **{"expected_shares": [1 - expected - 0.02, expected, 0.02], "true_shares": [0.88, 0.1, 0.02]},
        "curves": [{"predicted": [0.5], "true": [0.5], "share": [1.0]}] * 3,
    }


@pytest.mark.parametrize(
    ("raw", "calibrated", "kinds"),
    [
        ((0.16, 0.05), (0.11, 0.02), []),
        # The training slices have 13 %, which is nearer to the 10 % that are true.
        ((0.16, 0.05), (0.14, 0.02), ["missed phase"]),
        ((0.105, 0.02), (0.11, 0.03), ["few slices"]),
    ],
)
def test_fractions_are_worth_something_where_they_tell_more_than_the_training_slices(
    tmp_path: Path, raw: tuple[float, float], calibrated: tuple[float, float], kinds: list[str]
) -> None:
    paths = write_run(tmp_path)
    document = {
        **{"format": 1, "split": "test", "epoch": "latest", "notes": []},
        "means": {
            "over": "pixels",
            "count": 4,
            "tables": [{"Dice": {"name": "Dice mean", "unit": "1"}}],
            "rows": {"model run": {"Dice": {"mean": 0.8, "standard_error": 0.01}}},
        },
        "probabilities": {
            "calibration": {"fraction_error": [0.01] * 3},
            "tested": {"raw": reliability(*raw), "calibrated": reliability(*calibrated)},
            "training_shares": [0.85, 0.13, 0.02],
        },
    }
    paths.scores(".json").write_text(json.dumps(document))
    verdict = verdict_on(paths)
    assert [one.kind for one in verdict.concerns] == kinds
    if kinds == ["missed phase"]:
        assert "low density: 14.0% are expected, 10.0% are true, and the training slices have 13.0%" in verdict.named[0]


@pytest.mark.parametrize(("recipe", "kinds"), [("translate", ["unfinished"]), ("none", [])])
def test_a_training_that_was_cut_short_says_so(tmp_path: Path, recipe: str, kinds: list[str]) -> None:
    trained: dict[str, Any] = {"recipe": recipe, "num_train": 800, "batch_size": 8}
    verdict = verdict_on(write_run(tmp_path, tested=False, **trained))
    assert [one.kind for one in verdict.concerns] == kinds
    assert all("2 of the recipe's 12 epochs" in one for one in verdict.named)
    for other in ({"num_train": 4000}, {"batch_size": 1}, {"init_from": "another"}):
        assert verdict_on(write_run(tmp_path / str(other), tested=False, **{**trained, **other})).concerns == []
