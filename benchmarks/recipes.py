"""The network of recipe `translate` beside the program's other architectures, in equal processor time.

    python benchmarks/recipes.py FOLDER [--seconds 90] [--seeds 0] [--roots NAME or PATH ...] [--networks NAME ...]
        [--figure FILE]

Each network is trained with the options of the recipe but for its own, by one thread, until its training has taken so
many seconds of the processor, whatever else the machine does, and scored on the 100 test patches of `txm2sem test
--eval`. Data are synthetic shales, written into FOLDER where they are missing, or data roots of yours. The TXM of three
of them is fine; the SEM of one of these, `inverted`, falls with density, and not linearly.

The first table has PSNR [dB] and SSIM, means over the seeds. The second has what the networks cost and leave: training
steps; multiply-adds and time of the processor for a predicted pixel; weights; and how far the power of
predictions stands out at the frequencies of a grid of 2 and of 4 pixels, the most there is of all runs. `--figure`
draws PSNR over both costs.

A network may have more options, for all that it is trained with: 'translate, --batch_size 2'.

What FOLDER has of a run already is not trained again, so several calls fill one table.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from matplotlib.figure import Figure
from sampling import as_name
from torch.utils.flop_counter import FlopCounterMode

from txm2sem.data import AlignedSlices, EvaluationPatches, to_uint8
from txm2sem.errors import UserError
from txm2sem.figures.front import MARKERS
from txm2sem.figures.saving import save_figure
from txm2sem.figures.style import styled
from txm2sem.metrics import psnr, ssim
from txm2sem.metrics.spectra import grid_power
from txm2sem.model.predictor import Predictor
from txm2sem.networks import build_generator
from txm2sem.options import PhantomOptions, TrainCommand, Written, override, understood
from txm2sem.palette import colour_of
from txm2sem.phantoms import write_phantom
from txm2sem.resolving import resolve
from txm2sem.runs import read_options
from txm2sem.training.fit import fit

SHARP: dict[str, Any] = {"size": 256, "charging": 0.0, "blur": 0.8, "photons": 5000.0}

PHANTOMS: dict[str, dict[str, Any]] = {
    "usual": {"size": 256, "charging": 0.0},
    "fine": SHARP,
    "fine_pyrite": {
        **{**SHARP, "seed": 7, "blur": 1.2, "photons": 2500.0},
        **{"porosity": 0.1, "organic": 0.07, "pyrite": 0.04},
    },
    "inverted": {**SHARP, "seed": 11, "artefacts": 0.5},
}

PLAIN: dict[str, Any] = {"ngf": 32, "init_type": "normal"}

NETWORKS: dict[str, dict[str, Any]] = {
    "translate": {},
    "translate, before": {"netG": "residual_unet", "ngf": 32, "norm": "none", "lr": 0.001},
    "unet_128": {**PLAIN, "netG": "unet_128", "lambda_ssim": 0.0, "lr": 0.001},
    "unet_128, --lr 0.004": {**PLAIN, "netG": "unet_128"},
    "resnet_6blocks": {**PLAIN, "netG": "resnet_6blocks"},
    "sr_resnet_6blocks": {**PLAIN, "model": "srcnn", "netG": "sr_resnet_6blocks", "downsample_factor": 2},
}
"""Options beside those of the recipe."""


def options_of(network: str) -> dict[str, Any]:
    """Return the options of a network, beside those of the recipe: one of `NETWORKS`, perhaps with more.

    Raises:
        UserError: it is something else.
    """
    if network in NETWORKS:
        return NETWORKS[network]
    known, _, more = network.rpartition(", ")
    words = more.split()
    pairs = zip(words[::2], words[1::2], strict=False)
    own = understood(TrainCommand(), {name.removeprefix("--"): Written(network, value) for name, value in pairs})
    if known not in NETWORKS or 2 * len(own) != len(words):
        raise UserError(f"expected one of {', '.join(map(repr, NETWORKS))}, or one with ', --OPTION VALUE'")
    return NETWORKS[known] | own


def network_of(text: str) -> str:
    """Return what a command line gives as a network, if it is one."""
    try:
        options_of(text)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


SIDE, ROUNDS = 512, 5
"""Side of the image whose prediction is timed [pixels], and how often it is."""

Found = dict[tuple[str, str], list[dict[str, Any]]]
"""Results of the seeds by data root and network."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=90, help="of the processor, for each training")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--roots", nargs="+", default=list(PHANTOMS))
    parser.add_argument("--networks", nargs="+", type=network_of, default=list(NETWORKS))
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--run", nargs=3, metavar=("ROOT", "NETWORK", "SEED"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        root, network, seed = given.run
        train(given.folder, Path(root), network, int(seed), given.seconds)
        return 0
    found: Found = {}
    for name in given.roots:
        root = data_root(given.folder, name)
        for network in given.networks:
            results = [result_of(given.folder, root, network, seed, given.seconds) for seed in given.seeds]
            for seed, result in zip(given.seeds, results, strict=True):
                if not result.exists():
                    # The clock of a process of its own has nothing of others.
                    words = [str(given.folder), "--seconds", str(given.seconds), "--run", str(root), network, str(seed)]
                    subprocess.run([sys.executable, __file__, *words], check=True)
            found[name, network] = [json.loads(result.read_text()) for result in results]
    print_scores(found, given.roots, given.networks)
    costs = {network: cost_of(network) for network in given.networks}
    print_costs(found, given.roots, costs)
    if given.figure:
        save_figure(draw_front(found, given.roots, costs), given.figure)
    return 0


