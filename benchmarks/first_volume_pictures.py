"""Make the picture of the volume in docs/first_volume.md: cuts through the TXM, two predictions, and the truth.

    python benchmarks/first_volume_pictures.py FOLDER docs/first_volume

FOLDER is where the commands of that page were run, and those of the other prediction beside them:

    txm2sem train --recipe translate --dataroot images --name dark --niter 4
    txm2sem volume scans/txm.ome.tif dark.ome.zarr --name dark
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

import txm2sem
from txm2sem.figures.saving import save_figure
from txm2sem.figures.scale import add_scale_bar
from txm2sem.figures.shown import WIDTH
from txm2sem.figures.style import SMALLEST, column_figure, style, wrapped
from txm2sem.phantoms.rock import VOXEL_SIZE_NM

Z, Y = 64, 256
"""Where the cuts are."""


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
    with style():
        save_figure(draw(volumes), arguments.figures / "volume.png")


def draw(volumes: dict[str, NDArray[Any]]) -> Figure:
    """Draw a cut across z and one across y, below each other, of each volume."""
    side, lines = WIDTH / len(volumes), 0.12 * 2
    figure = column_figure(1.3 * side + lines)
    cells = figure.subplots(2, len(volumes), height_ratios=(4, 1))
    for column, (title, volume) in enumerate(volumes.items()):
        black, white = np.percentile(volume[volume > 0], (0.5, 99.5)) if title == "TXM" else (0, 255)
        for cell, cut in zip(cells[:, column], (volume[Z], volume[:, Y]), strict=True):
            cell.imshow(cut, cmap="gray", vmin=black, vmax=white, interpolation="none")
            cell.set_axis_off()
        cells[0, column].set_title(wrapped(title, 0.9 * side), fontsize=SMALLEST)
    add_scale_bar(cells[0, 0], volumes["TXM"][Z].shape, VOXEL_SIZE_NM)
    return figure


if __name__ == "__main__":
    main()
