"""The pages about runs: what they show, what they say where something is missing, and the commands in them."""

from __future__ import annotations

import json
import math
import os
import re
import shlex
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
import zarr
from browser import Page
from run_folders import PATCHES, SIDE, write_cube, write_png, write_run, write_trust

from txm2sem.cli.parsing import parse
from txm2sem.commands import test_command as command_of_test
from txm2sem.commands import train_command as command_of_training
from txm2sem.documents import read_scores
from txm2sem.errors import UserError
from txm2sem.files import json_text, json_values, write_text
from txm2sem.metrics import Interval
from txm2sem.options import MODEL_DEFAULTS, TestCommand, TrainCommand, override, to_mapping
from txm2sem.pages.cuts import sprite
from txm2sem.reporting import compare_runs, report_run
from txm2sem.reporting.judging import judge, judge_difference
from txm2sem.reporting.patches import places_of
from txm2sem.reporting.record import RunRecord
from txm2sem.reporting.scorecard import evaluation_tables
from txm2sem.reporting.stored import factor_for, open_display, open_input, shrink, shrunk_shape
from txm2sem.reporting.verdict import verdict_on
from txm2sem.reporting.volumes import whole_volume_html
from txm2sem.results import NewResults
from txm2sem.runs import RunPaths, write_options
from txm2sem.scoring.document import means_document
from txm2sem.scoring.names import ROCK
from txm2sem.testing.repair import RepairScores, repair_means


def page_of(paths: RunPaths, *volumes: Path) -> Page:
    return Page(report_run(paths, volumes).path.read_text(encoding="utf-8"))


# -- one run --------------------------------------------------------------------------------------------------------


def test_a_page_shows_all_that_a_run_has_left(tmp_path: Path) -> None:
    paths = write_run(tmp_path)
    write_cube(paths)
    write_trust(paths)
    page = page_of(paths)
    headings = [heading for heading in page.elements if heading[0] == "h2"]
    assert [heading["id"] for _, heading in headings] == [
        "verdict", "images", "volumes", "scores", "trust", "training", "the-run", "do-it-again"
    ]  # fmt: skip
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels))
    for words in ("PSNR: better than", "Rock: low density", "dropout", "unlike the training images", "Cube: test",
                  "error 9.0; 95 % hold 94.0 %."):  # fmt: skip
        assert words in page.text, words
    assert {"error", "uncertainty", "contradiction"} <= {str(one.get("data-layer")) for one in page.all("figure")}
    # The contradiction is -5 all over: its size is shown.
    assert re.search(r"(?<![\d.])5 σ", page.text)
    assert all(image.get("alt") is not None for image in page.all("img"))


def test_maps_of_whole_slices_are_those_of_the_slices(tmp_path: Path) -> None:
    paths = write_run(tmp_path)
    for folder in ("txm", "sem", "sem_fake"):
        (paths.results / folder).rename(paths.results / f"{folder}_fullslice")
    write_trust(paths, "_fullslice")
    shown = {str(one.get("data-layer")) for one in page_of(paths).all("figure")}
    assert {"error", "uncertainty", "contradiction"} <= shown


def test_a_page_needs_no_network_and_stays_small(tmp_path: Path) -> None:
    paths = write_run(tmp_path)
    write_cube(paths)
    text = report_run(paths).path.read_text(encoding="utf-8")
    assert not re.findall(r'(?:src|href)="(?!data:|#)', text)
    assert not re.search(r"@import|url\(|fetch\(|XMLHttp", text)
    assert len(text) < 1_000_000


def test_a_run_without_results_says_how_to_test_it(tmp_path: Path) -> None:
    paths = write_run(tmp_path, tested=False)
    page = page_of(paths)
    places = f"--checkpoints_dir {tmp_path / 'checkpoints'} --results_dir {tmp_path / 'results'}"
    assert f"txm2sem test --name run --eval {places}" in page.text
    assert "Not tested yet" in page.text
    assert "PSNR latest 17 dB" in page.text


def test_a_run_of_which_nothing_but_results_is_left(tmp_path: Path) -> None:
    paths = write_run(tmp_path)
    for path in sorted(paths.checkpoints.iterdir()):
        path.unlink()
    paths.checkpoints.rmdir()
    page = page_of(paths)
    assert "no options.yaml" in page.text
    assert "better than" in page.text


