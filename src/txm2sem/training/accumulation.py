"""A training step's batch in parts, of which memory holds one at a time: gradient accumulation."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from txm2sem.devices import random_state, same_random_numbers
from txm2sem.model.predictor import batch_statistics


class BatchPart(NamedTuple):
    """Some patches of a batch.

    Attributes:
        source: (N, C, H, W) in [-1, 1].
        target: what the prediction should be, (N, ...).
        valid: pixels that count, bool (N, 1, H, W); None where all do.
        share: of the batch's patches, 0 to 1; the shares of its parts add up to 1.
        place: slice, row and column of each pixel, (N, 3, H, W); None where they do not matter.
    """

    source: Tensor
    target: Tensor
    valid: Tensor | None
    share: float
    place: Tensor | None = None


def split(
    source: Tensor, target: Tensor, valid: Tensor | None, count: int, place: Tensor | None = None
) -> list[BatchPart]:
    """Return a batch in `count` parts of its patches, in order.

    The last batch of an epoch may have fewer patches: then the last parts are smaller, or missing.
    """
    sources, targets = source.chunk(count), target.chunk(count)
    valids = [None] * len(sources) if valid is None else valid.chunk(count)
    places = [None] * len(sources) if place is None else place.chunk(count)
    shares = [len(part) / len(source) for part in sources]
    return [BatchPart(*items) for items in zip(sources, targets, valids, shares, places, strict=True)]


class GeneratorPass:
    """A part's way through the generator, for two updates: its prediction is needed first, its graph later.

    A graph that is kept waits in memory. One that is not is made when it is asked for, by running the generator again
    with the same random numbers (dropout) and without gathering normalisation statistics a second time.

    Args:
        generator: the network that runs.
        run: takes the part through it; returns what it has seen, and the prediction.
        device: where it runs.
        keep: keep the graph.

    Attributes:
        prediction: of the part, without gradients.
    """

    def __init__(
        self, generator: nn.Module, run: Callable[[], tuple[Tensor, Tensor]], device: torch.device, *, keep: bool
    ) -> None:
        self._generator = generator
        self._run = run
        self._device = device
        self._random = random_state(device)
        with torch.set_grad_enabled(keep):
            image, prediction = run()
        self._kept = (image, prediction) if keep else None
        self.prediction = prediction.detach()

    def with_graph(self) -> tuple[Tensor, Tensor]:
        """Return what the generator has seen, and the prediction with the graph that leads to it."""
        if self._kept:
            return self._kept
        with same_random_numbers(self._random, self._device), batch_statistics(self._generator):
            return self._run()
