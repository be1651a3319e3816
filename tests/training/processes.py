"""Training runs as a program of its own, which Lightning starts once more for each further process.

    python processes.py IMAGES FOLDER PROCESSES RUNS

RUNS is a JSON object of options by the run's name. Each process leaves what it ends with in FOLDER/NAME.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from txm2sem.data import AlignedSlices
from txm2sem.options import MODEL_DEFAULTS, TrainCommand, override
from txm2sem.runs import RunPaths
from txm2sem.training.fit import PatchData, build_trainer
from txm2sem.training.models import MODELS

SMALL = {"ngf": 4, "ndf": 4, "netG": "resnet_6blocks", "patch_size": 32, "num_train": 5, "niter": 2, "niter_decay": 0}
SMALL |= {"num_test": 2, "num_threads": 0, "save_latest_freq": 2}


def train(images: Path, folder: Path, processes: int, options: Mapping[str, Any]) -> None:
    """Train; the clock of each process goes on when it is read, that of the second five times as fast."""
    folder.mkdir(parents=True, exist_ok=True)
    command = override(TrainCommand(), {**MODEL_DEFAULTS[options["model"]], **SMALL, **options})
    splits = [AlignedSlices.open(images, split, command.data) for split in ("train", "val")]
    ticks = itertools.count(step=1 + 4 * int(os.environ.get("LOCAL_RANK", "0")))
    module = MODELS[command.model.model](command, lambda: float(next(ticks)))
    paths = RunPaths.of("run", folder, folder)
    trainer = build_trainer(module, paths, lambda line: None, accelerator="cpu", devices=processes)
    trainer.fit(module, PatchData(module, *splits))
    ending = {
        "weights": {name: network.state_dict() for name, network in module.networks.items()},
        "batches": module.position.step,
        "rate": module.named_optimizers()["G"].optimizer.param_groups[0]["lr"],
    }
    torch.save(ending, folder / f"rank{trainer.global_rank}.pth")


if __name__ == "__main__":
    source, target, count, runs = sys.argv[1:]
    for run, chosen in json.loads(runs).items():
        train(Path(source), Path(target) / run, int(count), chosen)
