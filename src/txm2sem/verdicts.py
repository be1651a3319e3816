"""What the work of a command comes to, in words: a sentence to act on, and what there is to mind about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MOST_NAMED = 5
"""So many concerns are named; who reads more than that acts on none."""

CONCERNS = (
    "needless",
    "not confirmed",
    "misaligned",
    "missed phase",
    "rim",
    "other rock",
    "noise",
    "few slices",
    "scale",
    "fraction",
    "sizes",
    "smooth",
    "grid",
    "seams",
    "believed",
    "unfinished",
)
"""Kinds of concerns, the most important first: first what makes all else worthless, last what can be lived with."""


@dataclass(frozen=True)
class Concern:
    """One thing to mind.

    Attributes:
        kind: of `CONCERNS`.
        text: what was found, and what to do about it; without a full stop.
    """

    kind: str
    text: str


@dataclass(frozen=True)
class Verdict:
    """What something comes to.

    Attributes:
        sentence: to act on.
        concerns: what there is to mind; in any order, see `ordered`.
    """

    sentence: str
    concerns: Sequence[Concern] = ()

    @property
    def ordered(self) -> list[str]:
        """The texts of the concerns, the most important first; those of one kind in their order."""
        return [one.text for one in sorted(self.concerns, key=lambda one: CONCERNS.index(one.kind))]

    @property
    def named(self) -> list[str]:
        """Those that are named."""
        return self.ordered[:MOST_NAMED]

    @property
    def folded(self) -> list[str]:
        """Those that are not, and are there for who asks."""
        return self.ordered[MOST_NAMED:]

    def lines(self, width: int = 9) -> list[str]:
        """Return it for the console: the sentence, and below it the concerns that are named.

        Args:
            width: of the column that the console's words before a colon have here.
        """
        more = [f"and {len(self.folded)} more"] if self.folded else []
        return [f"{'verdict:':<{width}} {self.sentence}", *(f"{'':<{width}} - {one}" for one in [*self.named, *more])]
