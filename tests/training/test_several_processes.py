"""Training in two processes (DDP with gloo, on the CPU, as several GPUs would) keeps both copies equal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from data_roots import write_data_root

SCRIPT = """
import sys
from pathlib import Path
import torch
from txm2sem.config import TrainCommand, MODEL_DEFAULTS, override
from txm2sem.data import AlignedSlices
from txm2sem.runs import RunPaths
from txm2sem.training.fit import PatchData, build_trainer
from txm2sem.training.models import MODELS

model, folder = sys.argv[1], Path(sys.argv[2])
small = dict(ngf=4, ndf=4, netG="resnet_6blocks", patch_size=32, num_train=5, niter=2, niter_decay=0, num_test=2,
             num_threads=0, lambda_img_grad=1e-4, save_latest_freq=2)
command = override(TrainCommand(), {**MODEL_DEFAULTS[model], "model": model, **small})
splits = [AlignedSlices.open(folder / "images", split, command.data) for split in ("train", "val")]
module = MODELS[model](command)
paths = RunPaths.of("run", folder, folder)
trainer = build_trainer(module, paths, print, accelerator="cpu", devices=2)
trainer.fit(module, PatchData(module, *splits))
torch.save({name: net.state_dict() for name, net in module.networks.items()}, folder / f"rank{trainer.global_rank}.pth")
"""


@pytest.mark.parametrize("model", ["feedforward", "pix2pix"])
def test_two_processes_end_with_equal_weights(model: str, tmp_path: Path) -> None:
    write_data_root(tmp_path / "images")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    words = [sys.executable, str(script), model, str(tmp_path)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr

    first, second = (torch.load(tmp_path / f"rank{rank}.pth", weights_only=True) for rank in (0, 1))
    for network in first:
        for key in first[network]:
            # Batch statistics are each process's own, as usual with DDP; only the main process's are saved.
            if "running" not in key:
                assert torch.equal(first[network][key], second[network][key]), key
    saved = torch.load(tmp_path / "run" / "latest_net_G.pth", weights_only=True)
    assert all(torch.equal(saved[key], first["G"][key]) for key in saved)
    metrics = (tmp_path / "run" / "run_metrics.txt").read_text().splitlines()
    assert len(metrics) == 3
