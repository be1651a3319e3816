"""Plans: which runs they have, and what is refused before anything is done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sweeps import write_plan

from txm2sem.errors import UserError
from txm2sem.options import MODEL_DEFAULTS
from txm2sem.sweeping.plan import Plan

PLACES: dict[str, Any] = {"checkpoints_dir": Path("checkpoints"), "results_dir": Path("results")}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(text: str) -> Plan:
    return Plan.read(write_plan(text), PLACES)


def test_a_list_stands_for_a_run_with_each_of_its_values() -> None:
    plan = read(
        "options:\n  lambda-img-grad: [0, 1e-4]\n  seed: [3, 4]\n  niter: 2\n"
        "runs:\n  sr-gan:\n    model: srgan\n    downsample_factor: [2, 4]\n    niter: 7\n"
        "  plain: {model: feedforward}\n"
    )
    assert [run.name for run in plan.runs][:3] == [
        "sr-gan_downsample_factor_2_lambda_img_grad_0_seed_3",
        "sr-gan_downsample_factor_2_lambda_img_grad_0_seed_4",
        "sr-gan_downsample_factor_2_lambda_img_grad_0.0001_seed_3",
    ]
    assert len(plan.runs) == 8 + 4
    run = plan.runs[6]
    assert run.repeated == "sr-gan_downsample_factor_4_lambda_img_grad_0.0001"
    training = run.training
    assert (training.model.downsample_factor, training.objective.lambda_img_grad, training.run.seed) == (4, 1e-4, 3)
    assert [one.training.schedule.niter for one in (run, plan.runs[-1])] == [7, 2]
    # What the plan does not say is as in a training by hand.
    assert training.objective.lambda_L1 == MODEL_DEFAULTS["srgan"]["lambda_L1"]


def test_tests_are_frozen_and_of_the_same_cube_unless_the_plan_says_something_else() -> None:
    plan = read("options:\n  seed: [1, 2]\n")
    for run in plan.runs:
        values = [(command.test.eval, command.run.seed) for command in list(run.commands.values())[1:]]  # type: ignore[union-attr]
        assert values == [(True, 0), (True, 0)]
    (run,) = read("test: {eval: False, num_test: 7}\ncube:\n  z_ind: 3\n").runs
    test, cube = (run.commands[step] for step in ("test", "cube"))
    assert (test.test.eval, test.data.num_test, cube.volume.z_ind) == (False, 7, 3)  # type: ignore[union-attr]


def test_runs_that_draw_samples_are_tested_by_their_draws_and_no_others() -> None:
    runs = "runs:\n  sample: {recipe: sample}\n  translate: {recipe: translate}\n"
    for test, draws in (("", 19), ("test: {draws: 5}\n", 5)):
        plan = read(runs + test)
        found = {run.name: [command.drawn.draws for command in list(run.commands.values())[1:]] for run in plan.runs}  # type: ignore[union-attr]
        assert found == {"sample": [draws, 0], "translate": [0, 0]}
        assert [run.given["test"].get("draws") for run in plan.runs] == [draws, None]


def test_the_plan_of_the_papers_comes_along() -> None:
    plan = Plan.read("paper", PLACES, Path("mine"))
    models = {run.training.model.model for run in plan.runs}
    penalties = {run.training.objective.lambda_img_grad for run in plan.runs}
    assert models == {"feedforward", "srcnn", "pix2pix", "srgan"}
    assert (min(penalties), max(penalties)) == (0, 1e-3)
    assert {run.training.run.dataroot for run in plan.runs} == {Path("mine")}
    assert len(plan.runs) == 6 * len(penalties) * 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("options: {niter: 1}\noptoins: {}", "plan.yaml, line 2: there is no section optoins; did you mean options?"),
        ("options:\n  niterr: 1", "plan.yaml, line 2: txm2sem train has no option --niterr; did you mean --niter?"),
        ("test:\n  niter: 1", "plan.yaml, line 2: --niter does nothing in txm2sem test; it belongs to txm2sem train"),
        ("options:\n  seed: 1\n  niter: [1, x]", "plan.yaml, line 3: --niter x: expected a whole number"),
        ("seed: 1\ntest: {eval: no}", "plan.yaml, line 1: there is no section seed"),
        ("test:\n  eval: no", "plan.yaml, line 2: --eval no: expected True or False"),
        ("options:\n  gpu_ids: 0", "plan.yaml, line 2: --gpu_ids is what a sweep gives its runs itself"),
        ("options:\n  niter: []", "plan.yaml, line 2: --niter: expected values in the list, found none"),
        ("options:\n  niter: 1\n  niter: 2", "plan.yaml, line 3: niter comes twice"),
        ("options:\n  num-test: 1\n  num_test: 2", "plan.yaml, line 3: num_test comes twice"),
        ("options:\n  niter: [1, 01]", "two runs have the name plan_niter_1"),
        ("runs:\n  a: {seed: 1}\n  a: {seed: 2}", "plan.yaml, line 3: a comes twice"),
        ("runs:\n  a_seed_1: {}\n  a: {seed: [1]}", "plan.yaml, line 3: two runs have the name a_seed_1"),
        ("runs: {}", "plan.yaml, line 1: expected runs, each with a name, found none"),
        ("runs: feedforward", "plan.yaml, line 1: runs: expected options (name: value) below"),
        ("runs:\n  a: {}\n  b/c: {}", "plan.yaml, line 3: the run 'b/c' leads to another folder"),
        ("runs:\n  a:\n    lr: {b: 1}", "plan.yaml, line 3: expected options (name: value): nothing nested"),
        ("options:\n  lr: &x 1", "plan.yaml, line 2: expected options (name: value): nothing nested, no references"),
        ("options: {dataroot: {a: 1}}", "plan.yaml, line 1: dataroot: expected a value, found names and values"),
        (
            "options:\n  model: srcnn\n  lambda_L1: 3",
            "plan.yaml, line 3: train of the run plan: --lambda_L1 does nothing with",
        ),
        ("test: {ngf: 3}", "plan.yaml, line 1: test of the run plan: --ngf 3 contradicts the checkpoint"),
        ("test:\n  draws: 3\nruns: {a: {recipe: translate}}", "plan.yaml, line 2: --draws: expected a run that draws"),
        ("test: {x_ind: 3}", "--x_ind does nothing with --dataset_mode txm2sem"),
        ("options: {model: [srcnn, repair]}", "expected runs of repair alone, or none, found plan_model_srcnn"),
        ("runs: {a: {}, b: {model: segmentation, dataroot: b}}", "tests on one data root, found a on images, b on b"),
        ("options: {patch_size: [64, 128]}", "tested on different images, with --patch_size 128 and 64"),
        ("options: {niter: [%s], seed: [%s]}" % ((str(list(range(1, 999)))[1:-1],) * 2), "expected 10000 runs at most"),
        ("", "expected options (name: value), found nothing"),
    ],
)
def test_what_a_plan_cannot_be_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(UserError) as error:
        read(text)
    assert said in str(error.value)


def test_the_data_root_of_the_command_line_counts_first() -> None:
    name = write_plan("options: {dataroot: a}\nruns:\n  one: {dataroot: b}\n  two: {}")
    assert {run.training.run.dataroot for run in Plan.read(name, PLACES, Path("c")).runs} == {Path("c")}
    with pytest.raises(UserError, match="tested on different images, with --dataroot a and b"):
        Plan.read(name, PLACES)


def test_translation_and_segmentation_go_together() -> None:
    plan = read("runs: {a: {patch_size: 64}, b: {model: segmentation, patch_size: 128}}")
    assert [list(run.commands) for run in plan.runs] == [["train", "test", "cube"], ["train", "test"]]


def test_patches_of_several_sizes_are_tested_at_one() -> None:
    plan = read("options: {patch_size: [64, 128]}\ntest: {patch_size: 64}\ncube: {patch_size: 64}")
    assert len(plan.runs) == 2


@pytest.mark.parametrize(("name", "said"), [("papr", "did you mean paper?"), ("a/paper", "there is no plan a/paper")])
def test_a_plan_that_is_not_there_is_refused(name: str, said: str) -> None:
    with pytest.raises(UserError, match="there is no plan") as error:
        Plan.read(name, PLACES)
    assert said in str(error.value)


def test_a_file_counts_before_a_plan_that_comes_along() -> None:
    write_plan("options: {seed: 5}", "paper")
    assert [run.name for run in Plan.read("paper", PLACES).runs] == ["paper"]
