"""How far predictions can be trusted, where a test has measured it: what a stated uncertainty is worth, and guards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from txm2sem.pages import facts, figure, png
from txm2sem.reporting.images import read_figure
from txm2sem.reporting.record import RunRecord


def trust_html(record: RunRecord) -> str:
    """Return the numbers of `trust.json`, by their parts, and the picture of the calibration.

    Raises:
        UserError: the picture cannot be read.
    """
    parts = []
    for name, values in record.trust.items():
        found = dict(_flat(values)) if isinstance(values, Mapping) else {}
        if found:
            parts.append("<div>" + facts(name.replace("_", " ").capitalize(), found) + "</div>")
    html = '<div class="figures">\n' + "\n".join(parts) + "\n</div>"
    path = record.paths.calibration_figure
    if path.exists():
        words = "How large errors are where the model states how uncertain it is"
        html += "\n" + figure(png(read_figure(record.file(path))), words, words)
    return html


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Yield names and values of nested mappings, without the points of curves, which the picture shows."""
    for key, value in values.items():
        name = f"{above}{key.replace('_', ' ')}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}: ")
        elif isinstance(value, list):
            if not any(isinstance(item, float) for item in value):
                yield name, ", ".join(map(_text, value)) or "none"
        else:
            yield name, _text(value)


def _text(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
