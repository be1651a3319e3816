"""Training over two nodes, each a process with the environment that torchrun, Slurm, or somebody's script gives it."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from data_roots import write_data_root
from forks import Fork
from torch import Tensor

from txm2sem.cli.main import main
from txm2sem.errors import UserError
from txm2sem.training.nodes import find_place, is_main_process
from txm2sem.training.translation import TranslationModule

# Nothing that mixes the patches of a batch, and nothing random but their places: then two nodes with a patch each, and
# one with two, learn from the same.
WORDS = (
    "--model feedforward --netG resnet_6blocks --ngf 2 --norm none --no_dropout --weight_decay 0.01 --patch_size 32 "
)
WORDS += "--num_train 8 --niter 1 --niter_decay 0 --num_test 1 --num_threads 0 --gpu_ids=-1 --no_html "
WORDS += "--name run --save_latest_freq 4"

ENVIRONMENTS: dict[str, Callable[[int], dict[str, object]]] = {
    "by hand": lambda node: {"NODE_RANK": node},
    "torchrun": lambda node: {
        **{"TORCHELASTIC_RUN_ID": "none", "RANK": node, "WORLD_SIZE": 2, "LOCAL_RANK": 0, "GROUP_RANK": node}
    },
    "slurm": lambda node: {
        **{"SLURM_JOB_NAME": "train", "SLURM_NTASKS": 2, "SLURM_NTASKS_PER_NODE": 1, "SLURM_NNODES": 2},
        **{"SLURM_PROCID": node, "SLURM_LOCALID": 0, "SLURM_NODEID": node, "SLURM_NODELIST": "localhost"},
    },
}

Weights = dict[str, Tensor]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data_root(tmp_path_factory.mktemp("data") / "images")


@pytest.fixture(scope="module")
def one(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Weights:
    """Return what a single process learns from the same batches."""
    folder = tmp_path_factory.mktemp("one")
    status, err = Fork(partial(call, f"{WORDS} --dataroot {images} --batch_size 2", folder, {}), folder).end()
    assert status == 0, err
    return learned(folder)


def call(words: str, folder: Path, environment: Mapping[str, object], at_step: tuple[int, int] | None = None) -> int:
    """Train in a folder.

    Args:
        words: options.
        folder: where.
        environment: of the process.
        at_step: a signal that the process gets, and behind which step.
    """
    os.chdir(folder)
    os.environ |= {name: str(value) for name, value in environment.items()}
    if at_step is not None:
        number, step = at_step
        update = TranslationModule.update_average

        def updated(module: TranslationModule) -> None:
            update(module)
            if module.position.step == step:
                os.kill(os.getpid(), number)

        setattr(TranslationModule, "update_average", updated)  # noqa: B010  # of this copy of the process
    return main(["train", *words.split()])


def start(words: str, folders: tuple[Path, Path], kind: str = "by hand", **second: Any) -> list[Fork]:
    """Start two nodes, which train in folders; `second` is of the second one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free.getsockname()[1]}
    nodes = []
    for node, folder in enumerate(folders):
        printed = folder / f"printed{node}"
        printed.mkdir(parents=True, exist_ok=True)
        environment = {**place, **ENVIRONMENTS[kind](node)}
        nodes.append(
            Fork(partial(call, f"{words} --num_nodes 2", folder, environment, **(second if node else {})), printed)
        )
    return nodes


def learned(folder: Path) -> Weights:
    found: Weights = torch.load(folder / "checkpoints" / "run" / "latest_net_G.pth", weights_only=True)
    return found


def assert_as_one(found: Weights, one: Weights) -> None:
    for name, value in one.items():
        # Sums of float32 in another order, and steps of Adam of 2e-4, which enlarge the rounding of small gradients:
        # see test_several_processes.
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-5, msg=name)


