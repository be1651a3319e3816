"""How much faster the fast paths are than the plain ones, and how near the machine's limit.

    python benchmarks/speed.py [--rounds 5] [--case NAME ...] [--json benchmarks/results.json]
    python benchmarks/speed.py --gpu_ids auto --batch_size 16

Plain is what the original code does: float32, each batch one patch, the Jacobian penalty in every step, torch's own
convolutions, dropout and Adam, memory as the C library manages it by itself. Fast is what the options in the table
make of it. Both are measured in turn, round by round, in a process each; the table has medians, their ratio, and the
share of the machine's peak: the operations of the convolutions per second, beside those of a large matrix product in
the same number format (of 8-bit integers there is none to compare with). Run it on a quiet machine. Cases of
`--backend openvino` are left out where that is not installed. On a GPU each case is timed in fp32 as well as in bf16,
and the peak in fp32 is that of products whose factors are rounded to TF32, as cuDNN does by default; give it more
than one patch a batch.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from txm2sem.devices import device_of, move_images, move_network, name_of_device
from txm2sem.memory import keep_freed_memory
from txm2sem.model import Predictor
from txm2sem.model.openvino import OpenVinoNetwork, find_ranges
from txm2sem.networks.blocks import HalfDropout
from txm2sem.networks.convolutions import FewChannelsConv2d, StridedConv2d, StridedConvTranspose2d
from txm2sem.options import MODEL_DEFAULTS, TrainCommand, override
from txm2sem.training.models import MODELS
from txm2sem.training.translation import TranslationModule

CPU = torch.device("cpu")
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
TORCHS_OWN: dict[type[nn.Module], type[nn.Module]] = {
    FewChannelsConv2d: nn.Conv2d,
    StridedConv2d: nn.Conv2d,
    StridedConvTranspose2d: nn.ConvTranspose2d,
    HalfDropout: nn.Dropout,
}


RUN: list[Callable[[int], None]] = []
"""What a process has set up, see `prepare`."""


@dataclass(frozen=True)
class Case:
    """What is timed: a training step, or a translation, of a model with two sets of options."""

    model: str
    options: dict[str, Any]
    fast: dict[str, Any]
    training: bool
    wanted: float
    compiled: bool = False


SRGAN = {"netG": "sr_resnet_9blocks", "downsample_factor": 4, "patch_size": 128}
LAZY = {"precision": "bf16", "jacobian_interval": 4}
BF16 = {"precision": "bf16"}
INT8 = {"backend": "openvino"}
CASES = {
    "step srgan 4x": Case("srgan", SRGAN, BF16, True, 1.9),
    "step srgan 4x, penalty": Case("srgan", {**SRGAN, "lambda_img_grad": 1e-4}, LAZY, True, 2.8),
    "step srcnn 2x, penalty": Case(
        "srcnn", {**SRGAN, "downsample_factor": 2, "lambda_img_grad": 1e-4}, LAZY, True, 2.8
    ),
    "step pix2pix unet_256": Case("pix2pix", {"patch_size": 256}, BF16, True, 1.7),
    "step feedforward resnet_9": Case("feedforward", {"patch_size": 256}, BF16, True, 1.85),
    "inference srgan 4x": Case("srgan", {**SRGAN, "patch_size": 512}, BF16, False, 1.8),
    "inference resnet_9": Case("feedforward", {"patch_size": 512}, BF16, False, 1.8),
    "inference srgan 4x int8": Case("srgan", {**SRGAN, "patch_size": 512}, INT8, False, 3.3),
    "inference resnet_9 int8": Case("feedforward", {"patch_size": 512}, INT8, False, 3.3),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="of which each times both once, after one to warm up")
    parser.add_argument("--case", action="append", choices=list(CASES), help="only this one; may be given again")
    parser.add_argument("--gpu_ids", default="-1", help="where, as txm2sem takes it: the CPU")
    parser.add_argument("--batch_size", type=int, default=1, help="patches of a step, or of a translation")
    parser.add_argument("--precision", choices=list(DTYPES), default="bf16", help="of what is fast on the CPU")
    parser.add_argument("--compile", action="store_true", help="fast: the generator by torch.compile, without penalty")
    parser.add_argument("--json", type=Path, help="write the numbers there, too")
    arguments = parser.parse_args()
    device = device_of(arguments.gpu_ids)
    print(
        f"{'':<27}{'plain [s]':>10}{'fast [s]':>10}{'ratio':>7}{'wanted':>8}{'of peak: plain':>16}{'fast':>6}"
        f"{'peak [GFLOP/s]':>17}  fast is"
    )
    results = {}
    names = arguments.case or list(CASES)
    for name, case in cases_of(names, device, arguments.batch_size, arguments.precision, compiled=arguments.compile):
        if case.fast == INT8 and importlib.util.find_spec("openvino") is None:
            print(f"{name:<27}left out: OpenVINO is not installed (extra openvino)")
            continue
        results[name] = measure(case, arguments.rounds, device)
        row = results[name]
        found = ", ".join(f"{value / 1e9:.0f}" for value in row["peak_flops"].values())
        print(
            f"{name:<27}{row['plain']:>10.3f}{row['fast']:>10.3f}{row['ratio']:>7.2f}{case.wanted:>8.2f}"
            f"{row['plain_of_peak']:>16.0%}{share(row['fast_of_peak']):>6}{found:>17}  {row['options']}",
            flush=True,
        )
    if arguments.json:
        write_results(arguments.json, device, rounds=arguments.rounds, cases=results)
    return 0


def cases_of(
    names: list[str], device: torch.device, batch_size: int, precision: str, *, compiled: bool = False
) -> list[tuple[str, Case]]:
    """Return the cases that a device has, in batches of a size: on the CPU in a number format, on a GPU in both.

    Compiled are those that can be: without a penalty, which is differentiated twice, and with torch.
    """
    found = []
    for name in names:
        case = CASES[name]
        if compiled and ("lambda_img_grad" in case.options or case.fast == INT8):
            continue
        case = replace(case, options={**case.options, "batch_size": batch_size}, compiled=compiled)
        if case.fast == INT8:
            found += [(name, case)] if device.type == "cpu" else []
        elif device.type == "cpu":
            found.append((name, replace(case, fast={**case.fast, "precision": precision})))
        else:
            found += [(f"{name}, {form}", replace(case, fast={**case.fast, "precision": form})) for form in DTYPES]
    return found


def write_results(path: Path, device: torch.device = CPU, **parts: Any) -> None:
    """Write parts of the results, and the machine they are of, over those of earlier runs; other cases stay."""
    machine = {"processor": processor(), "threads": torch.get_num_threads(), "torch": torch.__version__}
    if device != CPU:
        machine["gpu"] = name_of_device(device)
    content = json.loads(path.read_text()) if path.exists() else {}
    for name, part in {"machine": machine, **parts}.items():
        content[name] = {**content.get(name, {}), **part} if isinstance(part, dict) else part
    path.write_text(json.dumps(content, indent=2) + "\n")


def measure(case: Case, rounds: int, device: torch.device) -> dict[str, Any]:
    """Time plain and fast in turn; a round takes as many steps as the lazy penalty has in a period."""
    steps = case.fast.get("jacobian_interval", 1)
    with ExitStack() as processes:
        ways = {way: processes.enter_context(process()) for way in ("plain", "fast")}
        operations = {way: other.submit(prepare, case, way, device, steps).result() for way, other in ways.items()}
        times: dict[str, list[float]] = {way: [] for way in ways}
        # The machine itself is faster at one time than at another, so its peak is found in the same rounds.
        peaks = dict.fromkeys(DTYPES, 0.0)
        for _ in range(rounds):
            peaks = {name: max(peak(dtype, device), peaks[name]) for name, dtype in DTYPES.items()}
            for way, other in ways.items():
                times[way].append(other.submit(timed, steps, device).result() / steps)
    plain, fast = (statistics.median(times[name]) for name in ("plain", "fast"))
    return {
        "plain": plain,
        "fast": fast,
        "ratio": statistics.median(one / other for one, other in zip(times["plain"], times["fast"], strict=True)),
        "wanted": case.wanted,
        "plain_of_peak": operations["plain"] / plain / peaks["fp32"],
        "fast_of_peak": None if case.fast == INT8 else operations["fast"] / fast / peaks[case.fast["precision"]],
        "peak_flops": peaks,
        "options": " ".join(f"--{name} {value}" for name, value in case.fast.items()) + ", freed memory kept",
        "case": asdict(case),
    }


def process() -> ProcessPoolExecutor:
    """Return a process of its own: how the C library manages memory is set once, and plain leaves it as it is.

    Left alone, glibc raises the size from which on a tensor's memory is mapped anew, up to 32 MB, as tensors are freed.
    Setting that size switches this off, whatever it is set to.
    """
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"))


def prepare(case: Case, way: str, device: torch.device, steps: int) -> float:
    """Set up one way in this process, take some steps to warm up, and return the operations of one."""
    torch.backends.cudnn.benchmark = way == "fast" and case.training
    RUN[:] = [work(case, way, device)]
    with OperationCounter() as counter:
        RUN[0](steps)
    return counter.total / steps


def timed(steps: int, device: torch.device) -> float:
    """Take some steps of what this process has set up; return how long they took [s]."""
    return clocked(lambda: RUN[0](steps), device)


def work(case: Case, way: str, device: torch.device = CPU) -> Callable[[int], None]:
    """Return a function that takes a number of steps, or translates so many patches, in the `plain` or `fast` way."""
    plain = way == "plain"
    changes = {} if plain else case.fast
    if not plain:
        keep_freed_memory()
    if case.training:
        module, step = training_module(case, changes, device, plain=plain)
        if case.compiled and not plain:
            module.generator.compile()
        return lambda steps: [step() for _ in range(steps)] and None
    command = command_of(case, changes)
    network = MODELS[case.model](command).generator
    if plain:
        use_torchs_own(network)
    elif case.compiled:
        network.compile()
    source, _ = images_of(command)
    predictor = Predictor(network, command.model, device=device, dtype=DTYPES[command.run.precision])
    if changes == INT8:
        # The weights are random, so random patches are as good as others to find ranges on.
        ranges = find_ranges(network, [predictor.generator_input(source)])
        predictor = Predictor(OpenVinoNetwork(network, command.model.input_nc, ranges), command.model)
    return lambda steps: [predictor(source) for _ in range(steps)] and None


def command_of(case: Case, changes: dict[str, Any]) -> TrainCommand:
    return override(TrainCommand(), {**MODEL_DEFAULTS[case.model], "model": case.model, **case.options, **changes})


def images_of(command: TrainCommand) -> Tensor:
    """Return source and target of a batch, (2, N, 1, H, W)."""
    torch.manual_seed(0)
    side = command.data.patch_size
    return torch.rand(2, command.sampling.batch_size, 1, side, side) * 2 - 1


def training_module(
    case: Case, changes: dict[str, Any], device: torch.device = CPU, *, plain: bool = False
) -> tuple[TranslationModule, Callable[..., None]]:
    """Return a module, and a function that takes a step with it, on a batch of its own unless it is given one."""
    command = command_of(case, changes)
    source, target = (move_images(image, device) for image in images_of(command))
    module = MODELS[case.model](command)
    if plain:
        use_torchs_own(module)
    if plain:
        module.to(device)
    else:
        move_network(module, device)
    attach_optimisers(module, fused=not plain)
    mixed = command.run.precision == "bf16"

    def step(source: Tensor = source, target: Tensor = target) -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
            module.optimisation_step(source, target)
        module.position.step += 1

    return module, step


def use_torchs_own(network: nn.Module) -> None:
    """Let modules that compute what one of torch's does in a way of their own do it as torch does."""
    for module in network.modules():
        if type(module) in TORCHS_OWN:
            module.__class__ = TORCHS_OWN[type(module)]