def test_an_earlier_page_is_kept_and_a_test_takes_its_page_along(tmp_path: Path) -> None:
    paths = write_run(tmp_path)
    first = report_run(paths)
    before = first.path.read_bytes()
    second = report_run(paths)
    assert first.earlier is None
    assert second.earlier is not None
    assert (second.earlier / "report.html").read_bytes() == before
    assert paths.report in paths.test_outputs()


def test_patches_are_the_worst_the_middle_and_the_best() -> None:
    scores = {"psnr": np.arange(20.0), "ssim": -np.arange(20.0)}
    places = places_of(scores)
    assert {index: place["psnr"] for index, place in places.items() if place["psnr"][0] == "worst"} == {
        index: ("worst", index) for index in range(4)
    }
    assert places[19]["psnr"] == ("best", 0)
    assert places[19]["ssim"] == ("worst", 0)
    assert {index for index, place in places.items() if place["psnr"][0] == "middle"} == {8, 9, 10, 11}
    for count in (1, 2, 3, 5):
        found = places_of({"psnr": np.arange(float(count))})
        assert set(found) <= set(range(count))
        assert ("psnr", ("worst", 0)) in found[0].items()
    assert places_of({"psnr": np.array([np.nan, 1.0])}) == {1: {"psnr": ("worst", 0)}}


