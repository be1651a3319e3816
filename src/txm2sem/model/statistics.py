"""Normalisation statistics that are the same for every tile: estimated on samples of a volume, then fixed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from txm2sem.checkpoints import difference


def depend_on_tile(generator: nn.Module) -> bool:
    """Say whether a network in evaluation mode normalises each image with statistics of its own (instance norm)."""
    return any(isinstance(module, nn.InstanceNorm2d) for module in generator.modules())


@torch.no_grad()
def estimate_statistics(generator: nn.Module, samples: Iterable[Tensor]) -> dict[str, Tensor]:
    """Estimate mean and variance of what each normalisation layer sees, and fix them in the network.

    The layers then normalise with the means of the statistics of the samples, each of which is normalised with its own,
    as instance norm, and batch norm in training, do. Dropout stays off.

    Args:
        generator: the network, changed in place as by `fix_statistics`.
        samples: what it sees, (1, C, H, W) each.

    Returns:
        The statistics by their keys in the state dict.
    """
    layers = _as_batch_norms(generator)
    generator.eval()
    for layer in layers.values():
        layer.reset_running_stats()
        layer.momentum = None  # a plain mean over all samples
        layer.train()
    for sample in samples:
        generator(sample)
    generator.eval()
    return {f"{name}.{key}": buffer.clone() for name, layer in layers.items() for key, buffer in layer.named_buffers()}


def fix_statistics(generator: nn.Module, statistics: Mapping[str, Tensor]) -> None:
    """Give a network, in place, the statistics that `estimate_statistics` has returned for one like it.

    Raises:
        ValueError: they are those of another one.
    """
    layers = _as_batch_norms(generator)
    expected = {f"{name}.{key}": buffer for name, layer in layers.items() for key, buffer in layer.named_buffers()}
    problem = difference(expected, statistics)
    if problem:
        raise ValueError(problem)
    generator.load_state_dict(dict(statistics), strict=False)
    generator.eval()


def _as_batch_norms(generator: nn.Module) -> dict[str, nn.BatchNorm2d]:
    """Return the normalisation layers by name, after putting batch norms, which can be fixed, for instance norms."""
    for parent in list(generator.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, nn.InstanceNorm2d):
                fixed = nn.BatchNorm2d(layer.num_features, eps=layer.eps, affine=False)
                setattr(parent, name, fixed.to(next(generator.parameters()).device))
    return {name: layer for name, layer in generator.named_modules() if isinstance(layer, nn.BatchNorm2d)}
