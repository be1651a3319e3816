"""Score repairs of published patches side by side: a constant, Telea inpainting, both published repairs, a model.

DATA holds one folder of patches, named alike (006.png, ...), for each of: `charged`, the SEM with charge painted white;
`sem`, the truth; `txm`; and, where there are any, `published_repair` and `published_repair_sem_only`. All repairs are
composited, so that they differ from the truth inside the mask only.

    python benchmarks/published_repairs.py DATA
    python benchmarks/published_repairs.py DATA --name MODEL --checkpoints_dir checkpoints

The masks are not published. Two are derived from the patches, and each gives a table:

- `differs`: where the charged SEM differs from the true one. It has holes where the true SEM is white itself (255), and
  Telea inpainting takes those for intact pixels and spreads their white.
- `white`: where the charged SEM is 255, that is, the whole painted region, and white grains outside it.

The constant is the mean of the intact pixels of the same patch.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from txm2sem.cli.parsing import parse_model_command
from txm2sem.config import RepairCommand, run_name
from txm2sem.data import GreyRange, to_uint8
from txm2sem.errors import UserError
from txm2sem.inference import Predictor
from txm2sem.inference.inpainting import telea
from txm2sem.inference.repair import fill
from txm2sem.report.repair import TELEA, TELEA_WITHOUT_BLACK, RepairScores, repair_table
from txm2sem.runs import RunPaths

Grey = NDArray[np.uint8]
Mask = NDArray[np.bool_]

MASKS: dict[str, Callable[[Grey, Grey], Mask]] = {
    "differs": lambda charged, sem: charged != sem,
    "white": lambda charged, sem: charged == 255,
}
PUBLISHED = ("published_repair", "published_repair_sem_only")


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--name", action="append", default=[], help="a trained model; may be given several times")
    parser.add_argument("--checkpoints_dir", default="checkpoints")
    arguments = parser.parse_args(words)
    try:
        models = {name: load_model(name, arguments.checkpoints_dir) for name in arguments.name}
        for name, mask_of in MASKS.items():
            scores, count, share = score(arguments.data, mask_of, models)
            print(f"mask `{name}`: {count} patches, {share:.1%} of them charged; mean ± standard error")
            print(repair_table(scores), end="\n\n")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def load_model(name: str, checkpoints: str) -> Callable[[Grey, Grey, Mask], Grey]:
    """Return a function that repairs (TXM, charged SEM, mask) tile by tile, as `txm2sem repair`."""
    command = parse_model_command(RepairCommand(), ["--name", name, "--checkpoints_dir", checkpoints], "repairs")
    paths = RunPaths.of(run_name(command), command.run.checkpoints_dir, command.run.results_dir)
    predictor = Predictor.load(paths, "latest", command.model)
    black_to_white = GreyRange(0, 255)

    def repair(txm: Grey, charged: Grey, mask: Mask) -> Grey:
        source, sem = (black_to_white.normalise(image) for image in (txm, charged))
        return to_uint8(fill(predictor, None if command.data.sem_only else source, sem, mask, command.data))

    return repair


def score(
    data: Path, mask_of: Callable[[Grey, Grey], Mask], models: dict[str, Callable[[Grey, Grey, Mask], Grey]]
) -> tuple[dict[str, RepairScores], int, float]:
    """Return the scores of each kind of repair by name, the number of patches, and the share that is charged."""
    paths = sorted((data / "charged").glob("*.png"))
    if not paths:
        raise UserError(f"there are no patches in {data / 'charged'}; expected files such as 006.png")
    scores: dict[str, RepairScores] = {}
    shares = []
    for path in paths:
        charged, sem, txm = (read(data / folder / path.name) for folder in ("charged", "sem", "txm"))
        mask = mask_of(charged, sem)
        shares.append(mask.mean())
        repairs = {
            "constant": np.full_like(sem, np.rint(sem[~mask].mean())),
            TELEA: telea(charged, mask),
            TELEA_WITHOUT_BLACK: telea(charged, mask, from_black=False),
            **{name: read(data / name / path.name) for name in PUBLISHED if (data / name).is_dir()},
            **{f"model {name}": repair(txm, charged, mask) for name, repair in models.items()},
        }
        for name, image in repairs.items():
            scores.setdefault(name, RepairScores()).add(np.where(mask, image, sem), sem, mask)
    return scores, len(paths), float(np.mean(shares))


def read(path: Path) -> Grey:
    """Return an 8-bit grey image (H, W)."""
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("L"))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error}") from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
