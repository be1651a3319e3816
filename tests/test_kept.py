"""What is kept beside a checkpoint belongs to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from txm2sem.errors import UserError
from txm2sem.kept import keep, weights_of
from txm2sem.results import NewResults
from txm2sem.runs import RunPaths


def test_it_is_kept_where_the_checkpoint_is_still_there(tmp_path: Path) -> None:
    network = tmp_path / "latest_net_G.pth"
    network.write_bytes(b"weights")
    assert keep(tmp_path / "found.json", "1", {network: weights_of(network)}) == ""
    assert (tmp_path / "found.json").read_text() == "1"


@pytest.mark.parametrize("then", [b"others", None])
def test_nothing_is_written_beside_another_checkpoint_or_none(tmp_path: Path, then: bytes | None) -> None:
    run = tmp_path / "run"
    run.mkdir()
    network, other = run / "latest_net_G.pth", tmp_path / "other.pth"
    for path in (network, other):
        path.write_bytes(b"weights")
    weights = {path: weights_of(path) for path in (other, network)}
    run.rename(tmp_path / "earlier")
    if then is not None:
        run.mkdir()
        network.write_bytes(then)
    assert str(network) in keep(run / "found.json", "1", weights)
    assert not (run / "found.json").exists()
    assert run.exists() == (then is not None)


def test_a_test_that_finds_nothing_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError), NewResults(RunPaths.of("run", tmp_path, tmp_path / "results")).begin():
        raise UserError("no data")
    assert not (tmp_path / "results").exists()


def test_weights_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="latest_net_G"):
        weights_of(tmp_path / "latest_net_G.pth")