def test_whole_slices_that_are_large_become_jpegs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = write_run(tmp_path)
    assert "data:image/jpeg" not in report_run(paths).path.read_text()
    monkeypatch.setattr("txm2sem.reporting.images.LOSSLESS_PIXELS", 10)
    monkeypatch.setattr("txm2sem.reporting.images.MOST_PIXELS", 3 * PATCHES * SIDE * SIDE // 3)
    text = report_run(paths).path.read_text()
    assert "data:image/jpeg" in text
    assert "means of 2 × 2 pixels" in text


@pytest.mark.parametrize(("noise", "judgement"), [(10.0, "better"), (160.0, "worse")])
def test_the_verdict_is_honest(tmp_path: Path, noise: float, judgement: str) -> None:
    headline, judged = judge(RunRecord.read(write_run(tmp_path, noise=noise)))
    (psnr,) = [one for one in judged if one.measure == "PSNR"]
    assert psnr.judgement == judgement
    assert headline.startswith("Better than every prediction") == (judgement == "better")
    assert ("worse in PSNR" in headline) == (judgement == "worse")


@pytest.mark.parametrize(
    ("sign", "interval", "judgement", "shown"),
    [
        (1, Interval(0.5, 0.2, 0.8), "better", "+0.50 [+0.20, +0.80]"),
        (-1, Interval(0.5, 0.2, 0.8), "better", "-0.50 [-0.80, -0.20]"),
        (1, Interval(0.5, -0.1, 0.8), "unclear", "+0.50 [-0.10, +0.80]"),
        (-1, Interval(-0.5, -0.8, -0.2), "worse", "+0.50 [+0.20, +0.80]"),
    ],
)
def test_a_difference_counts_where_its_interval_leaves_out_none(
    sign: int, interval: Interval, judgement: str, shown: str
) -> None:
    found = judge_difference("distance", "", 2, sign, "linear fit", interval)
    assert found.judgement == judgement
    assert shown in found.text


@pytest.mark.parametrize(
    ("other", "judgement"),
    [
        ((9.0, 8.0, 9.5), "better"),
        ((2.5, 1.5, 9.0), "unclear"),
        ((1.0, 0.5, 9.0), "unclear"),
        ((0.2, 0.1, 0.3), "worse"),
    ],
)
def test_the_verdict_says_which_power_spectrum_is_nearer(
    tmp_path: Path, other: tuple[float, float, float], judgement: str
) -> None:
    paths = write_run(tmp_path)
    scores = json.loads(paths.scores(".json").read_text())
    for kind, (value, low, high) in (
        ("model run", (2.0, 1.0, 3.0)),
        ("raw TXM", (30.0, 20.0, 40.0)),
        ("linear fit", other),
    ):
        scores["spectrum"][kind]["spectrum_mean_db"] = {"value": value, "low": low, "high": high}
    paths.scores(".json").write_text(json.dumps(scores))
    _, judged = judge(RunRecord.read(paths))
    (power,) = [one for one in judged if one.measure == "power spectrum"]
    assert power.judgement == judgement
    assert "2.0 dB off" in power.text
    assert f"linear fit comes nearest, {other[0]:.1f} dB off" in power.text


def rock_of(fraction: float, error: float) -> dict[str, Any]:
    """Return measures of a phase that covers a fifth of the truth, all off by the same share of the true value."""

    def measure(true: float, predicted: float) -> dict[str, Any]:
        ends = {"low": None, "high": None}
        return {
            "true": {"value": true, **ends},
            "predicted": {"value": predicted, **ends},
            "error": {"value": predicted - true, **ends},
        }

    measures = {name: measure(2.0, 2.0 * (1 + error)) for name in ROCK}
    return measures | {
        "fraction": measure(0.2, fraction),
        "s2_error": {"value": 0.2 * error, "low": None, "high": None},
    }


@pytest.mark.parametrize(
    ("model", "linear", "judgements", "text"),
    [
        # Nearer in all but the fraction, which both get right.
        (rock_of(0.2, 0.1), rock_of(0.2, 0.3), ["better"], "10 measures of the phases come nearer"),
        (rock_of(0.2, 0.3), rock_of(0.2, 0.1), ["worse"], "10 stay further away"),
        # Differences below a hundredth of the true value are none, and neither are those to what is undefined.
        (rock_of(0.2, 0.0), rock_of(0.2, 0.009), [], ""),
        (rock_of(0.2, 0.0), rock_of(0.2, math.nan), [], ""),
        (rock_of(0.2, math.nan), rock_of(0.2, 0.5), [], ""),
        # Where hardly anything of a phase is found, the rest means nothing.
        (rock_of(0.0, 0.0), rock_of(0.2, 0.5), ["worse", "worse"], "low density is missed: 0.00% of the image, where"),
    ],
)
def test_measures_of_the_rock_count_where_they_differ(
    tmp_path: Path, model: dict[str, Any], linear: dict[str, Any], judgements: list[str], text: str
) -> None:
    paths = write_run(tmp_path)
    scores = json.loads(paths.scores(".json").read_text())
    phases = ("low_density", "high_density")
    unknown = rock_of(0.2, math.nan)  # the best without a model is what counts, whatever its name
    found_by = {"model run": model, "raw TXM": linear, "constant": unknown, "linear fit": unknown}
    scores["rock"] = {kind: dict.fromkeys(phases, json_values(rock)) for kind, rock in found_by.items()}
    paths.scores(".json").write_text(json.dumps(scores))
    headline, judged = judge(RunRecord.read(paths))
    found = [one for one in judged if one.measure in ("rock", "missed phase")]
    assert [one.judgement for one in found] == judgements
    assert text in " ".join(one.text for one in found)
    verdict = verdict_on(paths)
    assert verdict.sentence == headline
    # What the list has of a phase that is missed is among what is to be minded, with what follows from it.
    missed = [one.text.removeprefix("Rock: ") for one in found if one.measure == "missed phase"]
    concerns = [one.text for one in verdict.concerns if one.kind == "missed phase"]
    assert concerns == [f"{text}; measure none of it in predictions" for text in missed]


def test_pages_have_lengths_where_the_size_of_pixels_is_known(tmp_path: Path) -> None:
    paths = write_run(tmp_path)
    document = paths.scores(".json")
    scores = json.loads(document.read_text())
    pages = []
    for size in (None, 40.0):
        document.write_text(json.dumps({**scores, "pixel_size_nm": size}))
        pages.append(page_of(paths))
    for page, unit, other in zip(pages, ("pixels", "µm"), ("µm", "pixels"), strict=True):
        assert f"frequency [1/{unit}]" in page.text
        assert f"[1/{other}]" not in page.text
    counted, known = ([one for one in page.all("i") if one.get("class") == "bar"] for page in pages)
    assert not counted
    # 200 nm of 64 pixels of 40 nm.
    assert {one["style"] for one in known} == {f"width: {100 * 5 / SIDE:.2f}%"}
    write_cube(paths)
    cube = paths.continuity("test", ".json")
    for sides, said in ([None, 25.0, 25.0], False), ([50.0, 25.0, 25.0], True):
        cube.write_text(json.dumps({**json.loads(cube.read_text()), "voxel_size_nm": sides}))
        assert ("of 50 × 25 × 25 nm" in page_of(paths).text) == said
    document.write_text(json.dumps({**scores, "pixel_size_nm": 0}))
    with pytest.raises(UserError, match="pixel_size_nm"):
        read_scores(document)


def test_with_one_slice_nobody_knows_how_sure(tmp_path: Path) -> None:
    paths = write_run(tmp_path)
    record = change_scores(paths, lambda scores: scores["by_image"].update(slice=[8] * scores["images"]))
    _, judged = judge(record)
    assert {one.judgement for one in judged if one.measure == "PSNR"} == {"unclear"}


def change_scores(paths: RunPaths, change: Callable[[dict[str, Any]], object]) -> RunRecord:
    """Change the document of scores of a run, and read the run."""
    scores = json.loads(paths.scores(".json").read_text())
    change(scores)
    paths.scores(".json").write_text(json.dumps(scores))
    return RunRecord.read(paths)


def test_scores_of_an_earlier_version_say_nothing_of_single_images(tmp_path: Path) -> None:
    paths = write_run(tmp_path)
    tested = change_scores(paths, lambda scores: scores.pop("by_image")).tested
    assert tested is not None
    assert tested.card
    assert (tested.slices, tested.values(tested.model_kind, "psnr_all").size) == ([], 0)
    assert report_run(paths).problems == []


@pytest.mark.parametrize(
    "change",
    [
        lambda single: single["slice"].pop(),
        lambda single: single["values"].pop("model run"),
        lambda single: single["values"]["model run"]["psnr_all"].pop(),
        lambda single: single["values"]["model run"]["psnr_all"].__setitem__(0, "9"),
    ],
    ids=["slices", "kinds", "images", "text"],
)
def test_scores_of_single_images_are_of_all_images(tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    record = change_scores(write_run(tmp_path), lambda scores: change(scores["by_image"]))
    (problem,) = record.problems["Scores"]
    assert "by_image" in problem


REPAIR = means_document(
    repair_means(
        {
            kind: RepairScores([inside - 1, inside + 1], [whole, whole], [0.8, 0.8])
            for kind, inside, whole in (("model run", 12.0, 20.0), ("Telea inpainting (radius 3)", 15.0, 22.0))
        },
        "all pixels",
    ),
    {"model": "run", "epoch": "latest", "split": "test"},
    ["read this"],
)


def test_runs_without_a_scorecard_show_their_tables(tmp_path: Path) -> None:
    paths = write_run(tmp_path, model="repair", tested=False)
    write_text(paths.evaluation, "(epoch: latest) PSNR_inside=12.00±1.00\n")
    write_text(paths.scores(".json"), json_text(REPAIR))
    rng = np.random.default_rng(0)
    for index in range(3):
        image = rng.integers(1, 255, (SIDE, SIDE), np.uint8)
        for folder in ("txm", "charged", "sem_fake", "sem", "mask"):
            write_png(paths.image(folder, index), image)
    (table,) = evaluation_tables(REPAIR)
    assert table.head == ["inside [dB]", "PSNR [dB]", "SSIM"]
    assert table.rows["Telea inpainting (radius 3)"][0] == pytest.approx((15.0, 1 / 2**0.5))
    page = page_of(paths)
    assert "Not better than predictions without a model: worse in inside and PSNR; not to be told apart in SSIM" in (
        page.text
    )
    assert {"charged", "sem_fake", "sem"} <= {str(one.get("data-layer")) for one in page.all("figure")}
    assert "read this" in page.text


def test_classes_are_shown_in_their_colours(tmp_path: Path) -> None:
    paths = write_run(tmp_path, model="segmentation", tested=False)
    for index in range(3):
        for folder in ("labels", "labels_fake", "sem"):
            write_png(paths.image(folder, index), np.full((SIDE, SIDE), index, np.uint8))
    page = page_of(paths)
    assert "mean Dice 1.000" in page.text
    assert "high density" in page.text
    assert "predicted classes" in page.text


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _link(path: Path, to: str) -> None:
    path.unlink()
    path.symlink_to(to)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "not UTF-8": lambda path: path.write_bytes(b"\xff" + path.read_bytes()),
    "another type": lambda path: path.write_text("[]"),
    "nested": lambda path: path.write_text("[" * 10_000 + "]" * 10_000),
    "missing keys": lambda path: path.write_text("{}"),
    "NaN": lambda path: path.write_text(path.read_text().replace("1", "NaN")),
    "too large": lambda path: path.write_text(path.read_text().replace("1", "9" * 400)),
    "a pipe": _pipe,
    "a link to nowhere": lambda path: _link(path, "nowhere"),
    "a link out of the run": lambda path: _link(path, "/etc/passwd"),
}
PARTS = {
    "scores.json": "Scores",
    "eval_metrics.txt": "Scores",
    "trust.json": "Trust",
    "continuity_test.json": "Volumes",
    "sem/000.png": "Images",
    "uncertainty/000.tif": "Images",
}
"""The part of the page that each file is for."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a run that has everything."""
    folder = tmp_path_factory.mktemp("whole")
    paths = write_run(folder)
    write_cube(paths)
    write_trust(paths)
    return folder


@pytest.fixture
def copied(whole: Path, tmp_path: Path) -> RunPaths:
    """Return a copy of this run."""
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    return RunPaths.of("run", tmp_path / "checkpoints", tmp_path / "results")


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", [name for name in PARTS if name.endswith(".json")])
def test_damage_is_found_when_it_is_read_and_told_with_its_file(copied: RunPaths, name: str, damage: str) -> None:
    DAMAGES[damage](copied.results / name)
    problems = RunRecord.read(copied).problems
    assert [[name in problem for problem in found] for found in problems.values()] == [[True]]
    assert list(problems) == [PARTS[name]]


@pytest.mark.parametrize(("name", "damage"), [*zip(PARTS, [*DAMAGES][-3:] * 3, strict=False)])
def test_a_part_that_cannot_be_made_says_so_and_the_others_are_there(copied: RunPaths, name: str, damage: str) -> None:
    DAMAGES[damage if name != "uncertainty/000.tif" else "half"](copied.results / name)
    written = report_run(copied)
    (problem,) = written.problems
    assert name in problem
    page = Page(written.path.read_text())
    assert name in page.text
    assert len([heading for heading in page.elements if heading[0] == "h2"]) == 8


@pytest.mark.parametrize("name", ["scores.json", "continuity_test.json"])
@pytest.mark.parametrize(
    "damage", [[], {"eval": "True"}, {"ntest": 1.5}, {"gamma": True}, {"name": 7}, {"phase": "all"}]
)
def test_options_of_a_test_that_are_none_are_damage(copied: RunPaths, name: str, damage: Any) -> None:
    document = json.loads((copied.results / name).read_text())
    options = damage if damage == [] else document["options"] | damage
    write_text(copied.results / name, json_text(document | {"options": options}))
    problems = RunRecord.read(copied).problems
    assert list(problems) == [PARTS[name]]
    assert all(name in problem and "options" in problem for problem in problems[PARTS[name]])


def test_documents_without_options_are_of_tests_of_which_the_command_is_not_known(copied: RunPaths) -> None:
    assert "--dataset_mode txm2sem3d" in page_of(copied).text
    for name in ("scores.json", "continuity_test.json"):
        document = json.loads((copied.results / name).read_text())
        document.pop("options")
        write_text(copied.results / name, json_text(document))
    record = RunRecord.read(copied)
    assert record.problems == {}
    assert record.tested is not None
    assert [record.tested.options, *(volume.options for volume in record.volumes)] == [{}, {}]
    text = page_of(copied).text
    assert "14 patches of split test, epoch latest, how is not known" in text
    assert "txm2sem train" in text
    assert "txm2sem test" not in text


def test_results_that_were_cut_off_while_they_were_moved_do_not_pass_for_a_test(tmp_path: Path) -> None:
    paths = write_run(tmp_path)
    new = NewResults(paths)
    with pytest.raises(KeyboardInterrupt), pytest.MonkeyPatch.context() as patch, new.begin():
        write_text(new.paths.evaluation, "new")
        patch.setattr("txm2sem.drafts.set_aside", _stop)
        new.finish()
    written = report_run(paths, output=tmp_path / "page.html")
    (problem,) = written.problems
    assert "txm2sem test --name run --eval" in problem
    assert "Not tested yet" in Page(written.path.read_text()).text
    with new.begin():
        write_text(new.paths.evaluation, "new")
        new.finish()
    assert report_run(paths).problems == []
    assert paths.evaluation.read_text() == "new"


def _stop(*arguments: object) -> None:
    raise KeyboardInterrupt


def test_an_unreadable_run_is_refused(tmp_path: Path) -> None:
    paths = write_run(tmp_path)
    paths.options.write_text("[broken")
    with pytest.raises(UserError, match=r"options\.yaml"):
        report_run(paths)


# -- commands -------------------------------------------------------------------------------------------------------

TRAINED: dict[str, dict[str, Any]] = {
    "pix2pix": {"name": "-it's $HOME & co", "dataroot": "my images", "aligned": False, "num_train": 7, "lr": 1e-5},
    "srgan": {"downsample_factor": 2, "x_misalign": -3, "txm_range": "-5,200", "context_slices": 1, "input_nc": 3},
    "srcnn": {"no_dropout": False, "norm": "none", "suffix": "{netG}"},
    "repair": {"sem_only": True, "input_nc": 2},
    "segmentation": {"class_weights": "1,2,3", "seg_mode": "txm"},
}


@pytest.mark.parametrize("model", TRAINED)
def test_the_printed_command_trains_with_the_same_options(model: str) -> None:
    trained = override(TrainCommand(), {**MODEL_DEFAULTS[model], "model": model, **TRAINED[model]})
    words = shlex.split(command_of_training({**to_mapping(trained), "continue_train": True}))
    assert words[:2] == ["txm2sem", "train"]
    assert parse(TrainCommand(), words[2:], "txm2sem train")[1] == trained
    assert len(words) < 20
    assert "--input_nc" not in words or model == "repair"


def test_the_printed_command_tests_with_the_same_options(tmp_path: Path) -> None:
    """The options are in the document of the scores, every digit of them."""
    places = {"checkpoints_dir": tmp_path / "of runs", "results_dir": tmp_path / "results"}
    for model, options in TRAINED.items():
        values = {**MODEL_DEFAULTS[model], "model": model, **options, **places, "suffix": "", "name": f"a {model}"}
        trained = to_mapping(override(TrainCommand(), values))
        paths = RunPaths.of(f"a {model}", places["checkpoints_dir"], places["results_dir"])
        write_options(paths.options, trained)
        changed = {"phase": "val", "eval": True, "ntest": 3, "num_test": 5, "aspect_ratio": 4 / 3}
        tested = override(TestCommand(), {**trained, **changed})
        write_text(paths.scores(".json"), json_text(REPAIR, options=to_mapping(tested)))
        words = shlex.split(command_of_test(read_scores(paths.scores(".json"))["options"], trained))
        assert words[:2] == ["txm2sem", "test"]
        assert parse(TestCommand(), words[2:], "txm2sem test")[1] == tested
        assert "--netG" not in words
        assert "--eval" in words  # also of models that have it by default


def test_a_training_with_a_time_budget_is_not_said_to_be_repeatable(tmp_path: Path) -> None:
    text = page_of(write_run(tmp_path, time_budget=3.0)).text
    assert "time budget of 3 minutes had room for about 8 steps" in text
    assert "training ends with the same weights" not in text
    assert "training ends with the same weights" in page_of(write_run(tmp_path / "epochs")).text


# -- volumes --------------------------------------------------------------------------------------------------------


def test_all_slices_of_a_volume_lie_in_one_picture() -> None:
    volume = np.random.default_rng(0).integers(0, 255, (5, 9, 17), np.uint8)
    picture = sprite(volume, 3)
    assert picture.shape == (2 * 16, 3 * 24)
    for z, image in enumerate(volume):
        row, column = divmod(z, 3)
        assert np.array_equal(picture[16 * row : 16 * row + 9, 24 * column : 24 * column + 17], image)


def test_large_volumes_are_means_over_squares_of_some_slices() -> None:
    volume = np.arange(6 * 6 * 8, dtype=np.float32).reshape(6, 6, 8)
    assert factor_for(volume.shape, 36) == 2
    shape = shrunk_shape((6, 6, 8), 2)
    small = shrink(lambda z: volume[z], shape, 2)
    assert small.shape == shape == (3, 3, 4)
    assert small[1, 2, 3] == volume[2, 4:6, 6:8].mean()


def write_pyramid(path: Path, voxels: np.ndarray) -> Path:
    """Write an OME-Zarr image (c, z, y, x) with two levels."""
    group = zarr.open_group(path, mode="w", zarr_format=3)
    datasets = []
    for level, content in enumerate((voxels, voxels[:, ::2, ::2, ::2])):
        array = group.create_array(str(level), shape=content.shape, dtype=content.dtype)
        array[:] = content
        scale = {"type": "scale", "scale": [1.0, *[32.0 * 2**level] * 3]}
        datasets.append({"path": str(level), "coordinateTransformations": [scale]})
    axes = [{"name": "c", "type": "channel"}]
    axes += [{"name": axis, "type": "space", "unit": "nanometer"} for axis in "zyx"]
    window = {"start": 0.0, "end": 9.0, "min": 0.0, "max": 9.0}
    labels = [{"label": name, "color": "FFFFFF", "window": window} for name in ("predicted SEM", "uncertainty")]
    ome: Any = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}], "omero": {"channels": labels}}
    group.attrs["ome"] = ome
    return path


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_maps_of_volumes_have_the_scale_of_what_they_mean(tmp_path: Path, dtype: type) -> None:
    # Integers span 10 standard deviations.
    stored = 4 if dtype is np.float32 else 0.4 * np.iinfo(dtype).max
    path = tmp_path / "v.tif"
    channels = np.stack([np.full((3, 8, 9), value) for value in (7, 1, stored, 0)], axis=1)
    tifffile.imwrite(path, channels.astype(dtype), imagej=True, metadata={"axes": "ZCYX"})
    assert re.search(r"(?<![\d.+])4 σ", whole_volume_html(path, 0, 10_000))


