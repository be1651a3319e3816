"""Ways to estimate the Jacobian penalty R = sum_b |J_b|_F^2 / (2 B): what they find, how they scatter, what they cost.

    python benchmarks/jacobian.py --dataroot demo/images --checkpoints_dir demo/checkpoints --name demo
    python benchmarks/jacobian.py --cost [--rounds 5]

The first takes a trained run and patches of its validation split, in training's way (statistics of each patch itself,
dropout on, with one mask), and prints, for float32 and bf16, the mean of many estimates beside the exact value and the
standard deviation of one. The second times whole training steps of the documented models in bf16, on a quiet machine.

- projection: |v J|^2 for a random unit vector v in the space of outputs (Hoffman et al. 2019, arXiv 1908.02729); what
  `--lambda_img_grad` takes. Differentiating it is a double backward pass.
- difference: |G(x + a u) - G(x)|^2 / a^2 for a random u in the space of inputs, of mean square 1: a second forward pass
  with the same mask. Its error is of the order a^2, and what G's arithmetic rounds counts 1 / a^2 times.
- crop: the projection on a quarter of the patch, 4 times as heavy: another, smaller image.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from speed import CASES, Case, training_module
from torch import Tensor

from txm2sem.checkpoints import load_network
from txm2sem.data import AlignedSlices, EvaluationPatches, downsample
from txm2sem.memory import keep_freed_memory
from txm2sem.model.predictor import batch_statistics
from txm2sem.networks import build_generator
from txm2sem.objectives import jacobian_penalty
from txm2sem.options import MODEL_DEFAULTS, TrainCommand, override
from txm2sem.runs import RunPaths, read_options
from txm2sem.training.translation import JACOBIAN

Network = Callable[[Tensor], Tensor]
Estimator = Callable[[Network, Tensor], Tensor]

AMPLITUDES = (0.3, 0.1, 0.03, 0.01)
"""Root mean square of the disturbance of the input, whose grey values span 2."""


def projection(network: Network, image: Tensor) -> Tensor:
    image = image.detach().requires_grad_()
    return jacobian_penalty(network(image), image)


def difference(amplitude: float) -> Estimator:
    def estimate(network: Network, image: Tensor) -> Tensor:
        direction = torch.randn_like(image)
        direction *= math.sqrt(image[0].numel()) / torch.linalg.vector_norm(direction)
        # Drawn before the network, so that both passes can have the same mask.
        state = torch.get_rng_state()
        prediction = network(image)
        torch.set_rng_state(state)
        return difference_of(network(image + amplitude * direction), prediction, amplitude)

    return estimate


def difference_of(disturbed: Tensor, prediction: Tensor, amplitude: float) -> Tensor:
    return 0.5 * ((disturbed.float() - prediction.float()) / amplitude).square().sum() / len(prediction)


def crop(network: Network, image: Tensor) -> Tensor:
    height, width = (side // 2 for side in image.shape[-2:])
    row, column = (int(torch.randint(side + 1, ())) for side in (height, width))
    return 4 * projection(network, image[..., row : row + height, column : column + width])


def exact(network: Network, image: Tensor, at_once: int = 64) -> float:
    """Return R of one image (1, C, H, W): the sum over all outputs."""
    image = image.detach().requires_grad_()
    output = network(image).flatten()
    total = 0.0
    for rows in torch.eye(len(output)).split(at_once):
        (gradients,) = torch.autograd.grad(output, image, rows, retain_graph=True, is_grads_batched=True)
        total += gradients.double().square().sum().item()
    return 0.5 * total


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataroot", type=Path)
    parser.add_argument("--checkpoints_dir", type=Path, default=Path("checkpoints"))
    parser.add_argument("--name", help="of a trained translation run")
    parser.add_argument("--patch_size", type=int, default=64)
    parser.add_argument("--patches", type=int, default=4)
    parser.add_argument("--estimates", type=int, default=300, help="of each kind for each patch")
    parser.add_argument("--cost", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    keep_freed_memory()
    if arguments.cost:
        for name in ("step srgan 4x, penalty", "step srcnn 2x, penalty"):
            print_costs(name, arguments.rounds)
    if arguments.name:
        print_statistics(arguments)
    return 0


def print_statistics(arguments: argparse.Namespace) -> None:
    paths = RunPaths.of(arguments.name, arguments.checkpoints_dir, arguments.checkpoints_dir)
    saved = read_options(paths.options)
    command = override(TrainCommand(), {**MODEL_DEFAULTS[saved["model"]], **saved})
    command = override(command, {"patch_size": arguments.patch_size, "num_test": arguments.patches})
    generator = build_generator(command.model)
    load_network(generator, paths.network("latest", "G"), command.model)
    patches = EvaluationPatches(AlignedSlices.open(arguments.dataroot, "val", command.data), command.data)
    images = [
        downsample(patches[index]["source"][None], command.model.downsample_factor) for index in range(len(patches))
    ]
    estimators: dict[str, Estimator] = {"projection": projection}
    estimators |= {f"difference, a = {amplitude:g}": difference(amplitude) for amplitude in AMPLITUDES}
    estimators["crop"] = crop
    print(f"{arguments.name}, {len(images)} patches; mean over them, each relative to its exact value")
    print(f"{'':<24}{'fp32: mean':>12}{'one scatters':>14}{'bf16: mean':>12}{'one scatters':>14}")
    with batch_statistics(generator):
        truths = [exact(with_mask(generator), image) for image in images]
        for name, estimate in estimators.items():
            cells = []
            for mixed in (False, True):
                found = torch.stack(
                    [
                        relative_estimates(estimate, generator, image, truth, arguments.estimates, mixed)
                        for image, truth in zip(images, truths, strict=True)
                    ]
                )
                error = found.std().item() / math.sqrt(found.numel())
                cells += [f"{found.mean():.3f}±{error:.3f}", f"{found.std(dim=1).mean():.1%}"]
            print(f"{name:<24}" + "".join(f"{cell:>13}" for cell in cells), flush=True)
    print("exact: " + ", ".join(f"{truth:.4g}" for truth in truths))


def relative_estimates(
    estimate: Estimator, generator: torch.nn.Module, image: Tensor, truth: float, count: int, mixed: bool
) -> Tensor:
    torch.manual_seed(1)
    with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        return torch.tensor([estimate(with_mask(generator), image).item() / truth for _ in range(count)])


def with_mask(generator: torch.nn.Module) -> Network:
    """Return the network with the same dropout mask at every call; other randomness goes on."""

    def network(image: Tensor) -> Tensor:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            output: Tensor = generator(image)
        return output

    return network


def print_costs(name: str, rounds: int) -> None:
    """Time training steps with the penalty estimated in several ways, in turn."""
    case = CASES[name]
    steps = {
        "no penalty": stepping(case, 0, None),
        "projection, every step": stepping(case, 1, None),
        "projection, every 4th": stepping(case, 4, None),
        "difference, every step": stepping(case, 1, 0.1),
        "difference, every 4th": stepping(case, 4, 0.1),
    }
    times: dict[str, list[float]] = {way: [] for way in steps}
    for number in range(rounds + 1):
        for way, step in steps.items():
            started = time.perf_counter()
            for _ in range(4):
                step()
            if number:
                times[way].append((time.perf_counter() - started) / 4)
    print(f"{name}, bf16")
    for way, seconds in times.items():
        print(f"  {way:<26}{statistics.median(seconds):.3f} s", flush=True)


def stepping(case: Case, interval: int, amplitude: float | None) -> Callable[[], None]:
    """Return a function that takes a training step; `interval` 0 is without penalty, an amplitude takes differences."""
    weight = 1e-4 if interval else 0.0
    module, step = training_module(
        case, {"precision": "bf16", "lambda_img_grad": weight, "jacobian_interval": interval or 1}
    )
    if amplitude is not None:
        # The image needs no gradient for a difference.
        module.generator_input = lambda source: downsample(source, module.command.model.downsample_factor)

        def losses(prediction: Tensor, image: Tensor) -> dict[str, Tensor]:
            if not module.penalises_jacobian:
                return {}
            disturbed = module.generator(image + amplitude * torch.randn_like(image))
            return {JACOBIAN: weight * interval * difference_of(disturbed, prediction, amplitude)}

        module.continuity_losses = losses
    return step


if __name__ == "__main__":
    sys.exit(main())
