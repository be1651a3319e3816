"""What costs time and memory beside the arithmetic: waiting for data, sampling, scoring, the start, kept tensors.

    python benchmarks/overheads.py [--folder FOLDER] [--json benchmarks/results.json]

Slices of 2048 x 2048 pixels are written to a temporary folder (or FOLDER) and read lazily, as those of users are. Run
it on a quiet machine.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import tifffile
import torch
from speed import CASES, training_module, write_results
from torch import Tensor
from torch.utils.data import DataLoader

from txm2sem.data import AlignedSlices, EpochSampler, EvaluationPatches
from txm2sem.data.datasets import TrainingPatches
from txm2sem.memory import keep_freed_memory
from txm2sem.options import TrainCommand, override
from txm2sem.scoring.card import Scorecard
from txm2sem.scoring.document import scores_document
from txm2sem.scoring.evaluation import Evaluation, fit_trivial_predictions
from txm2sem.scoring.phases import fit_phases
from txm2sem.testing.scores import perceptual_or_none

SIDE, SLICES, PATCH = 2048, 6, 128
SEED = 0

REFUSED = (
    *("check nothing", "report nothing", "repair nothing repaired", "test --name nothing", "measure nothing measured"),
    *("volume nothing out.ome.zarr --name nothing", "export nothing model.zip", "sweep nothing.yaml"),
)
"""Commands that name what is not there."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where to write the slices; a temporary folder by default")
    parser.add_argument("--json", type=Path, help="write the numbers there, too")
    arguments = parser.parse_args()
    results: dict[str, dict[str, float | str]] = {}

    def note(name: str, found: float, relation: str, wanted: float, unit: str) -> None:
        results[name] = {"found": found, "wanted": f"{relation} {wanted:g}", "unit": unit}
        print(f"{name:<58}{found:>10.4g} {unit:<12}{relation} {wanted:g}", flush=True)

    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        command = override(TrainCommand(), {"patch_size": PATCH, "num_test": 100, "sem_range": "0,255"})
        command = override(command, {"txm_range": "0,255", "num_train": 10_000})
        slices = write_slices(Path(name), command)
        note("patches sampled per second, one core, warm", sampling_rate(slices, command), ">", 2000, "1/s")
        keep_freed_memory()  # as every command does
        for what, full, wanted in (("PSNR and SSIM", False, 0.5), ("the whole scorecard", True, 1.5)):
            seconds = scoring_seconds(slices, command, full=full)
            note(f"{what} of 100 patches, beside the network", seconds, "<", wanted, "s")
        note("waiting for data, of a step of srgan 4x in bf16", waiting_share(slices, command), "<", 0.02, "")
    note("txm2sem --help", seconds_of("--help"), "<", 0.4, "s")
    note("txm2sem train --help", seconds_of("train", "--help"), "<", 1.0, "s")
    for words in REFUSED:
        note(f"txm2sem {words}, where that is not there", processor_seconds_of(*words.split()), "<", 0.7, "s")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        seconds = translation_seconds(Path(name))
    note("txm2sem translate of 1024 x 1024 pixels, all of it", seconds, "<", 2.5, "s")
    for case in ("step srgan 4x, penalty", "step pix2pix unet_256", "step feedforward resnet_9"):
        plain, fast = (peak_memory(case, path) for path in ("plain", "fast"))
        note(f"{case}: memory of the fast path / plain", fast / plain, "<=", 1, "")
    if arguments.json:
        write_results(arguments.json, overheads=results)
    return 0


def write_slices(folder: Path, command: TrainCommand) -> AlignedSlices:
    """Write uncompressed 8-bit slices, a thousandth of whose pixels are charged, and open them."""
    rng = np.random.default_rng(SEED)
    for kind in ("txm", "sem", "charge"):
        (folder / "train" / kind).mkdir(parents=True)
        for number in range(SLICES):
            image = rng.integers(1, 256, (SIDE, SIDE), dtype=np.uint8)
            image = image if kind != "charge" else np.where(rng.random((SIDE, SIDE)) < 1e-3, 255, 0).astype(np.uint8)
            tifffile.imwrite(folder / "train" / kind / f"{number:03d}.tif", image)
    return AlignedSlices.open(folder, "train", command.data)


