"""Sees where a page would look otherwise on the site than in the repository.

The two read Markdown differently: a list without an empty line before it, or one that is indented by two spaces, is a
list in the repository and running text on the site.
"""

from __future__ import annotations

import logging
import re
from collections import Counter

from markdown_it import MarkdownIt
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

ELEMENT = re.compile(r"<(li|ul|ol|tr|pre|h[1-6]|img|blockquote|strong|em)\b")

log = logging.getLogger("mkdocs.hooks.both_readers")


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Warn of elements that one of the two has and the other has not."""
    if page.file.src_uri.startswith("reference/"):  # written for the site alone
        return html
    there = Counter(ELEMENT.findall(MarkdownIt("commonmark").enable("table").render(page.markdown or "")))
    here = Counter(ELEMENT.findall(html))
    for name in sorted(there | here):
        if there[name] != here[name]:
            log.warning(
                f"{page.file.src_uri}: {here[name]} times <{name}> on the site, {there[name]} times in the repository; "
                "a list wants an empty line before it, and what stands in it four spaces"
            )
    return html
