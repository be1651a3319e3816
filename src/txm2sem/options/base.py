"""What an option is: a field of a frozen dataclass, with a type, limits and a help text.

Options are grouped as the help shows them. A name is the command line flag of the same spelling and is unique over all
groups of a command, so options travel as a flat mapping too (`to_mapping`, `override`), which is how a run's
`options.yaml` stores them.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import math
from collections.abc import Iterator, Mapping
from dataclasses import field
from functools import cache
from itertools import pairwise
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar, get_args, get_origin, get_type_hints
from unicodedata import category

from txm2sem.addresses import check_local, place_of
from txm2sem.errors import UserError, nearest
from txm2sem.files import check_name

MOST_TEXT = 4096
"""The longest text that an option takes [characters]: as long as paths may be."""


SEVERAL = tuple[Path, ...]
"""Type of an option that has several values."""


def between(minimum: float, maximum: float, default: Any) -> Any:
    """Return a field with a smallest and a largest value."""
    return field(default=default, metadata={"at_least": minimum, "at_most": maximum})


def of_models(default: Any, *models: str, limits: tuple[float, float] | None = None) -> Any:
    """Return a field that does something with these models only; the parser refuses it with others."""
    return field(default=default, metadata={"models": models, **_limits(limits)})


def of_modes(default: Any, *modes: str, limits: tuple[float, float] | None = None) -> Any:
    """Return a field that does something with these data sets only; the parser refuses it with others."""
    return field(default=default, metadata={"modes": modes, **_limits(limits)})


def beside(switch: str, default: Any, *, limits: tuple[float, float] | None = None) -> Any:
    """Return a field that does something beside a switch of the same command only; it is refused without."""
    return field(default=default, metadata={"beside": switch, **_limits(limits)})


def _limits(limits: tuple[float, float] | None) -> dict[str, float]:
    return {} if limits is None else {"at_least": limits[0], "at_most": limits[1]}


def name_of_path(default: str = "") -> Any:
    """Return a field for what becomes a part of a path; it may be empty."""
    return field(default=default, metadata={"is_name": True})


def name_of_run(default: str = "") -> Any:
    """Return a field for the name of a run, or for a file that a run is in; it may be empty."""
    return field(default=default, metadata={"is_name": True, "may_be_file": True})


def is_model_file(name: str) -> bool:
    """Say whether the name of a run is that of a file that a run is in."""
    return name.lower().endswith(".zip")


def may_be_address(default: Any = "", **metadata: Any) -> Any:
    """Return a field for a volume, which may be at an address of object storage or of a web server."""
    return field(default=default, metadata={"addresses": "places", **metadata})


def no_place(default: Any = "", **metadata: Any) -> Any:
    """Return a field for a text that is no path, and may look like an address."""
    return field(default=default, metadata={"addresses": "texts", **metadata})


def fixed(value: Any) -> Any:
    """Return a field that a group takes over from a larger one and that users do not choose there."""
    return field(default=value, metadata={"fixed": True})


class Options:
    """A group of options. Every object of it has values of the right types, within their limits, that go together.

    A group that builds on smaller ones has their options, too; what needs a few options asks for the smallest group.

    Raises:
        UserError: a value is none of its option, or two contradict each other.
    """

    hints: ClassVar[dict[str, Any]]

    def __init_subclass__(cls) -> None:
        cls.hints = get_type_hints(cls)

    def __post_init__(self) -> None:
        for option in dataclasses.fields(self):  # type: ignore[arg-type]
            object.__setattr__(self, option.name, _checked(option, self.hints[option.name], getattr(self, option.name)))
        self.check()

    def check(self) -> None:
        """Check that the values go together.

        Raises:
            UserError: they do not.
        """


def _checked(option: dataclasses.Field[Any], hint: Any, value: Any) -> Any:
    """Return the value of an option as its type has it: numbers plain, text that stands for a path as one.

    Raises:
        UserError: it is of another type, not one of the choices, or beyond a limit.
    """
    if hint == SEVERAL:
        return tuple(_checked(option, Path, item) for item in value)
    if hint == Path | None:
        return None if value is None else _checked(option, Path, value)
    if isinstance(value, str | Path):
        _check_address(option, str(value))
    fits, expected = _fits(option, hint, value)
    if not fits:
        found = str(value)[:100] if isinstance(value, str | int | float) else f"of type {type(value).__name__}"
        found = "without a value" if value is None else found
        found = found if found and found.isprintable() else repr(found)
        raise UserError(f"--{option.name} {found}: expected {expected}")
    if value and option.metadata.get("is_name") and not (option.metadata.get("may_be_file") and is_model_file(value)):
        check_name(value, f"--{option.name}")
    return hint(value) if hint in (int, float, Path) else value


def _check_address(option: dataclasses.Field[Any], value: str) -> None:
    """Check that a value that looks like an address is one that the option takes."""
    addresses = option.metadata.get("addresses", "none")
    if addresses == "places":
        place_of(value)
    elif addresses == "none":
        check_local(value, f"--{option.name}")


def _fits(option: dataclasses.Field[Any], hint: Any, value: Any) -> tuple[bool, str]:
    """Say whether a value is one of an option, and what was expected."""
    if get_origin(hint) is Literal:
        choices = [str(choice) for choice in get_args(hint)]
        expected = f"one of {', '.join(choices)}{nearest(str(value), choices)}"
        return isinstance(value, str | int) and value in get_args(hint), expected
    if hint is bool:
        return isinstance(value, bool), "True or False"
    if hint in (int, float):
        low, high = option.metadata["at_least"], option.metadata["at_most"]
        if isinstance(value, bool) or not isinstance(value, Integral if hint is int else Real) or math.isnan(value):
            return False, "a whole number" if hint is int else "a number"
        return low <= value <= high, f"{low} or more" if value < low else f"{high} or less"
    return (
        isinstance(value, str if hint is str else str | Path) and _is_printable(str(value)),
        f"{'text' if hint is str else 'a path'} of at most {MOST_TEXT} characters, none of them a control character",
    )


def _is_printable(value: str) -> bool:
    return len(value) <= MOST_TEXT and not any(category(character) in ("Cc", "Zl", "Zp") for character in value)


AnyCommand = TypeVar("AnyCommand")


def fields_of(command: Any) -> Iterator[tuple[str, dataclasses.Field[Any], Any]]:
    """Yield (group, field, value) of every option of a command."""
    for group in dataclasses.fields(command):
        options = getattr(command, group.name)
        for option in dataclasses.fields(options):
            if "fixed" not in option.metadata:
                yield group.name, option, getattr(options, option.name)


def checked(command: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of `values` that are options of a command, as their types have them.

    Raises:
        UserError: a value is none of its option.
    """
    return {
        option.name: _checked(option, getattr(command, group).hints[option.name], values[option.name])
        for group, option, _ in fields_of(command)
        if option.name in values
    }


