"""Keeps options in one line: browsers would break them behind their dashes."""

from __future__ import annotations

import re

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

CODE = re.compile(r"<code\b[^>]*>.*?</code>", re.DOTALL)
OPTION = re.compile(r"(?<![\w-])--[A-Za-z][\w-]*")


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Mark options in code, for style.css."""
    return CODE.sub(lambda code: OPTION.sub(r'<span class="option">\g<0></span>', code[0]), html)
