"""From the options that a user gives, by words or by name, to all options of a command.

Values come from five places, and each counts over those behind it: what the user gives by words or by name; the files
that `--config` names, the last one first; what the run was trained with; what follows from `--model` and `--recipe`;
and the base defaults of `txm2sem.options`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from txm2sem.archives import unpacked
from txm2sem.errors import UserError, listed
from txm2sem.options import (
    COMMANDS,
    IDENTITY,
    MODEL_DEFAULTS,
    RECIPES,
    Command,
    ModelCommand,
    ModelOptions,
    TrainCommand,
    TranslateCommand,
    check_known,
    checked,
    fields_of,
    is_model_file,
    name_of,
    override,
    program_of,
    read_written,
    to_mapping,
    understood,
    written_text,
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

CONFIG = "config"
"""What names files of options, on the command line and in calls; it is no option itself, and no file has it."""

SPLIT = "phase"
"""The split that a model was trained on is not the one to test it on."""


def resolve(
    base: AnyCommand,
    given: Mapping[str, Any],
    echo: Callable[[str], None] = lambda line: None,
    trained: Mapping[str, Any] | None = None,
) -> AnyCommand:
    """Return all options of a command.

    Args:
        base: the defaults.
        given: options by name; `config`: files of more of them, see `read_config`.
        echo: receives a line for each file of which something is passed over.
        trained: those that the run will be trained with, where it is yet to be; saved ones where absent.

    Raises:
        UserError: there is no such option or value, one contradicts the checkpoint or another one, or does nothing
            beside the others; or the saved options, or a file, cannot be read.
    """
    config = read_config(base, given.get(CONFIG, ()))
    for note in config.notes:
        echo(note)
    own = {name: value for name, value in given.items() if name != CONFIG}
    check_known(base, own)
    own = checked(base, own)
    asked = {**config.values, **own}
    if is_model_file(asked.get("name", "")):  # which is its own place, whatever place a file of options speaks of
        asked = {name: value for name, value in asked.items() if name in own or name not in OF_RUNS}
    asked = of_model_file(asked, trains=isinstance(base, TrainCommand))
    if isinstance(base, TranslateCommand) and not asked.get("name"):
        asked |= of_shipped_model(own)
    command = override(base, _of_model(base, asked, trained) if isinstance(base, ModelCommand) else asked)
    # A file has all options of a run, or is for several commands: with their defaults, and where they say which run and
    # which machine, they may do nothing.
    defaults = to_mapping(base)
    changed = [name for name, value in to_mapping(override(base, config.values)).items() if value != defaults[name]]
    said = {name: config.places[name] for name in changed if name not in own and name not in IDENTITY}
    for _, option, _ in fields_of(command):
        if option.name in said and (reason := command.idle(option)):
            raise UserError(f"{said[option.name]}: --{option.name} {reason}")
    command.check_given([*own, *said])
    return command


@dataclass(frozen=True)
class Config:
    """What files say of the options of a command.

    Attributes:
        values: of options, by name.
        places: where each value stands: the file and the line.
        notes: what is passed over, a line for each file of which something is.
    """

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read_config(base: Command, files: Iterable[Path | str] | Path | str) -> Config:
    """Return what files say of the options of a command; what a later one says counts.

    A file may serve several commands: options that only others have are passed over. So is the split of a training,
    where another command reads its options.

    Args:
        base: the command.
        files: YAML, such as `txm2sem config` or a training writes.

    Raises:
        UserError: a file cannot be read, has an option that no command has, or a value that is none of its option.
    """
    config = Config()
    own, trained = to_mapping(base), to_mapping(TrainCommand())
    every = {name for command in COMMANDS.values() for name in to_mapping(command)}
    for path in [files] if isinstance(files, Path | str) else files:
        written = read_written(Path(path), "write it anew with txm2sem config, or pass another --config")
        for name in (name for name in written if name not in every):
            try:
                check_known(base, [name])
            except UserError as error:
                raise UserError(f"{written[name].place}: {error}") from None
        passed = [name for name in written if name not in own]
        if any(name in trained for name in passed) and SPLIT in written:
            passed.append(SPLIT)
        values = understood(base, {name: said for name, said in written.items() if name not in passed})
        config.values.update(values)
        config.places.update({name: written[name].place for name in values})
        if passed:
            config.notes.append(
                f"{path}: {program_of(base)} passes over what is not for it: {listed(passed, 4)}, of {len(written)}"
            )
    return config


def config_text(base: Command, given: Mapping[str, Any]) -> str:
    """Return a file for `config`, with the help of each option, that gives what these options by name give.

    It has those that are given, and for a training those that follow from `--model` and `--recipe`, which other
    commands take from the run. The others, with their defaults, stand behind a #.

    Raises:
        UserError: as `resolve`.
    """
    notes: list[str] = []
    resolve(base, given, notes.append)
    config = read_config(base, given.get(CONFIG, ()))
    own = {name: value for name, value in given.items() if name != CONFIG}
    start = with_defaults(base, given) if isinstance(base, TrainCommand) else base
    command = override(start, {**config.values, **own})
    defaults, values = to_mapping(base), to_mapping(command)
    kept = {name for name, value in values.items() if value != defaults[name]} | {*config.values, *own}
    title = f"Options of {program_of(base)}, for --config; those behind a # have their defaults. {' '.join(notes)}"
    return written_text(base, {name: value for name, value in values.items() if name in kept}, title)


def with_defaults(base: AnyCommand, given: Mapping[str, Any]) -> AnyCommand:
    """Return a command with the defaults of the recipe and the model that are given, in files, too."""
    given = {**read_config(base, given.get(CONFIG, ())).values, **given}
    if not isinstance(base, ModelCommand):
        return base
    recipe = RECIPES[given.get("recipe", "none")]
    model = given.get("model", recipe.get("model", base.model.model))
    return override(base, {**MODEL_DEFAULTS[model], **recipe})


def _of_model(base: ModelCommand, given: Mapping[str, Any], trained: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the options that a run was trained with, or those that its model and its recipe have, and given ones."""
    asked = {**to_mapping(with_defaults(base, given)), **given}
    saved = _saved_options(base, asked) if trained is None else trained
    if not saved:
        return {**asked, **_added_channels(asked, given)}
    own = IDENTITY if isinstance(base, TrainCommand) else IDENTITY | {SPLIT}
    inherited = {name: value for name, value in saved.items() if name not in own}
    # An option that is not among the saved ones is younger than the run, which was trained with its default.
    known = {**to_mapping(base), **MODEL_DEFAULTS.get(str(saved.get("model")), {}), **inherited}
    _check_contradictions(name_of(asked), given, known)
    return {**known, **given}


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
