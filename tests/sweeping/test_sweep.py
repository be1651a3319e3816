"""A sweep: what it calls, what it does when something ends it, and what it leaves. A program stands for this one."""

from __future__ import annotations

import csv
import itertools
import json
import os
import re
import shutil
import signal
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forks import Fork
from sweeps import calls, named, stand_in, write_images, write_plan, write_slices

from txm2sem.cli.main import main
from txm2sem.files import held
from txm2sem.metrics import further_of_repeats, mean_of_repeats
from txm2sem.options import SweepCommand, TestCommand, TrainCommand, override, to_mapping
from txm2sem.runs import SweepPaths
from txm2sem.sweeping import Sweep
from txm2sem.sweeping.plan import Plan
from txm2sem.sweeping.steps import SweptRun

__all__ = ["stand_in"]

TWO = "options:\n  model: feedforward\n  patch_size: 32\n  seed: [0, 1]\nruns:\n"

Call = Callable[[str], tuple[int, str, str]]


@pytest.fixture
def call(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    stand_in: tuple[str, ...],
    blank_pictures: None,
) -> Call:
    """Return a function that calls `txm2sem sweep` beside a small data root, and returns status and what it prints."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("txm2sem.sweeping.children.PROGRAM", stand_in)
    write_images()

    def sweep(words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(["sweep", *words.split()])
        return status, *capsys.readouterr()

    return sweep


def document(output: str = "plan_sweep") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(SweepPaths(Path(output)).document.read_text())
    return found


def test_each_run_is_trained_and_tested_and_all_are_in_one_table(call: Call) -> None:
    plan = write_plan(TWO + "  a: {}\n  bb:\n    lambda_img_grad: [0, 1]\n")
    status, out, _ = call(plan)
    assert status == 0
    paths = SweepPaths(Path("plan_sweep"))
    for path in (paths.page, paths.front, paths.table, paths.document):
        assert str(path) in out or path == paths.document
        assert path.is_file()
    assert not paths.fractions.exists()
    found = calls()
    names = [run.name for run in Plan.read(plan, {}).runs]
    assert named(found) == sorted((name, step) for name in names for step in ("train", "test", "cube"))
    assert found[-1]["words"][:7] == ["compare", *names]
    made = document()
    assert [row["name"] for row in made["rows"]] == ["a", "bb_lambda_img_grad_0", "bb_lambda_img_grad_1"]
    assert made["rows"][2]["options"] == {"lambda_img_grad": 1}
    for row in made["rows"]:
        for key, found_mean in row["measures"].items():
            values = [made["runs"][name][key] for name in row["runs"]]
            if None not in values:
                expected = mean_of_repeats(values)
                assert list(found_mean.values()) == pytest.approx(
                    [expected.value, expected.low, expected.high], abs=1e-5
                )
    scores = json.loads(Path("results/a_seed_0/scores.json").read_text())
    first, *others = scores["similarity"]
    assert made["runs"]["a_seed_0"]["psnr"] == scores["similarity"][first]["all"]["psnr"]["value"]
    assert set(made["without_a_model"]) == set(others)
    continuity = json.loads(Path("results/a_seed_0/continuity_test.json").read_text())["volumes"]
    change = continuity["prediction"]["adjacent_difference_of_txm"]
    assert made["runs"]["a_seed_0"]["change_along_z"] == pytest.approx(change)
    rows = list(csv.DictReader(paths.table.open()))
    assert rows[1]["lambda_img_grad"] == "0.0"
    assert float(rows[1]["psnr"]) == pytest.approx(made["rows"][1]["measures"]["psnr"]["value"])
    assert rows[-1]["name"] in others


def test_what_is_done_is_not_done_again(call: Call) -> None:
    plan = write_plan(TWO + "  a: {}\n")
    call(plan)
    first, page = document(), SweepPaths(Path("plan_sweep")).page.stat().st_mtime_ns
    calls()
    assert call(plan)[0] == 0
    assert calls() == []
    assert (document(), SweepPaths(Path("plan_sweep")).page.stat().st_mtime_ns) == (first, page)
    Path("results/a_seed_1/continuity_test.json").unlink()
    call(plan)
    assert named(calls()) == [("a_seed_1", "cube")]
    Path("checkpoints/a_seed_0/latest_net_G.pth").unlink()
    call(plan)
    assert named(calls()) == [("a_seed_0", step) for step in ("cube", "test", "train")]
    # Other options of the tests, and more seeds, are further work.
    call(write_plan(TWO.replace("[0, 1]", "[0, 1, 2]") + "  a: {}\ntest:\n  num_test: 9\n"))
    again = [(f"a_seed_{seed}", step) for seed in (0, 1) for step in ("cube", "test")]
    assert named(calls()) == [*again, *(("a_seed_2", step) for step in ("cube", "test", "train"))]
    # A damaged record is work to do again, with what the training has left.
    SweepPaths(Path("plan_sweep")).record("a_seed_0").write_text("{")
    call(plan)
    found = calls()
    assert named(found)[:3] == [("a_seed_0", step) for step in ("cube", "test", "train")]
    assert "--continue_train" in found[0]["words"]


def test_a_run_that_fails_does_not_end_the_others(call: Call) -> None:
    plan = write_plan(TWO + "  fails: {}\n  a: {}\n")
    status, out, _ = call(plan)
    assert status == 1
    assert "failed: fails_seed_0: train has ended with status 1: txm2sem train: error: the disk is full" in out
    assert sorted(document()["runs"]) == ["a_seed_0", "a_seed_1"]
    assert document()["not_done"] == ["fails_seed_0", "fails_seed_1"]
    calls()
    Path("mended").touch()
    assert call(plan)[0] == 0
    assert {name for name, _ in named(calls())} == {"fails_seed_0", "fails_seed_1"}
    assert document()["not_done"] == []


def interruptible(plan: str) -> Fork:
    """Start a sweep that hears Ctrl-C, which a shell lets nothing hear that it does in the background."""

    def sweep() -> int:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        return main(["sweep", plan])

    return Fork(sweep, Path())


def test_ctrl_c_again_ends_at_once(call: Call) -> None:
    assert interruptible(write_plan(TWO + "  stays: {}\n")).end()[0] == 130
    with pytest.raises(ProcessLookupError):
        os.kill(int(Path("stays").read_text()), 0)
    assert not Path("checkpoints/stays_seed_0/latest_net_G.pth").exists()


def test_ctrl_c_ends_what_is_running_and_the_same_command_goes_on(call: Call) -> None:
    plan = write_plan(TWO + "  a: {}\n  stops: {}\n  b: {}\n")
    status, err = interruptible(plan).end()
    assert status == 130
    assert "the same command goes on with what is missing" in err
    assert "--continue_train" not in str(calls())
    assert not Path("checkpoints/b_seed_0").exists()
    assert not SweepPaths(Path("plan_sweep")).document.exists()
    assert interruptible(plan).end()[0] == 130  # the other seed
    assert call(plan)[0] == 0
    found = calls()
    assert {name for name, step in named(found)} == {f"{run}_seed_{seed}" for run in ("b", "stops") for seed in (0, 1)}
    assert sum("--continue_train" in one["words"] for one in found) == 2
    assert len(document()["runs"]) == 6


def test_runs_side_by_side_share_cores_and_gpus(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo("meeting")
    monkeypatch.setattr("txm2sem.sweeping.run.usable_cores", lambda: 6)
    monkeypatch.setattr("txm2sem.devices.devices_of", lambda gpu_ids: None)
    assert call(write_plan(TWO + "  meets: {}\n") + " --gpu_ids 2,5")[0] == 0  # each waits for the other
    found = [one for one in calls() if one["words"][0] != "compare"]
    assert {one["threads"] for one in found} == {"3"}
    gpus = {one["words"][one["words"].index("--gpu_ids") + 1] for one in found[:2]}
    assert gpus == {"2", "5"}
    assert all(one["words"][one["words"].index("--num_threads") + 1] == "3" for one in found[:2])


def test_a_single_run_at_a_time_has_the_whole_machine(call: Call) -> None:
    call(write_plan(TWO + "  a: {}\n"))
    found = calls()
    assert found[0]["threads"] == os.environ.get("OMP_NUM_THREADS")
    assert not {"--gpu_ids", "--num_threads"} & set(found[0]["words"])


def test_two_sweeps_do_not_work_in_one_folder(call: Call) -> None:
    plan = write_plan(TWO + "  a: {}\n")
    paths = SweepPaths(Path("plan_sweep"))
    with held(paths.lock("sweep")):
        status, _, err = call(plan)
    assert (status, calls()) == (1, [])
    assert "another process is writing into" in err
    with held(paths.run("a_seed_0")):  # by a job of a cluster
        status, out, _ = call(plan)
    assert status == 1
    assert {name for name, _ in named(calls())} == {"a_seed_1"}
    assert "failed: a_seed_0: another process is writing into" in out


def test_another_training_of_that_name_is_left_alone(call: Call) -> None:
    write_plan(TWO + "  a: {}\n")
    training = Plan.read("plan.yaml", {}).runs[0].training
    options = {**to_mapping(training), "niter": 7, "txm_range": "1,2"}
    Path("checkpoints/a_seed_0").mkdir(parents=True)
    Path("checkpoints/a_seed_0/options.yaml").write_text(json.dumps(options))
    status, _, err = call("plan.yaml")
    assert (status, calls()) == (1, [])
    assert "checkpoints/a_seed_0 is of another training, with --niter 7, and the plan has 100" in err
    options["niter"] = 100  # what was measured, such as a range of grey values, is no difference
    Path("checkpoints/a_seed_0/options.yaml").write_text(json.dumps(options))
    assert call("plan.yaml")[0] == 0


def test_what_is_said_first_and_after_the_first_run_is_how_long_it_takes(call: Call) -> None:
    timed = write_plan(TWO.replace("  seed", "  time_budget: 30\n  seed") + "  a: {}\n")
    assert (
        "0 of 2 runs are done; 60.0 min of training, by the time budgets, and the tests"
        in call(f"{timed} --dry_run")[1]
    )
    paths = SweepPaths(Path("plan_sweep"))
    call(f"{write_plan(TWO + '  a: {}')} --only a_seed_0")
    record = json.loads(paths.record("a_seed_0").read_text())
    for step in record:
        record[step]["seconds"] = 600
    paths.record("a_seed_0").write_text(json.dumps(record))
    assert "1 of 2 runs are done; about 30.0 min for the others" in call("plan.yaml --dry_run")[1]


def test_what_other_runs_have_done_meanwhile_does_not_matter(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Sweep.of(override(SweepCommand(), {"jobs": 2}), write_plan(TWO + "  a: {}\n"))
    steps = made.runs[0].steps
    answers = itertools.chain([steps, steps], itertools.repeat([]))
    monkeypatch.setattr(SweptRun, "to_do", property(lambda run: next(answers)))
    assert made.summary().startswith("0 of 2 runs are done")


def test_without_a_full_stack_continuity_is_left_out(call: Call) -> None:
    Path("images/test/txm_full_stack").rename("images/test/away")
    status, out, _ = call(write_plan(TWO + "  a: {}\n"))
    assert status == 0
    assert "there is no images/test/txm_full_stack, so continuity along z is not measured" in out
    assert {step for _, step in named(calls())} == {"train", "test"}
    assert "change_along_z" not in document()["measures"]
    assert not SweepPaths(Path("plan_sweep")).front.exists()


def test_a_cube_that_does_not_fit_is_refused_before_anything_is_trained(call: Call) -> None:
    status, _, err = call(write_plan(TWO + "  a: {}\ncube:\n  patch_size: 36\n"))
    assert (status, calls()) == (1, [])
    assert "section cube: --patch_size 36 takes 36 slices" in err


def test_slurm_has_a_job_for_each_run_that_is_not_done(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """The script is given to an `sbatch` that runs its jobs one after the other."""
    plan = write_plan(TWO + "  a: {}\n  bb: {}\n")
    call(f"{plan} --only a_seed_0")
    calls()
    tools = Path("tools").absolute()
    tools.mkdir()
    for name, text in {
        "sbatch": 'range=$(sed -n "s/^#SBATCH --array=0-\\([0-9]*\\)%2$/\\1/p" "$1")\n'
        'for i in $(seq 0 $range); do SLURM_ARRAY_TASK_ID=$i bash "$1"; done\n',
        "srun": 'while [[ $1 == --* ]]; do shift; done\nexec "$@"\n',
        "program": f"printf '%s\\n' \"$*\" >> {tools}/jobs\n",
    }.items():
        (tools / name).write_text(f"#!/bin/bash\n{text}")
        (tools / name).chmod(stat.S_IRWXU)
    monkeypatch.setattr("txm2sem.sweeping.slurm.sys.executable", str(tools / "program"))
    status, out, _ = call(f"{plan} --slurm --jobs 2 --dataroot images --gpu_ids=-1")
    assert (status, calls()) == (0, [])
    (submit,) = [line.split(":", 1)[1].split() for line in out.splitlines() if line.startswith("next:")]
    subprocess.run(submit, check=True, env={"PATH": f"{tools}:{os.environ['PATH']}"})
    jobs = (tools / "jobs").read_text().splitlines()
    assert len(jobs) == 3
    submitted = Path(plan).read_text()
    Path(plan).write_text("options: {niter: 3}")
    for job in jobs:
        assert not SweepPaths(Path("plan_sweep")).document.exists()
        words = job.removeprefix("-m txm2sem sweep ")
        assert call(words)[0] == 0
    # The last one makes the table; the plan is that of the submission, whatever becomes of its file meanwhile.
    assert len(document()["runs"]) == 4
    found = calls()
    assert {name for name, _ in named(found)} == {"a_seed_1", "bb_seed_0", "bb_seed_1"}
    assert all("--gpu_ids=-1" in one["words"] for one in found[:-1])
    Path(plan).write_text(submitted)
    assert call(f"{plan} --slurm --dataroot images")[1] == "4 of 4 runs are done\n"


def test_commands_that_are_printed_give_the_options_of_the_plan(call: Call) -> None:
    from cli.calls import options_of

    plan = write_plan(TWO + "  a:\n    aligned: [True, False]\n    gamma: 0.5\ntest:\n  ntest: 3\n")
    lines = [line.split() for line in call(f"{plan} --dry_run")[1].splitlines() if line.startswith("  txm2sem")]
    runs = Plan.read(plan, {}).runs
    assert len(lines) == 3 * len(runs)
    for run, (train, test, cube) in zip(runs, zip(*[iter(lines)] * 3, strict=True), strict=True):
        assert to_mapping(options_of(TrainCommand(), train[2:])) == to_mapping(run.training)
        for words, step in ((test, "test"), (cube, "cube")):
            own = to_mapping(options_of(TestCommand(), words[2:]))
            planned = to_mapping(run.commands[step])
            assert {name: own[name] for name in run.given[step]} == {name: planned[name] for name in run.given[step]}


LEFT_OUT = (
    "leave_one_out: {baseline: [linear fit, a]}\noptions: {model: feedforward, patch_size: 32}\n"
    "runs:\n  a: {}\n  bb: {seed: [0, 1]}\n"
)


@pytest.fixture
def slices(call: Call) -> None:
    """Replace the images by three slices, 8 to 10."""
    shutil.rmtree("images")
    write_slices()


@pytest.mark.usefixtures("slices")
def test_slices_left_out_in_turn_are_one_table_with_intervals_over_them(call: Call) -> None:
    status, out, _ = call(write_plan(LEFT_OUT))
    assert status == 0
    found = calls()
    runs = ["a", "bb_seed_0", "bb_seed_1"]
    assert named(found) == sorted(
        (f"{run}_slice_{n}", step) for run in runs for n in (8, 9, 10) for step in ("test", "train")
    )
    for call_of in found[:-1]:
        words = call_of["words"]
        number = int(words[words.index("--name") + 1].rpartition("_")[2])
        root = Path(words[words.index("--dataroot") + 1])
        assert [path.name for path in root.glob("test/sem/*")] == [f"{number:03d}.tif"]
        assert not list(root.glob(f"train/*/{number:03d}.tif"))
    assert found[-1]["words"][:3] == ["compare", "a_slice_8", "bb_seed_0_slice_8"]  # which were tested on one slice
    made = document()
    assert made["interval"]["over"] == "slice"
    one, other = made["rows"]
    assert [(row["name"], row["units"], len(row["runs"])) for row in made["rows"]] == [("a", 3, 3), ("bb", 3, 6)]
    values = {n: made["runs"][f"a_slice_{n}"]["psnr"] for n in (8, 9, 10)}
    others = {n: np.mean([made["runs"][f"bb_seed_{seed}_slice_{n}"]["psnr"] for seed in (0, 1)]) for n in (8, 9, 10)}
    assert len(set(values.values())) == 2
    for row, own in ((one, values), (other, others)):
        expected = mean_of_repeats(list(own.values()))
        assert list(row["measures"]["psnr"].values()) == pytest.approx(list(vars(expected).values()), rel=1e-4)
    difference = mean_of_repeats([others[n] - values[n] for n in (8, 9, 10)])
    assert list(other["differences"]["a"]["psnr"].values()) == pytest.approx(list(vars(difference).values()), abs=1e-4)
    assert set(one["differences"]) == {"linear fit"}
    trivial = made["without_a_model"]["linear fit"]["measures"]["pearson"]["value"]
    less = one["differences"]["linear fit"]["pearson"]["value"]
    assert less == pytest.approx(one["measures"]["pearson"]["value"] - trivial, abs=1e-4)
    assert "less linear fit" in out
    best = max((one, other), key=lambda row: row["measures"]["psnr"]["value"])["name"]
    (verdict,) = (line for line in out.splitlines() if line.startswith("verdict:"))
    assert verdict.startswith(f"verdict: {best} has the best PSNR [dB], ")
    assert "less a" in out
    rows = {row["name"]: row for row in csv.DictReader(SweepPaths(Path("plan_sweep")).table.open())}
    assert float(rows["bb"]["psnr less a"]) == pytest.approx(difference.value, abs=1e-4)
    assert rows["linear fit"]["slices"] == "3"
    assert not SweepPaths(Path("plan_sweep")).front.exists()


@pytest.mark.usefixtures("slices")
def test_slices_that_are_done_are_not_left_out_again(call: Call) -> None:
    plan = write_plan(LEFT_OUT.replace("  bb: {seed: [0, 1]}\n", ""))
    assert call(f"{plan} --only *_slice_9")[0] == 0
    calls()
    assert call(f"{plan} --dry_run")[1].count("to be done") == 2
    assert call(plan)[0] == 0
    assert {name for name, _ in named(calls())} == {"a_slice_8", "a_slice_10"}
    assert document()["rows"][0]["units"] == 3
    Path("images/test/sem/010.tif").rename("images/test/sem/011.tif")
    for name in ("txm", "charge", "lowdensity", "highdensity"):
        Path(f"images/test/{name}/010.tif").rename(f"images/test/{name}/011.tif")
    status, _, err = call(plan)
    assert (status, calls()) == (1, [])
    assert "slices have come or gone" in err


@pytest.mark.usefixtures("slices")
def test_a_table_of_some_slices_sets_beside_each_other_what_both_have(call: Call) -> None:
    plan = write_plan(LEFT_OUT)
    for names in ("a_slice_[89]", "bb_*_slice_9", "bb_*_slice_10"):
        call(f"{plan} --only {names}")
    call(f"{plan} --table_only")
    (one, other), runs = document()["rows"], document()["runs"]
    assert (one["units"], other["units"]) == (2, 2)
    found = other["differences"]["a"]["psnr"]  # of slice 9 alone
    others = [runs[f"bb_seed_{seed}_slice_9"]["psnr"] for seed in (0, 1)]
    assert found["value"] == pytest.approx(np.mean(others) - runs["a_slice_9"]["psnr"], abs=1e-4)
    assert (found["low"], found["high"]) == (None, None)


@pytest.mark.usefixtures("slices")
def test_jobs_of_slurm_leave_slices_out(call: Call) -> None:
    plan = write_plan(LEFT_OUT.replace("  bb: {seed: [0, 1]}\n", ""))
    assert call(f"{plan} --slurm")[0] == 0
    script = SweepPaths(Path("plan_sweep")).script.read_text()
    assert "#SBATCH --array=0-2\n" in script
    words = re.search(r"txm2sem sweep (.*) --only", script)
    assert words is not None
    for number in (8, 9, 10):
        assert f"  a_slice_{number}\n" in script
        assert call(f"{words[1]} --only=a_slice_{number}")[0] == 0
    assert document()["rows"][0]["units"] == 3


@pytest.mark.usefixtures("slices")
def test_what_draws_hold_is_in_the_same_table(call: Call) -> None:
    call(write_plan(LEFT_OUT))
    for seed, number in itertools.product((0, 1), (8, 9, 10)):
        path = Path(f"results/bb_seed_{seed}_slice_{number}/scores.json")
        scores = json.loads(path.read_text())
        share = {"value": 0.05 * number + 0.1 * seed, "low": 0, "high": 1}
        phases = {"low_density": share, "high_density": {"value": None, "low": None, "high": None}}
        of_all = {name: {"truth": 0.2, "value": 0.02 * number, "low": 0.1, "high": 0.1 + 0.2 * seed} for name in phases}
        scores["draws"] = {"pixels": share, "spread_over_error": share, "fraction": phases, "fraction_of_all": of_all}
        path.write_text(json.dumps(scores).replace("raw TXM", f"one draw of bb_seed_{seed}_slice_{number}"))
    out = call("plan.yaml --table_only")[1]
    one, other = document()["rows"]
    assert "held_pixels" not in one["measures"]
    means = {name: found["value"] for name, found in other["measures"].items()}
    assert (means["held_pixels"], means["held_low_density"]) == pytest.approx((50, 50))
    assert (means["held_high_density"], means["excess_low_density"]) == (None, pytest.approx(-2))
    further = further_of_repeats([-4, -2, 0])
    assert list(other["further"]["excess_low_density"].values()) == pytest.approx([-2, further.low, further.high])
    drawn = {"value": 0.18, "low": 0.1, "high": 0.2, "truth": 0.2}
    assert other["fractions"]["low_density"]["9"] == pytest.approx(drawn)
    trivial = document()["without_a_model"]
    assert not [name for name in trivial if "draw" in name]
    assert f"fractions: {SweepPaths(Path('plan_sweep')).fractions}" in out.splitlines()
    assert SweepPaths(Path("plan_sweep")).fractions.is_file()
    assert "held_pixels" not in other["differences"]["a"]
    lines = out.splitlines()
    (heading,) = (line for line, text in enumerate(lines) if "pixels held [%]" in text)  # in no table of differences
    assert [text.split()[0] for text in lines[heading + 1 : heading + 3]] == ["a", "bb"]
    scores["draws"]["fraction_of_all"]["low_density"]["value"] = "much"
    path.write_text(json.dumps(scores))
    status, _, err = call("plan.yaml --table_only")
    assert (status, "draws.fraction_of_all.low_density.value" in err) == (1, True)


@pytest.mark.usefixtures("slices")
def test_fractions_of_slices_are_guessed_from_those_of_the_others(call: Call) -> None:
    call(write_plan(LEFT_OUT.replace("  bb: {seed: [0, 1]}\n", "")))
    for number, truth in ((8, 0.1), (9, 0.2), (10, 0.6)):
        path = Path(f"results/a_slice_{number}/scores.json")
        scores = json.loads(path.read_text())
        scores["rock"][next(iter(scores["rock"]))]["low_density"]["fraction"]["true"]["value"] = truth
        path.write_text(json.dumps(scores))
    out = call("plan.yaml --table_only")[1]
    guessed = document()["without_a_model"]["mean of the other slices"]
    expected = further_of_repeats([40 - 10, 35 - 20, 15 - 60])
    assert list(guessed["further"]["excess_low_density"].values()) == pytest.approx(list(vars(expected).values()))
    assert sum(line.startswith("mean of the other slices") for line in out.splitlines()) == 1  # in no other table
    # A slice whose fraction is not known tells nothing of the others.
    scores["rock"][next(iter(scores["rock"]))]["low_density"]["fraction"]["true"]["value"] = None
    path.write_text(json.dumps(scores))
    call("plan.yaml --table_only")
    guessed = document()["without_a_model"]["mean of the other slices"]
    expected = further_of_repeats([20 - 10, 10 - 20])
    assert list(guessed["further"]["excess_low_density"].values()) == pytest.approx(list(vars(expected).values()))


@pytest.mark.usefixtures("slices")
def test_a_slice_without_a_measure_is_left_out_of_its_mean_and_named(call: Call) -> None:
    plan = write_plan(LEFT_OUT.replace("  bb: {seed: [0, 1]}\n", ""))
    call(plan)
    path = Path("results/a_slice_9/scores.json")
    scores = json.loads(path.read_text())
    scores["similarity"][next(iter(scores["similarity"]))]["all"]["pearson"]["value"] = None
    path.write_text(json.dumps(scores))
    call(f"{plan} --table_only")
    made = document()
    values = [made["runs"][f"a_slice_{number}"]["pearson"] for number in (8, 9, 10)]
    assert values[1] is None
    (row,) = made["rows"]
    assert row["measures"]["pearson"]["value"] == pytest.approx((values[0] + values[2]) / 2, abs=1e-5)
    assert row["differences"]["linear fit"]["pearson"]["low"] is not None
    assert any("correlation in 9" in note for note in made["notes"])