def test_a_volume_is_read_at_the_coarsest_level_that_is_large_enough(tmp_path: Path) -> None:
    voxels = np.zeros((2, 4, 330, 20), np.float32)
    voxels[1] = 7
    opened = open_display(write_pyramid(tmp_path / "v.ome.zarr", voxels))
    assert (opened.shape, opened.scale, opened.voxel_size) == ((2, 165, 10), 2, (64.0, 64.0, 64.0))
    assert list(opened.channels) == ["predicted SEM", "uncertainty"]
    assert [read(0).max() for read in opened.channels.values()] == [0, 7]
    small = open_display(write_pyramid(tmp_path / "w.ome.zarr", voxels[:, :, :300]))
    assert (small.shape, small.scale) == ((4, 300, 20), 1)


def test_a_whole_volume_stands_beside_its_txm(tmp_path: Path) -> None:
    paths = write_run(tmp_path)
    volume = write_pyramid(tmp_path / "v.ome.zarr", np.ones((2, 6, 20, 20), np.float32))
    tifffile.imwrite(tmp_path / "txm.tif", np.ones((6, 20, 20), np.uint8), photometric="minisblack")
    known = {"input": str(tmp_path / "txm.tif"), "options": {"dataset": "", "axes": "", "roi": ""}}
    (tmp_path / "v_report.json").write_text(json.dumps(known))
    page = page_of(paths, volume)
    assert "6 × 20 × 20 voxels (z, y, x) of 32 × 32 × 32 nm" in page.text
    values = [str(radio["name"]) for radio in page.all("input") if radio["type"] == "radio"]
    assert values == ["whole-0"] * 3
    assert "TXM (input)" in page.text
    (tmp_path / "txm.tif").unlink()
    assert "TXM (input)" not in page_of(paths, volume).text.partition("v.ome.zarr")[2].partition("Scores")[0]


