"""Measure what it is worth to begin with the model of another rock, for a new rock or another contrast of images.

    python benchmarks/transfer.py [--steps 75] [--seeds 0] [--blur 3.5] [--photons 150] [--freeze 6]

A synthetic shale whose TXM is more blurred and has more noise than that of `txm2sem phantom`. `--recipe translate` is
trained on it from scratch, for as many steps as given and three times as many; and for as many as given from the model
that comes along, from a model of another rock with the usual TXM (trained here for four times as many steps), and from
that with its first layers frozen. Each training has a schedule of its own length. Steps are compared, not minutes, as
the same steps take the same time on every machine, however busy; the minutes that they took are there, too. PSNR [dB]
and SSIM are those of the validation after the last step, and means over the test slices, against a SEM with all its
noise.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tifffile
import torch

import txm2sem
from txm2sem.course import Course
from txm2sem.metrics import psnr, ssim
from txm2sem.options import PhantomOptions
from txm2sem.phantoms import write_phantom
from txm2sem.runs import RunPaths

BATCH, PER_EPOCH = 8, 200

BEFORE: dict[str, Any] = {"netG": "residual_unet", "ngf": 32, "norm": "none", "lr": 0.001}
"""What the recipe was, and the model that comes along is, whose weights fit no other network."""

TRAINING: dict[str, Any] = {"recipe": "translate", **BEFORE, "batch_size": BATCH, "num_train": PER_EPOCH, "num_test": 8}
TRAINING |= {"num_threads": 0, "no_html": True, "device": "cpu"}


class Score(NamedTuple):
    """PSNR [dB] and SSIM of the validation and of the test slices, and the minutes that the training took."""

    validation: tuple[float, float]
    test: tuple[float, float]
    minutes: float


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=75, help="of the shortest training, a multiple of 25")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of the rocks and the trainings")
    parser.add_argument("--blur", type=float, default=3.5, help="of the new rock's TXM [pixels]")
    parser.add_argument("--photons", type=float, default=150.0, help="of the new rock's TXM")
    parser.add_argument("--freeze", default="6", help="layers that are kept in the last training")
    given = parser.parse_args(words)
    torch.set_num_threads(1)
    print(
        "| begins with | seed | steps | minutes | validation [dB, SSIM] | test [dB, SSIM] |\n|---|---|---|---|---|---|"
    )
    for seed in given.seeds:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            write_phantom(place / "known", PhantomOptions(seed=100 + seed, size=512, depth=88))
            new = PhantomOptions(seed=200 + seed, size=512, depth=88, blur=given.blur, photons=given.photons)
            write_phantom(place / "new", new)
            starts: list[tuple[str, int, dict[str, Any]]] = [
                ("nothing", 1, {}),
                ("the model that comes along", 1, {"init_from": "translate"}),
                ("nothing", 3, {}),
                ("a model of another rock", 1, {"init_from": "other"}),
                (f"that, --freeze {given.freeze}", 1, {"init_from": "other", "freeze": given.freeze}),
            ]
            for number, (title, times, start) in enumerate(starts):
                if start.get("init_from") == "other" and not (place / "checkpoints" / "other").exists():
                    trained(place, "known", "other", 4 * given.steps, seed)
                steps = times * given.steps
                score = trained(place, "new", f"run{number}", steps, seed, **start)
                shown = " | ".join(f"{value:.2f}, {similarity:.4f}" for value, similarity in score[:2])
                print(f"| {title} | {seed} | {steps} | {score.minutes:.1f} | {shown} |", flush=True)


def trained(place: Path, rock: str, name: str, steps: int, seed: int, **start: Any) -> Score:
    """Train on a rock, and return the scores of the model."""
    begun = time.monotonic()
    places = {"checkpoints_dir": place / "checkpoints", "results_dir": place / "results"}
    epochs = steps * BATCH // PER_EPOCH
    run = txm2sem.train(place / rock, name, **TRAINING, **places, niter=epochs, seed=seed, **start)
    minutes = (time.monotonic() - begun) / 60
    course = Course.read(RunPaths(name, run.checkpoints, run.results).course, PER_EPOCH)
    last = {curve.name: float(curve.values[-1]) for curve in course.scores}
    model = run.load(device="cpu")
    scores = []
    for path in sorted((place / rock / "test" / "txm").iterdir()):
        txm, sem = tifffile.imread(path), tifffile.imread(path.parents[1] / "sem" / path.name)
        prediction, valid = model.predict(txm), (txm > 0) & (sem > 0)
        scores.append((psnr(prediction, sem, valid), ssim(prediction, sem, valid)))
    test = np.mean(scores, axis=0)
    return Score((last["PSNR"], last["SSIM"]), (float(test[0]), float(test[1])), minutes)


if __name__ == "__main__":
    main(sys.argv[1:])
