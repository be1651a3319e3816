"""Models as files."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from run_folders import write_test

from cli.flags.table import Bench, row, weights
from cli.volumes import write_run
from txm2sem.runs import RunPaths

FILTER = {"model": "feedforward", "netG": "linearfilt", "downsample_factor": 1}

SAID = "--author Ada --license MIT"


def needs_export() -> None:
    for name in ("onnx", "onnxruntime", "bioimageio.spec"):
        pytest.importorskip(name, reason="needs what the extra `export` installs")


def exported(bench: Bench, words: str, name: str = "model.zip") -> dict[str, Any]:
    """Export the run `mine`, and return how the archive describes it."""
    bench.run(f"export mine {name} {words}")
    with zipfile.ZipFile(name) as archive:
        found: dict[str, Any] = yaml.safe_load(archive.read("bioimageio.yaml"))
        return found | {"card": archive.read("README.md").decode()}


@row("export", "author", "license", "citation")
def _(bench: Bench, command: str) -> None:
    needs_export()
    write_run("mine", FILTER)
    found = exported(bench, f"{SAID} --citation doi:10.1234/abc")
    assert found["authors"] == [{"name": "Ada"}]
    assert found["license"] == "MIT"
    assert found["cite"][-1]["doi"] == "10.1234/abc"


@row("export", "epoch", "load_iter")
def _(bench: Bench, command: str) -> None:
    needs_export()
    write_run("mine", FILTER)
    state = weights(Path("checkpoints/mine"))
    for label, bias in (("3", 0.25), ("iter_7", -0.25)):
        torch.save(state | {"filter.bias": torch.tensor([bias])}, f"checkpoints/mine/{label}_net_G.pth")
    outputs = []
    for number, words in enumerate(("", "--epoch 3", "--load_iter 7")):
        bench.run(f"export mine {number}.onnx {words}")
        with np.load(f"{number}.npz") as golden:
            outputs.append(golden["output"])
    differences = [float((output - outputs[0])[0, 0, 30, 30]) / 95 for output in outputs]
    expected = [0, *(bias - float(state["filter.bias"]) for bias in (0.25, -0.25))]
    assert differences == pytest.approx(expected, abs=1e-4)


@row("export", "checkpoints_dir", "results_dir")
def _(bench: Bench, command: str) -> None:
    needs_export()
    write_run("mine", FILTER)
    Path("checkpoints").rename("models")
    write_test(RunPaths.of("mine", Path("models"), Path("elsewhere")), 10.0, {"name": "mine"})
    places = f"{SAID} --checkpoints_dir models"
    assert "| model mine |" not in exported(bench, places)["card"]
    assert "| model mine |" in exported(bench, f"{places} --results_dir elsewhere", "other.zip")["card"]


@row("load", "checkpoints_dir")
def _(bench: Bench, command: str) -> None:
    needs_export()
    write_run("mine", FILTER)
    bench.run(f"export mine model.zip {SAID}")
    said = bench.run("load model.zip --checkpoints_dir others").out
    assert weights(Path("others/mine")).keys() == weights(Path("checkpoints/mine")).keys()
    assert "--name mine --checkpoints_dir others" in said
    assert "checkpoints/mine exists" in bench.run("load model.zip", status=1).err
