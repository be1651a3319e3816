"""The site of the documents: built as `make docs` does, and read as a browser does."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from browser import browse, needs_browser, play

import txm2sem
from txm2sem.options import COMMANDS, fields_of

ROOT = Path(__file__).resolve().parents[2]

SMALL = {
    "README.md": "# txm2sem\n",
    "CONTRIBUTING.md": "# Contributing\n\nAs in [one](docs/one.md#a-part), [two](docs/two.md).\n",
    "CHANGELOG.md": "# Changelog\n",
    "src/part.py": "part = 1\n",
    "src/CARD.md": "# Card\n\nMade by [a part](part.py), see [contributing](../CONTRIBUTING.md).\n",
    "docs/index.md": "# Home\n\n[one.md](one.md), [its part](one.md#a-part), [card](../src/CARD.md#card).\n",
    "docs/one.md": "# One\n\n## A part\n\n[Above](#one), [how](../CONTRIBUTING.md): `check --output A`.\n\n- a list\n",
    "docs/two.md": "# Two\n\n![Picture](two.png), [part](../src/part.py)\n",
    "docs/two.png": "",
}
"""Files of a small project, whose links hold."""


def build(project: Path, site: Path) -> str:
    """Build the site of a project, and return what was wrong."""
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(site)],
        cwd=project,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        check=False,
        capture_output=True,
        text=True,
    )
    warnings = [line for line in done.stderr.splitlines() if not line.startswith("INFO")]
    assert (done.returncode == 0) == (not warnings)
    return "\n".join(warnings)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the site."""
    folder = tmp_path_factory.mktemp("site")
    assert build(ROOT, folder) == ""
    return folder


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Return a project with a few documents, and with what builds the site."""
    project = tmp_path / "project"
    for name, text in SMALL.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    shutil.copytree(ROOT / "docs" / "site", project / "docs" / "site")
    config = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("  - mkdocstrings:")[0]
    pages = ("index", "one", "two", "contributing", "changelog", "reference/commands")
    nav = "nav:\n" + "".join(f"  - {page}.md\n" for page in pages)
    (project / "mkdocs.yml").write_text(re.sub(r"nav:\n.*?\n\n", f"{nav}\n", config, count=1, flags=re.DOTALL))
    return project


def test_links_of_the_repository_hold_on_the_site(small: Path, tmp_path: Path) -> None:
    assert build(small, tmp_path / "made") == ""
    links = {
        name: re.findall(r'(?:src|href)="([^"]*)"', _article(tmp_path / "made" / f"{name}.html"))
        for name in ("index", "contributing", "two", "source/src/CARD")
    }
    assert '<a href="one.html">One</a>' in _article(tmp_path / "made" / "index.html")
    assert links["index"][-3:] == ["one.html", "one.html#a-part", "source/src/CARD.html#card"]
    assert links["contributing"][-2:] == ["one.html#a-part", "two.html"]
    assert links["two"][-2:] == ["two.png", "source/src/part.py"]
    assert links["source/src/CARD"][-2:] == ["part.py", "../../contributing.html"]
    assert (tmp_path / "made" / "source" / "src" / "part.py").read_text() == SMALL["src/part.py"]
    assert not list((tmp_path / "made").glob("site/*.py"))
    assert '<code>check <span class="option">--output</span> A</code>' in _article(tmp_path / "made" / "one.html")


def test_what_leads_nowhere_or_looks_otherwise_fails_the_build(small: Path, tmp_path: Path) -> None:
    wrong = {
        "docs/index.md": "# Home\n\n[One](onne.md)\n",
        "docs/one.md": "# One\n\n[Two](two.md#nowhere), [here](#nowhere_else)\n",
        "docs/two.md": "# Two\n\n[Source](../src/prt.py), [root](/one.md)\n",
        "CHANGELOG.md": "# Changelog\n\nNew are\n- a list without an empty line\n",
        "docs/three.md": "# A page without a place\n",
    }
    for name, text in wrong.items():
        (small / name).write_text(text)
    said = build(small, tmp_path / "made")
    for what in ("'onne.md'", "'two.md#nowhere'", "'#nowhere_else'", "'../src/prt.py'", "'/one.md'", "three.md"):
        assert what in said
    assert "changelog.md: 0 times <li> on the site, 1 times in the repository" in said


def test_all_options_are_on_the_page_of_commands(site: Path) -> None:
    page = (site / "reference" / "commands.html").read_text(encoding="utf-8")
    entries = dict(re.findall(r'<dt id="([^"]+)">.*?</dt>\s*<dd>(.*?)</dd>', page, re.DOTALL))
    assert list(entries) == [f"{name}-{option.name}" for name in COMMANDS for _, option, _ in fields_of(COMMANDS[name])]
    facts = {name: re.sub(r"\s+", " ", re.sub("<[^>]+>", "", entry)).strip() for name, entry in entries.items()}
    assert facts["phantom-size"].endswith("Default 512; from 32 to 8,192.")
    assert facts["phantom-turn"].endswith("beside --unaligned only.")
    assert "256 for srcnn, srgan" in facts["train-ngf"]
    assert facts["volume-backend"].endswith("with --model feedforward, srcnn, pix2pix, srgan only.")
    assert "{model}_{netG}_patch{patch_size}" in facts["train-suffix"]
    assert 'href="#train-lambda_L1">' in page


def test_all_calls_are_on_the_page_of_python(site: Path) -> None:
    page = (site / "reference" / "python.html").read_text(encoding="utf-8")
    shown = re.findall(r'doc-object-name[^"]*">txm2sem\.(\w+)</span>', page)
    assert set(txm2sem.__all__) - {"align"} <= set(shown)
    assert "txm2sem.align" in page and "Where a SEM image lies on a TXM image" in page


def test_nothing_comes_from_a_network(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.findall(r'<(?:script|img|iframe|source)[^>]*\ssrc="?(?:https?:)?//[^>]*', text), page
        assert not re.findall(r'<link[^>]*\shref="?(?:https?:)?//[^>]*', text), page
        assert 'class="mermaid"' not in text, "the theme would ask a network for what draws it"
    for style in site.rglob("*.css"):
        assert not re.findall(r"(?:url\(|@import )['\"]?(?:https?:)?//[^)]*", style.read_text(encoding="utf-8")), style


@needs_browser
def test_searches_find_pages_in_a_folder(site: Path, tmp_path: Path) -> None:
    found = browse(site / "index.html", tmp_path, "--dump-dom", query="q=kriging")
    assert "results.html?h=kriging" in found


@needs_browser
@pytest.mark.parametrize("page", ["performance.html", "reference/commands.html"])
def test_no_page_is_wider_than_a_narrow_window(site: Path, tmp_path: Path, page: str) -> None:
    shutil.copytree(site, tmp_path / "site")
    copy = tmp_path / "site" / page
    script = "say(document.documentElement.clientWidth); say(document.documentElement.scrollWidth);"
    lines = play(copy, copy.parent, script, "--window-size=500,900")
    assert lines[0] == lines[1]
    assert all(line.startswith("asked for file:") for line in lines[2:])


def _article(page: Path) -> str:
    """Return what is a page's own."""
    return page.read_text(encoding="utf-8").partition("<article")[2].partition("</article>")[0]
