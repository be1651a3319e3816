"""Score repairs of published patches side by side: simple ones, kriging, both published repairs, a model.

DATA holds one folder of patches, named alike (006.png, ...), for each of: `charged`, the SEM with charge painted white;
`sem`, the truth; `txm`; and, where there are any, `published_repair` and `published_repair_sem_only`. All repairs are
composited, so that they differ from the truth inside the mask only.

    python benchmarks/published_repairs.py DATA
    python benchmarks/published_repairs.py DATA --name MODEL --checkpoints_dir checkpoints
    python benchmarks/published_repairs.py DATA --figure docs/repair.png     (needs the published repairs)

The masks are not published. Two are derived from the patches:

- `differs`: where the charged SEM differs from the true one. It has holes where the true SEM is white itself (255),
  which nobody can know who does not know the truth.
- `white`: where the charged SEM is 255, that is, the whole painted region, and white grains outside it. This is what a
  user of a charged image has.

Each table gives the mask that is repaired and the one that is scored. The constant is the mean of the intact pixels of
the same patch. Last come the power spectra inside the painted regions beside those of the intact surroundings, in
windows of 32 x 32 pixels (`white` repaired).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import binary_closing

from txm2sem.cli.parsing import parse
from txm2sem.data import GreyRange, to_uint8
from txm2sem.errors import UserError
from txm2sem.figures.overview import OverviewRow, draw_rows
from txm2sem.figures.saving import save_figure
from txm2sem.filling import fill, telea
from txm2sem.metrics import power_spectrum, psnr
from txm2sem.model import Predictor
from txm2sem.options import RepairCommand, run_name
from txm2sem.runs import RunPaths
from txm2sem.testing.repair import KRIGING, TELEA, TELEA_WITHOUT_BLACK, RepairScores, kriged, repair_means

Grey = NDArray[np.uint8]
Mask = NDArray[np.bool_]

MASKS: dict[str, Callable[[Grey, Grey], Mask]] = {
    "differs": lambda charged, sem: charged != sem,
    "white": lambda charged, sem: charged == 255,
}
TABLES = (("differs", "differs"), ("white", "white"), ("white", "differs"))
"""Pairs of masks, the one that is repaired and the one that is scored."""

FIGURE = {KRIGING: "kriging", "kriging with texture": "kriging, --texture", "published_repair": "published repair"}
PUBLISHED = ("published_repair", "published_repair_sem_only")
SIDE, STEP = 32, 8
"""Side of the windows that spectra are taken of, and the distance between them [pixels]."""

Models = dict[str, Callable[[Grey, Grey, Mask], Grey]]


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--name", action="append", default=[], help="a trained model; may be given several times")
    parser.add_argument("--checkpoints_dir", default="checkpoints")
    parser.add_argument(
        "--figure", type=Path, help="draw four patches, from the one that kriging repairs best to the worst"
    )
    arguments = parser.parse_args(words)
    try:
        models = {name: load_model(name, arguments.checkpoints_dir) for name in arguments.name}
        for repaired, scored in TABLES:
            scores, count, share = score(arguments.data, MASKS[repaired], MASKS[scored], models)
            print(
                f"`{repaired}` repaired, `{scored}` scored: {count} patches, {share:.1%} of them; mean ± standard error"
            )
            print(repair_means(scores, "all pixels").tables(), end="\n\n")
        print("power inside the painted regions beside that of the surroundings [dB], by frequency [cycles per pixel]")
        print("\n".join(spectra(arguments.data, models)))
        if arguments.figure:
            save_figure(draw(arguments.data), arguments.figure)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def load_model(name: str, checkpoints: str) -> Callable[[Grey, Grey, Mask], Grey]:
    """Return a function that repairs (TXM, charged SEM, mask) tile by tile, as `txm2sem repair`."""
    _, command = parse(RepairCommand(), ["--name", name, "--checkpoints_dir", checkpoints], "repairs")
    paths = RunPaths.of(run_name(command), command.run.checkpoints_dir, command.run.results_dir)
    predictor = Predictor.load(paths, "latest", command.model)
    black_to_white = GreyRange(0, 255)

    def repair(txm: Grey, charged: Grey, mask: Mask) -> Grey:
        source, sem = (black_to_white.normalise(image) for image in (txm, charged))
        return to_uint8(fill(predictor, None if command.data.sem_only else source, sem, mask, command.data))

    return repair


def score(
    data: Path, repaired: Callable[[Grey, Grey], Mask], scored: Callable[[Grey, Grey], Mask], models: Models
) -> tuple[dict[str, RepairScores], int, float]:
    """Return the scores of each kind of repair by name, the number of patches, and the share of them that is scored."""
    scores: dict[str, RepairScores] = {}
    shares = []
    for path in patches_in(data):
        charged, sem = (read(data / folder / path.name) for folder in ("charged", "sem"))
        mask = scored(charged, sem)
        shares.append(mask.mean())
        for name, image in repairs(data, path.name, repaired(charged, sem), models).items():
            scores.setdefault(name, RepairScores()).add(np.where(mask, image, sem), sem, mask)
    return scores, len(shares), float(np.mean(shares))


def repairs(data: Path, name: str, mask: Mask, models: Models) -> dict[str, Grey]:
    """Return every kind of repair of a patch; only pixels inside the mask count."""
    charged, txm = (read(data / folder / name) for folder in ("charged", "txm"))
    texture = np.random.default_rng([0, int(Path(name).stem)])
    return {
        "constant": np.full_like(charged, np.rint(charged[~mask].mean())),
        TELEA: telea(charged, mask),
        TELEA_WITHOUT_BLACK: telea(charged, mask, from_black=False),
        **{folder: read(data / folder / name) for folder in PUBLISHED if (data / folder).is_dir()},
        "kriging, SEM only": kriged(charged, mask),
        KRIGING: kriged(charged, mask, txm),
        "kriging with texture": kriged(charged, mask, txm, texture),
        **{f"model {model}": repair(txm, charged, mask) for model, repair in models.items()},
    }


def spectra(data: Path, models: Models) -> list[str]:
    """Return a line for each kind of repair, and for the truth: its spectrum over that of the intact surroundings."""
    powers: dict[str, list[NDArray[np.float64]]] = {"outside": []}
    frequencies = power_spectrum(np.zeros((SIDE, SIDE))).frequencies
    for path in patches_in(data):
        charged, sem = (read(data / folder / path.name) for folder in ("charged", "sem"))
        mask = MASKS["white"](charged, sem)
        images = {"truth": sem} | repairs(data, path.name, mask, models)
        # Single white pixels are no surroundings, and single holes no edges of a region.
        places = {"inside": binary_closing(mask, iterations=2) & (sem > 0), "outside": ~mask & (sem > 0)}
        powers["outside"] += [power_spectrum(sem[window]).values for window in windows(places["outside"])]
        for name, image in images.items():
            filled = np.where(mask, image, sem)
            powers.setdefault(name, []).extend(
                power_spectrum(filled[window]).values for window in windows(places["inside"])
            )
    outside = np.mean(powers.pop("outside"), axis=0)
    width = max(map(len, powers))
    lines = [f"{'':<{width}}" + "".join(f"{frequency:>7.2f}" for frequency in frequencies)]
    for name, found in powers.items():
        ratio = 10 * np.log10(np.maximum(np.mean(found, axis=0), 1e-9) / outside)
        lines.append(f"{name:<{width}}" + "".join(f"{value:>7.1f}" for value in ratio))
    return lines


def draw(data: Path) -> Figure:
    """Draw four patches, from the one that kriging repairs best to the worst, with the scores inside the mask."""
    shown = []
    for path in patches_in(data):
        charged, sem = (read(data / folder / path.name) for folder in ("charged", "sem"))
        mask, scored = (MASKS[name](charged, sem) for name in ("white", "differs"))
        found = repairs(data, path.name, mask, {})
        images = [np.where(mask, found[kind], sem) for kind in FIGURE]
        scores = [psnr(image, sem, scored) for image in images]
        shown.append((scores[0], path.stem, (charged, *images, sem), scores))
    shown.sort(reverse=True)
    rows = [
        OverviewRow(f"patch {name}\n" + "\n".join(["inside:", *(f"{score:.1f} dB" for score in scores)]), images)
        for _, name, images, scores in (
            shown[position] for position in np.linspace(0, len(shown) - 1, 4).round().astype(int)
        )
    ]
    return draw_rows(rows, ("charged", *FIGURE.values(), "SEM (truth)"), "")


def windows(place: Mask) -> list[tuple[slice, slice]]:
    """Return the windows that lie in a place as a whole."""
    starts = [range(0, length - SIDE + 1, STEP) for length in place.shape]
    found = [(slice(row, row + SIDE), slice(column, column + SIDE)) for row in starts[0] for column in starts[1]]
    return [window for window in found if place[window].all()]


def patches_in(data: Path) -> list[Path]:
    """Return the charged patches.

    Raises:
        UserError: there are none.
    """
    paths = sorted((data / "charged").glob("*.png"))
    if not paths:
        raise UserError(f"there are no patches in {data / 'charged'}; expected files such as 006.png")
    return paths


def read(path: Path) -> Grey:
    """Return an 8-bit grey image (H, W)."""
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("L"))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error}") from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