def sampling_rate(slices: AlignedSlices, command: TrainCommand, count: int = 4000) -> float:
    """Return the training patches per second that one core draws, reads, scales and flips, once the slices were read.

    Threads of the arithmetic are set to one meanwhile.
    """
    patches = TrainingPatches(slices, command.data, SEED, command.sampling)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for index in range(count // 4):
        patches[0, index]
    started = time.perf_counter()
    for index in range(count):
        patches[1, index]
    seconds = time.perf_counter() - started
    torch.set_num_threads(threads)
    return count / seconds


def scoring_seconds(slices: AlignedSlices, command: TrainCommand, *, full: bool) -> float:
    """Return the time to read 100 patches and to score them beside trivial predictions; the network is an identity.

    The full score is that of `txm2sem test`, with the perceptual distance where that is installed.
    """
    patches = EvaluationPatches(slices, command.data)
    training = [patches[index] for index in range(len(patches))]
    trivial, phases = fit_trivial_predictions(training), fit_phases(training)
    perceptual = perceptual_or_none(torch.device("cpu"))

    def score() -> None:
        card = Scorecard(phases, perceptual)
        for result in Evaluation(lambda source, _: source, trivial).run(patches):
            if full:
                predictions = {"model": result.prediction, **result.trivial}
                card.add(patches.locations[result.index].slice_index, predictions, result.target, result.usable)
        if full:
            scores_document(card.summary(), {}, [])

    return median_seconds(score)


def waiting_share(slices: AlignedSlices, command: TrainCommand, steps: int = 24) -> float:
    """Return the share of training time that passes between asking the loader for a batch and having it."""
    case = CASES["step srgan 4x"]
    loader = DataLoader(
        TrainingPatches(slices, command.data, SEED, command.sampling),
        sampler=EpochSampler(0, command.sampling.num_train),
        num_workers=min(command.run.num_threads, os.cpu_count() or 1),
    )
    _, step = training_module(case, case.fast)
    waited = 0.0
    batches: Iterator[dict[str, Tensor]] = iter(loader)
    for number in range(steps + 2):
        if number == 2:
            started, waited = time.perf_counter(), 0.0
        asked = time.perf_counter()
        batch = next(batches)
        waited += time.perf_counter() - asked
        step(batch["source"], batch["target"])
    return waited / (time.perf_counter() - started)


def seconds_of(*words: str) -> float:
    """Return the time that the program takes with these words."""
    program = [str(Path(sys.executable).with_name("txm2sem")), *words]
    return median_seconds(lambda: subprocess.run(program, check=True, stdout=subprocess.DEVNULL))


def processor_seconds_of(*words: str) -> float:
    """Return the processor time that the program takes with these words, whatever it says to them."""
    return statistics.median(_once(*words) for _ in range(5))


def _once(*words: str) -> float:
    program = [str(Path(sys.executable).with_name("txm2sem")), *words]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(program, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def translation_seconds(folder: Path) -> float:
    """Return the processor time from the command to the file, of an image of 1024 x 1024 pixels."""
    rng = np.random.default_rng(SEED)
    coarse = rng.integers(20, 220, (64, 64), dtype=np.uint8)
    tifffile.imwrite(folder / "txm.tif", np.kron(coarse, np.ones((16, 16), np.uint8)))
    # A new name each time: what is there already is not translated again.
    names = (str(folder / f"predicted_{number}.tif") for number in range(5))
    return statistics.median(_once("translate", str(folder / "txm.tif"), name) for name in names)


def peak_memory(case: str, path: str) -> float:
    """Return the most memory that a process takes for some training steps [bytes]."""
    code = (
        "import resource, speed\n"
        f"speed.work(speed.CASES[{case!r}], {path!r})(4)\n"
        "print(1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    words = [sys.executable, "-c", code]
    output = subprocess.run(words, cwd=Path(__file__).parent, check=True, capture_output=True, text=True).stdout
    return float(output)


def median_seconds(function: Callable[[], object], rounds: int = 5) -> float:
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


if __name__ == "__main__":
    sys.exit(main())
