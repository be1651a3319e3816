"""Models of other people: what is no archive of a run, or would do harm, is said and leaves nothing behind."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cli.volumes import SEGMENTS, TRANSLATES, rock, write_run

import txm2sem
from txm2sem.archives import CONTENTS, FORMAT, PROGRAM, Archived, Contents, kept_models, load_run, unpacked
from txm2sem.errors import UserError
from txm2sem.options import COMMANDS, to_mapping
from txm2sem.resolving import OF_RUNS, resolve

Entries = dict[str, bytes]

FILE = Path("model.zip")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, with another one for unpacked models."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("txm2sem.archives.kept_models", lambda: tmp_path / "cache")
    return tmp_path


def entries(*names: str, **changes: Any) -> Entries:
    """Return what an archive of runs has that are written now, the first its own; `changes` are those of its table."""
    content, files = {}, {}
    for name in names or ("mine",):
        if not Path("checkpoints", name).exists():
            write_run(name, TRANSLATES)
        for path in Path("checkpoints", name).iterdir():
            entry = f"{name}_{path.name}"
            content[entry] = path.read_bytes()
            files[entry] = Archived(name, path.name, sha256(content[entry]).hexdigest())
    table = asdict(Contents(PROGRAM, FORMAT, "0.1.0", (names or ("mine",))[0], files)) | changes
    return content | {CONTENTS: json.dumps(table).encode()}


def write(content: Entries, path: Path = FILE) -> Path:
    """Write an archive."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def changed(content: Entries, **changes: Any) -> Entries:
    """Return the entries of an archive with another table of contents."""
    return content | {CONTENTS: json.dumps(json.loads(content[CONTENTS]) | changes).encode()}


def placed(content: Entries, entry: str, **changes: str) -> Entries:
    """Return the entries of an archive whose table has something else of one of them."""
    files = json.loads(content[CONTENTS])["files"]
    return changed(content, files=files | {entry: files[entry] | changes})


def replaced(content: Entries, entry: str, data: bytes) -> Entries:
    """Return the entries of an archive with another one, and the checksum of that."""
    return placed(content | {entry: data}, entry, sha256=sha256(data).hexdigest())


def without(content: Entries, entry: str) -> Entries:
    return {name: data for name, data in content.items() if name != entry}


