"""Links of the documents, as they stand in the repository, on the site.

A document links to files where they lie in the repository, so that its links hold there. What they lead to that is no
document comes along as `source/PATH`; CONTRIBUTING.md and CHANGELOG.md are pages. So nothing on the site leads back to
a repository.
"""

from __future__ import annotations

import posixpath
import re
from functools import partial
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""Documents that do not lie in docs/, and their pages."""

NAMED = re.compile(r"(?<=\[)([\w-]+\.md)(?=\]\((?:[\w./-]*/)?\1[#)])")
"""The text of a link that is no more than the name of the document that it leads to."""

TARGET = re.compile(r"(?<=\]\()(?![a-z]+:|[#/])[^)#\s]+")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what is linked to, and lies elsewhere in the repository."""
    wanted = [path for path, page in PAGES.items() if files.get_file_from_path(page) is None]
    wanted += [path for page in files.documentation_pages() for path in _linked(page)]
    while wanted:
        path = wanted.pop()
        if files.get_file_from_path(_on_site(path)) is not None:
            continue
        file = File.generated(config, _on_site(path), abs_src_path=str(ROOT / path))
        files.append(file)
        wanted += _linked(file) if file.is_documentation_page() else []
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links lead to where files lie on the site."""
    place = _in_repository(page.file)

    def moved(link: re.Match[str]) -> str:
        path = _joined(place, link[0])
        if not (ROOT / path).is_file():
            return link[0]  # to a page that is made, or to nowhere: the check of the links says so
        return posixpath.relpath(_on_site(path), posixpath.dirname(page.file.src_uri) or ".")

    return TARGET.sub(moved, NAMED.sub(partial(_title, place), markdown))


def _title(place: str, name: re.Match[str]) -> str:
    """Return the title of the document that a link is to, which says more than its name."""
    target = TARGET.search(name.string, name.end())
    assert target
    path = ROOT / _joined(place, target[0])
    first = path.read_text(encoding="utf-8").partition("\n")[0] if path.is_file() else ""
    return first.removeprefix("# ") if first.startswith("# ") else name[0]


def _linked(page: File) -> list[str]:
    """Return the files in the repository that a page links to."""
    place = _in_repository(page)
    paths = [_joined(place, target) for target in TARGET.findall(page.content_string)]
    return [path for path in paths if not path.startswith("..") and (ROOT / path).is_file()]


def _joined(place: str, target: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(place), target))


def _on_site(path: str) -> str:
    """Return where a file of the repository lies on the site."""
    return path.removeprefix("docs/") if path.startswith("docs/") else PAGES.get(path, f"source/{path}")


def _in_repository(file: File) -> str:
    """Return where a file of the site lies in the repository."""
    if file.src_dir is not None:
        return f"docs/{file.src_uri}"
    own = {page: path for path, page in PAGES.items()}
    return own.get(file.src_uri, file.src_uri.removeprefix("source/"))
