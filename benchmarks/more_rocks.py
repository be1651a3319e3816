"""Do more rocks, neighbouring slices or more steps give the fractions of rocks that were not trained on?

    python benchmarks/more_rocks.py FOLDER [--rocks 40] [--contexts 0,4] [--epochs 25]

Trains the recipe phases on four slices of each of so many synthetic rocks, without and with neighbouring slices, and
applies the models to the ten phantoms of rock.py. The rocks have 36 x 192 x 192 voxels, and seeds, porosities (2 to
12 %) and shares of organic matter (5 to 20 %) of their own; slices of a quarter as many others, which are not trained
on, are the validation split. An epoch is 100 steps. Printed is the expected fraction of low density: mean absolute
error and mean error [points], and the slope of what is predicted over what is true, 1 where fractions do not lean
towards those of training. Then the same once a line has straightened it: that of true over expected fractions of the
rocks of the validation split, on their slices. Above all that is how bright the TXM of each phantom is.

All rocks are in one data root: their TXM volumes lie one behind the other in its full stack, with numbers left out
between them. What is there of FOLDER already is not made again.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tifffile
from rock import KINDS, program, write_phantom

import txm2sem
from txm2sem.data.segmentation import IGNORED
from txm2sem.options import PhantomOptions
from txm2sem.phantoms import write_phantom as write_data_root

PHANTOMS = 10
DEPTH, SIDE, SLICES = 36, 192, 4
FIRST_SEED = 2000
SPACING = 100
"""Numbers from one rock to the next in the full stack."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rocks", type=int, default=40)
    parser.add_argument("--contexts", default="0,4")
    parser.add_argument("--epochs", type=int, default=25)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    write_rocks(given.folder, given.rocks)
    places = [write_phantom(given.folder, number) for number in range(PHANTOMS)]
    true = [true_fraction(place) for place in places]
    print_row("grey value of neither, median", [median_grey(place, 0) for place in places])
    print_row("of low density", [median_grey(place, 1) for place in places])
    print_row("low density: true fraction", true)
    for context in map(int, given.contexts.split(",")):
        name = f"rocks_{given.rocks}_context_{context}_epochs_{given.epochs}"
        train(given.folder, name, given.rocks, context, given.epochs)
        found = [expected_fraction(given.folder, name, place) for place in places]
        line = np.polyfit(*validation_fractions(given.folder, name, given.rocks), 1)
        for what, fractions in ((name, found), ("  straightened", np.polyval(line, found).tolist())):
            error = np.subtract(fractions, true)
            print_row(what, fractions)
            mean = f"mean absolute error {np.abs(error).mean():.2f} ({error.mean():+.2f}) points"
            print(f"  {mean}, slope {np.polyfit(true, fractions, 1)[0]:.2f}", flush=True)


def print_row(what: str, values: Sequence[float]) -> None:
    print(f"{what:<44}" + " ".join(f"{value:5.1f}" for value in values))


def write_rocks(folder: Path, rocks: int) -> None:
    """Write a data root with slices of all rocks, and their volumes."""
    root = folder / f"rocks_{rocks}"
    if root.exists():
        return
    growing = folder / f".{root.name}"
    shutil.rmtree(growing, ignore_errors=True)
    stack = growing / "test" / "txm_full_stack"
    stack.mkdir(parents=True)
    lines = ["number,z"]
    rng = np.random.default_rng(FIRST_SEED)
    for rock in range(rocks + rocks // 4):
        split = "train" if rock < rocks else "val"
        made = folder / "rock"
        shutil.rmtree(made, ignore_errors=True)
        options = PhantomOptions(
            size=SIDE,
            depth=DEPTH,
            seed=FIRST_SEED + rock,
            train_slices=SLICES,
            val_slices=0,
            test_slices=0,
            porosity=rng.uniform(0.02, 0.12),
            organic=rng.uniform(0.05, 0.20),
        )
        write_data_root(made, options)
        for path in (made / "test" / "txm_full_stack").iterdir():
            path.rename(stack / name_of(rock, int(path.stem)))
        for line in (made / "slice_positions.csv").read_text().splitlines()[1:]:
            number, z = map(int, line.split(","))
            lines.append(f"{SPACING * rock + z},{SPACING * rock + z}")
            for kind in KINDS:
                place = growing / split / kind
                place.mkdir(parents=True, exist_ok=True)
                (made / "train" / kind / f"{number:03d}.tif").rename(place / name_of(rock, z))
        shutil.rmtree(made)
    (growing / "slice_positions.csv").write_text("\n".join(lines) + "\n")
    growing.rename(root)


def name_of(rock: int, z: int) -> str:
    return f"{SPACING * rock + z:05d}.tif"


def train(folder: Path, name: str, rocks: int, context: int, epochs: int) -> None:
    if (folder / "checkpoints" / name / "latest_net_G.phases_txm.json").exists():
        return
    words = f"--recipe phases --dataroot rocks_{rocks} --name {name} --seed 0 --no_html --niter {epochs}"
    program(folder, f"train {words} --context_slices {context} --num_test 40")


def true_fraction(place: Path) -> float:
    labels = tifffile.imread(place / "true.tif")
    return 100 * float(np.mean(labels[labels != IGNORED] == 1))


def median_grey(place: Path, phase: int) -> float:
    txm, labels = (tifffile.imread(place / name) for name in ("txm.tif", "true.tif"))
    return float(np.median(txm[labels == phase]))


def expected_fraction(folder: Path, name: str, place: Path) -> float:
    """Return the expected fraction of low density, by `txm2sem volume` [%]."""
    output = f"{place.name}/{name}.ome.zarr"
    report = folder / f"{output}_report.json"
    if not report.exists():
        program(folder, f"volume {place.name}/txm.tif {output} --name {name} --voxel_size 32 --epoch latest")
    return 100 * float(json.loads(report.read_text())["scores"]["classes"]["low density"]["expected_share"])


def validation_fractions(folder: Path, name: str, rocks: int) -> tuple[list[float], list[float]]:
    """Return the expected and the true fraction of low density in the slices of each validation rock [%]."""
    kept = folder / f"{name}_validation.json"
    if not kept.exists():
        model = txm2sem.load(name, checkpoints_dir=folder / "checkpoints", device="cpu")
        root = folder / f"rocks_{rocks}"
        expected, true = [], []
        for rock in range(rocks, rocks + rocks // 4):
            stack = [tifffile.imread(root / "test/txm_full_stack" / name_of(rock, z)) for z in range(DEPTH)]
            masks = {z: root / "val/lowdensity" / name_of(rock, z) for z in range(DEPTH)}
            seen = [z for z, mask in masks.items() if mask.exists()]
            imaged = np.stack(stack)[seen] > 0
            likely = model.probabilities(np.stack(stack))[1, seen]
            low = np.stack([tifffile.imread(masks[z]) for z in seen]) > 0
            expected.append(100 * float(likely[imaged].mean()))
            true.append(100 * float(low[imaged].mean()))
        kept.write_text(json.dumps([expected, true]))
    expected, true = json.loads(kept.read_text())
    return expected, true


if __name__ == "__main__":
    main()