class Calls:
    """Writes a file where it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.write_text, (Path("executed"), "")


def pickled() -> bytes:
    torch.save({"weight": Calls()}, "weights.pth")
    data = Path("weights.pth").read_bytes()
    Path("weights.pth").unlink()
    return data


WEIGHTS, OPTIONS = "mine_latest_net_G.pth", "mine_options.yaml"

HARMFUL: dict[str, tuple[Callable[[Entries], Entries], str]] = {
    "another tool's": (lambda found: {"rdf.yaml": b"type: model"}, "BioImage.IO, but of another program"),
    "no model": (lambda found: {"a.txt": b""}, "of another program"),
    "empty": (lambda found: {}, "found nothing"),
    "a newer format": (lambda found: changed(found, format=2, version="9.0"), "version 9.0"),
    "not this program's": (lambda found: changed(found, program="other"), "damaged"),
    "a table that is none": (lambda found: found | {CONTENTS: b"["}, "damaged"),
    "a large table": (lambda found: found | {CONTENTS: b" " * 2**21}, "2097152 bytes"),
    "a name that leads away": (lambda found: placed(found, WEIGHTS, run="../other"), "leads to another folder"),
    "its own name that leads away": (lambda found: changed(found, name=".."), "leads to another folder"),
    "a file that leads away": (
        lambda found: placed(found, WEIGHTS, file="../latest_net_G.pth"),
        "one of them '../latest",
    ),
    "a file of no run": (lambda found: placed(found, OPTIONS, file="code.py"), "code.py"),
    "one file twice": (lambda found: placed(found, OPTIONS, file="latest_net_G.pth"), "2 files of runs"),
    "no options": (lambda found: changed(found, files={}), "no latest_net_G.pth of mine"),
    "an absent file": (lambda found: without(found, WEIGHTS), WEIGHTS),
    "other weights": (lambda found: found | {WEIGHTS: b"other"}, "not what it was"),
    "weights that call": (lambda found: replaced(found, WEIGHTS, pickled()), "not executed"),
    "options that are none": (lambda found: replaced(found, OPTIONS, b"- a"), "damaged run"),
    "options that call": (lambda found: replaced(found, OPTIONS, b"name: !!python/name:os.system"), "damaged run"),
    "a bomb": (lambda found: replaced(found, WEIGHTS, bytes(2**26 + 2**23)), "far more than it has"),
}


@pytest.mark.parametrize("kind", HARMFUL)
def test_what_is_no_model_or_would_do_harm_is_refused_and_leaves_nothing(kind: str) -> None:
    change, expected = HARMFUL[kind]
    write(change(entries()))
    with pytest.raises(UserError, match=expected):
        load_run(FILE, Path("runs"))
    with pytest.raises(UserError, match=expected):
        txm2sem.load(str(FILE))
    left = {path.name for folder in (Path("runs"), Path("cache")) for path in folder.rglob("*") if path.is_file()}
    assert left <= {".lock"}
    assert not Path("executed").exists()


def test_an_archive_that_was_cut_off_or_encrypted_is_said() -> None:
    write(entries())
    whole = FILE.read_bytes()
    for damaged in (
        b"",
        whole[: len(whole) // 2],
        whole.replace(b"PK\x01\x02", b"PK\x01\x03"),
        whole[:60] + whole[90:],
    ):
        FILE.write_bytes(damaged)
        with pytest.raises(UserError, match=r"model\.zip is damaged"):
            load_run(FILE, Path("runs"))
    encrypted = bytearray(whole)
    for mark, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        place = encrypted.find(mark)
        while place >= 0:
            encrypted[place + offset] |= 1
            place = encrypted.find(mark, place + 1)
    FILE.write_bytes(encrypted)
    with pytest.raises(UserError, match="damaged"):
        load_run(FILE, Path("runs"))
    with pytest.raises(UserError, match="is not there"):
        load_run(Path("absent.zip"), Path("runs"))


def test_a_run_is_taken_whole_and_no_other_is_overwritten() -> None:
    write(entries())
    paths = load_run(FILE, Path("runs"))
    original = Path("checkpoints/mine")
    assert {path.name for path in paths.checkpoints.iterdir()} == {path.name for path in original.iterdir()}
    for path in original.iterdir():
        assert (paths.checkpoints / path.name).read_bytes() == path.read_bytes()
    paths.options.write_text("mine")
    with pytest.raises(UserError, match=r"runs.mine exists"):
        load_run(FILE, Path("runs"))
    assert paths.options.read_text() == "mine"


def test_what_a_run_needs_comes_with_it_where_it_is_not_there_already() -> None:
    write(entries("mine", "first"))
    load_run(FILE, Path("runs"))
    assert {path.name for path in Path("runs").iterdir()} == {"mine", "first"}
    write(entries("second", "first"))
    load_run(FILE, Path("runs"))
    Path("runs/first/latest_net_G.pth").write_text("of another model")
    write(entries("third", "first"))
    with pytest.raises(UserError, match=r"runs.first exists"):
        load_run(FILE, Path("runs"))
    assert not Path("runs/third").exists()


def test_a_file_is_unpacked_once_and_again_where_it_has_changed(place: Path) -> None:
    write(entries())
    kept = unpacked(FILE)
    assert kept.checkpoints.is_relative_to(place / "cache")
    before = kept.options.stat().st_mtime_ns
    assert unpacked(FILE) == kept
    assert kept.options.stat().st_mtime_ns == before
    write_run("mine", TRANSLATES, gamma=0.5)
    write(entries())
    assert unpacked(FILE).checkpoints != kept.checkpoints


@pytest.mark.parametrize("name", ["translate", "test", "volume", "repair", "measure"])
def test_every_command_that_takes_a_run_takes_a_file(name: str) -> None:
    write(entries())
    given = {"name": str(FILE)}
    options = to_mapping(resolve(COMMANDS[name], given))
    assert (options["name"], options["checkpoints_dir"]) == ("mine", str(unpacked(FILE).checkpoints.parent))
    if name not in ("repair", "measure"):
        assert options["downsample_factor"] == 2
    for place in OF_RUNS if "suffix" in options else OF_RUNS[:1]:
        with pytest.raises(UserError, match=f"--{place} does nothing beside --name"):
            resolve(COMMANDS[name], {**given, place: "other"})


def test_processes_that_need_a_file_at_once_all_get_it() -> None:
    write(entries())
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(unpacked, [FILE] * 4))
    assert len(found) == 1
    assert found.pop().options.exists()


def test_a_training_takes_no_file() -> None:
    with pytest.raises(UserError, match=r"txm2sem load model\.zip"):
        resolve(COMMANDS["train"], {"name": "model.zip"})


def test_a_model_in_a_file_predicts_as_the_run() -> None:
    write_run("mine", SEGMENTS, seg_mode="txm")
    write(entries())
    volume = rock((2, 24, 32))
    expected = txm2sem.load("mine").predict(volume)
    np.testing.assert_array_equal(txm2sem.load(FILE).predict(volume), expected)


def test_models_are_unpacked_in_the_folder_that_the_user_has_for_such_things(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", "/there")
    assert kept_models() == Path("/there/txm2sem/models")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", lambda: Path("/me"))
    assert kept_models() == Path("/me/.cache/txm2sem/models")
