"""What an optimiser needs to go on: read from a saved state, and checked against its weights before it is taken up."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

AVERAGES = ("exp_avg", "exp_avg_sq")
"""What Adam keeps of the gradients of each weight: running averages of them, and of their squares."""

PLATEAU = {"best": float, "num_bad_epochs": int, "cooldown_counter": int, "last_epoch": int}
"""What changes of a plateau policy while it waits."""


@dataclass(frozen=True)
class SavedOptimizer:
    """Where an optimiser stood; what else it is follows from the options.

    Attributes:
        rate: the learning rate.
        averages: steps taken, and averages, by the number of the weight; those without gradients have none.
        plateau: values of `PLATEAU`.
    """

    rate: float
    averages: dict[int, dict[str, Tensor]]
    plateau: dict[str, float]

    @classmethod
    def of(cls, optimizer: Any, plateau: Any, weights: Sequence[Tensor], steps: int) -> SavedOptimizer:
        """Return what is needed of the state dicts of an Adam optimiser and its plateau policy.

        Args:
            optimizer: of the optimiser.
            plateau: of the policy.
            weights: that it optimises.
            steps: batches that the run has seen.

        Raises:
            ValueError, TypeError, LookupError, AttributeError, RuntimeError: they are none, or not of these weights.
        """
        (group,) = optimizer["param_groups"]
        averages = {number: _averages(weights[number], found, steps) for number, found in optimizer["state"].items()}
        if any(type(number) is not int or number < 0 for number in averages):
            raise ValueError(f"an optimiser of weights {list(averages)!r:.100}")
        rate, waited = group["lr"], {name: plateau[name] for name in PLATEAU}
        if type(rate) is not float or not 0 <= rate < math.inf:
            raise ValueError(f"a learning rate {rate!r:.100}")
        if any(type(waited[name]) is not kind or waited[name] != waited[name] for name, kind in PLATEAU.items()):
            raise ValueError(f"a plateau policy with {waited!r:.100}")
        return cls(rate, averages, waited)

    def take_up(self, optimizer: Optimizer, plateau: ReduceLROnPlateau) -> None:
        """Bring an optimiser, and its plateau policy, to where they stood."""
        groups = optimizer.state_dict()["param_groups"]
        groups[0]["lr"] = self.rate
        optimizer.load_state_dict({"state": self.averages, "param_groups": groups})
        for weight, averages in optimizer.state.items():
            # The fused Adam goes through all of them in the order of memory, and a state saved on another device has
            # another one.
            for name in AVERAGES:
                averages[name] = torch.empty_like(weight).copy_(averages[name])
        plateau.load_state_dict(self.plateau)


def _averages(weight: Tensor, found: Mapping[str, Any], steps: int) -> dict[str, Tensor]:
    """Return what Adam keeps for a weight, where it fits that."""
    if set(found) != {"step", *AVERAGES}:
        raise ValueError(f"an optimiser with {list(found)!r:.100}")
    for name in AVERAGES:
        average = found[name]
        if average.shape != weight.shape or average.dtype != weight.dtype:
            raise ValueError(
                f"an optimiser's {name} of shape {tuple(average.shape)} and {average.dtype}, for a weight of shape "
                f"{tuple(weight.shape)} and {weight.dtype}"
            )
    taken = float(found["step"])
    if not 0 < taken <= steps or (found["exp_avg_sq"] < 0).any():
        raise ValueError(f"an optimiser after {taken:g} of {steps} steps")
    return {"step": torch.tensor(taken), **{name: found[name] for name in AVERAGES}}
