"""`txm2sem align`: from the folders of two instruments, or a data root, to slices that lie upon each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from data_roots import write_data_root, write_slice
from kills import killed_at
from moved_pairs import two_images
from two_instruments import BAR, SIZE, Instruments, motion, write_instruments

from cli.calls import Program
from txm2sem.aligning.document import Alignment, read_alignment
from txm2sem.data.images import open_image
from txm2sem.metrics import pearson
from txm2sem.registration.pair import align_pair
from txm2sem.registration.planes import Plane
from txm2sem.registration.volume import PlaneAlignment

MOTIONS = [motion(4, 1.03, 6, -9), motion(-3, 0.98, -5, 4), None, motion(1, 1, 10, 12), motion(-6, 1.02, 0, 7)]
"""The third slice of the SEM does not belong to its TXM."""

COMMAND = "align txm sem images --charge charge --transform similarity --mirror no"


@pytest.fixture(scope="module")
def instruments(tmp_path_factory: pytest.TempPathFactory) -> Instruments:
    return write_instruments(tmp_path_factory.mktemp("two"), MOTIONS)


@pytest.fixture
def here(program: Program, instruments: Instruments) -> Program:
    """Return the program in a folder with what the instruments left."""
    for name in ("txm", "sem", "charge"):
        Path(name).symlink_to(getattr(instruments, name))
    return program


def found_in(folder: str) -> Alignment:
    return read_alignment(Path(folder) / "alignment.json")


def test_slices_of_two_instruments_become_a_data_root(here: Program, instruments: Instruments) -> None:
    done = here(COMMAND)
    assert done.status == 0, done.err
    found = found_in("images")
    assert [key for key, one in found.slices.items() if not one.confident] == ["005"]
    assert found.slices["005"].reason in done.out
    assert {key: one.split for key, one in found.slices.items()} == {
        "003": "train",
        "004": "train",
        "005": "",
        "006": "val",
        "007": "test",
    }
    assert found.txm_pixel_size == pytest.approx((30, 30))
    content = json.loads(Path("images/alignment.json").read_text())
    assert content["slices"]["003"]["held_out"]["after"] > content["slices"]["003"]["held_out"]["before"]
    for index, (key, one) in enumerate(found.slices.items()):
        if not one.confident:
            continue
        assert one.bar == f"the last {BAR} rows"
        assert one.shape == (SIZE + BAR, SIZE)
        assert list(one.to_txm[0]) == [0, 0, index]
        true = instruments.truth[index]
        away = np.linalg.norm(true.points @ one.in_plane[:2, :2].T + one.in_plane[:2, 2] - true.truth, axis=1)
        assert np.percentile(away, 95) < 1.5
        written, place = Path("images") / one.split, f"{key}.tif"
        assert (written / "txm" / place).read_bytes() == (instruments.txm / place).read_bytes()
        sem, charge = (tifffile.imread(written / name / place) for name in ("sem", "charge"))
        assert sem.dtype == np.uint16
        assert set(np.unique(charge)) == {0, 255}
        truth = two_images(20 + index, SIZE)[1]
        inside = sem > 0
        assert inside.mean() > 0.7
        assert pearson(sem[inside] / 200, truth[inside]) > 0.9
        # The square of the mask, where the map puts it.
        middle = one.in_plane @ (69.5, 104.5, 1)
        assert np.argwhere(charge).mean(axis=0) == pytest.approx(middle[:2], abs=0.7)
    page = Path("images/alignment.html").read_text()
    assert page.count('data-layer="txm"') == 5
    assert "three cuts through the volume" not in page
    assert found.covered == ()
    assert "covered:" not in done.out
    checked = here("check images --patch_size 32")
    assert checked.status in (0, 3)


def test_a_second_call_goes_on_with_the_slices_that_are_missing(here: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0

    def counting(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return align_pair(*arguments, **named)

    monkeypatch.setattr("txm2sem.aligning.placing.align_pair", counting)
    stopped = here(COMMAND)
    assert stopped.status == 130
    assert "goes on with the slices that are missing" in stopped.err
    assert not Path("images").exists()
    done = here(COMMAND)
    assert done.status == 0, done.err
    assert calls == 6
    assert "2 of them are done" in done.out
    assert here(COMMAND).status == 1  # images exists


def test_a_data_root_is_refined_and_what_is_aligned_stays(program: Program) -> None:
    for split, numbers in {"train": (0, 1), "val": (2,), "test": (3,)}.items():
        for number in numbers:
            txm, sem = two_images(40 + number, SIZE)
            if number == 1:
                sem = np.roll(sem, (7, -5), (0, 1))
            for name, image in {"txm": txm, "sem": sem}.items():
                path = Path("images") / split / name / f"{number:03d}.tif"
                path.parent.mkdir(parents=True, exist_ok=True)
                tifffile.imwrite(path, np.rint(image).clip(1, 255).astype(np.uint8))
    Path("images/slice_positions.csv").write_text("number,z\n0,0\n")
    Path("images/test/txm_full_stack").mkdir()
    same = program("align images same --transform none")
    assert same.status == 0, same.err
    assert "next:    txm2sem check same\n" in same.out
    done = program("align images better --transform rigid --mirror no")
    assert done.status == 0, done.err
    assert "next:    txm2sem check better --ignore_charged\n" in done.out  # a slice is moved, and its rim is empty
    found = found_in("better").slices
    assert {key: one.improved for key, one in found.items() if key == "train/001"} == {"train/001": True}
    assert found["train/001"].in_plane[:2, 2] == pytest.approx((-7, 5), abs=0.7)
    for key, one in found.items():
        if not one.improved:
            place = Path(one.split) / "sem" / f"{Path(key).name}.tif"
            assert ("better" / place).read_bytes() == ("images" / place).read_bytes()
    assert Path("better/slice_positions.csv").read_text() == "number,z\n0,0\n"
    assert Path("better/test/txm_full_stack").resolve() == Path("images/test/txm_full_stack").resolve()


def test_slices_that_are_aligned_already_become_a_data_root_that_knows_its_pixels(program: Program) -> None:
    for number in (12, 20, 31):
        txm, sem = (np.rint(200 * image).astype(np.uint16) for image in two_images(number, SIZE))
        low, high = (np.where(where, np.uint8(255), np.uint8(0)) for where in (sem < 20000, sem > 30000))
        for name, image in {"scan": txm, "slices": sem, "low": low, "high": high}.items():
            write_slice(Path(name) / f"{name}_{number:04d}.tif", image)
    masks = "--lowdensity low --highdensity high"
    done = program(f"align scan slices images --transform none {masks}")
    assert done.status == 0, done.err
    assert "TXM's pixels is not known" in done.out
    assert "scales from" not in done.out
    known = program(f"align scan slices known --transform none {masks} --txm_voxel_size 32 --sem_pixel_size 32")
    assert known.status == 0, known.err
    for split, number in {"train": 12, "val": 20, "test": 31}.items():
        names = {"txm": "scan", "sem": "slices", "lowdensity": "low", "highdensity": "high"}
        for kind, name in names.items():
            source = Path(name) / f"{name}_{number:04d}.tif"
            plain, sized = (Path(root) / split / kind / f"{number:03d}.tif" for root in ("images", "known"))
            assert plain.read_bytes() == source.read_bytes()
            np.testing.assert_array_equal(tifffile.imread(sized), tifffile.imread(source))
            if kind in ("txm", "sem"):
                assert open_image(sized).pixel_size.side == pytest.approx(32)


def test_where_nothing_is_confirmed_the_status_says_so(program: Program, tmp_path: Path) -> None:
    write_instruments(tmp_path, [None, None, None], nm=None)
    done = program("align txm sem images --mirror no --transform rigid")
    assert done.status == 3
    assert not any(one.confident for one in found_in("images").slices.values())
    assert Path("images/alignment.html").exists()


@pytest.mark.parametrize(
    ("words", "status", "names"),
    [
        ("align txm", 2, "expected the TXM, the SEM and a new folder"),
        ("align nothing images", 1, "nothing has no folder such as train/txm"),
        ("align txm sem images --charge few", 1, "has no 7"),
        ("align txm . images", 1, "did you mean sem?"),
        ("align sem txm/003.tif images", 1, "did you mean txm/003.tif sem?"),
        ("align few sem images", 1, "few has 4 slices and the SEM 5"),
        ("align few sem images --txm_is pairs", 1, "few has no 7"),
        ("align txm sem taken", 1, "taken exists"),
        ("align txm sem images --sem_pixel_size 3000", 1, "sizes contradict"),
        ("align txm sem images --txm_voxel_size thick", 1, "--txm_voxel_size thick"),
        ("align txm blank images", 1, "is blank"),
        ("align root images --charge charge", 1, "--charge does nothing with a data root"),
        ("align root images --val 2", 1, "--val does nothing with a data root"),
        ("align txm sem images --tilt 3", 1, "--tilt does nothing with a slice of the TXM for each"),
        ("align txm sem images --txm_is volume --landmarks charge", 1, "--landmarks does nothing with a volume"),
        ("align http://host/txm sem images", 2, "is an address"),
    ],
)
def test_what_cannot_be_aligned_is_refused(here: Program, words: str, status: int, names: str) -> None:
    for name in ("few", "blank"):
        Path(name).mkdir()
    for number in range(3, 7):
        (Path("few") / f"{number:03d}.tif").symlink_to(Path("charge").resolve() / f"{number:03d}.tif")
    for number in range(3, 8):
        tifffile.imwrite(f"blank/{number:03d}.tif", np.full((SIZE, SIZE), 9, np.uint8))
    Path("taken").mkdir()
    Path("taken/file").touch()
    write_data_root(Path("root"))
    done = here(words)
    assert done.status == status, done.err
    assert names in done.err
    assert not Path("images").exists()


def test_slices_of_a_volume_end_on_the_planes_that_they_have_in_common(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where their halves know z less well than it scatters, all lie on a line."""
    rng = np.random.default_rng(0)
    volume = rng.integers(1, 255, (16, 96, 96), np.uint8)
    for z, image in enumerate(volume):
        write_slice(Path(f"txm/{z:03d}.tif"), image)
    for number in range(4):
        write_slice(Path(f"sem/{number:03d}.tif"), volume[2 + 3 * number])
    off = iter((0.2, -0.2, -0.2, 0.2))
    heights = iter((2.0, 5.0, 8.0, 11.0))

    def found(*arguments: Any, **named: Any) -> PlaneAlignment:
        plane = Plane(next(heights) + next(off))
        pair = align_pair(volume[5], volume[5], transform="none")
        return PlaneAlignment(plane, pair, 1.0, (plane.plus(Plane(0.5)), plane.plus(Plane(-0.5))))

    monkeypatch.setattr("txm2sem.aligning.placing.find_slice", found)
    done = program("align txm sem images --txm_is volume --txm_voxel_size 40 --sem_pixel_size 40")
    assert done.status == 0, done.err
    for number, one in enumerate(found_in("images").slices.values()):
        np.testing.assert_allclose(one.to_txm, [[0, 0, 2 + 3 * number], [1, 0, 0], [0, 1, 0]], atol=1e-9)
        assert one.halves_apart == pytest.approx((1, 0, 0))
        txm = tifffile.imread(f"images/{one.split}/txm/{number:03d}.tif")
        np.testing.assert_array_equal(txm, volume[2 + 3 * number])
    assert found_in("images").covered == ((2, 12), (0, 96), (0, 96))
    assert "covered: --roi 2:12,0:96,0:96 " in done.out
    assert "<code>--roi 2:12,0:96,0:96</code>" in Path("images/alignment.html").read_text()


def test_a_call_that_was_killed_ends_with_the_same_files(program: Program) -> None:
    write_instruments(Path(), [motion(), motion(right=1), motion()])
    words = "align txm sem OUT --charge charge --transform none"
    with killed_at(10**9) as kill:
        assert program(words.replace("OUT", "whole")).status == 0
    whole = files_of(Path("whole"))
    assert {"test/charge/005.tif", "alignment/004.tfm"} <= set(whole)
    for step in (4, kill.steps // 2, *range(kill.steps - 24, kill.steps - 1, 6)):
        out = f"out{step}"
        with killed_at(step):
            program(words.replace("OUT", out))
        done = program(words.replace("OUT", out))
        assert done.status == 0, (step, done.err)
        assert files_of(Path(out)) == whole, step
        assert not Path(f"{out}.partial").exists()


def files_of(folder: Path) -> dict[str, bytes]:
    """Return the content of all files but the page, which says when it was written."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".html"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
