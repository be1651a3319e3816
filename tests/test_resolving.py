"""Calls from Python and words of a command line come to the same options, and are refused in the same words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from txm2sem.cli.parsing import parse
from txm2sem.errors import UserError
from txm2sem.options import COMMANDS, ModelCommand, TrainCommand, option_words, override, to_mapping
from txm2sem.resolving import resolve
from txm2sem.runs import RunPaths, write_options

REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("volume", {"statistics": "volum"}),
    ("volume", {"seed": -4}),
    ("volume", {"precision": "fp16"}),
    ("volume", {"workers": 2, "scheduler": "tcp://there:1"}),
    ("volume", {"uncertainty_from": "dropout"}),
    ("volume", {"ndf": 4}),
    ("volume", {"voxelsize": "32"}),
    ("volume", {"keep_empty": True, "model": "segmentation"}),
    ("translate", {"direction": "BtoA", "context_slices": 1}),
    ("translate", {"grey": "matched"}),
    ("repair", {"texture": True}),
    ("train", {"batch_size": 5, "accumulate": 3}),
    ("train", {"niter": 0, "niter_decay": 0}),
    ("train", {"class_weights": "1,1,1"}),
    ("test", {"preprocess": "crop", "crop_size": 300}),
    ("test", {"x_ind": 3}),
]


@pytest.mark.parametrize(("name", "given"), REFUSED, ids=[f"{name} {given}" for name, given in REFUSED])
def test_a_call_is_refused_as_the_words_are(name: str, given: dict[str, Any]) -> None:
    given = {"name": "run", **given}
    with pytest.raises(UserError) as called:
        resolve(COMMANDS[name], given)
    words = [word for option, value in given.items() for word in option_words(option, value)]
    with pytest.raises(UserError) as said:
        parse(COMMANDS[name], words, f"txm2sem {name}")
    assert str(called.value) == str(said.value)


def test_a_call_takes_up_the_options_of_the_run(tmp_path: Path) -> None:
    trained = override(TrainCommand(), {"model": "srcnn", "ngf": 7, "gamma": 0.5, "seed": 3, "gpu_ids": "0,1"})
    write_options(RunPaths.of("run", tmp_path, tmp_path).options, to_mapping(trained))
    for name, base in COMMANDS.items():
        if isinstance(base, ModelCommand) and name not in ("train", "repair"):
            found = to_mapping(resolve(base, {"name": "run", "checkpoints_dir": tmp_path, "precision": "fp32"}))
            assert (found["model"], found["ngf"], found["gamma"]) == ("srcnn", 7, 0.5)
            assert found.get("seed", 3) == 3
            assert found["gpu_ids"] == "auto"
            with pytest.raises(UserError, match="--ngf 8 contradicts the checkpoint of run"):
                resolve(base, {"name": "run", "checkpoints_dir": tmp_path, "ngf": 8})