def write_translated(folder: Path, **said: Any) -> Path:
    """Write a translated volume of 6 x 20 x 20 voxels with its report."""
    volume = write_pyramid(folder / "v.ome.zarr", np.ones((2, 6, 20, 20), np.float32))
    (folder / "v.ome.zarr_report.json").write_text(json.dumps(said))
    return volume


def write_txm(path: Path, shape: tuple[int, ...] = (6, 20, 20)) -> Path:
    path.parent.mkdir(exist_ok=True)
    tifffile.imwrite(path, np.ones(shape, np.uint8), photometric="minisblack")
    return path


def test_what_a_report_names_elsewhere_is_not_opened_but_what_the_user_names_is(tmp_path: Path) -> None:
    paths = write_run(tmp_path / "runs")
    txm = write_txm(tmp_path / "elsewhere" / "txm.tif")
    for place in (txm, tmp_path / "mine" / ".." / "elsewhere" / "txm.tif", "../elsewhere/txm.tif", "/dev/zero", "a\0b"):
        volume = write_translated(tmp_path / "mine", input=str(place), options={})
        assert len([radio for radio in page_of(paths, volume).all("input") if radio["type"] == "radio"]) == 2, place
    named = Page(report_run(paths, [volume], txm=[txm]).path.read_text(encoding="utf-8"))
    assert len([radio for radio in named.all("input") if radio["type"] == "radio"]) == 3


