"""What the documents show to be typed: blocks of code, and the commands that a shell makes of them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "src").rglob("*.md")),
]

BLOCK = re.compile(
    r"^(?P<mark>[ ]*<!-- run -->\n+)?(?P<indent>[ ]*)```(?P<language>\w+)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)

BASH = None if os.name == "nt" else shutil.which("bash")

needs_bash = pytest.mark.skipif(
    BASH is None or subprocess.run([BASH, "-c", "((BASH_VERSINFO[0] > 3))"], check=False).returncode != 0,
    reason="there is no bash of version 4 to read the commands with",
)

# Nothing that a block calls is there: each command is written down instead. Only what the shell itself does is done.
RECORDER = """
PATH=/nowhere
command_not_found_handle() { printf '%s\\037' "$@" >> "$CALLS"; printf '\\036' >> "$CALLS"; }
exec() { "$@"; }
"""

RECORDING_FILE = """#!/bin/sh
printf '%s\\037' "${0##*/}" "$@" >> "$CALLS"; printf '\\036' >> "$CALLS"
"""

TYPED = re.compile(r"^[ ]*(?:\w+=\S* )*(?:\S*/)?(?:txm2sem|python3? (?:-m txm2sem|train\.py|test\.py)) ", re.MULTILINE)
"""Where a line begins with the program."""


@dataclass(frozen=True)
class Snippet:
    """A block of code in a document.

    Attributes:
        document: path in the repository.
        line: where it begins.
        language: as the document says.
        text: of it, without what indents all of it.
        runs: it is marked by a comment before it, `<!-- run -->`, which no reader sees.
    """

    document: str
    line: int
    language: str
    text: str
    runs: bool = False

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


def snippets_of(text: str, document: str) -> list[Snippet]:
    """Return the blocks of code in a text that say their language."""
    return [
        Snippet(
            document,
            text.count("\n", 0, found.start("language")) + 1,
            found["language"],
            textwrap.dedent(found["text"]),
            found["mark"] is not None,
        )
        for found in BLOCK.finditer(text)
    ]


def snippets(language: str) -> list[Snippet]:
    """Return the blocks in a language of all documents."""
    found = (snippets_of(path.read_text("utf-8"), path.relative_to(ROOT).as_posix()) for path in DOCUMENTS)
    return [snippet for document in found for snippet in document if snippet.language == language]


def commands_in(snippet: Snippet, folder: Path) -> list[list[str]]:
    """Return the words of each call of the program, as a shell hands them over: variables and loops are those of bash.

    Args:
        snippet: lines for a shell.
        folder: empty; here the lines are read.
    """
    calls = folder / "calls"
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("txm2sem", "python"):
        (programs / name).write_text(RECORDING_FILE)
        (programs / name).chmod(0o755)
    calls.touch()
    done = subprocess.run(
        [str(BASH), "-c", RECORDER + snippet.text],
        cwd=folder,
        env={"CALLS": str(calls), "HOME": str(folder), "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        check=False,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert "syntax error" not in done.stderr and "unexpected EOF" not in done.stderr, f"{snippet}: {done.stderr}"
    words = [record.split("\037")[:-1] for record in calls.read_text().split("\036")[:-1]]
    found = [call for call in map(_of_program, words) if call is not None]
    assert not snippet.runs or len(found) == len(words), f"{snippet}: what runs are commands of txm2sem alone; {words}"
    assert len(TYPED.findall(snippet.text)) <= len(found), f"{snippet}: some commands are not reached"
    return found


def _of_program(words: list[str]) -> list[str] | None:
    """Return the words behind the name of the program, which others may start; None where it is not called."""
    program, *rest = words
    if program == "txm2sem":
        return rest
    if program.startswith("python") and rest[:1] in (["train.py"], ["test.py"]):
        return [rest[0].removesuffix(".py"), *rest[1:]]
    started = [index for index, word in enumerate(rest) if word in ("txm2sem", "txm2sem.sif")]
    return rest[started[0] + 1 :] if started and program != "pip" and rest[0] != "build" else None
