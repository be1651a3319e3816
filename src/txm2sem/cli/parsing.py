"""Turn command line words into options, and options into their help."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence
from dataclasses import Field, dataclass
from pathlib import Path
from typing import Any, TypeVar

from txm2sem.addresses import check_local
from txm2sem.errors import UserError
from txm2sem.options import (
    ALIASES,
    SEVERAL,
    Command,
    ModelCommand,
    Options,
    check_known,
    checked,
    described,
    fields_of,
    help_of,
    of_text,
    override,
)
from txm2sem.resolving import CONFIG, resolve, with_defaults

AnyCommand = TypeVar("AnyCommand", bound=Command)

HELP_OF_CONFIG = (
    "--config FILE takes options from a file (YAML), such as txm2sem config writes, or the options.yaml of a run. "
    "There may be several, of which the last counts first; what stands on the command line counts before all of them."
)


class UsageError(UserError):
    """The words on the command line are not understood."""


@dataclass(frozen=True)
class Words:
    """What the words of a command line say.

    Attributes:
        places: what stands beside the options: names of files, folders or runs.
        given: the values of options, by name; `config`: the files of more of them, where there are any.
        help: `help` or `help_all`, where one is asked for.
    """

    places: list[str]
    given: dict[str, Any]
    help: str = ""


def read_words(command: Command, words: Sequence[str]) -> Words:
    """Return what words say: options before, between or behind the places, with hyphens or underscores.

    Args:
        command: the options that there are, with their defaults.
        words: of the command line, behind the name of the command.

    Raises:
        UsageError: there is no such option, or a value is missing or none of its option.
    """
    hints = {option.name: getattr(command, group).hints[option.name] for group, option, _ in fields_of(command)}
    places: list[str] = []
    texts: dict[str, list[str]] = {}
    left, help_asked = list(words), ""
    try:
        while left:
            word = left.pop(0)
            if not word.startswith("-"):
                if len(places) not in command.addressed:
                    check_local(word)
                places.append(word)
                continue
            if not word.startswith("--") and word != "-h":
                raise UsageError(f"{word}: an option begins with two dashes, as in --{word[1:]}")
            name, equals, value = word.lstrip("-").partition("=")
            name = name.replace("-", "_")
            name = name if name in hints else ALIASES.get(name, name)
            if name in ("h", "help", "help_all"):
                help_asked = "help" if name == "h" else name
                continue
            if name != CONFIG:
                check_known(command, [name])
            values = [value] if equals else _take_values(hints.get(name), left, has_place=bool(places))
            if not values:
                raise UsageError(f"--{name}: expected a value behind it, found none")
            texts[name] = texts.get(name, []) + values if name == CONFIG or hints[name] == SEVERAL else values
        files = {CONFIG: texts.pop(CONFIG)} if CONFIG in texts else {}
        given = checked(command, {name: _typed(hints[name], texts[name]) for name in texts})
        return Words(places, given | files, help_asked)
    except UserError as error:
        raise UsageError(str(error)) from None


def parse(base: AnyCommand, words: Sequence[str], program: str) -> tuple[list[str], AnyCommand]:
    """Return the places that words give, and all options of a command.

    Lines on the console say what is passed over of files, and where the device does not compute in the number format
    asked for.

    Args:
        base: the defaults.
        words: of the command line, behind the name of the command.
        program: what stands before them, for the help.

    Raises:
        UsageError: as `read_words`; or there are places where the command has none.
        UserError: as `resolve`.
        SystemExit: help was asked for (status 0).
    """
    said = read_words(base, words)
    if said.help:
        print(help_text(with_defaults(base, said.given), program, whole=said.help == "help_all"))
        raise SystemExit(0)
    if said.places and not base.places:
        raise UsageError(f"{program} takes options alone, which begin with --; found {said.places[0]}")
    return said.places, with_usable_precision(resolve(base, said.given, lambda line: print(f"note: {line}")))


def with_usable_precision(command: AnyCommand) -> AnyCommand:
    """Return the options with a number format that the device computes in; say so where it is not the one asked for.

    From here on, for the saved options, the plan of a volume and its workers too, the run is one of that format.
    """
    if not isinstance(command, ModelCommand) or command.run.precision == "fp32":
        return command
    from txm2sem.devices import device_of, usable_precision

    device = device_of(command.run.gpu_ids)
    usable = usable_precision(command.run.precision, device)
    if usable != command.run.precision:
        here = "GPU" if device.type == "cuda" else "processor"
        why = f"this {here} has no instructions for it, and to emulate them is slower than {usable}"
        if device.type == "mps":
            why = "nothing is computed in it on Apple's GPUs"
        print(f"--precision {command.run.precision}: {why}; {usable} is used")
    return override(command, {"precision": usable})


def help_text(command: Command, program: str, *, whole: bool) -> str:
    """Return the help of a command: what it does, and its options with their defaults.

    Args:
        command: the options, with their defaults.
        program: what stands before the words.
        whole: show all options, not only those that most people need.
    """
    entries: dict[str, list[str]] = {}
    options = {option.name: (group, option, value) for group, option, value in fields_of(command)}
    names = options if whole or not command.first else command.first
    for group, option, value in (options[name] for name in names):
        group_options = getattr(command, group)
        title = str(group_options.__doc__) if names is options else "What most people need."
        entries.setdefault(title, []).append(_entry(group_options, option, value))
    parts = (f"usage: {program}", command.places, "[OPTIONS] [--config FILE]")
    usage = " ".join(part for part in parts if part)
    blocks = [
        usage,
        _wrapped(str(command.__doc__)),
        *("\n".join([f"{_wrapped(title)[:-1]}:", *lines]) for title, lines in entries.items()),
        _wrapped(HELP_OF_CONFIG),
    ]
    if names is not options:
        blocks.append(f"{program} --help_all lists all {len(options)} options.")
    return "\n\n".join(blocks)


def help_of_config(program: str) -> str:
    """Return the help of the command that writes a file of options."""
    text = (
        "Write a file of the options of a command, train where none is named, with their help, and with the values "
        "that the options here give, such as --recipe translate."
    )
    return "\n\n".join([f"usage: {program} [COMMAND] [OPTIONS] > FILE", _wrapped(text), _wrapped(HELP_OF_CONFIG)])


def _entry(group: Options, option: Field[Any], value: Any) -> str:
    """Return an option's lines in the help."""
    hint = group.hints[option.name]
    what = f"[{described(hint)}]" if hint is bool else described(hint)
    default = "" if value in ("", None, ()) else f" (default: {value})"
    return f"{_wrapped(f'--{option.name} {what}', '  ')}\n{_wrapped(help_of(group, option.name) + default, '      ')}"


def _wrapped(text: str, indent: str = "") -> str:
    width = min(shutil.get_terminal_size((120, 24)).columns, 120)
    return textwrap.fill(
        " ".join(text.split()), width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )


def _take_values(hint: Any, left: list[str], *, has_place: bool) -> list[str]:
    """Take the values of an option from the words behind it."""
    if hint is bool:
        # The original code wants the value (`--aligned False`); here a switch alone means True.
        return [left.pop(0)] if left and left[0] in ("True", "False") else ["True"]
    count = next((index for index, word in enumerate(left) if word.startswith("--")), len(left))
    if hint != SEVERAL:
        count = min(count, 1)
    elif count == len(left) > 1 and not has_place:  # the last of all words is the place
        count -= 1
    values, left[:] = left[:count], left[count:]
    return values


def _typed(hint: Any, texts: list[str]) -> Any:
    """Return a value of the type of an option, or the text itself where it stands for none."""
    return tuple(map(Path, texts)) if hint == SEVERAL else of_text(hint, texts[-1])
