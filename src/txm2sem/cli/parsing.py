"""Turn command line words into options.

Defaults come from four places, the later ones first: what the user passes, what the run was trained with, what follows
from `--model`, and the base defaults of `txm2sem.options`.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, TypeVar, get_args, get_origin

import tyro

from txm2sem.errors import UserError
from txm2sem.options import (
    IDENTITY,
    MODEL_DEFAULTS,
    RECIPES,
    ModelOptions,
    RepairCommand,
    TestCommand,
    TrainCommand,
    TranslateCommand,
    VolumeCommand,
    fields_of,
    override,
    run_name,
    to_mapping,
)
from txm2sem.runs import RunPaths, read_options

Command = TypeVar("Command")
AnyModelCommand = TrainCommand | TestCommand | VolumeCommand | TranslateCommand | RepairCommand
ModelCommand = TypeVar("ModelCommand", TrainCommand, TestCommand, VolumeCommand, TranslateCommand, RepairCommand)

FIXED_BY_CHECKPOINT = frozenset(field.name for field in dataclasses.fields(ModelOptions)) | {
    "txm_range",
    "sem_range",
    "sem_only",
    "context_slices",
}
"""Options that the trained network depends on: another value than the saved one is a contradiction."""


class UsageError(UserError):
    """The words on the command line are not understood."""


def take_places(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the words before the first option, and the rest."""
    count = next((position for position, word in enumerate(words) if word.startswith("-")), len(words))
    return list(words[:count]), list(words[count:])


def parse(default: Command, words: Sequence[str], program: str) -> Command:
    """Return `default` with the options that `words` give.

    Raises:
        UsageError: a value is not among an option's choices (the nearest one is named), or beyond its limits.
        SystemExit: help was asked for (status 0), or an option is unknown or of the wrong form (status 2, after a
            message that names the nearest option).
    """
    _check_choices(default, words)
    # A flag without value can only switch on, so one that is on by default (`--no_dropout` of a model that never has
    # dropout) is parsed as off, lest tyro offer its negation, and switched on again afterwards.
    switches = {option.name: value for _, option, value in fields_of(default) if isinstance(value, bool)}
    words, spelled_out = _take_spelled_out(words, switches)
    try:
        parsed = tyro.cli(
            type(default),
            prog=program,
            args=words,
            default=override(default, dict.fromkeys(switches, False)),
            config=(tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff, tyro.conf.HelptextFromCommentsOff),
            use_underscores=True,
        )
    except UserError as error:
        raise UsageError(str(error)) from None
    given = to_mapping(parsed)
    return override(parsed, {name: given[name] or value for name, value in switches.items()} | spelled_out)


def parse_model_command(base: ModelCommand, words: Sequence[str], program: str) -> ModelCommand:
    """Return the options of a train or test command, with the defaults of its model and of its saved run.

    Raises:
        UserError: an option contradicts the checkpoint, or does nothing with this model.
        SystemExit: as `parse`.

    One line on the console says so where the device does not compute in the number format asked for.
    """
    recipe = RECIPES.get(_value_of(words, "recipe") or "none", {}) if isinstance(base, TrainCommand) else {}
    model = _value_of(words, "model") or recipe.get("model", base.model.model)
    defaults = {**MODEL_DEFAULTS.get(model, {}), **recipe}
    command = _with_channels(parse(override(base, defaults), words, program), words)
    saved = _saved_options(command)
    if saved:
        # The split that a model was trained on is not the one to test it on.
        own = IDENTITY if isinstance(command, TrainCommand) else IDENTITY | {"phase"}
        inherited = {name: value for name, value in saved.items() if name not in own}
        # An option that is not among the saved ones is younger than the run, which was trained with its default.
        trained = override(base, {**MODEL_DEFAULTS.get(str(saved.get("model")), {}), **inherited})
        command = parse(trained, words, program)
        _check_contradictions(command, to_mapping(trained))
    _check_applicable(command, words)
    return _with_usable_precision(command)


def given_options(words: Sequence[str]) -> list[str]:
    """Return the names of the options that the user passes."""
    return [word[2:].partition("=")[0] for word in words if word.startswith("--")]