@pytest.mark.parametrize("inner", ["scan.h5/entry/data", "scan.h5"])
def test_a_txm_beside_the_volume_is_found_without_the_name_of_its_data_set(tmp_path: Path, inner: str) -> None:
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["entry/data"] = np.ones((6, 20, 20), np.uint8)
    write_translated(tmp_path, input=str(tmp_path / inner), options={"dataset": "entry/data"})
    read = open_input(tmp_path / "v.ome.zarr", (6, 20, 20))
    assert read is not None
    assert read(3).shape == (20, 20)


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"input": 7},
        {"input": ["txm.tif"], "options": {}},
        {"input": "txm.tif", "options": 3},
        {"input": "x" * 5000, "options": {}},
        {"input": "here", "options": {"roi": 7, "dataset": {}}},
    ],
)
def test_a_report_that_is_not_ours_decides_about_nothing(tmp_path: Path, said: dict[str, Any]) -> None:
    volume = write_translated(tmp_path, **said)
    write_txm(tmp_path / "txm.tif")
    assert open_input(volume, (6, 20, 20)) is None


def test_a_txm_that_the_user_names_must_fit(tmp_path: Path) -> None:
    volume = write_translated(tmp_path)
    with pytest.raises(UserError, match="expected the same"):
        open_input(volume, (6, 20, 20), write_txm(tmp_path / "txm.tif", (5, 20, 20)))
    with pytest.raises(UserError, match="found 2 for 1"):
        report_run(write_run(tmp_path / "runs"), [volume], txm=[volume, volume])


