"""Training in two processes (DDP with gloo, on the CPU, as several GPUs would).

Both copies stay equal, and they learn what one process learns from the same batches.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from data_roots import write_data_root

from training import processes

Ending = dict[str, Any]


# Nothing that mixes the patches of a batch, and nothing random but their places. Without weight decay, Adam would
# not notice gradients that are added instead of averaged.
PLAIN = {"norm": "none", "no_dropout": True, "num_train": 8, "weight_decay": 1e-2}

RUNS: dict[str, dict[str, Any]] = {
    "random": {"model": "pix2pix", "lambda_img_grad": 1e-4},
    "feedforward": {"model": "feedforward", **PLAIN},
    "pix2pix": {"model": "pix2pix", **PLAIN, "batch_size": 2, "accumulate": 2},
    "timed": {"model": "feedforward", "time_budget": 0.15},
    "forgiving": {"model": "feedforward", "forgive": 3.0, "all_orientations": True, "niter": 1},
}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data_root(tmp_path_factory.mktemp("data") / "images")


@pytest.fixture(scope="module")
def two(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with all runs, each trained by the same two processes."""
    folder = tmp_path_factory.mktemp("two")
    processes.train_together(images, folder, RUNS)
    return folder


def ending(folder: Path, rank: int) -> Ending:
    """Return what a process has ended with."""
    found: Ending = torch.load(folder / f"rank{rank}.pth", weights_only=True)
    return found


def assert_equal_weights(one: Ending, other: Ending) -> None:
    for network, weights in one["weights"].items():
        for key, value in weights.items():
            # Batch statistics are each process's own, as usual with DDP; only the main process's are saved.
            if "running" not in key:
                assert torch.equal(value, other["weights"][network][key]), key


def test_two_processes_end_with_equal_weights(two: Path) -> None:
    """With everything in which they differ: dropout, statistics of batches, projections of the Jacobian."""
    first, second = (ending(two / "random", rank) for rank in range(2))
    assert_equal_weights(first, second)
    saved = torch.load(two / "random" / "run" / "latest_net_G.pth", weights_only=True)
    assert all(torch.equal(saved[key], first["weights"]["G"][key]) for key in saved)
    metrics = (two / "random" / "run" / "run_metrics.txt").read_text().splitlines()
    assert len(metrics) == 3


def test_two_processes_learn_the_same_displacements(two: Path) -> None:
    first, second = (ending(two / "forgiving", rank) for rank in range(2))
    assert_equal_weights(first, second)
    assert all(value.any() for value in first["weights"]["displacements"].values())


@pytest.mark.parametrize(("name", "batch_size"), [("feedforward", 2), ("pix2pix", 4)])
def test_two_processes_learn_what_one_learns_from_their_patches_together(
    two: Path, name: str, batch_size: int, images: Path, tmp_path: Path
) -> None:
    first, second = (ending(two / name, rank) for rank in range(2))
    assert_equal_weights(first, second)
    processes.train(images, tmp_path, 1, RUNS[name] | {"batch_size": batch_size, "accumulate": 1})
    one = ending(tmp_path, 0)
    assert one["batches"] == first["batches"]
    for network, weights in one["weights"].items():
        for key, value in weights.items():
            # Sums of float32 in another order. Adam makes steps of 2e-4 of any gradient, and so enlarges the rounding
            # of small ones: 1e-8 is usual, and 1e-6 was seen in a bias whose gradient is a difference of equals.
            torch.testing.assert_close(first["weights"][network][key], value, rtol=0, atol=1e-5, msg=key)


def test_the_main_processs_clock_ends_the_time_budget_of_both(two: Path) -> None:
    first, second = (ending(two / "timed", rank) for rank in range(2))
    # Nine seconds, each reading of the clock, one before and one after a batch or so, being one.
    assert 1 < first["batches"] == second["batches"] < 9
    assert 0 < first["rate"] == second["rate"] < 2e-4
    assert_equal_weights(first, second)