def _with_channels(command: ModelCommand, words: Sequence[str]) -> ModelCommand:
    """Return the options with the channels that others add, where the user has given none.

    Neighbouring slices are channels of the input, the scale of the error is one of the output.
    """
    given, channels = given_options(words), {}
    if "input_nc" not in given:
        channels["input_nc"] = command.model.input_nc + command.data.context_channels
    is_laplace = isinstance(command, TrainCommand) and command.objective.regression_loss == "laplace"
    if is_laplace and "output_nc" not in given:
        channels["output_nc"] = command.model.output_nc + 1
    return override(command, channels)


def _with_usable_precision(command: ModelCommand) -> ModelCommand:
    """Return the options with a number format that the device computes in; say so where it is not the one asked for.

    From here on, for the saved options, the plan of a volume and its workers too, the run is one of that format.
    """
    if command.run.precision == "fp32":
        return command
    from txm2sem.devices import device_of, usable_precision

    device = device_of(command.run.gpu_ids)
    usable = usable_precision(command.run.precision, device)
    if usable != command.run.precision:
        print(
            f"--precision {command.run.precision}: this {'GPU' if device.type == 'cuda' else 'processor'} has no "
            f"instructions for it, and to emulate them is slower than {usable}; {usable} is used"
        )
    return override(command, {"precision": usable})


def _saved_options(command: AnyModelCommand) -> dict[str, Any]:
    if not command.run.name or (isinstance(command, TrainCommand) and not command.schedule.continue_train):
        return {}
    path = RunPaths.of(run_name(command), command.run.checkpoints_dir, command.run.results_dir).options
    return read_options(path) if path.exists() else {}


def _check_contradictions(command: AnyModelCommand, trained: Mapping[str, Any]) -> None:
    for name, value in to_mapping(command).items():
        if name in FIXED_BY_CHECKPOINT and value != trained[name]:
            raise UserError(
                f"--{name} {value} contradicts the checkpoint of {run_name(command)}, which was trained with "
                f"--{name} {trained[name]}; leave the option out, or choose another --name"
            )


def _check_applicable(command: AnyModelCommand, words: Sequence[str]) -> None:
    given = given_options(words)
    for _, option, _ in fields_of(command):
        models = option.metadata.get("models")
        if models and option.name in given and command.model.model not in models:
            raise UserError(
                f"--{option.name} does nothing with --model {command.model.model}; it belongs to {', '.join(models)}"
            )
        modes, mode = option.metadata.get("modes"), command.data.dataset_mode
        if modes and option.name in given and mode not in modes:
            raise UserError(
                f"--{option.name} does nothing with --dataset_mode {mode}; it belongs to {', '.join(modes)}"
            )


def _check_choices(default: Any, words: Sequence[str]) -> None:
    for group, option, _ in fields_of(default):
        hint = getattr(default, group).hints[option.name]
        value = _value_of(words, option.name)
        if get_origin(hint) is Literal and value is not None and value not in get_args(hint):
            choices = [str(choice) for choice in get_args(hint)]
            raise UsageError(f"--{option.name} {value}: expected one of {', '.join(choices)}{nearest(value, choices)}")


def _take_spelled_out(words: Sequence[str], switches: Collection[str]) -> tuple[list[str], dict[str, bool]]:
    """Return the words without switches that are followed by True or False, and what those say.

    The original code wants these values (`--aligned False`); here a switch alone means True.
    """
    left: list[str] = []
    said: dict[str, bool] = {}
    for word in words:
        previous = left[-1].removeprefix("--") if left else ""
        if previous in switches and word in ("True", "False"):
            left.pop()
            said[previous] = word == "True"
        else:
            left.append(word)
    return left, said


def _value_of(words: Sequence[str], name: str) -> str | None:
    """Return the value given last for an option, as `--name value` or `--name=value`."""
    value = None
    for position, word in enumerate(words):
        if word == f"--{name}" and position + 1 < len(words):
            value = words[position + 1]
        elif word.startswith(f"--{name}="):
            value = word.partition("=")[2]
    return value


def nearest(word: str, choices: Sequence[str]) -> str:
    """Return a suggestion to add to a message, or nothing where no choice is near."""
    matches = difflib.get_close_matches(word, choices, n=1)
    return f"; did you mean {matches[0]}?" if matches else ""