@pytest.mark.parametrize(
    "omero", [3, {}, {"channels": 3}, {"channels": [3]}, {"channels": [{"window": {"start": "a", "end": None}}]}]
)
def test_display_settings_that_are_wrong_do_not_hide_a_volume(tmp_path: Path, omero: Any) -> None:
    volume = write_pyramid(tmp_path / "v.ome.zarr", np.ones((2, 6, 20, 20), np.float32))
    group = zarr.open_group(volume)
    ome: Any = group.attrs["ome"]
    group.attrs["ome"] = ome | {"omero": omero}
    opened = open_display(volume)
    assert (len(opened.channels), opened.window) == (2, None)


def test_a_volume_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected a volume that txm2sem volume has written"):
        report_run(write_run(tmp_path), [tmp_path])


# -- several runs ---------------------------------------------------------------------------------------------------


def test_runs_are_compared_side_by_side(tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path, f"run{number}", noise=10.0 + 20 * number, lambda_img_grad=weight)
        for number, weight in enumerate((0.0, 1e-4, 1e-2))
    ]
    for paths, change in zip(runs, (2.0, 1.5, 1.8), strict=True):
        write_cube(paths, change=change)
    page = Page(compare_runs(runs, tmp_path / "compare.html").path.read_text())
    assert "PSNR: run0 is best; beside it run1" in page.text
    assert re.search(r"lambda_img_grad\s*0.0\s*0.0001\s*0.01", page.text)
    assert (
        "num_train" not in page.text.partition("Do it again")[0].partition("What differs")[2].partition("Fidelity")[0]
    )
    (front,) = [
        str(svg["aria-label"]) for svg in page.all("svg") if "PSNR [dB] by change" in str(svg.get("aria-label"))
    ]
    assert re.search(r"run0 [\d.]+ at 2; run1 [\d.]+ at 1\.5; run2 [\d.]+ at 1\.8", front)
    # Run 2 is beaten by run 1: less like the truth, and less continuous.
    assert "not beaten: run1, run0" in page.text
    assert "λ 0.0001" in page.text
    layers = [str(option["value"]) for option in page.all("option")]
    assert {"txm", "run-0", "run-1", "run-2", "sem", "error-2"} <= set(layers)
    assert page.text.count("txm2sem train") == 3


def test_runs_tested_on_other_images_are_refused(tmp_path: Path) -> None:
    one, other = write_run(tmp_path, "one"), write_run(tmp_path, "other")
    write_png(other.image("sem", 3), np.ones((SIDE, SIDE), np.uint8))
    with pytest.raises(UserError, match=r"tested on different images.*14 patches of 32 pixels, split test"):
        compare_runs([one, other], tmp_path / "compare.html")
    assert not (tmp_path / "compare.html").exists()


def test_runs_of_different_kinds_are_refused(tmp_path: Path) -> None:
    runs = [write_run(tmp_path, "one"), write_run(tmp_path, "other", model="repair", tested=False)]
    with pytest.raises(UserError, match="one is of translation, other is of repair"):
        compare_runs(runs, tmp_path / "compare.html")


def test_a_run_that_was_not_tested_is_compared_with_what_it_has(tmp_path: Path) -> None:
    runs = [write_run(tmp_path, "one"), write_run(tmp_path, "other", tested=False)]
    page = Page(compare_runs(runs, tmp_path / "compare.html").path.read_text())
    assert "Not tested yet" in page.text
    assert "txm2sem test --name other --eval" in page.text
    assert "txm2sem test --name other --eval --dataset_mode txm2sem3d" in page.text
