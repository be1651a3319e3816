"""An output appears whole, and the same call goes on wherever an earlier one was killed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from txm2sem import drafts
from txm2sem.drafts import Draft
from txm2sem.errors import UserError

IDENTITY = {"model": "a", "share": 1 / 3}


class Killed(BaseException):
    """Stands for SIGKILL: nothing after it happens."""


def _make(place: Path, *, resumable: bool = True, replaced: bool = False) -> list[str]:
    """Make `place/out` of two parts with `place/out_report` beside it; return what had to be made."""
    draft = Draft(place / "out", "test", [place / "out_report"], resumable=resumable)
    made = []
    with draft.begin(IDENTITY, plan=[1, 2], replaced=replaced) as stage:
        if stage == "whole":
            return ["nothing"]
        assert draft.plan == [1, 2]
        (draft.folder / "out").mkdir(exist_ok=True)
        for name in ("one", "two"):
            if not (draft.folder / "out" / name).exists():
                (draft.folder / "out" / name).write_text(f"{name} of {draft.run}")
                made.append(name)
        (draft.folder / "report").write_text("report")
        draft.finish(draft.folder / "out", {draft.folder / "report": place / "out_report"})
    return made


def _tree(place: Path) -> set[str]:
    return {str(path.relative_to(place)) for path in place.rglob("*")}


WHOLE = {"out", "out/one", "out/two", "out_report"}


def test_an_output_appears_with_what_belongs_beside_it_and_nothing_else(tmp_path: Path) -> None:
    assert _make(tmp_path) == ["one", "two"]
    assert _tree(tmp_path) == WHOLE


STEPS: dict[str, tuple[object, str]] = {
    "before anything is written": (drafts, "write_text"),
    "while parts are made": (Path, "write_text"),
    "before the end": (drafts, "sync_tree"),
    "before what is beside it is moved": (Path, "replace"),
    "before the output is moved": (Path, "rename"),
    "after the output is moved": (drafts, "sync_folder"),
    "while the folder is removed": (Path, "unlink"),
}


@pytest.mark.parametrize("call", [1, 2])
@pytest.mark.parametrize("step", STEPS)
def test_a_call_that_is_killed_at_a_step_is_gone_on_with_by_the_same_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, call: int
) -> None:
    owner, name = STEPS[step]
    original: Callable[..., object] = getattr(owner, name)
    calls = 0

    def kill(*arguments: object, **named: object) -> object:
        nonlocal calls
        calls += 1
        if calls == call:
            raise Killed
        return original(*arguments, **named)

    monkeypatch.setattr(owner, name, kill)
    try:
        _make(tmp_path)
    except Killed:
        monkeypatch.undo()
        _make(tmp_path)
    assert _tree(tmp_path) == WHOLE
    one, two = ((tmp_path / "out" / part).read_text().split() for part in ("one", "two"))
    assert one[2] == two[2], "parts of two makings were mixed"


def test_what_was_done_is_not_done_again(tmp_path: Path) -> None:
    draft = Draft(tmp_path / "out", "test", [tmp_path / "out_report"])
    with pytest.raises(Killed), draft.begin(IDENTITY, plan=[1, 2]):
        (draft.folder / "out").mkdir()
        (draft.folder / "out" / "one").write_text(f"one of {draft.run}")
        raise Killed
    assert _make(tmp_path) == ["two"]


def test_an_output_whose_folder_alone_is_left_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Draft, "remove", lambda draft: None)
    _make(tmp_path)
    monkeypatch.undo()
    assert _make(tmp_path) == ["nothing"]
    assert _tree(tmp_path) == WHOLE
    with pytest.raises(UserError, match="exists and is not overwritten"):
        _make(tmp_path)


@pytest.mark.parametrize("there", ["out", "out_report"])
def test_what_is_there_is_not_overwritten(tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("mine")
    with pytest.raises(UserError, match="not overwritten"):
        _make(tmp_path)
    assert _tree(tmp_path) == {there}


def _of_the_user(folder: Path) -> None:
    (folder / "volume.ome.zarr").mkdir(parents=True)
    (folder / "volume.ome.zarr" / "results.csv").write_text("mine")


def _link(folder: Path) -> None:
    (folder.parent / "scratch").mkdir()
    folder.symlink_to(folder.parent / "scratch")


def _of_another_kind(folder: Path) -> None:
    with pytest.raises(Killed), Draft(folder.with_suffix(""), "volume").begin({}):
        (folder / "part").touch()
        raise Killed


def _damaged(folder: Path) -> None:
    folder.mkdir()
    (folder / "run.json").write_text("{")


@pytest.mark.parametrize("resumable", [True, False])
@pytest.mark.parametrize("fill", [_of_the_user, _link, _of_another_kind, _damaged, Path.touch])
def test_a_folder_of_that_name_that_is_not_its_own_is_refused_and_untouched(
    tmp_path: Path, fill: Callable[[Path], None], resumable: bool
) -> None:
    fill(tmp_path / "out.partial")
    before = _tree(tmp_path)
    with pytest.raises(UserError) as error:
        _make(tmp_path, resumable=resumable)
    assert str(tmp_path / "out.partial") in str(error.value)
    assert _tree(tmp_path) == before


def test_a_part_of_another_output_is_named_and_kept(tmp_path: Path) -> None:
    draft = Draft(tmp_path / "out", "test")
    with pytest.raises(Killed), draft.begin(IDENTITY):
        (draft.folder / "part").touch()
        raise Killed
    with pytest.raises(UserError, match="its model is a, but here it is b"):
        draft.look({**IDENTITY, "model": "b"})


def test_where_nothing_was_made_nothing_is_left(tmp_path: Path) -> None:
    draft = Draft(tmp_path / "out", "test")
    with pytest.raises(Killed), draft.begin(IDENTITY):
        raise Killed
    assert _tree(tmp_path) == set()


def test_an_output_is_made_by_one_process_at_a_time(tmp_path: Path) -> None:
    draft = Draft(tmp_path / "out", "test")
    with draft.begin(IDENTITY):
        with pytest.raises(UserError, match="another process"), Draft(tmp_path / "out", "test").begin(IDENTITY):
            pass
        assert draft.state.exists()


def test_an_output_that_is_made_anew_leaves_nothing_of_a_part_and_moves_an_earlier_one_aside(tmp_path: Path) -> None:
    _make(tmp_path, resumable=False)
    (tmp_path / "out_report").unlink()
    draft = Draft(tmp_path / "out", "test", resumable=False)
    with pytest.raises(Killed), draft.begin(IDENTITY, replaced=True):
        raise Killed
    assert not draft.folder.exists()
    left = Draft(tmp_path / "out2", "test")  # by a process that was killed, which removes nothing
    with pytest.raises(Killed), left.begin(IDENTITY):
        (left.folder / "out").mkdir()
        (left.folder / "out" / "one").touch()
        raise Killed
    left.folder.rename(draft.folder)
    assert _make(tmp_path, resumable=False, replaced=True) == ["one", "two"]
    assert len([path for path in tmp_path.iterdir() if path.name.startswith("out_2")]) == 1
