"""What all kinds of test have in common, whatever they test."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from data_roots import write_data_root, write_stack
from repair_roots import write_repair_root

from cli.calls import TINY, Program, options_of
from cli.volumes import rock, write_network
from txm2sem.options import TestCommand, to_mapping
from txm2sem.testing import TESTS

pytestmark = pytest.mark.usefixtures("blank_pictures")

WITH_DROPOUT = f"--name network --netG resnet_6blocks --norm batch --no_dropout False {TINY}"
KINDS = {
    "txm2sem": "--model feedforward",
    "txm2sem3d": "--model feedforward --x_ind 3 --y_ind 4",
    "image_repair": "--model repair --input_nc 3",
    "segmentation": "--model segmentation --eval False",
}


@pytest.fixture(params=TESTS)
def mode(request: pytest.FixtureRequest, program: Program) -> str:
    """Return each `--dataset_mode`, beside images and a random network for it."""
    mode = str(request.param)
    channels: dict[str, Any] = {"image_repair": {"input_nc": 3}, "segmentation": {"output_nc": 3}}.get(mode, {})
    write_network(model="feedforward", netG="resnet_6blocks", downsample_factor=1, **channels)
    (write_repair_root if mode == "image_repair" else write_data_root)(Path("images"))
    for name in ("txm", "sem"):
        write_stack(Path(f"images/test/{name}_full_stack"), list(rock((12, 20, 20))))
    return mode


def words(mode: str) -> str:
    # A cube has as many slices as a patch has rows.
    side = 12 if mode == "txm2sem3d" else 32
    return f"{WITH_DROPOUT} {KINDS[mode]} --dataset_mode {mode}".replace("--patch_size 32", f"--patch_size {side}")


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_dropout_draws_follows_from_the_seed(program: Program, mode: str) -> None:
    found = []
    for number in range(2):
        torch.manual_seed(number)
        outcome = program("test", words(mode), "--ntest 1")
        assert outcome.status == 0, outcome.err
        found.append(files(Path("results/network")))
    assert found[0] == found[1]
    assert program("test", words(mode), "--ntest 1 --seed 1").status == 0
    predicted = [name for name in found[1] if "_fake/" in name or "_pred_" in name]
    others = files(Path("results/network"))
    assert predicted
    assert all(others[name] != found[1][name] for name in predicted)


def test_the_text_is_what_the_console_shows_and_documents_say_how_it_was_tested(program: Program, mode: str) -> None:
    outcome = program("test", words(mode), "--ntest 1 --aspect_ratio 1.3333333333333")
    assert outcome.status == 0, outcome.err
    results = Path("results/network")
    (text,) = [path.read_text() for name in ("eval_metrics.txt", "continuity_test.txt") for path in results.glob(name)]
    first, *lines = text.splitlines()
    assert "(epoch: latest)" in first
    assert "\n".join(lines).strip() in outcome.out
    asked = to_mapping(options_of(TestCommand(), f"{words(mode)} --ntest 1 --aspect_ratio 1.3333333333333".split()))
    documents: list[dict[str, Any]] = [json.loads(path.read_text()) for path in results.glob("*.json")]
    assert len(documents) == (2 if mode == "txm2sem3d" else 1)
    assert all(document["options"] == asked for document in documents)


def test_a_test_that_fails_leaves_the_earlier_one_as_it_was(
    program: Program, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert program("test", words(mode), "--ntest 1").status == 0
    before = files(Path("results"))

    def stopped(test: Any, new: Any) -> Iterator[Any]:
        yield from predict(test, new)
        raise KeyboardInterrupt

    predict = TESTS[mode].predict
    monkeypatch.setattr(TESTS[mode], "predict", stopped)
    assert program("test", words(mode), "--ntest 1").status == 130
    assert files(Path("results")) == before
