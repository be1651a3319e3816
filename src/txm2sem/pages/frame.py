"""What all pages have in common: one file without a network, for a screen, a phone, and paper."""

from __future__ import annotations

import re
from functools import cache
from html import escape
from importlib.resources import files

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>
{style}
</style>
</head>
<body>
{body}
</body>
</html>
"""

SCRIPTED = '<script>document.documentElement.classList.add("scripted")</script>'
"""Stands first in the body: what only scripts can move is shown where they run."""


def page(title: str, body: str, *assets: str) -> str:
    """Return a page as HTML.

    Args:
        title: plain text.
        body: HTML.
        assets: names of styles (`.css`) and scripts (`.js`) in `static` that it needs beside `page.css`.
    """
    styles = [asset("page.css"), *(asset(name) for name in assets if name.endswith(".css"))]
    scripts = [f"<script>\n{asset(name)}</script>" for name in assets if name.endswith(".js")]
    parts = [SCRIPTED, body, *scripts] if scripts else [body]
    return PAGE.format(title=escape(title), style="\n".join(styles), body="\n".join(parts))


def section(title: str, content: str) -> str:
    """Return a part of a page under its heading; `content` is HTML."""
    identity = identity_of(title)
    return f'<section aria-labelledby="{identity}">\n<h2 id="{identity}">{escape(title)}</h2>\n{content}\n</section>'


def identity_of(title: str) -> str:
    """Return what a heading is called in links."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


@cache
def asset(name: str) -> str:
    """Return the text of a style or script in `static`."""
    return files("txm2sem.pages").joinpath("static", name).read_text(encoding="utf-8")
