"""Measure how long `txm2sem check` takes for many large slices, and how much memory.

    python benchmarks/check.py [--slices 300] [--side 2048] [--bits 16] [--masks] [--folder FOLDER]

Writes pairs of slices, all different, into a temporary folder (in FOLDER, where there is room), runs the command on
them, and prints wall time, processor time and the largest resident memory of its one process. Slices of 16 bits are
compressed (some 9 MB a pair of 2048 x 2048 pixels), those of 8 bits are not. Linux or macOS.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray

EVALUATED = 12
"""One of so many slices is in val, and one in test."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--side", type=int, default=2048, help="rows and columns of a slice")
    parser.add_argument("--bits", type=int, choices=[8, 16], default=16, help="of a pixel")
    parser.add_argument("--masks", action="store_true", help="with masks of charge and of both densities")
    parser.add_argument("--folder", type=Path, help="where to write; a temporary folder by default")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        write_slices(folder / "images", arguments.slices, arguments.side, arguments.bits, masks=arguments.masks)
        program = Path(sys.executable).with_name("txm2sem")
        started = time.perf_counter()
        ended = subprocess.run([program, "check", folder / "images", "--output", folder / "report"], check=False)
        seconds = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    unit = 1 if sys.platform == "darwin" else 1024
    print(
        f"{arguments.slices} slices of {arguments.side} x {arguments.side} pixels: {seconds:.0f} s, "
        f"{used.ru_utime + used.ru_stime:.0f} s of processor time, {used.ru_maxrss * unit / 1e9:.2f} GB"
    )
    return ended.returncode


def write_slices(root: Path, count: int, side: int, bits: int, *, masks: bool) -> None:
    """Write a data root of smooth random rock, seen by TXM and SEM."""
    rng = np.random.default_rng(1)

    def texture(grain: int) -> NDArray[np.float32]:
        coarse = rng.standard_normal((side // grain, side // grain)).astype(np.float32)
        return np.asarray(cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC), np.float32)

    evaluated = max(count // EVALUATED, 1)
    splits = {"train": count - 2 * evaluated, "val": evaluated, "test": evaluated}
    for number, split in enumerate([split for split, slices in splits.items() for _ in range(slices)]):
        rock = texture(16) + 0.6 * texture(6)
        images: dict[str, NDArray[Any]] = {
            "txm": 30000 + 6000 * cv2.GaussianBlur(rock, (0, 0), 3) + 1500 * texture(8),
            "sem": 32000 - 7000 * rock,
        }
        for kind, image in images.items():
            path = root / split / kind / f"{number:03d}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            grey = np.clip(image, 1, 65535).astype(np.uint16)
            if bits == 8:
                tifffile.imwrite(path, np.maximum(grey // 256, 1).astype(np.uint8), photometric="minisblack")
                continue
            packed = {"compression": "zlib", "compressionargs": {"level": 1}}
            tifffile.imwrite(path, grey // 64 * 64 + 1, photometric="minisblack", **packed)
        inside = {"charge": texture(64) > 1.8, "lowdensity": rock > 1.5, "highdensity": rock < -1.5}
        for kind, mask in inside.items() if masks else ():
            path = root / split / kind / f"{number:03d}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(path, 255 * mask.astype(np.uint8), photometric="minisblack")


if __name__ == "__main__":
    sys.exit(main())