@pytest.mark.parametrize("kind", ENVIRONMENTS)
def test_two_nodes_learn_what_one_learns_from_their_patches_together(
    kind: str, images: Path, one: Weights, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for node in start(f"{WORDS} --dataroot {images}", (first, second), kind):
        status, err = node.end()
        assert status == 0, err
    assert_as_one(learned(first), one)
    # The first one alone writes and speaks.
    assert [path.name for path in second.iterdir()] == ["printed1"]
    assert "models: " in (first / "printed0" / "out").read_text()
    assert (second / "printed1" / "out").read_text() == ""


def test_a_node_that_dies_ends_the_training_which_goes_on_later(images: Path, one: Weights, tmp_path: Path) -> None:
    words = f"{WORDS} --dataroot {images}"
    first, second = start(words, (tmp_path, tmp_path), at_step=(signal.SIGKILL, 3))
    status, err = first.end()
    assert status == 1
    assert "other processes of this training have not answered within 1800 s, or have ended: expected 2 in all" in err
    assert "--continue_train goes on from what is saved: epoch 1, after 4 patches" in err
    assert second.end()[0] == -signal.SIGKILL
    for node in start(f"{words} --continue_train", (tmp_path, tmp_path)):
        status, err = node.end()
        assert status == 0, err
    assert_as_one(learned(tmp_path), one)
    said = [(tmp_path / f"printed{node}" / "out").read_text() for node in range(2)]
    assert said[0].startswith("going on with run at epoch 1, patch 4")
    assert said[1] == ""


def test_a_node_that_says_nothing_more_is_waited_for_so_long(images: Path, tmp_path: Path) -> None:
    words = f"{WORDS} --dataroot {images} --node_timeout 2"
    first, second = start(words, (tmp_path, tmp_path), at_step=(signal.SIGSTOP, 3))
    try:
        status, err = first.end()
    finally:
        second.send(signal.SIGKILL)
    assert status == 1
    assert "have not answered within 2 s" in err


def test_a_node_that_is_told_to_end_ends_all_with_everything_saved(images: Path, one: Weights, tmp_path: Path) -> None:
    words = f"{WORDS} --dataroot {images}"
    nodes = start(words, (tmp_path, tmp_path), at_step=(signal.SIGTERM, 3))
    assert [node.end()[0] for node in nodes] == [128 + signal.SIGTERM] * 2
    assert "epoch 1, after 6 patches" in (tmp_path / "printed0" / "err").read_text()
    alone = f"{words} --batch_size 2 --continue_train"  # one node goes on as well
    assert Fork(partial(call, alone, tmp_path, {}), tmp_path).end()[0] == 0
    assert_as_one(learned(tmp_path), one)


def test_a_node_that_never_comes_is_waited_for_so_long(images: Path, tmp_path: Path) -> None:
    words = f"{WORDS} --dataroot {images} --node_timeout 1"
    first, second = start(words, (tmp_path / "first", tmp_path / "second"), at_step=None)
    second.send(signal.SIGKILL)
    status, err = first.end()
    assert status == 1
    assert "have not answered within 1 s" in err
    assert "the same command begins anew" in err


@pytest.mark.parametrize(
    ("kind", "changes", "said"),
    [
        ("by hand", {"MASTER_PORT": None}, "found no MASTER_PORT"),
        ("by hand", {"NODE_RANK": None}, "found no NODE_RANK"),
        ("by hand", {"NODE_RANK": "2"}, "the variable NODE_RANK is 2: expected a whole number from 0 to 1"),
        ("by hand", {"LOCAL_RANK": "x"}, "the variable LOCAL_RANK is x: expected a whole number from 0 to 0"),
        ("torchrun", {"WORLD_SIZE": "4"}, "expected 2 processes, and torchrun has started 4"),
        ("slurm", {"SLURM_NTASKS": "1"}, "expected 2 processes, and Slurm has 1 tasks"),
    ],
)
def test_what_would_wait_for_ever_is_refused(
    kind: str, changes: dict[str, str | None], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**ENVIRONMENTS[kind](1), "MASTER_ADDR": "x", "MASTER_PORT": 1, **changes}.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, str(value))
    with pytest.raises(UserError) as error:
        find_place(2, 1)
    assert said in str(error.value)
    assert is_main_process()


def test_torchrun_without_the_option_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENTS["torchrun"](1).items():
        monkeypatch.setenv(name, str(value))
    with pytest.raises(UserError, match="--num_nodes 1 with 1 device"):
        find_place(1, 1)
