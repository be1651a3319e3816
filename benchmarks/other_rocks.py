"""Do models hold on rocks that they were not trained on?

    python benchmarks/other_rocks.py FOLDER [--trainings OPTIONS ...] [--rocks 5] [--seeds 0 1]

Trains on a phantom without charging, with each of the given options of `txm2sem train`, and tests on it and on so many
other phantoms, whose minerals, and with them the grey values of their TXM, are others. PSNR [dB] is that of 100 test
patches, of the mean of 19 draws where a model draws. Then what is more than with the options given first, with
intervals of Student's t at 95 % over the rocks, each of which has the mean of its seeds; and what predictions without a
model have, which are fitted on each rock itself. Of models that draw there is a second table: how many pixels, and
fractions of low and of high density, intervals of 90 % hold [%], and how much low density a draw and the SEM have [%].

What FOLDER has already is not made again, so several calls make one table.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from sampling import DRAWS, as_name, program

from txm2sem.metrics.repeats import mean_of_repeats

TRAININGS = ("--recipe translate", "--recipe translate --vary_contrast 0.25")
HOME = "phantom"
SLICES = "--train_slices 2 --val_slices 1 --test_slices 20"
"""Of the other rocks, which are not trained on."""
WITHOUT_A_MODEL = ("linear fit", "blurred curve fit (sigma 1)")

Scores = Mapping[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--trainings", nargs="+", default=TRAININGS, metavar="OPTIONS")
    parser.add_argument("--rocks", type=int, default=5)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    rocks = [HOME, *(f"other_{number}" for number in range(1, given.rocks + 1))]
    for number, rock in enumerate(rocks):
        if not (given.folder / rock).exists():
            program(given.folder, f"phantom {rock} --seed {number} --size 256 --charging 0 {SLICES if number else ''}")
    found = {
        (options, rock): [scores_of(given.folder, options, seed, rock) for seed in given.seeds]
        for options, rock in product(given.trainings, rocks)
    }
    print_fidelity(found, given.trainings, rocks)
    if drawing := [options for options in given.trainings if "draws" in found[options, HOME][0]]:
        print_held(found, drawing, rocks)


def scores_of(folder: Path, options: str, seed: int, rock: str) -> Scores:
    """Train and test; return the scores."""
    name = as_name(f"{options} {seed}")
    if not (folder / "checkpoints" / name / "latest_net_G.pth").exists():
        program(folder, f"train {options} --dataroot {HOME} --name {name} --seed {seed} --no_html")
    tested = folder / "results" / rock / name / "scores.json"
    if not tested.exists():
        draws = f"--draws {DRAWS}" if "--recipe sample" in options else ""
        program(folder, f"test --name {name} --dataroot {rock} --results_dir results/{rock} --eval {draws}")
    scores: Scores = json.loads(tested.read_text())
    return {**scores, "name": name}


def print_fidelity(found: Mapping[tuple[str, str], list[Scores]], trainings: Sequence[str], rocks: list[str]) -> None:
    print_head("PSNR [dB]", *rocks, "others, mean", "less the first")
    rows = {
        options: np.array([mean(found[options, rock], psnr_of_the_model) for rock in rocks]) for options in trainings
    }
    for name in WITHOUT_A_MODEL:
        fitted = [found[trainings[0], rock][0]["means"]["rows"][name] for rock in rocks]
        rows[name] = np.array([score["PSNR"]["mean"] for score in fitted])
    for name, values in rows.items():
        more = mean_of_repeats((values - rows[trainings[0]])[1:].tolist())
        difference = "" if name == trainings[0] else f"{more.value:+.2f} [{more.low:.2f}, {more.high:.2f}]"
        print_row(name, *(f"{value:.2f}" for value in (*values, values[1:].mean())), difference)


def print_held(found: Mapping[tuple[str, str], list[Scores]], trainings: Sequence[str], rocks: list[str]) -> None:
    print()
    print_head("held [%]: pixels, low, high density; low density drawn, true [%]", *rocks)
    for options in trainings:
        cells = []
        for rock in rocks:
            held = ", ".join(f"{100 * mean(found[options, rock], share):.0f}" for share in HELD)
            drawn = ", ".join(f"{100 * mean(found[options, rock], share):.1f}" for share in DRAWN)
            cells.append(f"{held}; {drawn}")
        print_row(options, *cells)


def print_head(*cells: str) -> None:
    print_row(*cells)
    print(f"|{'---|' * len(cells)}")


def print_row(*cells: str) -> None:
    print(f"| {' | '.join(cells)} |")


def mean(scores: list[Scores], number: Callable[[Scores], float]) -> float:
    return float(np.mean([number(one) for one in scores]))


def psnr_of_the_model(scores: Scores) -> float:
    return float(scores["means"]["rows"][f"model {scores['name']}"]["PSNR"]["mean"])


def drawn_fraction(scores: Scores, which: str) -> float:
    return float(scores["rock"][f"one draw of {scores['name']}"]["low_density"]["fraction"][which]["value"])


HELD: tuple[Callable[[Scores], float], ...] = (
    lambda scores: float(scores["draws"]["pixels"]["value"]),
    lambda scores: float(scores["draws"]["fraction"]["low_density"]["value"]),
    lambda scores: float(scores["draws"]["fraction"]["high_density"]["value"]),
)
DRAWN: tuple[Callable[[Scores], float], ...] = (
    partial(drawn_fraction, which="predicted"),
    partial(drawn_fraction, which="true"),
)


if __name__ == "__main__":
    main()
