"""Files are written whole, by one writer, and what is read is what it should be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txm2sem.errors import UserError
from txm2sem.files import (
    MOST_NAME,
    check_name,
    held,
    interpreting,
    is_beside,
    json_text,
    read_json,
    read_text,
    set_aside,
    write_text,
    write_whole,
)


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_an_error_while_writing_leaves_the_earlier_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "earlier")

    def fail(buffer: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(path, fail)
    assert path.read_text() == "earlier"
    assert _names(tmp_path) == ["a.txt"]


def test_a_full_disk_leaves_the_earlier_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "earlier")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="No space left on device; the earlier file there is untouched"):
        write_text(path, "later")
    assert path.read_text() == "earlier"
    assert _names(tmp_path) == ["a.txt"]


def test_a_link_is_replaced_and_what_it_leads_to_is_untouched(tmp_path: Path) -> None:
    (tmp_path / "diary").write_text("mine")
    (tmp_path / "page.html").symlink_to(tmp_path / "diary")
    write_text(tmp_path / "page.html", "page")
    assert (tmp_path / "diary").read_text() == "mine"
    assert (tmp_path / "page.html").read_text() == "page"


def test_the_name_beside_the_place_cannot_be_guessed_and_is_never_written_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "diary").write_text("mine")
    monkeypatch.setattr("secrets.token_hex", lambda count: "0" * 2 * count)
    (tmp_path / f".a.txt.{'0' * 16}.partial").symlink_to(tmp_path / "diary")
    with pytest.raises(UserError):
        write_text(tmp_path / "a.txt", "text")
    assert (tmp_path / "diary").read_text() == "mine"
    monkeypatch.undo()
    write_text(tmp_path / "a.txt", "text")
    assert (tmp_path / "a.txt").read_text() == "text"


def test_a_new_file_may_be_read_by_whoever_the_user_lets_read_new_files(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    write_text(tmp_path / "whole", "")
    assert (tmp_path / "whole").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_json_with_a_name_that_is_not_utf8_is_read_back(tmp_path: Path) -> None:
    name = os.fsdecode(b"Probe_\xfc.tif")
    write_text(tmp_path / "a.json", json_text({"name": name}))
    assert read_json(tmp_path / "a.json", "")["name"] == name


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[1]", b"1", b'{"a": \xff}', b"[" * 100_000, b'{"a": 1' + b"0" * 5000 + b"}", b"null", b"\0" * 30],
    ids=["empty", "half", "list", "number", "not UTF-8", "deep", "long number", "null", "zeros"],
)
def test_damaged_json_is_named_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        read_json(path, "test again")
    assert str(path) in str(error.value)
    assert str(error.value).endswith("test again")


def test_only_files_of_a_sensible_size_are_read(tmp_path: Path) -> None:
    with pytest.raises(UserError):
        read_text(tmp_path, "")
    with pytest.raises(UserError):
        read_text(tmp_path / "absent", "")
    os.mkfifo(tmp_path / "pipe")  # to read it would wait for ever
    with pytest.raises(UserError):
        read_text(tmp_path / "pipe", "")
    (tmp_path / "large").write_text("x" * 11)
    with pytest.raises(UserError, match="11 bytes"):
        read_text(tmp_path / "large", "", most=10)
    assert read_text(tmp_path / "large", "", most=11) == "x" * 11


def test_what_goes_wrong_with_a_content_names_its_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(UserError) as error, interpreting(path, "numbers", "remove it"):
        int("one")
    assert str(path) in str(error.value)
    with pytest.raises(UserError, match=r"^as it was$"), interpreting(path, "numbers", "remove it"):
        raise UserError("as it was")


@pytest.mark.parametrize(
    "name",
    ["", " ", ".", "..", "a/b", "../a", "/a", "a\\b", "a\nb", "a\x1b[2J", "a\x00", "a\x9b", "\udcfc", "ä" * 101],
)
def test_names_that_can_be_no_part_of_a_path_are_refused(name: str) -> None:
    with pytest.raises(UserError, match="--name"):
        check_name(name, "--name")


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\"), min_size=1, max_size=50))
def test_other_names_are_taken_as_they_are(name: str) -> None:
    if name.strip(" ") and name.strip() and name not in (".", "..") and len(name.encode()) <= MOST_NAME:
        assert check_name(name, "--name") == name


def test_a_folder_has_one_writer(tmp_path: Path) -> None:
    with held(tmp_path / "run"):
        with pytest.raises(UserError, match="another process"), held(tmp_path / "run"):
            pass
        words = (
            "import sys; from pathlib import Path; from txm2sem.files import held; held(Path(sys.argv[1])).__enter__()"
        )
        other = [sys.executable, "-c", words, str(tmp_path / "run")]
        refused = subprocess.run(other, capture_output=True, text=True, check=False)
        assert "UserError" in refused.stderr
    with held(tmp_path / "run"):
        pass
    assert _names(tmp_path / "run") == [".lock"]


def test_a_lock_dies_with_its_process_also_where_that_has_forked(tmp_path: Path) -> None:
    words = (
        "import os, signal; from pathlib import Path; from txm2sem.files import held\n"
        f"held(Path({str(tmp_path)!r})).__enter__()\n"
        "if os.fork() == 0:\n"
        "    signal.pause()\n"  # as a process that loads patches, which outlives the one that is killed
        "print('held', flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.Popen([sys.executable, "-c", words], stdout=subprocess.PIPE, start_new_session=True)
    assert killed.stdout is not None
    assert killed.stdout.readline() == b"held\n"
    assert killed.wait() == -9
    try:
        with held(tmp_path):
            pass
    finally:
        os.killpg(killed.pid, 9)
        killed.stdout.close()


def test_what_a_killed_writer_has_left_beside_is_removed_by_the_next_and_nothing_else(tmp_path: Path) -> None:
    left = f".latest_net_G.pth.{'a1' * 8}.partial"
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / left).touch()
    for name in (left, ".mine.partial", "notes.txt", f".x.{'a1' * 8}.partial.txt"):
        (tmp_path / name).touch()
    assert is_beside(left)
    with held(tmp_path):
        assert _names(tmp_path) == sorted([".lock", ".mine.partial", "notes.txt", f".x.{'a1' * 8}.partial.txt", "web"])
        assert _names(tmp_path / "web") == []


def test_moving_aside_loses_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    moved = set_aside([tmp_path / "a", tmp_path / "link", tmp_path / "absent"], tmp_path / "results")
    assert moved is not None
    assert _names(moved) == ["a", "link"]
    assert set_aside([tmp_path / "absent"], tmp_path / "results") is None


def test_numbers_that_json_has_not_are_null() -> None:
    assert json.loads(json_text({"a": [float("nan"), float("inf"), 1.5]})) == {"a": [None, None, 1.5]}


def test_what_was_measured_has_seven_digits_in_json_and_what_was_given_all() -> None:
    third = 1 / 3
    assert json.loads(json_text({"found": third}, given={"a": third})) == {"found": 0.3333333, "given": {"a": third}}
