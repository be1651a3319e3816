"""Does a prediction give the rock's numbers? Phases of ten phantoms, measured in truth and in predictions from the TXM.

    python benchmarks/rock.py FOLDER [--phantoms 10] [--figure FILE]

Trains the recipes translate, texture and phases on the default phantom, in FOLDER. The phantoms have other seeds,
porosities (2 to 12 %) and shares of organic matter (5 to 20 %) than that, and 128 x 256 x 256 voxels. In each, by
`txm2sem measure`:

- true: what the rock is;
- translate, texture: the predicted SEM, by the thresholds that repeat the masks on the training SEM best;
- phases: expected fractions, and the likeliest phase for all else;
- phases_rocks: the same, trained on 16 slices of four rocks of different contents, not on 8 of one;
- otsu: the TXM itself, smoothed by a voxel, by Otsu's thresholds;
- training: the mean of the masks of the training slices, for fractions: what one knows without any TXM.

Diffusion is computed in the same part of all, 96 voxels a side. What is there of FOLDER already is not made again.
"""

from __future__ import annotations

import argparse
import math
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from matplotlib.figure import Figure

import txm2sem
from txm2sem.data import AlignedSlices, EvaluationPatches
from txm2sem.data.classes import IGNORED, LABEL_COLOURS
from txm2sem.data.tiff import colour_table
from txm2sem.measures import numbers, read_measures
from txm2sem.options import DataOptions
from txm2sem.phantoms.levels import to_levels
from txm2sem.scoring.phases import fit_phases

SIZE, DEPTH = 256, 128
PART = "16:112,80:176,80:176"
FIRST_SEED = 101
METHODS = ("translate", "texture", "phases", "phases_rocks", "otsu", "training")
ROCKS = ((11, 0.03, 0.06), (12, 0.05, 0.18), (13, 0.09, 0.09), (14, 0.11, 0.16))
"""Seed, porosity and share of organic matter of the four rocks."""
SPLITS = ("train", "val", "test")
KINDS = ("txm", "sem", "charge", "lowdensity", "highdensity")

SHOWN = (
    ("low density", "fraction", ""),
    ("high density", "fraction", ""),
    ("low density", "share in the largest cluster", ""),
    ("low density", "mean local thickness", ""),
    ("low density", "surface per volume", ""),
    ("low density", "Euler number per volume", ""),
    ("low density", "mean chord", "x"),
    ("low density", "correlation length", "x"),
    ("low density", "relative diffusivity", "x"),
    ("low density", "tortuosity factor", "x"),
)
"""Phase, number and axis of what is compared."""

Key = tuple[str, str, str]


@dataclass(frozen=True)
class Found:
    """A number, and its interval where there is one."""

    value: float
    low: float = math.nan
    high: float = math.nan
    unit: str = ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--phantoms", type=int, default=10)
    parser.add_argument("--figure", type=Path)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    train(given.folder)
    known = training_fractions(given.folder / "images")
    results = []
    for number in range(given.phantoms):
        results.append(measure(given.folder, number, known))
        print(f"phantom {number}: {row(results[-1]['true'])}", flush=True)
    print_table(results)
    if given.figure:
        draw(results).savefig(given.figure, dpi=110)


def program(folder: Path, words: str) -> None:
    subprocess.run([Path(sys.executable).with_name("txm2sem"), *words.split()], cwd=folder, check=True)


def train(folder: Path) -> None:
    if not (folder / "images").exists():
        program(folder, "phantom images")
    write_rocks(folder)
    for name, data in (("translate", "images"), ("texture", "images"), ("phases", "images"), ("phases_rocks", "rocks")):
        if not (folder / "checkpoints" / name / "latest_net_G.pth").exists():
            recipe = name.removesuffix("_rocks")
            program(folder, f"train --recipe {recipe} --dataroot {data} --name {name} --seed 0 --no_html")


