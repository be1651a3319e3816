"""The processes that train together, on one machine or several: which of them this is, and what happens without them.

Lightning reads from the environment who else there is, as torchrun, Slurm's srun, or whoever starts the processes, has
left it there. What would make it wait for ever, or train something else, is found here before.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from pytorch_lightning.plugins.environments import SLURMEnvironment  # type: ignore[attr-defined]
from pytorch_lightning.utilities import rank_zero_only

from txm2sem.errors import UserError

BY_HAND = ("NODE_RANK", "MASTER_ADDR", "MASTER_PORT")
"""Variables that say on each node which one it is and where the first is, where nobody else says it."""

HOW = "docs/cluster.md has commands that start all of them"


def is_main_process() -> bool:
    """Say whether this is the only process, or the first of those that train together."""
    return int(getattr(rank_zero_only, "rank", 0)) == 0


def find_place(nodes: int, devices: int) -> None:
    """Find out which of the processes that train together this one is; `is_main_process` knows from then on.

    Args:
        nodes: machines.
        devices: that each of them trains with, each in a process of its own.

    Raises:
        UserError: other nodes are expected that nobody has said anything of, or not as many as were started.
    """
    expected = nodes * devices
    if torch.distributed.is_available() and torch.distributed.is_torchelastic_launched():
        started, rank = (int(os.environ[name]) for name in ("WORLD_SIZE", "RANK"))
        _check_count(expected, started, f"torchrun has started {started}", nodes, devices)
    elif expected > 1 and SLURMEnvironment.detect():
        started, rank = (int(os.environ.get(f"SLURM_{name}", "0")) for name in ("NTASKS", "PROCID"))
        _check_count(expected, started, f"Slurm has {started} tasks", nodes, devices)
    elif nodes > 1:
        absent = [name for name in BY_HAND if name not in os.environ]
        if absent:
            raise UserError(
                f"--num_nodes {nodes}: expected to be started on each node by torchrun or by Slurm's srun, or with the "
                f"variables {', '.join(BY_HAND)}, found no {absent[0]}; {HOW}"
            )
        rank = _whole_number("NODE_RANK", nodes) * devices + _whole_number("LOCAL_RANK", devices)
    else:
        return
    rank_zero_only.rank = rank  # type: ignore[attr-defined]  # as Lightning itself does, later


@contextmanager
def answering(processes: int, seconds: float, remedy: Callable[[], str]) -> Iterator[None]:
    """Turn it into a UserError when other processes that train together do not answer, or have ended.

    Args:
        processes: that train together.
        seconds: that they are waited for.
        remedy: says what there is to go on from.
    """
    try:
        yield
    except RuntimeError as error:  # also of torch.distributed
        if processes == 1 or not _is_of_others(error):
            raise
        said = " ".join(str(error).split())[:300]
        raise UserError(
            f"other processes of this training have not answered within {seconds:g} s, or have ended: expected "
            f"{processes} in all ({said}). See what they say, that each reaches the first one's address and port, and "
            f"that --node_timeout is long enough. {remedy()}"
        ) from error


def _is_of_others(error: RuntimeError) -> bool:
    """Say whether an error comes from waiting for other processes: gloo has no type of its own."""
    return isinstance(error, torch.distributed.DistError) or any(
        word in str(error).lower() for word in ("gloo", "nccl", "connection reset", "connection closed")
    )


def _check_count(expected: int, found: int, said: str, nodes: int, devices: int) -> None:
    if found != expected:
        raise UserError(
            f"--num_nodes {nodes} with {devices} device(s) of --gpu_ids on each: expected {expected} processes, and "
            f"{said}; {HOW}"
        )


def _whole_number(name: str, below: int) -> int:
    """Return a variable that counts from 0."""
    text = os.environ.get(name, "0")
    if not text.isdecimal() or int(text) >= below:
        raise UserError(f"the variable {name} is {text[:100]}: expected a whole number from 0 to {below - 1}; {HOW}")
    return int(text)
