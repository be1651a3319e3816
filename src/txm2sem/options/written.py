"""Options in files: YAML, a name and its value a line, read as strictly as the words of a command line.

Values are taken as the text that they are and understood as their option wants it, so that `lr: 1e-3`, `epoch: 5` and
`mirror: no` mean what they seem to. There are no references or tags, and nothing is nested but the sections of a plan.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from txm2sem.errors import UserError, listed, nearest
from txm2sem.files import read_text
from txm2sem.options.base import SEVERAL, checked, described, fields_of, help_of, of_text, to_mapping

MOST_OPTIONS = 2**20
"""Bytes that a file of options may have; those of this program have some thousand."""

NULLS = ("", "~", "null", "Null", "NULL")
"""How YAML writes that there is no value."""

WIDTH = 100
"""Of the comments in a file [characters]."""


@dataclass(frozen=True)
class Written:
    """What a file says of an option.

    Attributes:
        place: the file and the line.
        value: text, or texts; None: that there is none.
    """

    place: str
    value: str | list[str] | None


@dataclass(frozen=True)
class Section:
    """What a file says under a name, or in all.

    Attributes:
        place: the file, and the line where it is not all of it.
        remedy: what the user can do where it is not as it should be.
        entries: values and further sections, by name as it is written.
    """

    place: str
    remedy: str
    entries: dict[str, Written | Section]

    def options(self) -> dict[str, Written]:
        """Return options by their names with underscores.

        Raises:
            UserError: there is a section among them, or a name comes twice.
        """
        found: dict[str, Written] = {}
        for written, said in self.entries.items():
            name = written.replace("-", "_")
            if isinstance(said, Section):
                raise UserError(f"{said.place}: {name[:100]}: expected a value, found names and values; {self.remedy}")
            if name in found:
                raise UserError(f"{said.place}: {name[:100]} comes twice; {self.remedy}")
            found[name] = said
        return found

    def sections(self, *expected: str) -> dict[str, Section]:
        """Return the sections by name, where there are sections alone; one without anything is empty.

        Args:
            expected: their names; any where there are none.

        Raises:
            UserError: something is none, or has another name.
        """
        found: dict[str, Section] = {}
        for name, said in self.entries.items():
            if expected and name not in expected:
                near = nearest(name, expected) or f"; expected {listed(expected)}"
                raise UserError(f"{said.place}: there is no section {name[:100]}{near}; {self.remedy}")
            if isinstance(said, Written):
                if said.value is not None:
                    raise UserError(f"{said.place}: {name[:100]}: expected options (name: value) below; {self.remedy}")
                said = Section(said.place, self.remedy, {})  # noqa: PLW2901
            found[name] = said
        return found


def read_written(path: Path, remedy: str) -> dict[str, Written]:
    """Return what a file says of options, by their names with underscores.

    Args:
        path: the file.
        remedy: what the user can do where it is none.

    Raises:
        UserError: it cannot be read, is no mapping of names to plain values, or has a name twice.
    """
    return read_sections(path, remedy, depth=1).options()


def read_sections(path: Path, remedy: str, depth: int) -> Section:
    """Return what a file says, with sections in each other.

    Args:
        path: the file.
        remedy: what the user can do where it is none.
        depth: how many there are in each other at most; the file is the first.

    Raises:
        UserError: it cannot be read, is no mapping of names to plain values and such mappings, or has a name twice.
    """
    text = read_text(path, remedy, MOST_OPTIONS)
    try:
        root = _PlainLoader(text, depth).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise UserError(
            f"{path}{line}: expected options (name: value): {error.problem or error.context}; {remedy}"
        ) from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: expected options (name: value): {' '.join(str(error).split())}; {remedy}") from None
    if not text.strip():
        raise UserError(f"{path}: expected options (name: value), found nothing; {remedy}")
    return Section(str(path), remedy, _entries(root, path, remedy) if isinstance(root, yaml.MappingNode) else {})


def _entries(node: yaml.MappingNode, path: Path, remedy: str) -> dict[str, Written | Section]:
    """Return what a mapping says."""
    found: dict[str, Written | Section] = {}
    for key, value in node.value:
        name, place = key.value, f"{path}, line {key.start_mark.line + 1}"
        if name in found:
            raise UserError(f"{place}: {name[:100]} comes twice; {remedy}")
        if isinstance(value, yaml.MappingNode):
            found[name] = Section(place, remedy, _entries(value, path, remedy))
        elif isinstance(value, yaml.SequenceNode):
            found[name] = Written(place, [item.value for item in value.value])
        else:
            found[name] = Written(place, _text(value))
    return found


def understood(command: Any, written: Mapping[str, Written]) -> dict[str, Any]:
    """Return those values that are of options of a command, as their types have them.

    Raises:
        UserError: a value is none of its option; the message says in which line.
    """
    values: dict[str, Any] = {}
    for group, option, _ in fields_of(command):
        if option.name in written:
            said = written[option.name]
            try:
                value = _typed(getattr(command, group).hints[option.name], said.value)
                values |= checked(command, {option.name: value})
            except UserError as error:
                raise UserError(f"{said.place}: {error}") from None
    return values


def written_text(command: Any, values: Mapping[str, Any], title: str) -> str:
    """Return a file of options, each with its help.

    Args:
        command: all options, with the values that they have where the file does not say any.
        values: what the file says; other options stand behind a #.
        title: what the file is.
    """
    plain = to_mapping(command)
    lines = [*_comment(title)]
    groups: list[str] = []
    for group, option, _ in fields_of(command):
        options = getattr(command, group)
        if group not in groups:
            groups.append(group)
            lines += ["", *_comment(f"-- {' '.join(str(options.__doc__).split())}")]
        lines += ["", *_comment(f"{help_of(options, option.name)} ({described(options.hints[option.name])})")]
        is_said = option.name in values
        value = values[option.name] if is_said else plain[option.name]
        lines.append(f"{'' if is_said else '# '}{option.name}: {_scalar(value)}")
    return "\n".join(lines) + "\n"


def _comment(text: str) -> list[str]:
    wrapped = textwrap.wrap(" ".join(text.split()), WIDTH - 2, break_on_hyphens=False, break_long_words=False)
    return [f"# {line}" for line in wrapped]


def _scalar(value: Any) -> str:
    """Return a plain value, or a list of them, as it stands behind a name."""
    return yaml.safe_dump([value], default_flow_style=True, allow_unicode=True, width=10**6).strip()[1:-1]


def _text(node: Any) -> str | None:
    """Return the text of a value; None where there is none."""
    return None if node.style is None and node.value in NULLS else str(node.value)


def _typed(hint: Any, value: str | list[str] | None) -> Any:
    """Return a value of the type of an option, or what stands there, where that is none."""
    if hint == SEVERAL:
        return tuple(map(Path, [value] if isinstance(value, str) else value or []))
    return of_text(hint, value) if isinstance(value, str) else value


class _PlainLoader(yaml.SafeLoader):
    """Reads names with plain values, or lists of them, or, down to a depth, with such mappings: nothing that refers to
    something else."""

    def __init__(self, text: str, depth: int) -> None:
        super().__init__(text)
        self._left = depth

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        kinds: tuple[type, ...] = (yaml.ScalarEvent,)
        if parent is None:
            kinds = (yaml.MappingStartEvent,)
        elif isinstance(parent, yaml.MappingNode) and index is not None:
            kinds = (yaml.ScalarEvent, yaml.SequenceStartEvent, *((yaml.MappingStartEvent,) if self._left else ()))
        if type(event) not in kinds or event.anchor or event.tag:
            raise yaml.composer.ComposerError(None, None, "nothing nested, no references, no tags", event.start_mark)
        opens = isinstance(event, yaml.MappingStartEvent)
        self._left -= opens
        node = super().compose_node(parent, index)
        self._left += opens
        return node
