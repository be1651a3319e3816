"""How long a training takes on a quiet and on a busy machine, by how its threads wait for each other.

    python benchmarks/waiting.py [--rounds 3] [--folder FOLDER] [--json FILE]

Threads that share a step wait for the slowest. They may sleep meanwhile (`OMP_WAIT_POLICY=PASSIVE`), spin for
milliseconds first, as they do by themselves with GNU's OpenMP, or for some microseconds, as the program tells them
(`GOMP_SPINCOUNT=10000`): where other work wants the processor, those that spin take it from those that are waited
for; to wake those that sleep takes time. The same training of recipe `translate` on a phantom is timed from the
command to its end, in turn in all ways, alone and beside as many endless loops as there are cores. The table has
medians, and of how many kinds the weights are, which must be one.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from speed import write_results

WAYS = {
    "shortly": {},
    "sleeping": {"OMP_WAIT_POLICY": "PASSIVE"},
    "spinning": {"GOMP_SPINCOUNT": "300000"},
}
"""What each way to wait has in its environment, of these variables."""

SAID = {name for environment in WAYS.values() for name in environment}

LOADS = ("quiet", "busy")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder by default")
    parser.add_argument("--json", type=Path, help="write the numbers there, too")
    arguments = parser.parse_args()
    seconds: dict[tuple[str, str], list[float]] = {(load, way): [] for load in LOADS for way in WAYS}
    weights: set[str] = set()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        subprocess.run([program(), "phantom", "images", "--depth", "32"], cwd=folder, check=True)
        for number in range(arguments.rounds):
            for (load, way), found in seconds.items():
                run = f"{load}_{way}_{number}"
                with busy(load == "busy"):
                    found.append(train(folder, run, WAYS[way]))
                network = folder / "checkpoints" / run / "latest_net_G.pth"
                weights.add(hashlib.sha256(network.read_bytes()).hexdigest())
    middle = {load: {way: statistics.median(seconds[load, way]) for way in WAYS} for load in LOADS}
    print(f"\n{'':<8}" + "".join(f"{way:>12}" for way in WAYS))
    for load, row in middle.items():
        print(f"{load:<8}" + "".join(f"{found:>10.1f} s" for found in row.values()))
    print(f"different weights: {len(weights)}")
    if arguments.json:
        write_results(arguments.json, waiting=middle)
    return 0


def program() -> str:
    return str(Path(sys.executable).with_name("txm2sem"))


def train(folder: Path, name: str, environment: dict[str, str]) -> float:
    """Train for 60 steps; return how long the command took [s]."""
    words = f"train --recipe translate --dataroot images --name {name} --seed 0 --num_train 480 --niter 1 --no_html"
    started = time.perf_counter()
    subprocess.run(
        [program(), *words.split()],
        cwd=folder,
        check=True,
        env={name: value for name, value in os.environ.items() if name not in SAID} | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return time.perf_counter() - started


@contextmanager
def busy(loaded: bool) -> Iterator[None]:
    """Keep every core busy meanwhile, or none."""
    words = [sys.executable, "-c", "while True: pass"]
    others = [subprocess.Popen(words) for _ in range(os.cpu_count() or 1)] if loaded else []
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


if __name__ == "__main__":
    sys.exit(main())
