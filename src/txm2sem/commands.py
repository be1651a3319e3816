"""The commands that give a run again, as a shell takes them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from txm2sem.options import (
    IDENTITY,
    MODEL_DEFAULTS,
    RunOptions,
    TestCommand,
    TrainCommand,
    option_words,
    override,
    to_mapping,
)
from txm2sem.runs import RunPaths


def train_command(options: Mapping[str, Any]) -> str:
    """Return the command that trains with these options; those that a model has by default are left out.

    A run that was resumed ends as an uninterrupted one, so that `--continue_train` is left out, too.
    """
    model = str(options.get("model"))
    base = to_mapping(override(TrainCommand(), MODEL_DEFAULTS.get(model, {})))
    return _command("train", {**options, "continue_train": False}, base, always=("model",))


def test_command(options: Mapping[str, Any], trained: Mapping[str, Any]) -> str:
    """Return the command of a test with these options; `--eval` is said, also where the model has it by default.

    Args:
        options: of the test.
        trained: the run's saved options, which a test takes over; empty where there are none.
    """
    model = str(trained.get("model", options.get("model")))
    inherited = {name: value for name, value in trained.items() if name not in IDENTITY | {"phase"}}
    base = to_mapping(override(TestCommand(), {**MODEL_DEFAULTS.get(model, {}), **inherited}))
    always = ["name", *([] if trained else ["model"]), *(["eval"] if options.get("eval") else [])]
    return _command("test", options, base, always)


def next_test(paths: RunPaths, options: str = "--eval") -> str:
    """Return the command that tests a run, with options as they are given."""
    named = shlex.join(["txm2sem", "test", *option_words("name", paths.name)])
    return " ".join(part for part in (named, options, places(paths)) if part)


def places(paths: RunPaths) -> str:
    """Return the options that say where a run is; empty where it is in the usual place."""
    defaults = RunOptions()
    found = {"checkpoints_dir": paths.checkpoints.parent, "results_dir": paths.results.parent}
    moved = {name: place for name, place in found.items() if place != getattr(defaults, name)}
    return shlex.join([word for name, place in moved.items() for word in option_words(name, place)])


def _command(name: str, options: Mapping[str, Any], base: Mapping[str, Any], always: Iterable[str]) -> str:
    """Return a command with the options that differ from those in `base`; names that it lacks are left out."""
    words = ["txm2sem", name]
    for option, value in options.items():
        if option in base and (option in always or value != base[option]):
            words += option_words(option, value, switch=isinstance(base[option], bool))
    # The channels of neighbouring slices add themselves.
    added = 2 * (options.get("context_slices", 0) - base["context_slices"])
    channels = f"{int(base['input_nc']) + added}"
    if added and words.count("--input_nc") and words[words.index("--input_nc") + 1] == channels:
        place = words.index("--input_nc")
        del words[place : place + 2]
    return shlex.join(words)
