"""How fast this machine trains a model, and in how much memory: found by trying, before any training."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Adam

from txm2sem.devices import move_images, move_network, peak_memory, wait_for
from txm2sem.model.network import apply_generator, finished, generator_input
from txm2sem.networks import build_discriminator, build_generator
from txm2sem.objectives import jacobian_penalty
from txm2sem.options import ADVERSARIAL_MODELS, MODEL_DEFAULTS, RECIPES, TrainCommand, override

ENOUGH_SECONDS, ENOUGH_STEPS = 2.0, 3
"""Steps are tried until they have taken so long, or are so many; the first, which finds its memory, does not count."""

BESIDE = 1.15
"""What losses, the drawing of patches and the log add to the passes through the networks, as a factor. It is that of
`--recipe translate --patch_size 64` on two cores; `benchmarks/pace.py` finds it for others."""


@dataclass(frozen=True)
class Pace:
    """How fast a model is trained.

    Attributes:
        step: of one batch [seconds].
        score: of one validation patch [seconds].
        memory: that this process, or the GPU, has held at most, a step included [bytes]; None: nobody can tell.
    """

    step: float
    score: float
    memory: float | None

    def seconds(self, steps: float, scored: float) -> float:
        """Return how long steps take, and the scoring of patches [s]."""
        return steps * self.step + scored * self.score


def measure_pace(
    command: TrainCommand, size: int, device: torch.device, clock: Callable[[], float] = time.perf_counter
) -> Pace:
    """Take some steps with networks of their own, which learn nothing of use; what is random elsewhere stays as it is.

    The model that predicts the SEM to segment (`--seg_mode semfake`) is not counted: the run itself shows what it adds.

    Args:
        command: options of the training.
        size: side of its patches [pixels].
        device: what it computes with.
        clock: what it measures with [s].
    """
    weight, interval = command.objective.lambda_img_grad, command.objective.jacobian_interval
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        trial = _Trial(command, size, device, clock)
        plain = trial.seconds(lambda: trial.step(penalised=False)) if weight == 0 or interval > 1 else 0.0
        penalised = trial.seconds(lambda: trial.step(penalised=True)) if weight > 0 else plain
        # Every `interval`-th step evaluates the penalty.
        step = penalised / interval + plain * (1 - 1 / interval)
        return Pace(BESIDE * step, BESIDE * trial.seconds(trial.predict), peak_memory(device))


class _Trial:
    """Networks as a training has them, and a batch of noise.

    Args:
        command, size, device, clock: see `measure_pace`.
    """

    def __init__(self, command: TrainCommand, size: int, device: torch.device, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.options, self.device, self.parts = command.model, device, command.sampling.accumulate
        self.precision = command.run.precision
        self.generator = move_network(build_generator(command.model).train(), device)
        self.discriminator: nn.Module | None = None
        if command.model.model in ADVERSARIAL_MODELS:
            self.conditional = command.model.model != "srgan" or command.objective.d_condition
            channels = command.model.output_nc + (command.model.input_nc if self.conditional else 0)
            self.discriminator = move_network(build_discriminator(command.model, channels), device)
        networks = [network for network in (self.generator, self.discriminator) if network is not None]
        weights = [weight for network in networks for weight in network.parameters()]
        self.optimizer = Adam(weights, lr=command.schedule.lr, fused=True)
        patches = math.ceil(command.sampling.batch_size / self.parts)
        noise = torch.rand(patches, command.model.input_nc, size, size, generator=torch.Generator().manual_seed(0))
        self.source = move_images(2 * noise - 1, device)

    def step(self, *, penalised: bool) -> None:
        """Take a batch through the networks and back, part by part, and take an optimiser's step."""
        for _ in range(self.parts):
            with self._autocast():
                image = generator_input(self.source, self.options, self.device).requires_grad_(penalised)
                prediction = finished(self.generator(image), self.source, self.options)
            loss = prediction.float().mean()
            if self.discriminator is not None:
                fake = self._judged(prediction)
                with self._autocast():
                    logits = self.discriminator(fake.detach()), self.discriminator(fake.detach())
                torch.autograd.backward([logit.float().mean() for logit in logits])
                self.discriminator.requires_grad_(False)
                with self._autocast():
                    loss = loss + self.discriminator(fake).float().mean()
                self.discriminator.requires_grad_(True)
            if penalised:
                loss = loss + jacobian_penalty(prediction, image)
            torch.autograd.backward(loss)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def predict(self) -> None:
        """Predict one patch."""
        with torch.no_grad(), self._autocast():
            apply_generator(self.generator, self.source[:1], self.options, self.device)

    def seconds(self, work: Callable[[], None]) -> float:
        """Return how long some work takes, once it is under way [s]."""
        work()
        taken: list[float] = []
        while len(taken) < ENOUGH_STEPS and sum(taken) < ENOUGH_SECONDS:
            wait_for(self.device)
            started = self.clock()
            work()
            wait_for(self.device)
            taken.append(self.clock() - started)
        return min(taken)

    def _judged(self, image: Tensor) -> Tensor:
        return torch.cat([self.source, image], dim=1) if self.conditional else image

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")


def recipe_seconds(recipe: str, scored: int, device: torch.device, patch_size: int = 0) -> float:
    """Return about how long a recipe trains [s].

    Args:
        recipe: its name.
        scored: patches of a validation.
        device: what it computes with.
        patch_size: side of the patches [pixels]; 0: the recipe's.
    """
    options = RECIPES[recipe]
    command = override(TrainCommand(), {**MODEL_DEFAULTS[options["model"]], **options})
    pace = measure_pace(command, patch_size or command.data.patch_size, device)
    epochs = command.schedule.niter + command.schedule.niter_decay
    steps = epochs * -(-command.sampling.num_train // command.sampling.batch_size)
    return pace.seconds(steps, scored * (epochs + 1))
