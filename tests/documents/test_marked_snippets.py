"""Blocks that are marked to be run (`<!-- run -->`) are executed as they stand there, page by page, with less work."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from snippets import Snippet, commands_in, needs_bash, snippets

from txm2sem.cli.main import main

LESS = {
    "phantom": "--size 96 --depth 8 --train_slices 2 --val_slices 1 --test_slices 1",
    "train": "--niter 1 --niter_decay 0 --num_train 8 --num_test 2 --patch_size 32 --ngf 4 --num_threads 0 "
    "--time_budget 0 --gpu_ids -1",
    "test": "--num_test 4 --gpu_ids -1",
    "volume": "--gpu_ids -1",
}
"""Options behind those of the page, which count over them."""


def pages() -> list[list[Snippet]]:
    """Return the marked blocks of each document that has some."""
    marked = sorted(
        (snippet for language in ("sh", "python") for snippet in snippets(language) if snippet.runs),
        key=lambda snippet: (snippet.document, snippet.line),
    )
    return [list(group) for _, group in groupby(marked, lambda snippet: snippet.document)]


@needs_bash
@pytest.mark.usefixtures("blank_pictures")
@pytest.mark.parametrize("blocks", pages(), ids=lambda blocks: blocks[0].document)
def test_a_page_leads_to_its_end(blocks: list[Snippet], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    names: dict[str, Any] = {}
    for block in blocks:
        if block.language == "python":
            exec(block.text, names)
            continue
        (reading := tmp_path / f"line_{block.line}").mkdir()
        for words in commands_in(block, reading):
            assert main([*words, *LESS.get(words[0], "").split()]) == 0, f"{block}: txm2sem {' '.join(words)}"


def test_the_first_page_is_run() -> None:
    assert "docs/first_volume.md" in [blocks[0].document for blocks in pages()]
