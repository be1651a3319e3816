"""Time and memory of `txm2sem measure`: volumes of labels from 256 to 1024 voxels a side, without diffusion.

    python benchmarks/measuring.py [--sides 256 512 1024] [--workers 2] [--memory 2GB]

Each volume is a random medium of two phases, a fifth and a tenth, with bodies some ten voxels thick: a periodic block
of 256 voxels a side, repeated, in Zarr. Each is measured in a process of its own; the memory is the
largest that this and its workers had together. Needs some 300 MB of disk in a temporary folder.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import zarr
from scipy.ndimage import gaussian_filter

BLOCK = 256
CHUNK = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=int, nargs="+", default=(256, 512, 1024))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--memory", default="2GB")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        block = medium()
        print(f"{'side':>6}{'time [s]':>10}{'ns/voxel':>10}{'peak memory':>14}")
        for side in given.sides:
            write(folder / f"{side}.zarr", block, side)
            seconds, peak = measure(folder, side, given.workers, given.memory)
            print(f"{side:>6}{seconds:>10.1f}{seconds / side**3 * 1e9:>10.1f}{peak / 1e9:>11.2f} GB", flush=True)


def medium() -> np.ndarray:
    """Return the labels of the block, (z, y, x)."""
    field = gaussian_filter(np.random.default_rng(0).standard_normal((BLOCK,) * 3, np.float32), 4, mode="wrap")
    low, high = np.quantile(field, (0.2, 0.9))
    return np.where(field < low, 1, np.where(field > high, 2, 0)).astype(np.uint8)


def write(path: Path, block: np.ndarray, side: int) -> None:
    array = zarr.create_array(
        path, shape=(side,) * 3, chunks=(CHUNK,) * 3, dtype="uint8", dimension_names=("z", "y", "x")
    )
    places = range(0, side, BLOCK)
    for z in places:
        for y in places:
            for x in places:
                part = tuple(slice(first, min(first + BLOCK, side)) for first in (z, y, x))
                array[part] = block[tuple(slice(0, one.stop - one.start) for one in part)]


def measure(folder: Path, side: int, workers: int, memory: str) -> tuple[float, float]:
    """Return how long it took [s], and the largest memory [bytes]."""
    program = str(Path(sys.executable).with_name("txm2sem"))
    words = [program, "measure", f"{side}.zarr", f"measured_{side}", "--voxel_size", "32", "--diffusion_side", "0"]
    words += ["--workers", str(workers), "--memory", memory]
    started = time.perf_counter()
    process = subprocess.Popen(words, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = [0]
    watching = threading.Thread(target=watch, args=(process, peak))
    watching.start()
    status = process.wait()
    watching.join()
    if status:
        raise SystemExit(f"{' '.join(words)} has ended with {status}")
    return time.perf_counter() - started, peak[0]


def watch(process: subprocess.Popen[bytes], peak: list[int]) -> None:
    """Keep the largest sum of the memory that is a process's own and its children's."""
    while process.poll() is None:
        total = 0
        try:
            first = psutil.Process(process.pid)
            for one in (first, *first.children(recursive=True)):
                total += one.memory_full_info().uss
        except psutil.Error:
            continue
        peak[0] = max(peak[0], total)
        time.sleep(0.2)


if __name__ == "__main__":
    main()
