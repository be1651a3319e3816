"""Speed and memory of a whole volume with recipe `translate`, beside MONAI's tiled prediction with the same network.

    python benchmarks/translating.py [--slices 256] [--side 1024] [--rounds 3] [--folder FOLDER] [--json FILE]

`txm2sem volume` reads 16 bits from OME-Zarr and writes OME-Zarr, with torch and with `--backend openvino`, each time as
a process of its own, from the command to the last file. MONAI's `sliding_window_inference` has the volume in memory
already, grey values scaled, and keeps what it predicts there: nothing is read, written or scored, and the clock runs
only while it predicts. Both take all threads. The ways are timed in turn; the table has medians. The network was
trained for a short epoch, which changes nothing in this. Ways that are not installed are left out (pip install monai;
OpenVINO is the extra `openvino`). Needs about 1.5 GB of disk, and for MONAI 4 GB of memory.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import zarr
from speed import write_results
from volume import mirrored_slices

MODULES = {"openvino": "openvino", "MONAI, tiles of 256": "monai", "MONAI, tiles of 512": "monai"}
"""What the ways need besides this program."""

WAYS = ("torch", *MODULES)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=256)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder by default")
    parser.add_argument("--json", type=Path, help="write the numbers there, too")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way:
        print(json.dumps(run(arguments.way, arguments.folder, arguments.slices * arguments.side**2)))
        return 0
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        program(folder, "phantom images --depth 32 --bits 16")
        program(folder, "train --recipe translate --dataroot images --name bench --num_train 64 --niter 1 --no_html")
        if importlib.util.find_spec("openvino"):
            # It finds the ranges of integers.
            program(folder, "test --name bench --dataroot images --eval --num_test 1 --backend openvino")
        write_scan(folder / "scan.zarr", arguments.slices, arguments.side)
        ways = [way for way in WAYS if way not in MODULES or importlib.util.find_spec(MODULES[way])]
        found: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
        for _ in range(arguments.rounds):
            for way in ways:
                size = f"--slices {arguments.slices} --side {arguments.side}".split()
                words = [sys.executable, __file__, "--way", way, "--folder", str(folder), *size]
                output = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout
                found[way].append(json.loads(output.splitlines()[-1]))
    middle = {
        way: {name: statistics.median(row[name] for row in rows) for name in rows[0]} for way, rows in found.items()
    }
    print(f"\n{'':<22}{'time [s]':>10}{'processor [s]':>15}{'Mvoxel/s':>10}{'peak memory':>13}")
    for way, row in middle.items():
        print(
            f"{way:<22}{row['seconds']:>10.1f}{row['processor']:>15.1f}{row['rate'] / 1e6:>10.2f}"
            f"{row['peak'] / 1e9:>10.2f} GB"
        )
    if arguments.json:
        write_results(arguments.json, translating=middle)
    return 0


def program(folder: Path, words: str) -> None:
    subprocess.run([Path(sys.executable).with_name("txm2sem"), *words.split()], cwd=folder, check=True)


def write_scan(path: Path, slices: int, side: int) -> None:
    """Write a mirrored phantom as OME-Zarr of 16 bits."""
    group = zarr.create_group(path, zarr_format=3)
    chunks, shards = (32, 128, 128), (32, 1024, 1024)
    array = group.create_array("0", shape=(slices, side, side), chunks=chunks, shards=shards, dtype=np.uint16)
    for z, image in enumerate(mirrored_slices(slices, side)):
        if z % chunks[0] == 0:
            block = np.empty((chunks[0], side, side), np.uint16)
        block[z % chunks[0]] = image
        if (z + 1) % chunks[0] == 0 or z + 1 == slices:
            array[z - z % chunks[0] : z + 1] = block[: z % chunks[0] + 1]
    axes = [{"name": name, "type": "space", "unit": "nanometer"} for name in "zyx"]
    datasets = [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [32.0] * 3}]}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}


def run(way: str, folder: Path, voxels: int) -> dict[str, float]:
    """Translate the volume in one way; return the seconds, those of the processor, voxels a second and memory."""
    if way.startswith("MONAI"):
        seconds, processor = by_monai(folder, int(way.rpartition(" ")[2]))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    else:
        shutil.rmtree(folder / "translated", ignore_errors=True)
        (folder / "translated").mkdir()
        words = f"volume scan.zarr translated/out.ome.zarr --name bench --gpu_ids -1 --backend {way}"
        started = time.perf_counter()
        program(folder, words)
        seconds = time.perf_counter() - started
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        processor, peak = used.ru_utime + used.ru_stime, used.ru_maxrss
    return {"seconds": seconds, "processor": processor, "rate": voxels / seconds, "peak": 1024.0 * peak}


def by_monai(folder: Path, side: int) -> tuple[float, float]:
    """Translate a volume slice by slice in overlapping tiles, as MONAI does by default but for their size."""
    import torch
    from monai.inferers import sliding_window_inference

    import txm2sem  # before torch: it says how its threads wait

    model = txm2sem.load("bench", checkpoints_dir=str(folder / "checkpoints"))
    network = model._model.predictor.generator.eval()
    volume = np.asarray(zarr.open_group(folder / "scan.zarr", mode="r")["0"][:], np.float32)
    volume = torch.from_numpy(volume / 32767.5 - 1)
    predicted = np.empty(volume.shape, np.float32)
    started, before = time.perf_counter(), time.process_time()
    with torch.inference_mode():
        for z, image in enumerate(volume):
            predicted[z] = sliding_window_inference(image[None, None], (side, side), 1, network)[0, 0].numpy()
    return time.perf_counter() - started, time.process_time() - before


if __name__ == "__main__":
    sys.exit(main())
