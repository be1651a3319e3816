"""Turn command line words into options, and options into their help."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence
from dataclasses import Field, dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

from txm2sem.errors import UserError
from txm2sem.options import (
    ALIASES,
    Command,
    ModelCommand,
    Options,
    TranslateCommand,
    check_known,
    checked,
    fields_of,
    help_of,
    override,
)
from txm2sem.resolving import of_shipped_model, resolve, with_defaults

AnyCommand = TypeVar("AnyCommand", bound=Command)

SEVERAL = tuple[Path, ...]
"""Type of an option that takes several words."""


class UsageError(UserError):
    """The words on the command line are not understood."""


@dataclass(frozen=True)
class Words:
    """What the words of a command line say.

    Attributes:
        places: what stands beside the options: names of files, folders or runs.
        given: the values of options, by name.
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
            check_known(command, [name])
            values = [value] if equals else _take_values(hints[name], left, has_place=bool(places))
            if not values:
                raise UsageError(f"--{name}: expected a value behind it, found none")
            texts[name] = texts.get(name, []) + values if hints[name] == SEVERAL else values
        given = checked(command, {name: _typed(hints[name], texts[name]) for name in texts})
        return Words(places, given, help_asked)
    except UserError as error:
        raise UsageError(str(error)) from None


def parse(base: AnyCommand, words: Sequence[str], program: str) -> tuple[list[str], AnyCommand]:
    """Return the places that words give, and all options of a command.

    One line on the console says so where the device does not compute in the number format asked for.

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
    given = of_shipped_model(said.given) if isinstance(base, TranslateCommand) else said.given
    return said.places, with_usable_precision(resolve(base, given))


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
    usage = " ".join(part for part in (f"usage: {program}", command.places, "[OPTIONS]") if part)
    blocks = [
        usage,
        _wrapped(str(command.__doc__)),
        *("\n".join([f"{_wrapped(title)[:-1]}:", *lines]) for title, lines in entries.items()),
    ]
    if names is not options:
        blocks.append(f"{program} --help_all lists all {len(options)} options.")
    return "\n\n".join(blocks)


def _entry(group: Options, option: Field[Any], value: Any) -> str:
    """Return an option's lines in the help."""
    hint = group.hints[option.name]
    if get_origin(hint) is Literal:
        what = " | ".join(map(str, get_args(hint)))
    else:
        what = {bool: "[True|False]", int: "N", float: "X", str: "TEXT", SEVERAL: "PATH ..."}.get(hint, "PATH")
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
    text = texts[-1]
    if hint == SEVERAL:
        return tuple(map(Path, texts))
    if hint is bool or get_origin(hint) is Literal:
        choices = (True, False) if hint is bool else get_args(hint)
        return next((choice for choice in choices if str(choice) == text), text)
    try:
        return hint(text) if hint in (int, float) else text
    except ValueError:
        return text
