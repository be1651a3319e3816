"""The list of what comes along and whose it is: nothing is missing in it, and nothing is gone."""

from __future__ import annotations

import re
import tomllib
from pathlib import PurePosixPath

from sources import ROOT, sources

TEXT = (ROOT / "docs" / "provenance.md").read_text(encoding="utf-8")
FILES = set(re.findall(r"`([\w./-]+/[\w.-]+\.\w+)`", TEXT))

WRITTEN = {"", ".cff", ".html", ".in", ".md", ".py", ".pyi", ".sh", ".toml", ".txt", ".yaml", ".yml"}
"""Endings of code and of texts, which somebody has typed for this program."""


def test_every_file_that_is_neither_code_nor_text_is_listed() -> None:
    others = {name for name in sources() if PurePosixPath(name).suffix not in WRITTEN}
    assert len(others) > 30
    assert others - FILES == set()


def test_what_is_listed_is_there() -> None:
    made = {"demo/results/demo/overview.png"}
    assert {name for name in FILES if not (ROOT / name).is_file()} <= made


def test_every_package_that_users_install_is_listed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {f"`{name}`": lines for name, lines in project["optional-dependencies"].items() if name != "dev"}
    wanted = {
        (extra, line) for extra, lines in {"everything": project["dependencies"], **extras}.items() for line in lines
    }
    listed = re.findall(r"^\| (everything|`\w+`) \| (\S+) \| (.+) \|$", TEXT, re.MULTILINE)
    assert {(extra, name) for extra, name, _ in listed} == {
        (extra, re.split(r"[^\w.-]", line)[0]) for extra, line in wanted
    }
    assert not [name for _, name, licence in listed if licence in ("not installed", "not said")]