def to_mapping(command: Any) -> dict[str, Any]:
    """Return a command's options as a flat mapping of plain values, in the order of the help."""
    return {option.name: _plain(value) for _, option, value in fields_of(command)}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def override(command: AnyCommand, values: Mapping[str, Any]) -> AnyCommand:
    """Return `command` with the options in `values` replaced; names that the command does not have are ignored.

    Raises:
        UserError: a value is none of its option.
    """
    changes: dict[str, dict[str, Any]] = {}
    for group, option, _ in fields_of(command):
        if option.name in values:
            changes.setdefault(group, {})[option.name] = values[option.name]
    groups = {name: dataclasses.replace(getattr(command, name), **new) for name, new in changes.items()}
    return dataclasses.replace(command, **groups)  # type: ignore[type-var]


def help_of(options: Options, name: str) -> str:
    """Return what an option does: the docstring below its field."""
    return next(texts[name] for kind in type(options).__mro__ if name in (texts := _texts(kind)))


@cache
def _texts(kind: type) -> dict[str, str]:
    """Return the docstrings of the fields that a class itself has."""
    if not issubclass(kind, Options) or kind is Options:
        return {}
    body = ast.parse(inspect.getsource(kind)).body[0]
    assert isinstance(body, ast.ClassDef)
    return {
        named.target.id: str(text.value.value)
        for named, text in pairwise(body.body)
        if isinstance(named, ast.AnnAssign)
        and isinstance(named.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
    }


def described(hint: Any) -> str:
    """Return what values an option of a type has, for people."""
    if get_origin(hint) is Literal:
        return " | ".join(map(str, get_args(hint)))
    return {bool: "True|False", int: "N", float: "X", str: "TEXT", SEVERAL: "PATH ..."}.get(hint, "PATH")


def of_text(hint: Any, text: str) -> Any:
    """Return the value of the type of an option that a text stands for, or the text itself where it stands for none."""
    if hint is bool:
        return {"true": True, "false": False}.get(text.lower(), text)
    if get_origin(hint) is Literal:
        return next((choice for choice in get_args(hint) if str(choice) == text), text)
    try:
        return hint(text) if hint in (int, float) else text
    except ValueError:
        return text


def option_words(name: str, value: object, *, switch: bool = False) -> list[str]:
    """Return an option as the words of a command line.

    Args:
        name: of the option.
        value: of it.
        switch: it is one that is passed without a value where it is on.
    """
    text = str(value)
    if switch and text == "True":
        return [f"--{name}"]
    # A value with a minus would pass for an option.
    return [f"--{name}={text}"] if text.startswith("-") else [f"--{name}", text]
