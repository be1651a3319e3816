"""Draw the best, the median and the worst patches of a test, by PSNR: TXM, prediction and SEM.

Of several tests of the same patches the first one decides which these are; the others stand beside it.

python benchmarks/best_and_worst.py docs/translate.png results/translate
python benchmarks/best_and_worst.py docs/texture.png results/translate results/texture
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from txm2sem.figures.overview import OverviewRow, draw_rows
from txm2sem.figures.saving import save_figure
from txm2sem.metrics import psnr, ssim

TXM, SEM = "TXM (input)", "SEM (truth)"
EACH = 2


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figure", type=Path)
    parser.add_argument("results", type=Path, nargs="+", help="folders of tests, results/NAME")
    arguments = parser.parse_args(words)
    first = arguments.results[0]
    folders = {TXM: first / "txm"} | {folder.name: folder / "sem_fake" for folder in arguments.results}
    folders[SEM] = first / "sem"
    patches = []
    for path in sorted(folders[SEM].glob("*.png")):
        images = {title: np.asarray(Image.open(folder / path.name)) for title, folder in folders.items()}
        patches.append((psnr(images[first.name], images[SEM]), path.stem, images))
    patches.sort(key=lambda patch: patch[0], reverse=True)
    middle = len(patches) // 2
    shown = {"best": patches[:EACH], "median": patches[middle : middle + EACH], "worst": patches[-EACH:]}
    rows = [
        OverviewRow(
            f"{kind}: {name}\n{score:.2f} dB\nSSIM {ssim(images[first.name], images[SEM]):.3f}", list(images.values())
        )
        for kind, found in shown.items()
        for score, name, images in found
    ]
    titles = list(folders)
    if len(arguments.results) == 1:
        titles[1] = "prediction"
    save_figure(draw_rows(rows, titles, ""), arguments.figure)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
