"""Volumes in object storage and on web servers, through the command line: the same as on disk, whatever happens."""

from __future__ import annotations

import json
import pickle
import re
import shutil
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray
from object_server import SECRET_KEY, ObjectServer

import txm2sem
from cli.calls import Program
from cli.volumes import IDENTITY, SEGMENTS, TRANSLATES, rock, write_identity, write_run
from txm2sem import leases, objects
from txm2sem.addresses import Address
from txm2sem.applying.volume.job import VolumeJob
from txm2sem.applying.volume.run import VolumeRun
from txm2sem.errors import UserError
from txm2sem.options import VolumeCommand
from txm2sem.options.groups import GeneratorOptions, VolumeRunOptions, WholeVolumeOptions

SIZE = "--voxel_size 32"
SCAN, OUT = "s3://bucket/scan.zarr", "s3://bucket/work/out.ome.zarr"
BLOCKS = 3
PARTIAL = "work/out.ome.zarr.partial"
COMMAND = f"volume {SCAN} {OUT} {IDENTITY} {SIZE}"


class Killed(BaseException):
    """Stands for SIGKILL."""


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with `scan.zarr`, 70 slices in chunks of 16."""
    folder = tmp_path_factory.mktemp("disk")
    write_zarr(rock((70, 40, 48)), folder / "scan.zarr")
    return folder


@pytest.fixture
def here(program: Program, storage: ObjectServer, on_disk: Path) -> Program:
    """Return the program beside the checkpoint `identity` and `scan.zarr`, which is in the storage, too."""
    write_identity()
    shutil.copytree(on_disk / "scan.zarr", "scan.zarr")
    storage.upload(on_disk / "scan.zarr", "scan.zarr")
    return program


def refused_writing(pattern: str, method: str, path: str) -> str:
    return "403" if method == "PUT" and re.search(pattern, path) else ""


def write_zarr(volume: NDArray[Any], path: Path, shards: tuple[int, ...] | None = None) -> None:
    with zarr.config.set({"array.write_empty_chunks": True}):
        zarr.create_array(path, data=volume, chunks=(16, 32, 32), shards=shards)


def files(folder: str) -> dict[str, bytes]:
    found = Path(folder)
    return {path.relative_to(found).as_posix(): path.read_bytes() for path in found.rglob("*") if path.is_file()}


def same_image(storage: ObjectServer, local: str, key: str = "work/out.ome.zarr") -> bool:
    """Say whether an image in the storage has the files of one on disk, but for the name and input in its metadata."""
    return image_parts(storage.content(key)) == image_parts(files(local))


def image_parts(content: dict[str, bytes]) -> dict[str, object]:
    assert "zarr.json" in content
    parts: dict[str, object] = dict(content)
    for name, text in content.items():
        if name.endswith("zarr.json"):
            said = json.loads(text)
            said["attributes"].pop("txm2sem", None)
            for image in said["attributes"].get("ome", {}).get("multiscales", []):
                del image["name"]
            parts[name] = said
    return parts


@pytest.fixture
def expected(here: Program) -> str:
    """Return the name of what the command makes on disk."""
    done = here(f"volume scan.zarr local.ome.zarr {IDENTITY} {SIZE}")
    assert done.status == 0, done.err
    return "local.ome.zarr"


def test_a_volume_is_translated_from_storage_to_storage_as_on_disk(
    here: Program, storage: ObjectServer, expected: str
) -> None:
    done = here(COMMAND)
    assert done.status == 0, done.err
    assert same_image(storage, expected)
    assert {key for key in storage.names() if ".partial" in key} == set()
    report = json.loads(storage.content("work")["out.ome.zarr_report.json"])
    assert report["input"] == SCAN
    assert report["scores"]["seams"] == json.loads(Path(f"{expected}_report.json").read_text())["scores"]["seams"]
    assert not [path for path in Path().iterdir() if ":" in path.name]
    # What makes an image of it comes last of all that stays.
    puts = [path for path in storage.requests("PUT", "") if ".partial" not in path]
    assert puts[-1] == "bucket/work/out.ome.zarr/zarr.json"
    assert puts.count(puts[-1]) == 1
    again = here(COMMAND)
    assert again.status == 1
    assert f"{OUT} exists and is not overwritten" in again.err


def test_a_server_that_falters_changes_nothing(here: Program, storage: ObjectServer, expected: str) -> None:
    rng, faults = np.random.default_rng(0), ("500", "503", "reset", "lost", "truncated")
    failed: list[str] = []

    def fault(method: str, path: str) -> str:
        if rng.random() < 0.3 and (len(failed) < 3 or failed[-3:] != [path] * 3):
            failed.append(path)
            return str(rng.choice(faults[: 5 if method == "GET" and "/c/" in path else 4]))
        return ""

    storage.fault = fault
    done = here(COMMAND)
    assert done.status == 0, done.err
    assert len(failed) > 20
    storage.fault = lambda method, path: ""
    assert same_image(storage, expected)


def test_a_lost_connection_ends_with_words_and_the_same_command_goes_on(
    here: Program, storage: ObjectServer, expected: str
) -> None:
    storage.fault = lambda method, path: "reset" if "0/c/1" in path and "out" in path else ""
    done = here(COMMAND)
    assert done.status == 1
    assert re.search(rf"{OUT}/0/c/1/0/0 cannot be reached \(.*6 times\)", done.err)
    assert "trying again" in done.err
    assert not storage.requests("PUT", f"^bucket/{PARTIAL}/blocks/z_00001")
    assert "zarr.json" not in storage.content("work/out.ome.zarr")
    assert f"{PARTIAL}/.lock" not in storage.names()  # it ended in order
    unread = here(f"measure {OUT} measured --thresholds 100")
    assert unread.status == 1
    assert "holds no Zarr" in unread.err
    storage.fault = lambda method, path: ""
    storage.log.clear()
    resumed = here(COMMAND)
    assert resumed.status == 0, resumed.err
    assert "2 of them missing" in resumed.out
    assert storage.requests("PUT", "out.ome.zarr/0/c/") == [f"bucket/work/out.ome.zarr/0/c/{z}/0/0" for z in (1, 2)]
    assert same_image(storage, expected)


def test_killed_at_any_write_it_goes_on(
    here: Program, storage: ObjectServer, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One kill after the other, each before another object is written or removed; the last ones after it."""
    written = (
        *(r"\.lock$", "partial/run.json", "0/zarr.json", "0/c/1", "z_00001", "partial/report.txt", "partial/zarr.json"),
        *("zarr_report.json", "out.ome.zarr/zarr.json", "out.ome.zarr/zarr.json (?=after)"),
    )
    removed = ("partial/report.txt", "run.json", "run.json (?=after)")
    steps = [*(f"write .*{name}" for name in written), *(f"remove .*{name}" for name in removed)]
    write, remove = objects.write, objects.remove

    def killed(step: str, change: Callable[[], Any]) -> Any:
        if steps and re.search(steps[0], step):
            raise Killed
        found = change()
        if steps and re.search(steps[0], f"{step} after"):
            raise Killed
        return found

    def writing(place: Address, *arguments: Any, **named: Any) -> Any:
        return killed(f"write {place}", lambda: write(place, *arguments, **named))

    def removing(places: Iterable[Address]) -> Any:
        listed = list(places)
        return killed(f"remove {' '.join(map(str, listed))}", lambda: remove(listed))

    with monkeypatch.context() as patch:
        patch.setattr(objects, "write", writing)
        patch.setattr(objects, "remove", removing)
        patch.setattr(leases.Lease, "end", lambda lease: lease._ended.set())  # a killed process does not end it
        while steps:
            storage.age(r"\.lock", 2 * leases.SECONDS)
            with pytest.raises(Killed):
                here(COMMAND)
            del steps[0]
    assert same_image(storage, expected)
    assert not [key for key in storage.names() if ".partial" in key and ".lock" not in key]


