"""How near the time that a training is said to take, before it begins, comes to the time that it takes.

    python benchmarks/pace.py [--only NAME ...] [--steps 10]

A synthetic shale is written into a temporary folder, and each case trains on it for some steps. Printed are the seconds
of a step as `model.pace` finds them, without its factor `BESIDE`, as the training takes them (log included, validations
not), and their ratio, which is what `BESIDE` stands for. All are processor seconds, also those of the
loading of patches. On the CPU; some minutes on two cores that do nothing else.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from txm2sem.data import size_option
from txm2sem.memory import keep_freed_memory
from txm2sem.model.pace import BESIDE, measure_pace
from txm2sem.options import PhantomOptions, TrainCommand
from txm2sem.phantoms import write_phantom
from txm2sem.resolving import resolve
from txm2sem.training.fit import fit

SUPER_RESOLUTION = {"netG": "sr_resnet_9blocks", "patch_size": 128}
CASES: dict[str, dict[str, Any]] = {
    "translate": {"recipe": "translate"},
    "texture": {"recipe": "texture"},
    "phases": {"recipe": "phases"},
    "feedforward": {"model": "feedforward", "patch_size": 128},
    "pix2pix": {"model": "pix2pix"},
    "srgan": {"model": "srgan", "downsample_factor": 4, **SUPER_RESOLUTION},
    "srgan, penalty": {"model": "srgan", "downsample_factor": 4, "lambda_img_grad": 1e-4, **SUPER_RESOLUTION},
    "srcnn, penalty": {"model": "srcnn", "downsample_factor": 2, "lambda_img_grad": 1e-4, **SUPER_RESOLUTION},
}
"""Options by name: the recipes, defaults, and the commands of docs/papers.md."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[""], help="cases whose names begin so")
    parser.add_argument("--steps", type=int, default=10, help="of each training")
    arguments = parser.parse_args()
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        options = PhantomOptions(size=256, depth=24, train_slices=2, val_slices=1, test_slices=1)
        write_phantom(folder / "images", options, lambda done, task: None)
        print(f"{'case':<20}{'found':>10}{'taken':>10}{'ratio':>8}  [processor seconds a step]")
        for case, options_of_case in CASES.items():
            if case.startswith(tuple(arguments.only)):
                found, taken = compare(folder, options_of_case, arguments.steps)
                print(f"{case:<20}{found:>10.3f}{taken:>10.3f}{taken / found:>8.2f}", flush=True)
    return 0


def compare(folder: Path, options: dict[str, Any], steps: int) -> tuple[float, float]:
    """Return the seconds of a step as they are found before a training, and as the training takes them."""
    given = {**options, "dataroot": folder / "images", "checkpoints_dir": folder / "checkpoints", "name": "run"}
    given |= {"gpu_ids": "-1", "num_threads": 0, "num_test": 1, "niter": 1, "niter_decay": 0, "no_html": True}
    batch = resolve(TrainCommand(), given, lambda line: None).sampling.batch_size
    # A line after the first steps, which find their memory, and one at the end.
    given |= {"num_train": 2 * steps * batch, "print_freq": steps * batch}
    command = resolve(TrainCommand(), given, lambda line: None)
    size = getattr(command.data, size_option(command.data))
    found = measure_pace(command, size, torch.device("cpu"), time.process_time).step / BESIDE
    reached: list[float] = []
    fit(command, lambda line: reached.append(time.process_time()) if ", iters: " in line else None)
    return found, (reached[-1] - reached[0]) / steps


if __name__ == "__main__":
    sys.exit(main())
