"""Training as one of several processes, which are copies of the test's: each would import torch anew for seconds."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from forks import Fork

from txm2sem.data import AlignedSlices
from txm2sem.options import MODEL_DEFAULTS, TrainCommand, override
from txm2sem.runs import RunPaths
from txm2sem.training.fit import PatchData, build_trainer
from txm2sem.training.forgiveness import Displacements
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
    module.displacements = Displacements.of(splits[0], command.sampling.forgive)
    paths = RunPaths.of("run", folder, folder)
    trainer = build_trainer(module, paths, lambda line: None, [torch.device("cpu")] * processes)
    trainer.fit(module, PatchData(module, *splits))
    ending = {
        "weights": {name: network.state_dict() for name, network in module.learners.items()},
        "batches": module.position.step,
        "rate": module.named_optimizers()["G"].optimizer.param_groups[0]["lr"],
    }
    torch.save(ending, folder / f"rank{trainer.global_rank}.pth")


def train_together(images: Path, folder: Path, runs: Mapping[str, Mapping[str, Any]]) -> None:
    """Train runs in two processes, as a launcher would start them; each leaves what it ends with in `folder/NAME`.

    Args:
        images: data root.
        folder: of all runs.
        runs: options by the run's name.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def train_as(rank: int) -> int:
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "LOCAL_RANK": str(rank)}
        for name, options in runs.items():
            train(images, folder / name, 2, options)
        return 0

    started = []
    for rank in range(2):
        (folder / f"printed{rank}").mkdir()
        started.append(Fork(partial(train_as, rank), folder / f"printed{rank}"))
    for process in started:
        status, err = process.end()
        assert status == 0, err
