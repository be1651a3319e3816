"""Which options and places take addresses: all others refuse them, and make no folder called `s3:` of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from txm2sem.cli.parsing import UsageError, read_words
from txm2sem.errors import UserError
from txm2sem.options import COMMANDS, SEVERAL, checked, fields_of

ADDRESS = "s3://bucket/name"
TEXTS = {"scheduler", "display_server", "citation"}
"""Options that have addresses of their own, or are no places."""

OPTIONS = [
    (name, option.name)
    for name, command in COMMANDS.items()
    for group, option, _ in fields_of(command)
    if getattr(command, group).hints[option.name] in (str, Path, Path | None, SEVERAL)
]


def test_options_take_addresses_of_volumes_or_refuse_them() -> None:
    taken = set()
    for command, option in OPTIONS:
        hint = next(hints[option] for hints in _hints(command) if option in hints)
        try:
            checked(COMMANDS[command], {option: (ADDRESS,) if hint == SEVERAL else ADDRESS})
        except UserError as error:
            assert f"--{option} {ADDRESS}" in str(error)
            assert "is an address" in str(error)
        else:
            taken.add((command, option))
    assert {(command, option) for command, option in taken if option not in TEXTS} == {
        ("volume", "truth"),
        ("report", "volume"),
        ("report", "txm"),
    }


def _hints(command: str) -> list[dict[str, object]]:
    return [getattr(COMMANDS[command], group).hints for group, _, _ in fields_of(COMMANDS[command])]


@pytest.mark.parametrize("command", COMMANDS)
def test_places_take_addresses_or_refuse_them(command: str) -> None:
    taken = []
    for position in range(2):
        try:
            read_words(COMMANDS[command], [*["one", "two"][:position], ADDRESS])
            taken.append(position)
        except UsageError as error:
            assert f"{ADDRESS} is an address" in str(error)
    assert taken == {"volume": [0, 1], "measure": [0]}.get(command, [])