def test_two_commands_do_not_write_one_output(here: Program, storage: ObjectServer, expected: str) -> None:
    held = leases.Lease(Address("s3", "bucket", f"{PARTIAL}/.lock"))
    held.take()
    done = here(COMMAND)
    assert done.status == 1
    assert re.search(r"another process, \d+ on .*, is writing into s3://bucket/work/out.ome.zarr.partial", done.err)
    assert not storage.requests("PUT", "run.json")
    held.end()
    assert here(COMMAND).status == 0
    assert same_image(storage, expected)


def test_storage_that_cannot_keep_two_apart_is_refused(here: Program, storage: ObjectServer) -> None:
    storage.conditional = False
    done = here(COMMAND)
    assert done.status == 1
    assert "does not know conditional writes" in done.err
    assert storage.content("work") == {}


def test_processes_share_the_work(here: Program, storage: ObjectServer, expected: str) -> None:
    """What another process is given is taken here: to start one costs seconds."""
    command = VolumeCommand(
        run=VolumeRunOptions(name="identity", gpu_ids="-1"),
        model=GeneratorOptions(model="feedforward", netG="linearfilt"),
        volume=WholeVolumeOptions(voxel_size="32"),
    )
    run = VolumeRun.of(command, SCAN, OUT)
    with run.begin():
        job: VolumeJob = pickle.loads(pickle.dumps(VolumeJob.of(run)))
        assert hash(job) == hash(VolumeJob.of(run))  # by which workers of a cluster know what they have open
        for block in list(run.store.missing("z")):
            job.open(1)(block)
            run.store.add(block)
    done = here(COMMAND)
    assert "0 of them missing" in done.out
    assert same_image(storage, expected)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (f"s3://nowhere/scan.zarr {OUT}", "NoSuchBucket"),
        (f"s3://theirs/scan.zarr {OUT}", "403 Forbidden, AccessDenied"),
        (f"{SCAN} s3://nowhere/out.ome.zarr", "NoSuchBucket"),
        (f"{SCAN} s3://theirs/out.ome.zarr", "403 Forbidden"),
        (f"s3://bucket/empty {OUT}", "holds no Zarr"),
        (f"s3://bucket/scan.h5 {OUT}", "is of a format that is read from disks alone"),
        (f"{SCAN} s3://bucket/out.tif", "only OME-Zarr is written to object storage"),
        (f"{SCAN} https://host/out.ome.zarr", "web servers are only read"),
        (f"{SCAN} s3://bucket/scan.zarr/out.ome.zarr --dataset other", "which has no data sets"),
        (f"ftp://host/scan.zarr {OUT}", "expected a path, or an address"),
        (f"s3://us:{SECRET_KEY}@bucket/scan.zarr {OUT}", "password"),
        (f"{SCAN} {OUT} --truth https://host/sem.zarr?sig={SECRET_KEY}", "signature"),
        (f"{SCAN} {OUT} --checkpoints_dir s3://bucket/models", "--checkpoints_dir s3://bucket/models is an address"),
    ],
)
def test_what_cannot_be_is_said(here: Program, storage: ObjectServer, words: str, message: str) -> None:
    done = here(f"volume {words} {IDENTITY} {SIZE}")
    assert done.status in (1, 2)
    assert message in done.err
    assert SECRET_KEY not in done.err
    assert len(storage.log) < 20
    assert {path.name for path in Path().iterdir()} == {"checkpoints", "scan.zarr"}
    assert not storage.requests("PUT", "blocks")