def write_rocks(folder: Path) -> None:
    """Write one data root with slices of the four rocks."""
    for number, (seed, porosity, organic) in enumerate(ROCKS):
        rock = folder / f"rock_{seed}"
        if rock.exists():
            continue
        words = f"--depth 64 --seed {seed} --porosity {porosity} --organic {organic} --train_slices 4 --val_slices 2"
        program(folder, f"phantom {rock.name} {words} --test_slices 1")
        for split in SPLITS:
            for kind in KINDS:
                place = folder / "rocks" / split / kind
                place.mkdir(parents=True, exist_ok=True)
                for path in (rock / split / kind).iterdir():
                    shutil.copyfile(path, place / f"{100 * number + int(path.stem):03d}.tif")


def training_fractions(images: Path) -> dict[Key, Found]:
    """Return the share of each phase in what was imaged of the training slices."""
    found = {}
    imaged = [tifffile.imread(path) > 0 for path in sorted((images / "train/txm").iterdir())]
    for name, folder in (("low density", "lowdensity"), ("high density", "highdensity")):
        masks = [tifffile.imread(path) > 0 for path in sorted((images / "train" / folder).iterdir())]
        share = sum(map(np.count_nonzero, masks)) / sum(map(np.count_nonzero, imaged))
        found[name, "fraction", ""] = Found(float(share))
    return found


def write_phantom(folder: Path, number: int) -> Path:
    """Write the phases and the TXM of a phantom, and return their folder."""
    place = folder / f"phantom_{number}"
    if (place / "txm.tif").exists():
        return place
    share = number / 9
    rock = txm2sem.phantom(
        SIZE, DEPTH, FIRST_SEED + number, porosity=0.02 + 0.1 * share, organic=0.05 + 0.15 * (number * 7 % 10) / 9
    )
    beside = place.with_name(f".{place.name}")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    labels = np.where(rock.low_density(), 1, np.where(rock.high_density(), 2, 0)).astype(np.uint8)
    labels[:, ~rock.field_of_view] = IGNORED
    colours = colour_table(LABEL_COLOURS)
    tifffile.imwrite(beside / "true.tif", labels, photometric="palette", colormap=colours)
    tifffile.imwrite(beside / "txm.tif", to_levels(rock.txm, "txm", 8), photometric="minisblack")
    beside.rename(place)
    return place


def measure(folder: Path, number: int, known: dict[Key, Found]) -> dict[str, dict[Key, Found]]:
    """Return the numbers of a phantom by the way they are measured."""
    place = write_phantom(folder, number)
    thresholds = sem_thresholds(folder / "images")
    models = {"checkpoints_dir": folder / "checkpoints"}
    ways: dict[str, tuple[str, dict[str, Any]]] = {
        "true": ("true.tif", {}),
        "translate": ("txm.tif", {"name": "translate", **models, **thresholds}),
        "texture": ("txm.tif", {"name": "texture", **models, **thresholds}),
        "phases": ("txm.tif", {"name": "phases", **models}),
        "phases_rocks": ("txm.tif", {"name": "phases_rocks", **models}),
        "otsu": ("txm.tif", {"method": "otsu", "blur": 1.0}),
    }
    found = {name: dict(numbers_of(place, name, *way)) for name, way in ways.items()}
    return found | {"training": known}


def sem_thresholds(images: Path) -> dict[str, Any]:
    """Return the thresholds that repeat the masks of the training split best, as options."""
    options = DataOptions(patch_size=128, txm_range="0,255", sem_range="0,255")
    patches = EvaluationPatches(AlignedSlices.open(images, "train", options), options)
    phases = fit_phases(patches[index] for index in range(len(patches)))
    assert phases is not None
    assert phases.order == (1, 0, 2)
    return {"thresholds": ",".join(f"{value:g}" for value in phases.thresholds), "blur": float(phases.sigma)}