def data_root(folder: Path, name: str) -> Path:
    """Return a data root, a phantom's written where it is missing."""
    if name not in PHANTOMS:
        return Path(name).resolve()
    root = folder.resolve() / name
    if not root.exists():
        growing = root.with_name(f"{name}_growing")
        write_phantom(growing, PhantomOptions(**PHANTOMS[name]))
        if name == "inverted":
            invert(growing)
        growing.rename(root)
    return root


def invert(root: Path) -> None:
    """Let the SEM of a data root show dense matter dark, and dense phases less apart."""
    table = np.rint(20 + 225 * (1 - np.arange(256) / 255) ** 1.8).astype(np.uint8)
    table[0] = 0
    for path in root.glob("*/sem/*.tif"):
        tifffile.imwrite(path, table[tifffile.imread(path)], photometric="minisblack")


def result_of(folder: Path, root: Path, network: str, seed: int, seconds: float) -> Path:
    """Return the file of a run's results, after which the run is called."""
    return folder.resolve() / f"{root.name}_{as_name(network)}_{seconds:g}s_{seed}.json"


def train(folder: Path, root: Path, network: str, seed: int, seconds: float) -> None:
    """Train and test a network; write its scores, the number of its steps and the traces of grids."""
    torch.set_num_threads(1)
    path = result_of(folder, root, network, seed, seconds)
    own = {"dataroot": root, "name": path.stem, "seed": seed, "time_budget": seconds / 60, **options_of(network)}
    places = {"checkpoints_dir": folder / "checkpoints", "results_dir": folder / "results"}
    # Few patches to validate on: what is compared is training.
    machine = {"gpu_ids": "-1", "num_threads": 0, "no_html": True, "num_test": 8}
    command = resolve(TrainCommand(), {"recipe": "translate", **own, **places, **machine})
    paths = fit(command, print, time.process_time)
    command = override(command, read_options(paths.options))
    predictor = Predictor.load(paths, "latest", command.model)
    data = dataclasses.replace(command.data, num_test=100)
    scores, powers = [], []
    for patch in EvaluationPatches(AlignedSlices.open(root, "test", data), data, with_masks=False):
        prediction, target = to_uint8(predictor(patch["source"][None])[0, 0]), to_uint8(patch["target"][0])
        scores.append((psnr(prediction, target), ssim(prediction, target)))
        powers.append(grid_power(prediction))
    means = {factor: np.mean([power[factor] for power in powers], axis=0) for factor in powers[0]}
    result = {
        "scores": np.mean(scores, axis=0).tolist(),
        "steps": torch.load(paths.state, weights_only=True)["position"]["step"],
        "grid": [float(10 * np.log10(mean[:, 0] / mean[:, 1]).max()) for mean in means.values()],
    }
    path.write_text(json.dumps(result))


