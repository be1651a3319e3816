"""The tables of `eval_metrics.txt`, for models without a scorecard."""

from __future__ import annotations

import re
from dataclasses import dataclass

NUMBER = r"[-+]?\d{1,12}(?:\.\d{1,12})?|nan|inf"
MEAN = re.compile(rf"({NUMBER}) ± *({NUMBER})")


@dataclass(frozen=True)
class EvaluationTable:
    """Scores by kind of prediction, the model's first.

    Attributes:
        head: of the columns.
        rows: for each kind its means and standard errors.
    """

    head: list[str]
    rows: dict[str, list[tuple[float, float]]]


def evaluation_tables(text: str) -> list[EvaluationTable]:
    """Return the tables of a file: a line of headings, and lines of a name and means ± standard errors."""
    tables: list[EvaluationTable] = []
    previous = ""
    for line in text.splitlines():
        means = [(float(mean), float(error)) for mean, error in MEAN.findall(line)]
        head = re.split(r"\s{2,}", previous.strip())
        if len(means) > 1 and not line.startswith("(epoch"):
            if not MEAN.search(previous) and len(head) == len(means):
                tables.append(EvaluationTable(head, {}))
            if tables and len(tables[-1].head) == len(means):
                kind = re.split(r"\s{2,}", line.strip())[0]
                # "the same, not from black pixels" is read beside the row before it, here not.
                tables[-1].rows[kind.replace("the same", next(reversed(tables[-1].rows), ""))] = means
        previous = line
    return tables


def notes_of(text: str) -> list[str]:
    """Return the notes of a file."""
    return [line.removeprefix("note: ") for line in text.splitlines() if line.startswith("note: ")]
