"""What all pages have in common: templates in which every text is escaped, and what stands around them.

A page is made of templates and of plain values, such as texts, numbers and pictures as data. What is `Html` already is
taken as it is.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup as Html

__all__ = ["Html", "fragment", "identity", "page"]


def page(template: str, /, **values: object) -> str:
    """Return a whole page, made of a file in `templates` and what it names."""
    return _environment().get_template(template).render(values)


def fragment(template: str, macro: str, /, **values: object) -> Html:
    """Return a part of a page, made by a macro of a file in `templates` of all that it wants."""
    made: Html = getattr(_environment().get_template(template).module, macro)(**values)
    return made.strip()


def identity(title: str) -> str:
    """Return what a heading is called in links, and a figure as a file."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


@cache
def _asset(name: str) -> Html:
    """Return a style or script in `static`."""
    return Html(files("txm2sem.pages").joinpath("static", name).read_text(encoding="utf-8"))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("txm2sem.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["asset"] = _asset
    environment.filters["identity"] = identity
    return environment
