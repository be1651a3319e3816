"""How near the time that a training is said to take, before it begins, comes to the time that it takes.

    python benchmarks/pace.py [--only NAME ...] [--steps 30]

A synthetic shale is written into a temporary folder, and each case trains on it for some steps. Printed are the seconds
of a step as `model.pace` finds them, as the training takes them (its first steps, pages and log included, validations
not), and their ratio. Some minutes on two cores.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import torch

from txm2sem.data import size_option
from txm2sem.devices import devices_of, keep_freed_memory
from txm2sem.model.pace import measure_pace
from txm2sem.options import PhantomOptions, TrainCommand
from txm2sem.phantoms import write_phantom
from txm2sem.resolving import resolve
from txm2sem.training.fit import fit

CASES = {
    "translate": {"recipe": "translate"},
    "texture": {"recipe": "texture"},
    "phases": {"recipe": "phases"},
    "feedforward": {"model": "feedforward", "patch_size": 128},
    "pix2pix": {"model": "pix2pix"},
    "srcnn, penalty": {
        "model": "srcnn",
        "netG": "sr_resnet_9blocks",
        "downsample_factor": 2,
        "patch_size": 128,
        "lambda_img_grad": 1e-4,
    },
    "srgan": {"model": "srgan", "netG": "sr_resnet_9blocks", "downsample_factor": 4, "patch_size": 128},
    "srgan, 4 parts": {"model": "srgan", "downsample_factor": 4, "patch_size": 128, "batch_size": 4, "accumulate": 4},
}
"""Options by name: the recipes, the defaults, and the commands of the README."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[], help="cases whose names begin so")
    parser.add_argument("--steps", type=int, default=30, help="of each training")
    arguments = parser.parse_args()
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_phantom(
            folder / "images", PhantomOptions(size=256, depth=24, train_slices=2, val_slices=1, test_slices=1)
        )
        print(f"{'case':<20}{'found':>10}{'taken':>10}{'ratio':>8}  [seconds a step]")
        for case, options in CASES.items():
            if case.startswith(tuple(arguments.only or [""])):
                found, taken = compare(folder, options, arguments.steps)
                print(f"{case:<20}{found:>10.3f}{taken:>10.3f}{taken / found:>8.2f}", flush=True)
    return 0


def compare(folder: Path, options: dict[str, object], steps: int) -> tuple[float, float]:
    """Return the seconds of a step as they are found before a training, and as the training takes them."""
    places = {"dataroot": folder / "images", "checkpoints_dir": folder / "checkpoints", "name": "run"}
    command = resolve(TrainCommand(), {**options, **places}, lambda line: None)
    size = getattr(command.data, size_option(command.data))
    found = measure_pace(command, size, devices_of(command.run.gpu_ids)[0]).step
    length = {"num_train": steps * command.sampling.batch_size, "num_test": 1, "niter": 1, "niter_decay": 0}
    reached: list[float] = []
    # One line at the first step, and one at the last.
    length |= {"print_freq": length["num_train"] // 2, "epoch_count": 1}
    command = resolve(TrainCommand(), {**options, **places, **length}, lambda line: None)
    fit(command, lambda line: reached.append(time.monotonic()) if "iters:" in line else None)
    torch.manual_seed(0)
    return found, (reached[-1] - reached[0]) / (steps / 2)


if __name__ == "__main__":
    sys.exit(main())
