"""Tables of pages: of numbers, with intervals that are drawn, and of options."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from txm2sem.options import MODEL_DEFAULTS, TrainCommand, to_mapping


@dataclass(frozen=True)
class Cell:
    """A number in a table, with its interval below, and both drawn.

    Attributes:
        text: the number.
        bounds: the interval in words; empty where there is none.
        at: where the number lies on the column's axis [%]; empty where nothing is drawn.
        ends: where the ends of the interval lie; None: it has none.
    """

    text: str
    bounds: str = ""
    at: str = ""
    ends: tuple[str, str] | None = None


@dataclass(frozen=True)
class Table:
    """A table of numbers.

    Attributes:
        caption: above it.
        head: of its columns.
        rows: each with as many cells, the first of which names it.
        marked: so many rows, the first ones, stand out.
    """

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]
    marked: int = 0


def interval_cell(text: str, bounds: str, value: float, low: float, high: float, span: tuple[float, float]) -> Cell:
    """Return a cell for a column that shares one axis.

    Args:
        text: the number.
        bounds: the interval in words; empty where there is none.
        value, low, high: what is drawn; numbers that are not finite are left out.
        span: ends of the column's axis.
    """
    first, last = span
    width = last - first
    if not math.isfinite(value) or width <= 0:
        return Cell(text)

    def across(number: float) -> str:
        return f"{3 + 94 * min(max((number - first) / width, 0), 1):.1f}"

    return Cell(text, bounds, across(value), (across(low), across(high)) if math.isfinite(low) else None)


def changed_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a run that differ from the defaults of its model."""
    defaults = {**to_mapping(TrainCommand()), **MODEL_DEFAULTS.get(str(options.get("model")), {})}
    return {name: value for name, value in options.items() if name in defaults and value != defaults[name]}
