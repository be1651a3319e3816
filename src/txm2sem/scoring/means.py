"""Means of scores over patches, by kind of prediction: what `eval_metrics.txt` shows, and a part of the document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from txm2sem.metrics import Summary


@dataclass(frozen=True)
class Column:
    """How a score is shown.

    Attributes:
        name: heading.
        unit: of it; empty for a ratio.
        digits: behind the point.
    """

    name: str
    unit: str = ""
    digits: int = 4

    @property
    def heading(self) -> str:
        """The name with its unit."""
        return f"{self.name} [{self.unit}]" if self.unit else self.name


@dataclass(frozen=True)
class Means:
    """Means and standard errors over patches.

    Attributes:
        over: which pixels count, in words.
        count: of the patches, or slices.
        columns: of each table, by the key of the score.
        rows: by kind of prediction, the model's first, and by key.
    """

    over: str
    count: int
    columns: tuple[Mapping[str, Column], ...]
    rows: Mapping[str, Mapping[str, Summary]]

    def to_plain(self) -> dict[str, Any]:
        """Return plain values, for JSON: every number with its name, unit and standard error."""
        return {
            "over": self.over,
            "count": self.count,
            "tables": [
                {key: {"name": column.name, "unit": column.unit or "1"} for key, column in table.items()}
                for table in self.columns
            ],
            "rows": {kind: {key: vars(found[key]) for key in found} for kind, found in self.rows.items()},
        }

    def line(self) -> str:
        """Return the model's scores in one line, as the original code writes them."""
        return ", ".join(f"{key}={summary}" for key, summary in next(iter(self.rows.values())).items())

    def tables(self) -> str:
        """Return the tables as text: one line per kind of prediction."""
        return "\n\n".join(map(self._table, self.columns))

    def _table(self, columns: Mapping[str, Column]) -> str:
        first = max(map(len, self.rows))
        cells = {
            key: [f"{found[key].mean:.{column.digits}f} ± {found[key].standard_error:.{column.digits}f}"
                  for found in self.rows.values()]
            for key, column in columns.items()
        }  # fmt: skip
        widths = {key: max(len(columns[key].heading), *map(len, texts)) for key, texts in cells.items()}
        lines = [" " * first + "".join(f"  {columns[key].heading:>{width}}" for key, width in widths.items())]
        for number, kind in enumerate(self.rows):
            lines.append(f"{kind:<{first}}" + "".join(f"  {cells[key][number]:>{widths[key]}}" for key in columns))
        return "\n".join(lines)
