"""Numbers of measured volumes in pages: as tables, in units that people read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from txm2sem.measures import Number, numbers
from txm2sem.pages.tables import Cell, Table


def measures_table(caption: str, document: Mapping[str, Any]) -> Table:
    """Return the numbers of a document of measures, a column a phase."""
    phases, unit = document["phases"], document["unit"]
    columns = [{(one.name, one.axis): one for one in numbers(phase, unit)} for phase in phases]
    rows = {key: one for column in columns for key, one in column.items()}
    cells = [
        [number_title(one), *(number_cell(column[key]) if key in column else "–" for column in columns)]
        for key, one in rows.items()
    ]
    if any(phase.get("expected_fraction") for phase in phases):
        caption += "; of labels, but for the expected fraction and those at the rim, which are of probabilities"
    return Table(caption, ["", *(phase["name"] for phase in phases)], cells)


def number_title(one: Number) -> str:
    """Return the name of a number with its unit."""
    return f"{one.title} [{one.shown.unit}]" if one.unit else one.title


def number_cell(one: Number) -> Cell:
    """Return a number with its interval, where it has one."""
    shown = one.shown
    text = "–" if math.isnan(shown.value) else f"{shown.value:.4g}"
    return Cell(text, "" if math.isnan(shown.low) else f"{shown.low:.4g} to {shown.high:.4g}")
