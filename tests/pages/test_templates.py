"""Pages are made by templates, which escape every text: no name of a run, a file or a folder breaks one of them."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import Page
from jinja2 import UndefinedError
from moved_pairs import two_images
from PIL import Image
from run_folders import SIDE, write_cube, write_png, write_run, write_trust

from txm2sem.aligning.document import Alignment, described
from txm2sem.aligning.page import write_page as write_alignment_page
from txm2sem.checking.findings import Finding, Readiness
from txm2sem.checking.measures import Measures
from txm2sem.checking.page import write_page as write_check
from txm2sem.checking.scores import ExpectedScores
from txm2sem.course import append_losses, append_scores
from txm2sem.files import write_text
from txm2sem.metrics import Summary
from txm2sem.pages import fragment
from txm2sem.registration import align_pair
from txm2sem.registration.planes import Plane
from txm2sem.reporting import compare_runs, report_run
from txm2sem.runs import CheckPaths, RunPaths
from txm2sem.scoring.evaluation import PatchScores
from txm2sem.training.page import save_images
from txm2sem.training.page import write_page as write_training

SOURCE = Path(__file__).resolve().parents[2] / "src" / "txm2sem"

TAG = re.compile(r"<[a-z][a-z0-9]*[\s/>]|</[a-z]")

NAME = """<q>&amp;"'"""
"""Has all characters that mean something in HTML, and may be the name of a file."""


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_only_templates_write_html(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = list(ast.walk(tree))
    docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    texts = [node for node in nodes if isinstance(node, ast.Constant) and id(node) not in docstrings]
    assert not [text.value for text in texts if isinstance(text.value, str) and TAG.search(text.value)]
    imported = [node.module for node in nodes if isinstance(node, ast.ImportFrom)]
    imported += [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    assert "html" not in imported


def test_a_template_that_is_not_given_all_that_it_shows_fails() -> None:
    with pytest.raises(UndefinedError, match="title"):
        fragment("parts.html", "command", words="txm2sem")


def write_named_run(folder: Path) -> RunPaths:
    """Write a run in which all that can be named is called NAME."""
    paths = write_run(folder, NAME, dataroot=folder / NAME)
    write_cube(paths)
    write_trust(paths)
    for path, changed in (
        (paths.scores(".json"), {"notes": [NAME], "split": NAME}),
        (paths.trust_report, {NAME: {NAME: NAME}}),
    ):
        write_text(path, json.dumps(json.loads(path.read_text()) | changed))
    append_losses(paths, 1, 3, {NAME: 0.5})
    append_scores(paths, 1, {NAME: Summary(0.5, 0.1)})
    save_images(paths, 1, 4, {"txm": np.zeros((8, 8), np.uint8)})
    return paths


def run_page(folder: Path) -> Path:
    return report_run(write_named_run(folder)).path


def page_with_problems(folder: Path) -> Path:
    paths = write_named_run(folder)
    write_text(paths.scores(".json"), json.dumps({NAME: 1}))
    write_png(paths.image("sem", 0), np.zeros((SIDE, SIDE + 1), np.uint8))
    return report_run(paths).path


def page_of_means(folder: Path) -> Path:
    paths = write_named_run(folder)
    column = {"name": NAME, "unit": NAME}
    row = {NAME: {"mean": 1.0, "standard_error": 0.5}}
    means = {"over": "patches", "count": 2, "tables": [{NAME: column}], "rows": {NAME: row, f"{NAME} 2": row}}
    content = {"format": 1, "split": NAME, "epoch": NAME, "means": means, "notes": [NAME]}
    write_text(paths.scores(".json"), json.dumps(content))
    write_text(paths.evaluation, NAME)
    return report_run(paths).path


def compare_page(folder: Path) -> Path:
    return compare_runs([write_named_run(folder), write_run(folder, f"{NAME} 2")], folder / "compare.html").path


def training_page(folder: Path) -> Path:
    paths = write_named_run(folder)
    write_training(paths, running=True)
    return paths.web_page


def check_page(folder: Path) -> Path:
    paths = CheckPaths(folder)
    write_png(paths.figure("resolution"), np.zeros((8, 8), np.uint8))
    measures = Measures(folder / NAME, scores=ExpectedScores("val", 64, {NAME: PatchScores([1.0, 2.0], [0.1, 0.2])}))
    finding = Finding("problem", "named", NAME, NAME, NAME)
    write_check(paths, measures, [finding], Readiness(NAME, f"txm2sem train --name {NAME}"), {"resolution": NAME}, {})
    return paths.page


def alignment_page(folder: Path) -> Path:
    pair = align_pair(*two_images(0, 128), transform="none")
    named: dict[str, Any] = dict.fromkeys(("sem", "txm", "bar", "field", "split"), NAME)
    what = described(pair, Plane(0.0), 1.0, shape=(128, 128), halves_apart=(), landmarks=(), **named)
    found = {NAME: replace(what, reason=NAME)}
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(folder / f"{NAME}.jpg")
    alignment = Alignment(NAME, NAME, NAME, (), {}, found)
    write_alignment_page(folder / "page.html", NAME, alignment, {NAME: {"txm": folder / f"{NAME}.jpg"}})
    return folder / "page.html"


@pytest.mark.parametrize(
    "write", [run_page, page_with_problems, page_of_means, compare_page, training_page, check_page, alignment_page]
)
def test_names_are_shown_as_they_are(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    page = Page(write(tmp_path).read_text(encoding="utf-8"))
    assert NAME in page.text
    assert any(NAME in str(value) for _, attributes in page.elements for value in attributes.values())
    assert not page.all("q")
    assert not re.search("&lt;|&#", page.text)
    named = {name for _, attributes in page.elements for name in attributes}
    assert not [name for name in named if not re.fullmatch("[a-z0-9-]+", name)]
