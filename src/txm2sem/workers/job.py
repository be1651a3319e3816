"""A work whose parts need not know of each other."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Protocol, TypeVar

Part = TypeVar("Part", bound=Hashable)
Part_contra = TypeVar("Part_contra", bound=Hashable, contravariant=True)

RETRIES = 2
"""How often a part is tried again that has failed, or whose process has died."""

DEATH = (
    "the processes that worked on {part} have died, each of them; they may need more memory: pass fewer --workers or "
    "a smaller --memory. The same command goes on with what is missing"
)


class Job(Hashable, Protocol[Part_contra]):
    """What another process needs to take part in a work. It can be pickled and hashed."""

    def open(self, threads: int) -> Callable[[Part_contra], None]:
        """Open what is worked on; return what does a part of it, to the end of saying that it is done.

        Args:
            threads: to compute with.

        Raises:
            UserError: it cannot be opened; so does what is returned where a part cannot be done.
        """
