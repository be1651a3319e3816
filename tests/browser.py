"""Pages as a browser has them, and as a parser reads them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium to look at the page with")


class Page(HTMLParser):
    """A page as elements, checked: every element is closed in its place, identities are unique."""

    VOID = frozenset({"meta", "link", "img", "br", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        assert text.startswith("<!DOCTYPE html>\n<html lang=")
        self.feed(text)
        self.close()
        assert not self.open
        identities = [attributes["id"] for _, attributes in self.elements if "id" in attributes]
        assert len(identities) == len(set(identities))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"{tag} has an attribute twice"
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert "svg" in self.open, f"<{tag}/> is not HTML"
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def browse(page: Path, folder: Path, *options: str, query: str = "") -> str:
    """Open a page, with a query, in headless chromium and return what it prints."""
    words = [str(CHROMIUM), "--headless=new", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=4000", *options]
    words += [f"--user-data-dir={folder / 'profile'}", page.resolve().as_uri() + (query and f"?{query}")]
    done = subprocess.run(
        words, env=os.environ | {"HOME": str(folder)}, capture_output=True, check=True, timeout=120, text=True
    )
    return done.stdout


def play(page: Path, folder: Path, script: str, *options: str) -> list[str]:
    """Return the lines that a script has said with `say(line)` at the end of a copy of a page; `script` may await.

    Errors of the page's own scripts, and addresses that it asks the network for, are lines, too.
    """
    listening = (
        "<script>window.said = []; const say = line => said.push(String(line));"
        "addEventListener('error', event => say(`error: ${event.message}`));"
        "addEventListener('unhandledrejection', event => say(`error: ${event.reason}`));</script>"
    )
    ending = (
        f"<script id='play'>addEventListener('load', async () => {{ try {{ {script} }}"
        "catch (error) { say(`error: ${error}`); }"
        "for (const entry of performance.getEntriesByType('resource')) if (!entry.name.startsWith('data:'))"
        " say(`asked for ${entry.name}`);"
        "const lines = document.createElement('pre'); lines.id = 'said'; lines.textContent = said.join('\\n');"
        "document.body.append(lines); });</script>"
    )
    copy = folder / "played.html"
    text = page.read_text(encoding="utf-8")
    copy.write_text(text.replace("<head>", f"<head>{listening}", 1).replace("</body>", f"{ending}</body>"))
    found = re.search(r'<pre id="said">(.*?)</pre>', browse(copy, folder, "--dump-dom", *options), re.DOTALL)
    assert found, "the script has not come to its end"
    return unescape(found[1]).splitlines()