def share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


class OperationCounter(TorchDispatchMode):
    """Counts the multiplications and additions of convolutions and matrix products, in double backward passes too."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        # In inference mode compound operations arrive whole.
        with self:
            result = func.decompose(*args, **(kwargs or {}))
        if result is not NotImplemented:
            return result
        result = func(*args, **(kwargs or {}))
        count = flop_registry.get(func.overloadpacket)
        self.total += count(*args, **(kwargs or {}), out_val=result) if count else 0
        return result


def attach_optimisers(module: TranslationModule, *, fused: bool) -> None:
    """Give a module what Lightning would give it; Adam in one kernel, or in torch's default way."""
    optimisers = dict(zip(module.networks, module.configure_optimizers(), strict=True))
    for optimiser in optimisers.values():
        for group in optimiser.param_groups:
            group["fused"] = fused

    def backward(loss: Tensor) -> None:
        with torch.autocast(module.device.type, enabled=False):
            loss.backward()  # type: ignore[no-untyped-call]

    module.train()
    module.named_optimizers = lambda: optimisers  # type: ignore[method-assign, return-value, assignment]
    module.manual_backward = backward  # type: ignore[method-assign, assignment]


def peak(dtype: torch.dtype, device: torch.device, rounds: int = 7) -> float:
    """Return the operations per second of a product of square matrices, the best of some rounds."""
    side = 2048 if device == CPU else 8192
    one, other = torch.rand(2, side, side, device=device).to(dtype)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32
    return max(2 * side**3 / clocked(lambda: one @ other, device) for _ in range(rounds))


def clocked(run: Callable[[], object], device: torch.device) -> float:
    """Return how long something takes until its device is done with it [s]."""
    wait = {"cuda": torch.cuda.synchronize, "mps": torch.mps.synchronize}.get(device.type, lambda: None)
    wait()
    started = time.perf_counter()
    run()
    wait()
    return time.perf_counter() - started


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


if __name__ == "__main__":
    sys.exit(main())