def print_scores(found: Found, roots: Sequence[str], networks: Sequence[str]) -> None:
    print_row("", [Path(root).name for root in roots])
    print("|---" * (1 + len(roots)) + "|")
    for network in networks:
        print_row(network, [shown([run["scores"] for run in found[root, network]]) for root in roots])


def shown(scores: Sequence[Sequence[float]]) -> str:
    """Return the mean PSNR, between which it lies where there are several, and the mean SSIM."""
    ratios, similarities = zip(*scores, strict=True)
    spread = f" ({min(ratios):.2f} to {max(ratios):.2f})" if len(scores) > 1 else ""
    return f"{statistics.mean(ratios):.2f}{spread}, {statistics.mean(similarities):.3f}"


def print_costs(found: Found, roots: Sequence[str], costs: Mapping[str, tuple[float, float, int]]) -> None:
    print()
    print_row("", ["steps", "multiply-adds a pixel", "ns a pixel", "weights", "grid of 2, of 4 [dB]"])
    print("|---" * 6 + "|")
    for network, (work, seconds, weights) in costs.items():
        runs = [run for root in roots for run in found[root, network]]
        steps = statistics.mean(run["steps"] for run in runs)
        grid = ", ".join(f"{max(powers):+.1f}" for powers in zip(*(run["grid"] for run in runs), strict=True))
        numbers = [f"{steps:.0f}", f"{work:,.0f}", f"{1e9 * seconds:.0f}", f"{weights / 1e6:.1f} million"]
        print_row(network, [*numbers, grid])


@styled
def draw_front(found: Found, roots: Sequence[str], costs: Mapping[str, tuple[float, float, int]]) -> Figure:
    """Draw PSNR over multiply-adds, and over the time, of a predicted pixel, a column for each data root."""
    figure = Figure(figsize=(1.4 * len(roots) + 0.2, 3.4), layout="constrained")
    cells = figure.subplots(2, len(roots), squeeze=False, sharex="row", sharey="col")
    headings = ("multiply-adds a pixel", "ns a pixel, one thread")
    for (row, heading), (column, root) in product(enumerate(headings), enumerate(roots)):
        cell = cells[row, column]
        for number, (network, (work, seconds, _)) in enumerate(costs.items()):
            ratios = [run["scores"][0] for run in found[root, network]]
            across = [work if row == 0 else 1e9 * seconds] * len(ratios)
            cell.plot(across, ratios, MARKERS[number], color=colour_of(number), markersize=4, label=network)
        cell.set_xscale("log")
        taken = [work if row == 0 else 1e9 * seconds for work, seconds, _ in costs.values()]
        cell.set_xlim(10 ** math.floor(math.log10(min(taken))), 10 ** math.ceil(math.log10(max(taken))))
        cell.margins(y=0.15)
        cell.grid(alpha=0.3)
        cell.set_xlabel(heading)
        if row == 0:
            cell.set_title(Path(root).name)
        if column == 0:
            cell.set_ylabel("PSNR [dB]")
    handles, labels = cells[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(costs), frameon=False)
    return figure


def print_row(name: str, values: Sequence[str]) -> None:
    print(f"| {name} | {' | '.join(values)} |", flush=True)


def cost_of(network: str) -> tuple[float, float, int]:
    """Return the multiply-adds and the seconds of one thread for a predicted pixel, and the number of weights."""
    torch.set_num_threads(1)
    options = resolve(TrainCommand(), {"recipe": "translate", **options_of(network)}).model
    generator = build_generator(options).eval()
    image = torch.zeros(1, 1, SIDE // options.downsample_factor, SIDE // options.downsample_factor)
    with torch.inference_mode():
        with FlopCounterMode(display=False) as counter:
            generator(image)
        took = []
        for _ in range(ROUNDS):
            started = time.process_time()
            generator(image)
            took.append(time.process_time() - started)
    weights = sum(weight.numel() for weight in generator.parameters())
    return counter.get_total_flops() / 2 / SIDE**2, statistics.median(took) / SIDE**2, weights


if __name__ == "__main__":
    sys.exit(main())
