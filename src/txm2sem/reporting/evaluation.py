"""Means over patches, for models without a scorecard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from txm2sem.reporting.record import number_of


@dataclass(frozen=True)
class EvaluationTable:
    """Scores by kind of prediction, the model's first.

    Attributes:
        head: of the columns.
        rows: for each kind its means and standard errors.
    """

    head: list[str]
    rows: dict[str, list[tuple[float, float]]]


def evaluation_tables(scores: Mapping[str, Any]) -> list[EvaluationTable]:
    """Return the tables of means of a document of scores; none where it has none."""
    means = scores.get("means", {"tables": []})
    return [
        EvaluationTable(list(map(_heading, table.values())), _rows(means["rows"], table)) for table in means["tables"]
    ]


def _heading(column: Mapping[str, str]) -> str:
    return column["name"] if column["unit"] == "1" else f"{column['name']} [{column['unit']}]"


def _rows(rows: Mapping[str, Any], keys: Iterable[str]) -> dict[str, list[tuple[float, float]]]:
    return {
        kind: [(number_of(row[key], "mean"), number_of(row[key], "standard_error")) for key in keys]
        for kind, row in rows.items()
    }