def test_python_reads_addresses_alike(here: Program, storage: ObjectServer) -> None:
    volume = txm2sem.open_volume(SCAN, roi="8:24,:,:")
    np.testing.assert_array_equal(volume[3], rock((70, 40, 48))[11])
    with pytest.raises(UserError, match="holds no Zarr"):
        txm2sem.open_volume(Path("s3://bucket/nothing"))


def test_lost_chunks_are_not_black(here: Program, storage: ObjectServer) -> None:
    del storage.buckets["bucket"].objects["scan.zarr/c/2/0/1"]
    done = here(COMMAND)
    assert done.status == 1
    assert "its chunk 2, 0, 1 is not stored" in done.err


def test_labels_and_fused_volumes_go_on_there_as_on_disk(here: Program, storage: ObjectServer) -> None:
    """Labels beside an image with channels; scratch arrays of three passes, and statistics that were estimated."""
    write_run("labels", SEGMENTS)
    write_run("blend", TRANSLATES)
    for name, words, cut in (
        ("labels", "--name labels --seg_mode sem --probabilities", r"0/c/1/0/0/0"),
        ("blend", "--name blend --z_blend --statistics volume", r"work/.*out.ome.zarr/0/c/0"),
    ):
        place = f"s3://bucket/work/{name}/out.ome.zarr"
        options = f"{words} {SIZE} --roi :8,:24,:24 --gpu_ids -1"
        assert here(f"volume scan.zarr {name}.ome.zarr {options}").status == 0
        storage.fault = partial(refused_writing, cut)
        stopped = here(f"volume {SCAN} {place} {options}")
        assert stopped.status == 1
        assert "403 Forbidden" in stopped.err
        storage.fault = lambda method, path: ""
        done = here(f"volume {SCAN} {place} {options}")
        assert done.status == 0, done.err
        assert "going on with" in done.out
        assert same_image(storage, f"{name}.ome.zarr", f"work/{name}/out.ome.zarr")


