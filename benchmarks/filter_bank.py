"""What does a TXM tell of its SEM? Grey values and a filter bank, without a network, every slice left out in turn.

    pip install -c constraints.txt '.[engines]'
    OMP_NUM_THREADS=1 python benchmarks/filter_bank.py DATA [--sizes 1 2 4 8] [--figure FILE]

For each slice of the data root DATA, whatever split it is in, predictions of its SEM are fitted on all others, on
20,000 pixels of each:

- line: the least-squares line from TXM to SEM.
- grey values: gradient boosted trees that see the grey value of the pixel alone, so any curve.
- filter bank: trees that see grey value, gradient, Hessian and local deviation of the TXM at widths of 1 to 16 pixels
  (`skimage.feature.multiscale_basic_features`).

The first table has means over slices: correlation within squares of 128 pixels, correlation and PSNR over all imaged
pixels of the slice, and bits per pixel of the phases by trees for classes, where there are masks. Differences to the
line, or to the shares of the phases, are slice by slice with intervals of Student's t at 95 %. The second is a learning
curve: what the filter bank gains over the line, where each fold learns from only so many slices, chosen at random.
`--figure` draws it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, binary_fill_holes, distance_transform_edt, gaussian_filter
from skimage.feature import multiscale_basic_features
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from txm2sem.metrics import Interval, psnr
from txm2sem.metrics.repeats import mean_of_repeats

WIDTHS = (1, 2, 4, 8, 16)
BORDER = 4
"""Pixels at the edge of what was imaged that take no part."""
PIXELS = 20_000
SQUARE = 128
FEWEST = 6000
"""Pixels that a square has at least, to have a correlation."""
TREES = {"max_iter": 60, "learning_rate": 0.08, "max_leaf_nodes": 15, "min_samples_leaf": 2000, "l2_regularization": 10}
LINE, GREY, BANK = "line", "grey values", "filter bank"
MEASURES = ("correlation in squares", "correlation", "PSNR [dB]")

Values = NDArray[np.float64]


@dataclass
class Slice:
    """The N imaged pixels of a slice: what the TXM shows of each, (N, F), its grey value first; SEM and phase, (N,)."""

    seen: NDArray[np.float32]
    sem: Values
    phase: NDArray[np.int64] | None
    squares: list[NDArray[np.intp]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sizes", type=int, nargs="*", default=[1, 2, 4, 8])
    parser.add_argument("--figure", type=Path)
    given = parser.parse_args()
    slices = [read(path) for path in sorted(given.data.glob("*/txm/*.tif"), key=lambda path: path.name)]
    every = len(slices) - 1
    print_table(leave_out(slices, every), slices)
    sizes = [size for size in given.sizes if size < every] + [every]
    curve = {size: [differences(leave_out(slices, size), BANK)[place] for place in (0, 2)] for size in sizes}
    print(
        f"\n| slices learned from | {MEASURES[0]}, more than a line | {MEASURES[2]}, more than a line |\n|---|---|---|"
    )
    for size, (correlation, ratio) in curve.items():
        print(f"| {size} | {said(correlation, 3)} | {said(ratio, 2)} |")
    if given.figure:
        draw(curve).savefig(given.figure, dpi=100)


def read(path: Path) -> Slice:
    """Read the slice whose TXM is in a file; what was not imaged has the grey value of the nearest pixel that was."""
    split = path.parent.parent
    txm, sem = tifffile.imread(path).astype(np.float32), tifffile.imread(split / "sem" / path.name).astype(np.float64)
    shown = binary_fill_holes(txm > 0)
    imaged = binary_erosion(shown & binary_fill_holes(sem > 0), iterations=BORDER)
    rows, columns = distance_transform_edt(~shown, return_distances=False, return_indices=True)
    filled = txm[rows, columns] / 255
    bank = multiscale_basic_features(filled, sigma_min=WIDTHS[0], sigma_max=WIDTHS[-1], num_sigma=len(WIDTHS))
    variances = [gaussian_filter(filled**2, width) - gaussian_filter(filled, width) ** 2 for width in WIDTHS]
    deviations = [np.sqrt(np.maximum(variance, 0)) for variance in variances]
    seen = np.dstack([filled, bank, *deviations])[imaged].astype(np.float32)
    places = np.argwhere(imaged) // SQUARE
    square = places[:, 0] * imaged.shape[1] + places[:, 1]
    squares = [np.flatnonzero(square == number) for number in np.unique(square)]
    phase = None
    if (split / "lowdensity" / path.name).exists():
        low, high = (tifffile.imread(split / name / path.name)[imaged] > 0 for name in ("lowdensity", "highdensity"))
        phase = low + 2 * (high & ~low).astype(np.int64)
    return Slice(seen, sem[imaged], phase, [members for members in squares if len(members) > FEWEST])


def leave_out(slices: Sequence[Slice], size: int) -> dict[str, list[Values]]:
    """Return the measures of each slice, predicted from `size` others, by kind of prediction."""
    found: dict[str, list[Values]] = {LINE: [], GREY: [], BANK: []}
    for number, test in enumerate(slices):
        random = np.random.default_rng(number)
        others = [other for place, other in enumerate(slices) if place != number]
        chosen = [others[place] for place in random.permutation(len(others))[:size]]
        seen, sem, _ = learned(chosen, random)
        slope, offset = np.polyfit(seen[:, 0], sem, 1)
        found[LINE].append(measure(slope * test.seen[:, 0] + offset, test))
        for kind, features in ((GREY, 1), (BANK, seen.shape[1])):
            trees = HistGradientBoostingRegressor(**TREES).fit(seen[:, :features], sem)
            found[kind].append(measure(trees.predict(test.seen[:, :features]), test))
    return found


def learned(slices: Sequence[Slice], random: np.random.Generator) -> tuple[NDArray[np.float32], Values, Values]:
    """Return as many pixels of each slice: features (N, F), SEM and phase (N,)."""
    parts = []
    for one in slices:
        taken = random.choice(len(one.sem), min(PIXELS, len(one.sem)), replace=False)
        parts.append((one.seen[taken], one.sem[taken], one.sem[taken] if one.phase is None else one.phase[taken]))
    seen, sem, phase = zip(*parts, strict=True)
    return np.concatenate(seen), np.concatenate(sem), np.concatenate(phase)


def measure(predicted: Values, test: Slice) -> Values:
    """Return the `MEASURES` of a prediction of all pixels of a slice (N,)."""
    squares = [correlation(predicted[members], test.sem[members]) for members in test.squares]
    ratio = psnr(np.clip(np.rint(predicted), 0, 255)[None].astype(np.uint8), test.sem[None].astype(np.uint8))
    return np.array([np.mean(squares), correlation(predicted, test.sem), ratio])


def correlation(one: Values, other: Values) -> float:
    return float(np.corrcoef(one, other)[0, 1])


def bits(slices: Sequence[Slice]) -> dict[str, list[float]]:
    """Return the bits per pixel of the phases of each slice, by grey values and filter bank, more than by shares."""
    found: dict[str, list[float]] = {GREY: [], BANK: []}
    for number, test in enumerate(slices):
        assert test.phase is not None
        random = np.random.default_rng(number)
        seen, _, phase = learned([other for place, other in enumerate(slices) if place != number], random)
        shares = np.bincount(phase.astype(np.int64), minlength=3) / len(phase)
        for kind, features in ((GREY, 1), (BANK, seen.shape[1])):
            trees = HistGradientBoostingClassifier(**TREES).fit(seen[:, :features], phase)
            likely = trees.predict_proba(test.seen[:, :features])[np.arange(len(test.sem)), test.phase]
            found[kind].append(float(np.log2(shares[test.phase]).mean() - np.log2(likely).mean()))
    return found


def differences(found: dict[str, list[Values]], kind: str) -> list[Interval]:
    """Return what a kind has more than the line, slice by slice, of each measure."""
    more = np.array(found[kind]) - np.array(found[LINE])
    return [mean_of_repeats(column) for column in more.T]


def said(interval: Interval, digits: int) -> str:
    return f"{interval.value:+.{digits}f} [{interval.low:+.{digits}f}, {interval.high:+.{digits}f}]"


def print_table(found: dict[str, list[Values]], slices: Sequence[Slice]) -> None:
    print(f"| | {' | '.join(MEASURES)} | bits per pixel, more than by shares |\n|{'---|' * 5}")
    print(f"| {LINE} | {' | '.join(f'{value:.3f}' for value in np.mean(found[LINE], axis=0))} | |")
    more = bits(slices) if all(one.phase is not None for one in slices) else {}
    for kind in (GREY, BANK):
        cells = [said(interval, digits) for interval, digits in zip(differences(found, kind), (3, 3, 2), strict=True)]
        last = said(mean_of_repeats(more[kind]), 3) if more else ""
        print(f"| {kind}, more than a line | {' | '.join(cells)} | {last} |", flush=True)


def draw(curve: dict[int, list[Interval]]) -> Figure:
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    for cell, place, heading in zip(figure.subplots(1, 2), (0, 1), (MEASURES[0], MEASURES[2]), strict=True):
        points = {size: intervals[place] for size, intervals in curve.items()}
        values = [point.value for point in points.values()]
        bars = [
            [point.value - point.low for point in points.values()],
            [point.high - point.value for point in points.values()],
        ]
        cell.errorbar(list(points), values, yerr=bars, fmt="o-", color="#0072B2", capsize=3)
        cell.axhline(0, color="black", linewidth=0.8)
        cell.set_xlabel("slices learned from")
        cell.set_ylabel(f"{heading},\nmore than a line")
        cell.grid(alpha=0.3)
    return figure


if __name__ == "__main__":
    main()
