"""Draw the best, the median and the worst patches of a test, by PSNR: TXM, prediction and SEM.

python benchmarks/best_and_worst.py results/translate docs/translate.png
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from txm2sem.metrics import psnr, ssim
from txm2sem.report.overview import OverviewRow, draw_rows, save_figure

FOLDERS = {"txm": "TXM (input)", "sem_fake": "prediction", "sem": "SEM (truth)"}
EACH = 2


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="folder of a test, results/NAME")
    parser.add_argument("figure", type=Path)
    arguments = parser.parse_args(words)
    patches = []
    for path in sorted((arguments.results / "sem_fake").glob("*.png")):
        images = {folder: np.asarray(Image.open(arguments.results / folder / path.name)) for folder in FOLDERS}
        patches.append((psnr(images["sem_fake"], images["sem"]), path.stem, images))
    patches.sort(key=lambda patch: patch[0], reverse=True)
    middle = len(patches) // 2
    shown = {"best": patches[:EACH], "median": patches[middle : middle + EACH], "worst": patches[-EACH:]}
    rows = [
        OverviewRow(
            f"{kind}: {name}\n{score:.2f} dB\nSSIM {ssim(images['sem_fake'], images['sem']):.3f}",
            list(images.values()),
        )
        for kind, found in shown.items()
        for score, name, images in found
    ]
    save_figure(draw_rows(rows, list(FOLDERS.values()), ""), arguments.figure)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
