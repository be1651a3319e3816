"""Files that the documents show: plans of sweeps, options, JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from data_roots import write_data_root, write_neighbours
from snippets import Snippet, snippets
from sweeps import write_plan

from txm2sem.errors import UserError
from txm2sem.options import TrainCommand
from txm2sem.resolving import read_config
from txm2sem.sweeping.plan import Plan

PLACES: dict[str, Any] = {"checkpoints_dir": Path("checkpoints"), "results_dir": Path("results")}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(text: str) -> None:
    """Read a file of options or a plan as the program does.

    Raises:
        UserError: it is none.
    """
    if any(isinstance(value, dict) for value in yaml.safe_load(text).values()):
        write_neighbours(write_data_root(Path("images"), size=(32, 32)))
        assert Plan.read(write_plan(text), PLACES).runs
    else:
        read_config(TrainCommand(), [write_plan(text, "options.yaml")])


@pytest.mark.parametrize("snippet", [*snippets("yaml"), *snippets("json")], ids=str)
def test_files_that_the_documents_show_can_be_read(snippet: Snippet) -> None:
    try:
        json.loads(snippet.text) if snippet.language == "json" else read(snippet.text)
    except (UserError, ValueError) as error:
        pytest.fail(f"{snippet}: {error}")


@pytest.mark.parametrize("wrong", ["options: {niterr: 3}", "runs: {a: {model: gan}}", "niterr: 3", "niter: three"])
def test_what_is_none_is_seen(wrong: str) -> None:
    with pytest.raises(UserError):
        read(wrong)
