"""Training patches per second, and memory, by the size of batches and the number of parts they are taken in.

    python benchmarks/throughput.py [--rounds 5] [--json benchmarks/results.json]

Each point is a process of its own: training steps in bf16, median time, most memory. Run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

from speed import CASES, training_module, write_results

from txm2sem.memory import keep_freed_memory

NAMES = ("step srgan 4x", "step pix2pix unet_256")
POINTS = ((1, 1), (2, 1), (2, 2), (4, 1), (4, 4), (8, 1), (8, 4), (8, 8))
"""Patches of a batch, and its parts."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the numbers there, too")
    parser.add_argument("--point", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.point:
        name, batch, parts = arguments.point
        print(json.dumps(measure(name, int(batch), int(parts), arguments.rounds)))
        return 0
    print(f"{'':<24}{'batch_size':>12}{'accumulate':>12}{'patches/s':>11}{'memory [GB]':>13}")
    results: dict[str, list[dict[str, float]]] = {}
    for name in NAMES:
        for batch, parts in POINTS:
            words = [
                sys.executable,
                __file__,
                "--rounds",
                str(arguments.rounds),
                "--point",
                name,
                str(batch),
                str(parts),
            ]
            found = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
            results.setdefault(name, []).append({"batch_size": batch, "accumulate": parts, **found})
            print(
                f"{name:<24}{batch:>12}{parts:>12}{found['patches_per_second']:>11.2f}{found['memory'] / 1e9:>13.2f}",
                flush=True,
            )
    if arguments.json:
        write_results(arguments.json, throughput=results)
    return 0


def measure(name: str, batch: int, parts: int, rounds: int) -> dict[str, float]:
    """Time steps of `batch` patches taken in `parts`, after one to warm up."""
    keep_freed_memory()
    _, step = training_module(CASES[name], {"precision": "bf16", "batch_size": batch, "accumulate": parts})
    times = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        step()
        times.append(time.perf_counter() - started)
    return {
        "patches_per_second": batch / statistics.median(times[1:]),
        "memory": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }


if __name__ == "__main__":
    sys.exit(main())