def numbers_of(place: Path, name: str, source: str, options: dict[str, Any]) -> Iterator[tuple[Key, Found]]:
    whole, part = place / f"measured_{name}", place / f"part_{name}"
    common = {"voxel_size": 32}
    if not whole.exists():
        txm2sem.measure(place / source, whole, diffusion_side=0, **common, **options)
    volume = whole / "volume.ome.zarr"
    told = {key: value for key, value in options.items() if key in ("thresholds", "blur", "method")}
    if not part.exists():
        txm2sem.measure(
            volume if volume.exists() else place / source, part, roi=PART, measured="1", longest=4, **common, **told
        )
    for folder, wanted in ((whole, None), (part, "diffusion")):
        for phase in read_measures(folder)["phases"]:
            for one in numbers(phase, "nm"):
                if (wanted is None) == (one.measure != "diffusion"):
                    # What is expected is said after what the labels say, and takes its place.
                    kept = "fraction" if one.measure == "expected_fraction" else one.name
                    if wanted is None or one.measure == "diffusion":
                        yield (phase["name"], kept, one.axis), Found(one.value, one.low, one.high, one.unit)


def row(found: dict[Key, Found]) -> str:
    return ", ".join(f"{' '.join(key).strip()} {found[key].value:.4g}" for key in SHOWN[:4])


def print_table(results: list[dict[str, dict[Key, Found]]]) -> None:
    print("\nmean absolute error (fractions: points; else relative), and true values that 90 % intervals hold")
    print(f"{'':<48}" + "".join(f"{method:>24}" for method in METHODS))
    for key in SHOWN:
        cells = []
        for method in METHODS:
            pairs = [(one["true"][key], one[method][key]) for one in results if key in one[method]]
            pairs = [(true, guess) for true, guess in pairs if math.isfinite(true.value) and true.value]
            missing = sum(not math.isfinite(guess.value) for _, guess in pairs)
            known = [(true, guess) for true, guess in pairs if math.isfinite(guess.value)]
            if not known:
                cells.append("-")
                continue
            if key[1] == "fraction":
                error = np.mean([abs(guess.value - true.value) for true, guess in known]) * 100
                bias = np.mean([guess.value - true.value for true, guess in known]) * 100
                held = sum(guess.low <= true.value <= guess.high for true, guess in known)
                counted = f", {held}/{len(known)}" if math.isfinite(known[0][1].low) else ""
                cells.append(f"{error:.2f} ({bias:+.2f}){counted}")
            else:
                error = np.mean([abs(guess.value / true.value - 1) for true, guess in known])
                bias = np.mean([guess.value / true.value - 1 for true, guess in known])
                cells.append(f"{error:.0%} ({bias:+.0%}){f', {missing} none' if missing else ''}")
        print(f"{' '.join(key).strip():<48}" + "".join(f"{cell:>24}" for cell in cells))


def draw(results: list[dict[str, dict[Key, Found]]]) -> Figure:
    """Draw each number as predicted over as it is, a point a phantom."""
    figure = Figure(figsize=(15, 6.4), layout="constrained")
    colours = dict(zip(METHODS, ("#0072b2", "#d55e00", "#009e73", "#56b4e9", "#b5568f", "#7a7a7a"), strict=True))
    marks = dict(zip(METHODS, "osDv^x", strict=True))
    for axes, key in zip(figure.subplots(2, 5).flat, SHOWN, strict=True):
        for method in METHODS:
            pairs = [(one["true"][key].value, one[method][key].value) for one in results if key in one[method]]
            if pairs:
                true, guess = zip(*pairs, strict=True)
                axes.plot(true, guess, marks[method], color=colours[method], label=method, markersize=5)
        ends = [one["true"][key].value for one in results if math.isfinite(one["true"][key].value)]
        if ends:
            axes.plot([min(ends), max(ends)], [min(ends), max(ends)], color="black", linewidth=0.8)
        unit = results[0]["true"][key].unit
        along, of = f" along {key[2]}" if key[2] else "", f" [{unit}]" if unit else ""
        axes.set_title(f"{key[0]}: {key[1]}{along}{of}", fontsize=9)
        axes.set_xlabel("true", fontsize=8)
        axes.tick_params(labelsize=7)
        axes.locator_params(axis="x", nbins=4)
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("measured in the prediction", fontsize=8)
    figure.axes[5].set_ylabel("measured in the prediction", fontsize=8)
    figure.axes[0].legend(fontsize=8, frameon=False)
    return figure


if __name__ == "__main__":
    main()
