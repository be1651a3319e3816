"""Tables of pages: of facts, of numbers, and cells with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape


class Html(str):
    """Text that is HTML already; other text is escaped."""

    __slots__ = ()


def table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]], *, marked: int = 0) -> str:
    """Return a table of numbers that scrolls by itself where it is too wide.

    Args:
        caption: above it.
        head: of its columns.
        rows: each with as many cells, the first of which names it.
        marked: so many rows, the first ones, stand out.
    """
    columns = "".join(f'<th scope="col">{_html(name)}</th>' for name in head)
    lines = []
    for number, row in enumerate(rows):
        mark = ' class="marked"' if number < marked else ""
        cells = "".join(f"<td>{_html(cell)}</td>" for cell in row[1:])
        lines.append(f'<tr{mark}><th scope="row">{_html(row[0])}</th>{cells}</tr>')
    body = "\n".join(lines)
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape(caption)}">\n<table class="numbers">\n'
        f"<caption>{escape(caption)}</caption>\n<thead><tr>{columns}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n"
        "</div>"
    )


def facts(caption: str, values: Mapping[str, object]) -> str:
    """Return a table of two columns: names and what they are."""
    rows = "\n".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{_html(value)}</td></tr>' for name, value in values.items()
    )
    return f'<table class="facts">\n<caption>{escape(caption)}</caption>\n<tbody>\n{rows}\n</tbody>\n</table>'


def interval_cell(text: str, bounds: str, value: float, low: float, high: float, span: tuple[float, float]) -> Html:
    """Return a cell with a number, its interval below, and both drawn, for a column that shares one axis.

    Args:
        text: the number.
        bounds: the interval in words; empty where there is none.
        value, low, high: what is drawn; numbers that are not finite are left out.
        span: ends of the column's axis.
    """
    first, last = span
    width = last - first
    if not math.isfinite(value) or width <= 0:
        return Html(f"<b>{escape(text)}</b>")

    def across(number: float) -> float:
        return 3 + 94 * min(max((number - first) / width, 0), 1)

    whisker = f'<path d="M{across(low):.1f} 5H{across(high):.1f}"/>' if math.isfinite(low) else ""
    dot = f'<circle cx="{across(value):.1f}" cy="5" r="3"/>'
    drawing = (
        f'<svg class="whisker" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">{whisker}{dot}</svg>'
    )
    below = f'<br><span class="bounds">{escape(bounds)}</span>' if bounds else ""
    return Html(f"<b>{escape(text)}</b>{below}{drawing}")


def _html(cell: object) -> str:
    return cell if isinstance(cell, Html) else escape(str(cell))
