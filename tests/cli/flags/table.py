"""The table of flags, and what its rows look at commands with."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import torch
from data_roots import write_data_root
from numpy.typing import NDArray
from PIL import Image

from cli.calls import SRGAN, TINY_TRAINING, Outcome, Program, TrainOnce, options_of
from txm2sem.data import AlignedSlices, EvaluationPatches
from txm2sem.options import COMMANDS, TrainCommand, override, to_mapping
from txm2sem.training.fit import PatchData
from txm2sem.training.loading import PatchLoader
from txm2sem.training.models import MODELS
from txm2sem.training.translation import TranslationModule

DEFAULT = f"{SRGAN} {TINY_TRAINING}"

KEPT = f"--name run {DEFAULT} --save_epoch_freq 1 --save_latest_freq 4 --save_by_iter --no_html"
"""The run that rows on a trained model share."""


class Training(NamedTuple):
    """What `txm2sem train` begins with."""

    command: TrainCommand
    module: TranslationModule
    data: PatchData


class Bench:
    """Runs commands, or looks at what they would work with.

    Args:
        program: runs a command.
        train_once: trains a model that rows share.
    """

    def __init__(self, program: Program, train_once: TrainOnce) -> None:
        self.program = program
        self.train_once = train_once

    @cached_property
    def images(self) -> Path:
        """The data root `./images`."""
        return write_data_root(Path("images"))

    def run(self, *words: str, status: int = 0) -> Outcome:
        """Run the program; it ends with the status that is expected."""
        outcome = self.program(*words)
        assert outcome.status == status, outcome.err
        return outcome

    def trained(self) -> None:
        """Put `KEPT` below `./checkpoints`, beside the images that it was trained on."""
        assert self.images
        self.train_once(KEPT)

    def train(self, options: str = "", base: str = DEFAULT, name: str = "new") -> Outcome:
        """Train a model."""
        assert self.images
        return self.run(f"train --name {name} --no_html", base, options)

    def test(self, options: str = "", name: str = "run") -> Path:
        """Test `KEPT`, or another model, and return the folder of results."""
        if name == "run":
            self.trained()
        self.run(f"test --name {name} --gpu_ids -1", options)
        return Path("results") / name

    def command(self, name: str, words: str = "") -> Any:
        """Return the options of a command."""
        return options_of(COMMANDS[name], words.split())

    def training(self, options: str = "", base: str = DEFAULT) -> Training:
        """Return what `txm2sem train` would begin with, as it makes it."""
        command = self.command("train", f"{base} {options}")
        assert self.images
        slices = AlignedSlices.open(command.run.dataroot, command.sampling.phase, command.data)
        model = MODELS[command.model.model]
        command = model.resolve(command, slices)
        module = model(command)
        validation = AlignedSlices.open(command.run.dataroot, "val", command.data)
        return Training(command, module, PatchData(module, slices, validation))

    def patches(self, command: str, words: str = "") -> EvaluationPatches:
        """Return the fixed patches of the test split that the data options of a command give."""
        assert self.images
        data = override(TrainCommand(), to_mapping(self.command(command, words))).data
        return EvaluationPatches(AlignedSlices.open(Path("images"), "test", data), data)


def loader_of(training: Training) -> PatchLoader:
    """Return what hands on the patches of the first epoch."""
    training.data.trainer = SimpleNamespace(global_rank=0, world_size=1)  # type: ignore[assignment]
    loader = training.data.train_dataloader()
    assert isinstance(loader, PatchLoader)
    return loader


def png(path: Path) -> NDArray[Any]:
    """Return the pixels of a picture."""
    return np.asarray(Image.open(path)).astype(int)


def weights(folder: Path, label: str = "latest") -> dict[str, torch.Tensor]:
    """Return the weights of a generator."""
    found: dict[str, torch.Tensor] = torch.load(folder / f"{label}_net_G.pth", weights_only=True)
    return found


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Say whether two networks are equal."""
    return one.keys() == other.keys() and all(
        value.shape == other[key].shape and torch.equal(value, other[key]) for key, value in one.items()
    )


Row = Callable[[Bench, str], None]
ROWS: dict[tuple[str, str], Row] = {}
"""By command and flag: what shows its effect. It is given the bench and the name of the command."""

TRAINED = "test translate volume repair"
"""The commands that use a trained model."""

PATCHES = "train test check"
"""The commands that take patches from a data root. They read them in the same way."""


def row(commands: str, *options: str) -> Callable[[Row], Row]:
    """Enter a row into the table, for each of some commands and each of some options."""

    def enter(check: Row) -> Row:
        for command in commands.split():
            for option in options:
                assert (command, option) not in ROWS, (command, option)
                ROWS[command, option] = check
        return check

    return enter