def test_a_page_shows_a_volume_from_afar_beside_its_txm(here: Program, storage: ObjectServer) -> None:
    write_run("run", TRANSLATES)
    storage.upload(Path("scan.zarr"), "work/scan.zarr")
    assert here(f"volume s3://bucket/work/scan.zarr {OUT} --name run --gpu_ids -1 {SIZE}").status == 0
    storage.log.clear()
    done = here(f"report run --volume {OUT}")
    assert done.status == 0, done.err
    page = Path("results/run/report.html").read_text()
    assert "out.ome.zarr" in page
    assert "TXM" in page.partition("whole-0")[2]
    # Slices are shown one by one, of chunks that are read once.
    chunks = storage.requests("GET", "/c/")
    assert len(chunks) == len(set(chunks)) + len(storage.requests("GET", "out.ome.zarr/0/c/")) - BLOCKS
    assert storage.requests("GET", "work/scan.zarr/c/4")
    for words, message in (
        (f"--volume {SCAN}/c", "expected a volume that txm2sem volume has written"),
        (f"--volume {OUT} --txm s3://nowhere/scan", "NoSuch"),
    ):
        refused = here(f"report run {words}")
        assert refused.status == 1
        assert message in refused.err


def test_phases_are_measured_and_shown_from_afar(here: Program, storage: ObjectServer, expected: str) -> None:
    assert here(COMMAND).status == 0
    for source, name in ((OUT, "far"), (expected, "near")):
        done = here(f"measure {source} {name} --thresholds 100 --diffusion_side 0 --longest 4")
        assert done.status == 0, done.err
    far, near = (json.loads(Path(name, "measures.json").read_text()) for name in ("far", "near"))
    assert far["phases"] == near["phases"]
    assert OUT in json.dumps(far)
    refused = here(f"measure {OUT} s3://bucket/measured --thresholds 100")
    assert refused.status == 2
    assert "s3://bucket/measured is an address" in refused.err


@pytest.mark.parametrize("layout", ["chunks", "shards"])
def test_a_web_server_gives_a_volume(here: Program, storage: ObjectServer, expected: str, layout: str) -> None:
    if layout == "shards":
        write_zarr(rock((70, 40, 48)), Path("sharded.zarr"), shards=(32, 64, 64))
        storage.upload(Path("sharded.zarr"), "sharded.zarr")
    storage.buckets["bucket"].public = True
    name = "sharded.zarr" if layout == "shards" else "scan.zarr"
    source = f"{storage.url}/bucket/{name}"
    done = here(f"volume {source} far.ome.zarr {IDENTITY} {SIZE}")
    assert done.status == 0, done.err
    one, other = files("far.ome.zarr"), files(expected)
    assert {key: one[key] for key in one if key != "zarr.json"} == {
        key: other[key] for key in other if key != "zarr.json"
    }
    del storage.buckets["bucket"].objects[next(key for key in storage.names() if f"{name}/c/1" in key)]
    lost = here(f"volume {source} lost.ome.zarr {IDENTITY} {SIZE}")
    assert lost.status == 1
    assert "is not stored" in lost.err
