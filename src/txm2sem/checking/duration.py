"""How long the training that a check advises takes on this machine."""

from __future__ import annotations

import time

import torch

from txm2sem.networks import build_generator
from txm2sem.options import MODEL_DEFAULTS, RECIPES, TrainCommand, override

BESIDE = 1.3
"""What drawing patches, the loss, the optimiser and validations add to the passes through the network, as a factor."""


def training_seconds(recipe: str, patch_size: int) -> float:
    """Estimate how long a recipe trains here on the CPU [s], from a few passes through its network and back.

    Args:
        recipe: its name.
        patch_size: side of the patches [pixels].
    """
    options = RECIPES[recipe]
    command = override(TrainCommand(), {**MODEL_DEFAULTS[options["model"]], **options})
    network = build_generator(command.model)
    patches = torch.zeros(command.sampling.batch_size, command.model.input_nc, patch_size, patch_size)
    passes = []
    for _ in range(3):  # the first one has memory to find
        started = time.perf_counter()
        network(patches).sum().backward()
        passes.append(time.perf_counter() - started)
    steps = command.sampling.num_train // command.sampling.batch_size
    return BESIDE * min(passes) * steps * (command.schedule.niter + command.schedule.niter_decay)
