"""Make the picture of the volume in docs/first_volume.md: cuts through the TXM, two predictions, and the truth.

    python benchmarks/first_volume_pictures.py FOLDER docs/first_volume

FOLDER is where the commands of that page were run, and those of the other prediction beside them:

    txm2sem train --recipe translate --dataroot images --name dark --niter 4
    txm2sem volume scans/txm.ome.tif dark.ome.zarr --name dark
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import txm2sem

Z, Y = 64, 256
"""Where the cuts are."""
MICROMETRE = 1000 / 32
"""In voxels."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the commands were run")
    parser.add_argument("figures", type=Path)
    arguments = parser.parse_args()
    arguments.figures.mkdir(parents=True, exist_ok=True)
    names = {
        "TXM": "scans/txm.ome.tif",
        "without --ignore_charged": "dark.ome.zarr",
        "with --ignore_charged": "predicted.ome.zarr",
    }
    volumes = {title: np.asarray(txm2sem.open_volume(arguments.folder / name)[:]) for title, name in names.items()}
    rock = txm2sem.phantom(charging=0)
    volumes["SEM (truth)"] = np.where(rock.txm > 0, rock.sem, 0)
    figure = Figure(figsize=(12, 4.1), layout="constrained")
    cells = figure.subplots(2, len(volumes), height_ratios=(4, 1))
    for column, (title, volume) in enumerate(volumes.items()):
        black, white = np.percentile(volume[volume > 0], (0.5, 99.5)) if title == "TXM" else (0, 255)
        for cell, cut in zip(cells[:, column], (volume[Z], volume[:, Y]), strict=True):
            cell.imshow(cut, cmap="gray", vmin=black, vmax=white, interpolation="nearest")
            cell.set_axis_off()
        cells[0, column].set_title(title, fontsize=10)
    cells[0, 0].plot([10, 10 + 2 * MICROMETRE], [495, 495], color="white", linewidth=2.5)
    cells[0, 0].text(10, 480, "2 µm", color="white", fontsize=9)
    figure.savefig(arguments.figures / "volume.png", dpi=80)


if __name__ == "__main__":
    main()
