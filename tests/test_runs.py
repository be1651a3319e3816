"""A run's files: where they are, how they are written, how earlier ones are kept."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from txm2sem.errors import UserError
from txm2sem.files import append_line, set_aside, write_text
from txm2sem.runs import RunPaths, options_text, read_options, write_options


def test_files_are_where_the_original_code_has_them(tmp_path: Path) -> None:
    paths = RunPaths.of("shale", tmp_path / "checkpoints", tmp_path / "results")
    assert paths.network("latest", "G") == tmp_path / "checkpoints/shale/latest_net_G.pth"
    assert paths.network("15", "D") == tmp_path / "checkpoints/shale/15_net_D.pth"
    assert paths.metrics_log == tmp_path / "checkpoints/shale/shale_metrics.txt"
    assert paths.image("sem_fake", 7) == tmp_path / "results/shale/sem_fake/007.png"
    assert paths.evaluation == tmp_path / "results/shale/eval_metrics.txt"


def test_paths_alone_make_no_folders(tmp_path: Path) -> None:
    RunPaths.of("shale", tmp_path / "checkpoints", tmp_path / "results").image("txm", 0)
    assert not list(tmp_path.iterdir())


def test_figures_of_an_earlier_test_are_its_outputs_of_whatever_kind_they_are(tmp_path: Path) -> None:
    paths = RunPaths.of("shale", tmp_path / "checkpoints", tmp_path / "results")
    of_test = ["overview.pdf", "overview.png", "scores.svg", "trust.pdf", "calibration.svg"]
    of_cube = ["volume_a.b.pdf", "scores_a.b.svg"]
    for name in (*of_test, *of_cube, "mine.pdf"):
        write_text(paths.results / name, "a figure")
    assert sorted(path.name for path in paths.test_outputs()) == sorted(of_test)
    assert sorted(path.name for path in paths.volume_outputs("a.b")) == sorted(of_cube)


def test_a_failed_write_leaves_the_earlier_file_and_no_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "notes.txt"
    write_text(path, "first")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"notes\.txt: No space left on device; the earlier file there is untouched"):
        write_text(path, "second")
    with pytest.raises(UserError, match="nothing was written"):
        write_text(tmp_path / "other.txt", "second")
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_files_below_something_that_is_no_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot create the folder"):
        write_text(tmp_path / "file" / "notes.txt", "text")
    with pytest.raises(UserError, match="cannot create the folder"):
        append_line(tmp_path / "file" / "log.txt", "text")


def test_a_folder_is_set_aside_whole_and_twice_in_a_second_too(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    kept = []
    for content in ("one", "two"):
        folder.mkdir()
        (folder / "file").write_text(content)
        moved = set_aside([folder], folder)
        assert moved is not None
        assert not folder.exists()
        kept.append(moved)
    assert [(place / "file").read_text() for place in kept] == ["one", "two"]


def test_parts_of_a_folder_are_set_aside_and_the_rest_stays(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "scores").write_text("old")
    (folder / "mine").write_text("mine")
    moved = set_aside([folder / "scores", folder / "absent"], folder)
    assert moved is not None
    assert (moved / "scores").read_text() == "old"
    assert [path.name for path in folder.iterdir()] == ["mine"]
    assert set_aside([folder / "absent"], folder) is None


def test_options_survive_their_file(tmp_path: Path) -> None:
    options = {"name": "a", "lr": 2e-4, "no_flip": True, "dataroot": "C:\\shale ä", "niter": 5}
    write_options(tmp_path / "options.yaml", options)
    assert read_options(tmp_path / "options.yaml") == options


@pytest.mark.parametrize("content", ["[broken", "- a list", "\x00"])
def test_options_that_are_none_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "options.yaml").write_text(content)
    with pytest.raises(UserError, match=r"options\.yaml"):
        read_options(tmp_path / "options.yaml")


def test_the_text_for_people_marks_what_differs() -> None:
    text = options_text({"lr": 0.1, "niter": 5}, {"lr": 0.2, "niter": 5})
    assert "lr: 0.1" in text
    assert "[default: 0.2]" in text
    assert "[default: 5]" not in text
