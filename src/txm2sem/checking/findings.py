"""What a check has found: one line to read, one to act on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Level = Literal["problem", "warning", "note"]

LEVELS: tuple[Level, ...] = ("problem", "warning", "note")
"""A problem makes training, or its scores, senseless; a warning costs quality; a note is good to know."""


@dataclass(frozen=True)
class Finding:
    """Something that the user should know before training.

    Attributes:
        level: how bad it is.
        kind: what it is, one word for programs, e.g. `shifted`.
        where: the slices or files, e.g. `train 003`; empty for the data root as a whole.
        text: what was found, with numbers, and what was expected.
        advice: what to do.
    """

    level: Level
    kind: str
    where: str
    text: str
    advice: str

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        advice = "" if self.level == "note" else f". {self.advice}"
        return f"{self.level}: {place}{self.text}{advice}"


@dataclass(frozen=True)
class Readiness:
    """What a check comes to, in one line to act on.

    Attributes:
        words: whether to train, and how long that takes.
        command: that trains; empty where problems come first.
        seconds: about how long that takes here; None where nothing is trained.
    """

    words: str
    command: str = ""
    seconds: float | None = None


def sorted_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings, the worst first, those of one level in their order."""
    return sorted(findings, key=lambda finding: LEVELS.index(finding.level))
