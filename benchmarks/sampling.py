"""Are samples honest, and do they look like a SEM? Recipe sample beside translate and texture, on a synthetic shale.

    python benchmarks/sampling.py FOLDER [--recipes translate texture sample] [--seeds 0 1 2] [--minutes 20]
        [--figure FILE]

Trains each recipe with each seed for so long on a phantom of 256 x 256 pixels without charging, in FOLDER, and tests it
on the 100 test patches; from recipe sample 19 draws are taken. `--minutes 0` trains as long as the recipe says. A
recipe may have options beside it: 'sample --batch_size 2 --niter 10'.

- PSNR: of the prediction, and of the mean of the draws; and of one draw.
- power: of one draw (or the prediction), mean and largest deviation from that of the SEM over frequencies.
- low density: fraction, mean chord in rows, perimeter and Euler number of one draw (or the prediction).
- held: how often the interval from the smallest to the largest draw, which should hold 90 %, holds the truth: of
  pixels, and of the fraction of low density in a patch.
- along z: of one draw (or the prediction) of the whole stack, how adjacent slices differ, as a ratio to the TXM, and
  the autocorrelation at lags of 1, 4 and 16 slices.

`--figure` draws a part of both test slices: TXM, two draws of recipe sample, mean and standard deviation of 19, SEM.

What is there of FOLDER already is not made again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import tifffile
from matplotlib.figure import Figure

import txm2sem
from txm2sem.figures.saving import save_figure
from txm2sem.figures.scale import add_scale_bar
from txm2sem.figures.shown import WIDTH
from txm2sem.figures.style import SMALLEST, column_figure, styled
from txm2sem.phantoms.rock import VOXEL_SIZE_NM

DRAWS = 19
SHOWN = slice(64, 192)
"""Rows and columns of the figure."""
LAGS = (1, 4, 16)
COLUMNS = (
    "PSNR [dB]",
    "of one draw",
    "power off by [dB]",
    "the most",
    "fraction [%]",
    "chord [pixels]",
    "perimeter [1 / 1000 pixels]",
    "Euler [per 10^6 pixels]",
    "held: pixels [%]",
    "fractions [%]",
    "z: ratio to TXM",
    *(f"lag {lag}" for lag in LAGS),
)
ROCK = {"fraction": 100, "chord_rows_px": 1, "perimeter_per_px": 1000, "euler_per_px2": 1e6}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--recipes", nargs="+", default=["translate", "texture", "sample"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--figure", type=Path)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    if not (given.folder / "phantom").exists():
        program(given.folder, "phantom phantom --size 256 --charging 0")
    print(f"| recipe | seed | {' | '.join(COLUMNS)} |\n|{'---|' * (len(COLUMNS) + 2)}", flush=True)
    truth: dict[str, Any] = {}
    for recipe in given.recipes:
        for seed in given.seeds:
            row, truth = run(given.folder, recipe, seed, given.minutes)
            print(f"| {recipe} | {seed} | {cells(row)} |", flush=True)
    print(f"| SEM | | {cells(truth)} |")
    if given.figure:
        save_figure(draw(given.folder, f"sample_{given.seeds[0]}"), given.figure)


def as_name(words: str) -> str:
    """Return words as the name of a run: letters and digits, joined by underscores."""
    return "_".join("".join(letter if letter.isalnum() else " " for letter in words).split())


def program(folder: Path, words: str) -> None:
    """Run a command of the program; what it prints is in `log.txt`."""
    with (folder / "log.txt").open("a") as log:
        subprocess.run([Path(sys.executable).with_name("txm2sem"), *words.split()], cwd=folder, stdout=log, check=True)


def run(folder: Path, recipe: str, seed: int, minutes: float) -> tuple[dict[str, float], dict[str, float]]:
    """Train, test and translate; return what was found of the recipe, and of the truth, by column."""
    name = as_name(f"{recipe} {seed}")
    drawn = f"--draws {DRAWS}" if "sample" in recipe else ""
    if not (folder / "results" / name / "scores.json").exists():
        budget = f"--time_budget {minutes:g}" if minutes else ""
        program(folder, f"train --recipe {recipe} --dataroot phantom --name {name} --seed {seed} --no_html {budget}")
        program(folder, f"test --name {name} --eval {drawn}")
    if not (folder / f"{name}.ome.zarr").exists():
        stacks = "phantom/test/txm_full_stack {0}.ome.zarr --truth phantom/test/sem_full_stack"
        program(folder, f"volume {stacks.format(name)} --name {name} --voxel_size 32")
    scores = json.loads((folder / "results" / name / "scores.json").read_text())
    report = json.loads((folder / f"{name}.ome.zarr_report.json").read_text())
    continuity = report["scores"]["continuity"]
    kind = f"one draw of {name}" if drawn else f"model {name}"
    similar = scores["similarity"]
    means = scores["means"]["rows"]
    found = {"PSNR [dB]": means[f"model {name}"]["PSNR"]["mean"]}
    if drawn:
        found["of one draw"] = similar[kind]["all"]["psnr"]["value"]
        found["held: pixels [%]"] = 100 * scores["draws"]["pixels"]["value"]
        found["fractions [%]"] = 100 * scores["draws"]["fraction"]["low_density"]["value"]
    power = scores["spectrum"][kind]
    found["power off by [dB]"], found["the most"] = (
        power[f"spectrum_{which}_db"]["value"] for which in ("mean", "largest")
    )
    true: dict[str, float] = {}
    for column, (measure, factor) in zip(COLUMNS[4:8], ROCK.items(), strict=True):
        measured = scores["rock"][kind]["low_density"][measure]
        found[column], true[column] = (factor * measured[which]["value"] for which in ("predicted", "true"))
    for values, which in ((found, "prediction"), (true, "truth")):
        values["z: ratio to TXM"] = continuity[which]["adjacent_difference_of_txm"]
        along_z = continuity[which]["autocorrelation_along_z"]
        values |= {f"lag {lag}": along_z[lag - 1] for lag in LAGS}
    return found, true


@styled
def draw(folder: Path, name: str) -> Figure:
    """Draw what a model makes of a part of both test slices."""
    model = txm2sem.load(name, checkpoints_dir=folder / "checkpoints")
    paths = sorted((folder / "phantom/test/txm").iterdir())
    figure = column_figure(2 * len(paths) * (WIDTH / 3 + 0.12))
    cells = figure.subplots(2 * len(paths), 3)
    for number, path in enumerate(paths):
        txm, sem = tifffile.imread(path), tifffile.imread(folder / "phantom/test/sem" / path.name)
        draws = model.draws(txm, DRAWS)
        shown = {
            "TXM": txm,
            "a draw": draws[0],
            "another draw": draws[1],
            f"mean of {DRAWS}": draws.mean(0),
            "deviation, 0 to 64": 255 / 64 * draws.std(0, ddof=1),
            "SEM (truth)": sem,
        }
        for cell, (title, image) in zip(cells[2 * number : 2 * number + 2].flat, shown.items(), strict=True):
            cell.imshow(image[SHOWN, SHOWN], cmap="gray", vmin=0, vmax=255, interpolation="none")
            cell.set_axis_off()
            cell.set_title(title, fontsize=SMALLEST)
        add_scale_bar(cells[2 * number, 0], txm[SHOWN, SHOWN].shape, VOXEL_SIZE_NM)
    return figure


def cells(found: dict[str, float]) -> str:
    return " | ".join(f"{found[column]:.4g}" if column in found else "" for column in COLUMNS)


if __name__ == "__main__":
    main()
