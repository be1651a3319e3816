"""Many runs by one plan; a program stands for this one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

import pytest
from sweeps import calls, named, write_images, write_plan, write_program

from cli.flags.table import Bench, row
from txm2sem.sweeping import Sweep

PLAN = "options: {model: feedforward, patch_size: 32, seed: [0, 1]}"


@contextmanager
def stand_in() -> Iterator[str]:
    """Let sweeps call the program that stands for this one; give the name of a plan."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("txm2sem.sweeping.children.PROGRAM", write_program(Path(mkdtemp(dir="."))))
        write_images(depth=0)
        yield write_plan(PLAN)


@row("sweep", "dataroot")
def _(bench: Bench, command: str) -> None:
    write_images(Path("elsewhere"), depth=0)
    plan = write_plan(PLAN)
    assert "there is no folder images" in bench.run(f"sweep {plan} --dry_run", status=1).err
    assert "--dataroot elsewhere" in bench.run(f"sweep {plan} --dry_run --dataroot elsewhere").out


@row("sweep", "output", "checkpoints_dir", "results_dir")
def _(bench: Bench, command: str) -> None:
    with stand_in() as plan:
        bench.run(f"sweep {plan} --output mine --checkpoints_dir models --results_dir found")
    assert Path("mine/sweep.csv").exists()
    assert Path("models/plan_seed_0/latest_net_G.pth").exists()
    assert Path("found/plan_seed_1/scores.json").exists()
    assert not list(Path().glob("plan_sweep")) + list(Path().glob("checkpoints")) + list(Path().glob("results"))


@row("sweep", "jobs", "gpu_ids")
def _(bench: Bench, command: str) -> None:
    write_images(depth=0)
    plan = write_plan(PLAN)
    jobs = {"": 1, "--jobs 3": 3, "--gpu_ids 0,1,2,3": 4, "--gpu_ids 0,1 --jobs 4": 4}
    for words, count in jobs.items():
        assert Sweep.of(bench.command("sweep", words), plan).jobs == count
    with stand_in() as plan:
        assert "--gpu_ids 97" in bench.run(f"sweep {plan} --gpu_ids 97", status=1).err
        assert calls() == []
        bench.run(f"sweep {plan} --gpu_ids=-1 --jobs 2")
    found = [call for call in calls() if call["words"][0] != "compare"]
    assert all("--gpu_ids=-1" in call["words"] for call in found)
    assert {call["threads"] for call in found} == {str(max(1, len(os.sched_getaffinity(0)) // 2))}


@row("sweep", "only")
def _(bench: Bench, command: str) -> None:
    with stand_in() as plan:
        bench.run(f"sweep {plan} --only *_1")
        assert named(calls()) == [("plan_seed_1", "test"), ("plan_seed_1", "train")]
        assert (
            "has no such run; did you mean plan_seed_1?" in bench.run(f"sweep {plan} --only plan_seed1", status=1).err
        )


@row("sweep", "dry_run", "slurm")
def _(bench: Bench, command: str) -> None:
    with stand_in() as plan:
        assert "txm2sem train --seed 1" in bench.run(f"sweep {plan} --dry_run").out
        assert not Path("plan_sweep").exists()
        assert "sbatch plan_sweep/sweep.sbatch" in bench.run(f"sweep {plan} --slurm").out
        assert "#SBATCH --array=0-1\n" in Path("plan_sweep/sweep.sbatch").read_text()
        assert "ask for different things" in bench.run(f"sweep {plan} --slurm --dry_run", status=1).err
    assert calls() == []


@row("sweep", "figures")
def _(bench: Bench, command: str) -> None:
    with stand_in():
        write_images()
        plan = write_plan("options: {model: feedforward, patch_size: 32, lambda_img_grad: [0, 1]}")
        bench.run(f"sweep {plan} --slurm --figures svg")
        assert "--figures svg" in Path("plan_sweep/sweep.sbatch").read_text()
        bench.run(f"sweep {plan} --figures svg")
        calls()
    assert Path("plan_sweep/front.svg").read_bytes().startswith(b"<?xml")


@row("sweep", "table_only")
def _(bench: Bench, command: str) -> None:
    with stand_in() as plan:
        assert "no run is done" in bench.run(f"sweep {plan} --table_only").out
        bench.run(f"sweep {plan} --only plan_seed_0")
        calls()
        bench.run(f"sweep {plan} --table_only")
    assert calls() == []
    assert list(json.loads(Path("plan_sweep/sweep.json").read_text())["runs"]) == ["plan_seed_0"]
