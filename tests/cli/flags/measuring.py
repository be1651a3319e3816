"""How the phases of a volume are told, and what is measured of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from measuring.volumes import document, phases, write

from cli.flags.table import Bench, row
from cli.volumes import SEGMENTS, TRANSLATES, rock, write_run, write_scan
from txm2sem.options import MeasureCommand

SHAPE = (20, 24, 28)
QUICK = "--voxel_size 32 --diffusion_side 0 --longest 8"


def plan(bench: Bench, source: str, words: str, status: int = 0) -> dict[str, str]:
    """Return the lines of a measurement's plan by what they begin with; errors are one, too."""
    outcome = bench.run(f"measure {source} out --dry_run", words, status=status)
    assert not list(Path().glob("out*"))
    lines = dict(line.split(":", 1) for line in outcome.out.splitlines())
    return {name: text.strip() for name, text in lines.items()} | {"error": outcome.err}


def measure(bench: Bench, words: str, source: str = "labels.tif", name: str = "out") -> dict[str, Any]:
    """Measure a volume, and return the document."""
    bench.run(f"measure {source} {name} {QUICK} {words}")
    return document(name)


@row("measure", "dataset", "axes", "roi", "missing")
def _(bench: Bench, command: str) -> None:
    with h5py.File("scan.h5", "w") as file:
        data = file.create_dataset("one/data", SHAPE, np.uint8, chunks=(4, 24, 28))
        data[:16] = phases(SHAPE)[:16]
        file["other"] = phases((5, 16, 16))
    words = "--voxel_size 32 --dataset one/data"
    assert "--missing black" in plan(bench, "scan.h5", words, status=1)["error"]
    assert "20.00% of the voxels" in plan(bench, "scan.h5", f"{words} --missing black")["note"]
    assert "2 x 24 x 26 voxels" in plan(bench, "scan.h5", f"{words} --roi 1:3,:,2:")["input"]
    assert "28 x 24 x 16 voxels" in plan(bench, "scan.h5", f"{words} --axes xyz --roi :,:,:16")["input"]


@row("measure", "voxel_size", "dry_run")
def _(bench: Bench, command: str) -> None:
    write(phases(SHAPE))
    assert "50 x 32 x 32 nm" in plan(bench, "labels.tif", "--voxel_size 50,32,32")["input"]


@row("measure", "memory", "workers")
def _(bench: Bench, command: str) -> None:
    write(phases(SHAPE))
    found = plan(bench, "labels.tif", "--voxel_size 32 --memory 3GB --workers 2")["memory"]
    assert "for 2 processes and this one" in found
    assert "3.0 GB in all" in found


@row("measure", "scheduler")
def _(bench: Bench, command: str) -> None:
    write(phases(SHAPE))
    found = plan(bench, "labels.tif", "--voxel_size 32 --scheduler tcp://127.0.0.1:1")
    assert "shared by all workers" in found["time"]


@row("measure", "method", "thresholds", "blur")
def _(bench: Bench, command: str) -> None:
    write(rock(SHAPE), "grey.tif")
    assert plan(bench, "grey.tif", "--method otsu")["phases"].endswith("of Otsu")
    assert "expected labels" in plan(bench, "grey.tif", "--method labels", status=1)["error"]
    found = plan(bench, "grey.tif", "--thresholds 80,170 --blur 1.5")["phases"]
    assert found.endswith("by grey values with the thresholds 80, 170, smoothed by 1.5 voxels")


@row("measure", "not_imaged")
def _(bench: Bench, command: str) -> None:
    labels = phases(SHAPE)
    write(labels)
    assert measure(bench, "--not_imaged 2")["share_imaged"] == pytest.approx((labels != 2).mean(), rel=1e-6)


@row("measure", "rim")
def _(bench: Bench, command: str) -> None:
    labels = phases(SHAPE)
    write(labels)
    found = measure(bench, "--rim 3")
    assert found["share_imaged"] == pytest.approx((18 * 22) / (24 * 28), rel=1e-6)
    assert found["phases"][1]["fraction"]["value"] == pytest.approx((labels[:, 3:-3, 3:-3] == 1).mean(), rel=1e-6)


@row("measure", "phases", "measured", "diffusion_side")
def _(bench: Bench, command: str) -> None:
    write(phases(SHAPE))
    found = measure(bench, "--phases 2=pyrite --measured 0,2")["phases"]
    assert [(one["name"], one["measured"]) for one in found] == [
        ("phase 0", True),
        ("phase 1", False),
        ("pyrite", True),
    ]
    assert found[0]["diffusion"] is None
    bench.run("measure labels.tif wide --voxel_size 32 --longest 8 --measured 0 --diffusion_side 16")
    wide = document("wide")
    assert [stop - start for start, stop in wide["diffusion_region"].values()] == [16, 16, 16]
    assert 0.3 < wide["phases"][0]["diffusion"]["x"]["relative"] < 0.7


@row("measure", "longest")
def _(bench: Bench, command: str) -> None:
    write(phases(SHAPE))
    assert len(measure(bench, "")["phases"][1]["correlation"]["x"]["distances"]) == 9


@row("measure", "compare")
def _(bench: Bench, command: str) -> None:
    write(phases(SHAPE))
    measure(bench, "", name="other")
    assert measure(bench, "--compare other")["compared"]["name"] == "other"


@row("measure", "name", "checkpoints_dir", "epoch", "gpu_ids")
def _(bench: Bench, command: str) -> None:
    write_scan(rock((3, 24, 32)))
    write_run("phases", SEGMENTS, seg_mode="txm")
    Path("checkpoints").rename("models")
    Path("models/phases/latest_net_G.pth").rename("models/phases/3_net_G.pth")
    words = "--voxel_size 32 --name phases --checkpoints_dir models --gpu_ids -1"
    assert "latest_net_G.pth" in plan(bench, "scan", words, status=1)["error"]
    assert plan(bench, "scan", f"{words} --epoch 3")["model"].startswith("phases")
    bench.run("measure scan out --dry_run --voxel_size 32 --epoch 3", status=1)
    with pytest.raises(AssertionError, match="gpu_ids"):
        bench.run(f"measure scan out {words[:-2]} 7 --epoch 3 --dry_run")


@row("measure", "seg_mode", "seg_source")
def _(bench: Bench, command: str) -> None:
    write_scan(rock((3, 24, 32)))
    write_run("of_sem", SEGMENTS, seg_mode="sem")
    write_run("translation", TRANSLATES)
    words = "--voxel_size 32 --name of_sem --gpu_ids -1"
    assert "--seg_mode semfake" in plan(bench, "scan", words, status=1)["error"]
    assert plan(bench, "scan", f"{words} --seg_mode sem")["labels"].startswith("of SEM")
    found = plan(bench, "scan", f"{words} --seg_mode semfake --seg_source translation")
    assert "SEM predicted by translation" in found["labels"]
    assert MeasureCommand().measure.seg_mode == "auto"
