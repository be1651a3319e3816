"""Continuity against fidelity: what the Jacobian penalty, fused axes, neighbouring slices and samples do along z.

    python benchmarks/continuity.py FOLDER [--seeds 0 1 2] [--epochs 2] [--sample_seeds 0] [--figure FILE]

On a phantom without charging, whose SEM is known at every z, written into FOLDER. The recipe `translate` is trained for
so many of its epochs without a penalty and with two weights of it, and with the slices above and below; `sample` as
long as the recipe says, with the seeds of `--sample_seeds`. Epochs, so that the numbers do not depend on how busy a
machine is. Each translates the whole stack of the test slices: PSNR and SSIM of its slices, and how much adjacent
slices differ, as a multiple of how much those of the TXM do. Means over the seeds, with intervals of Student's t at 95
%.

What FOLDER has already is not made again, so several calls make one table.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

from sampling import program

from txm2sem.figures.front import FrontPoint, draw_front
from txm2sem.figures.saving import save_figure
from txm2sem.metrics import Interval
from txm2sem.metrics.repeats import mean_of_repeats

PENALTIES = ("0", "1e-5", "1e-4")
DRAWS = 8
PSNR, SSIM = "PSNR [dB]", "SSIM"

TRAINED = {
    **{f"penalty_{weight}": f"--recipe translate --lambda_img_grad {weight}" for weight in PENALTIES},
    "context": "--recipe translate --context_slices 1",
    "sample": "--recipe sample",
}
"""Options of each training, by its name."""

TRANSLATED = {
    **{("Jacobian penalty", weight): (f"penalty_{weight}", "") for weight in PENALTIES},
    ("--z_blend", ""): ("penalty_0", "--z_blend"),
    ("--context_slices 1", ""): ("context", ""),
    ("recipe sample", "a draw"): ("sample", ""),
    ("recipe sample", f"mean of {DRAWS}"): ("sample", f"--draws {DRAWS}"),
}
"""The training, and further options of `txm2sem volume`, by series and label of the figure."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--sample_seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--figure", type=Path)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    if not (given.folder / "phantom").exists():
        program(given.folder, "phantom phantom --size 256 --charging 0")
    print(f"| | | {PSNR} | {SSIM} | change along z, of the TXM's |\n|---|---|---|---|---|", flush=True)
    measured: dict[tuple[str, str], tuple[Interval, Interval, Interval]] = {}
    truth = float("nan")
    for (series, label), (training, options) in TRANSLATED.items():
        seeds, length = (given.sample_seeds, "") if training == "sample" else (given.seeds, f"--niter {given.epochs}")
        found = [volume(given.folder, training, seed, length, options) for seed in seeds]
        truth = found[0][3]
        fidelity, similarity, change = (mean_of_repeats(values) for values in list(zip(*found, strict=True))[:3])
        measured[series, label] = (fidelity, similarity, change)
        cells = [shown(fidelity, 2), shown(similarity, 3), shown(change, 2)]
        print(f"| {series} | {label} | {' | '.join(cells)} |", flush=True)
    print(f"| SEM (truth) | | | | {truth:.2f} |")
    if given.figure:
        save_figure(draw_front(points(measured), truth, "Synthetic shale, whole stack"), given.figure)


def shown(mean: Interval, digits: int) -> str:
    bounds = f" [{mean.low:.{digits}f}, {mean.high:.{digits}f}]" if math.isfinite(mean.low) else ""
    return f"{mean.value:.{digits}f}{bounds}"


def volume(folder: Path, training: str, seed: int, length: str, options: str) -> tuple[float, float, float, float]:
    """Train and translate; return PSNR, SSIM, and the change along z of the prediction and of the truth."""
    name = f"{training}_{seed}"
    if not (folder / "checkpoints" / name / "latest_net_G.pth").exists():
        program(folder, f"train {TRAINED[training]} --dataroot phantom --name {name} --seed {seed} --no_html {length}")
    written = f"{name}{options.replace(' ', '')}.ome.zarr"
    if not (folder / f"{written}_report.json").exists():
        stacks = f"phantom/test/txm_full_stack {written} --truth phantom/test/sem_full_stack"
        program(folder, f"volume {stacks} --name {name} --voxel_size 32 {options}")
    scores = json.loads((folder / f"{written}_report.json").read_text())["scores"]
    change = (scores["continuity"][which]["adjacent_difference_of_txm"] for which in ("prediction", "truth"))
    return scores["psnr"]["mean"], scores["ssim"]["mean"], *change


def points(measured: dict[tuple[str, str], tuple[Interval, Interval, Interval]]) -> list[FrontPoint]:
    """Return the points of the figure; unbeaten are those that no other is better than and also nearer to the TXM."""
    found = []
    for (series, label), (fidelity, similarity, change) in measured.items():
        up = {PSNR: fidelity, SSIM: similarity}
        others = [other for key, other in measured.items() if key != (series, label)]
        unbeaten = frozenset(
            heading
            for place, heading in enumerate(up)
            if not any(other[place].value >= up[heading].value and other[2].value <= change.value for other in others)
        )
        found.append(FrontPoint(series, label, change, up, unbeaten))
    return found


if __name__ == "__main__":
    main()
