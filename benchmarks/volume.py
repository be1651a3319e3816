"""Speed and memory of `txm2sem volume`: a 16-bit volume of 256 x 1024 x 1024 voxels, the 4x SRGAN with 32 filters.

    python benchmarks/volume.py [--slices 64 256] [--side 1024] [--folder FOLDER]

Translates stacks of two depths, each in a process of its own, and prints for both: time, voxels/s, the share of the
time that is spent in the network, and the peak memory; then how time and memory grow. The weights are random, which
changes nothing in this. Needs about 1.5 GB of disk in a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tifffile
import torch
from numpy.typing import NDArray

from txm2sem.networks import build_generator, initialise
from txm2sem.options import ModelOptions, PhantomOptions
from txm2sem.phantoms import render_phantom
from txm2sem.phantoms.levels import to_levels

MODEL = ModelOptions(model="srgan", netG="sr_resnet_9blocks", ngf=32, norm="batch", downsample_factor=4)
BLOCK = 256
"""Side of the phantom that the volume is made of, mirrored."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, nargs=2, default=(64, 256))
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder by default")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        write_model(folder)
        write_scan(folder / "scan", max(arguments.slices), arguments.side)
        rows = [translate(folder, slices, arguments.side) for slices in sorted(arguments.slices)]
    few, many = rows
    print(f"\n{'slices':>8}{'time [s]':>10}{'Mvoxel/s':>10}{'network':>9}{'peak memory':>13}")
    for row in rows:
        print(
            f"{row['slices']:>8.0f}{row['seconds']:>10.1f}{row['rate'] / 1e6:>10.2f}{row['network']:>9.1%}"
            f"{row['peak'] / 1e9:>10.2f} GB"
        )
    growth = (many["seconds"] / few["seconds"]) / (many["slices"] / few["slices"])
    print(f"time grows {growth:.3f} times as fast as slices; memory is {many['peak'] / few['peak']:.3f} times as large")
    return 0


def write_model(folder: Path) -> None:
    network = build_generator(MODEL)
    initialise(network, generator=torch.Generator().manual_seed(0))
    path = folder / "checkpoints" / "bench" / "latest_net_G.pth"
    path.parent.mkdir(parents=True)
    torch.save(network.state_dict(), path)


def write_scan(folder: Path, slices: int, side: int) -> None:
    folder.mkdir()
    for number, image in enumerate(mirrored_slices(slices, side)):
        tifffile.imwrite(folder / f"{number:04d}.tif", image)


def mirrored_slices(slices: int, side: int) -> Iterator[NDArray[np.uint16]]:
    """Yield the TXM slices of a phantom, 16 bits, continued by mirroring along all axes."""
    phantom = render_phantom(PhantomOptions(size=BLOCK, depth=64, bits=16))
    block = to_levels(phantom.txm, "txm", 16).astype(np.uint16)
    rows = np.pad(np.arange(BLOCK), (0, max(side - BLOCK, 0)), "symmetric")[:side]
    for z in np.pad(np.arange(len(block)), (0, max(slices - len(block), 0)), "symmetric")[:slices]:
        yield block[z][np.ix_(rows, rows)]


def translate(folder: Path, slices: int, side: int) -> dict[str, float]:
    output = f"out{slices}"
    words = [
        *("txm2sem", "volume", "scan", f"{output}.ome.zarr", "--name", "bench", "--gpu_ids", "-1"),
        *("--model", MODEL.model, "--netG", MODEL.netG, "--ngf", str(MODEL.ngf), "--downsample_factor", "4"),
        *("--voxel_size", "32", "--txm_range", "20000,40000", "--roi", f":{slices},:,:"),
    ]
    program = Path(sys.executable).with_name("txm2sem")
    started = time.perf_counter()
    subprocess.run([program, *words[1:]], cwd=folder, check=True)
    seconds = time.perf_counter() - started
    # Of the largest child so far: the deeper volume comes last.
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    scores = json.loads((folder / f"{output}.ome.zarr_report.json").read_text())["scores"]
    return {
        "slices": slices,
        "seconds": seconds,
        "rate": slices * side**2 / seconds,
        "network": scores["network_share_of_time"],
        "peak": peak,
    }


if __name__ == "__main__":
    sys.exit(main())
