"""From the options that a user gives, by words or by name, to all options of a command.

Defaults come from four places, the later ones first: what the user gives, what the run was trained with, what follows
from `--model` and `--recipe`, and the base defaults of `txm2sem.options`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from txm2sem.archives import unpacked
from txm2sem.errors import UserError
from txm2sem.options import (
    IDENTITY,
    MODEL_DEFAULTS,
    RECIPES,
    Command,
    ModelCommand,
    ModelOptions,
    TrainCommand,
    check_known,
    checked,
    is_model_file,
    name_of,
    override,
    to_mapping,
)
from txm2sem.runs import SHIPPED_MODELS, SHIPPED_TRANSLATION, RunPaths, read_options

AnyCommand = TypeVar("AnyCommand", bound=Command)

FIXED_BY_CHECKPOINT = frozenset(field.name for field in dataclasses.fields(ModelOptions)) | {
    "txm_range",
    "sem_range",
    "sem_only",
    "context_slices",
}
"""Options that the trained network depends on: another value than the saved one is a contradiction."""

OF_OWN_MODELS = ("checkpoints_dir", "suffix", "epoch", "load_iter")
"""Options that say which checkpoint of a trained model is meant."""

OF_RUNS = ("checkpoints_dir", "suffix")
"""Those of them that say where its run is."""


def resolve(base: AnyCommand, given: Mapping[str, Any]) -> AnyCommand:
    """Return all options of a command.

    Args:
        base: the defaults.
        given: options by name.

    Raises:
        UserError: there is no such option or value, one contradicts the checkpoint or another one, or does nothing
            beside the others; or the saved options cannot be read.
    """
    check_known(base, given)
    given = of_model_file(checked(base, given), trains=isinstance(base, TrainCommand))
    values = _of_model(base, given) if isinstance(base, ModelCommand) else given
    command = override(base, values)
    command.check_given(given)
    return command


def with_defaults(base: AnyCommand, given: Mapping[str, Any]) -> AnyCommand:
    """Return a command with the defaults of the recipe and the model that are given."""
    if not isinstance(base, ModelCommand):
        return base
    recipe = RECIPES[given.get("recipe", "none")]
    model = given.get("model", recipe.get("model", base.model.model))
    return override(base, {**MODEL_DEFAULTS[model], **recipe})


def _of_model(base: ModelCommand, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that a run was trained with, or those that its model and its recipe have, and given ones."""
    asked = {**to_mapping(with_defaults(base, given)), **given}
    saved = _saved_options(base, asked)
    if not saved:
        return {**asked, **_added_channels(asked, given)}
    # The split that a model was trained on is not the one to test it on.
    own = IDENTITY if isinstance(base, TrainCommand) else IDENTITY | {"phase"}
    inherited = {name: value for name, value in saved.items() if name not in own}
    # An option that is not among the saved ones is younger than the run, which was trained with its default.
    trained = {**to_mapping(base), **MODEL_DEFAULTS.get(str(saved.get("model")), {}), **inherited}
    _check_contradictions(name_of(asked), given, trained)
    return {**trained, **given}


def of_model_file(given: Mapping[str, Any], *, trains: bool = False) -> dict[str, Any]:
    """Return options with the run that is in a file in place of the file, where `name` is one.

    Args:
        given: options by name.
        trains: whether they are those of a training, which goes on in no file.

    Raises:
        UserError: the file is no such one, or another place is given for the run, too.
    """
    name = given.get("name", "")
    if not is_model_file(name):
        return dict(given)
    if trains:
        raise UserError(
            f"--name {name} is the name of a file, and a training needs that of a folder to keep its models in; choose "
            f"another name. To have the model of a file among your own: txm2sem load {name}"
        )
    idle = next((option for option in OF_RUNS if option in given), None)
    if idle is not None:
        raise UserError(f"--{idle} does nothing beside --name {name}, which is a file; leave the option out")
    run = unpacked(Path(name))
    return {**given, "name": run.name, "checkpoints_dir": run.checkpoints.parent}


def of_shipped_model(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with those that name the model that comes along, where they name none.

    Raises:
        UserError: none is named, but a checkpoint of one is asked for.
    """
    if given.get("name"):
        return dict(given)
    idle = next((name for name in OF_OWN_MODELS if name in given), None)
    if idle is not None:
        raise UserError(
            f"--{idle} belongs to a model that you have trained: name it with --name, or leave the option out"
        )
    return {**given, "name": SHIPPED_TRANSLATION, "checkpoints_dir": SHIPPED_MODELS}


def _added_channels(asked: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, int]:
    """Return the channels that other options add, where the user has given none.

    Neighbouring slices are channels of the input, the scale of the error is one of the output.
    """
    channels = {}
    if "input_nc" not in given:
        channels["input_nc"] = asked["input_nc"] + 2 * asked.get("context_slices", 0)
    if asked.get("regression_loss") == "laplace" and "output_nc" not in given:
        channels["output_nc"] = asked["output_nc"] + 1
    return channels


def _saved_options(base: ModelCommand, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the saved options of the run that is asked for, where there is one to go on with."""
    if not asked["name"] or (isinstance(base, TrainCommand) and not asked["continue_train"]):
        return {}
    path = RunPaths.of(name_of(asked), Path(asked["checkpoints_dir"]), Path()).options
    return read_options(path) if path.exists() else {}


def _check_contradictions(name: str, given: Mapping[str, Any], trained: Mapping[str, Any]) -> None:
    for option in FIXED_BY_CHECKPOINT & set(given):
        if given[option] != trained[option]:
            raise UserError(
                f"--{option} {given[option]} contradicts the checkpoint of {name}, which was trained with --{option} "
                f"{trained[option]}; leave the option out, or choose another --name"
            )
