"""What a translation's folder says of it: whatever happens to a file, no voxel is believed that is not there."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from txm2sem.applying.volume.measures import VolumeMeasures
from txm2sem.applying.volume.passes import Block, Pass
from txm2sem.applying.volume.store import VolumeStore
from txm2sem.drafts import Draft
from txm2sem.errors import UserError
from txm2sem.runs import VolumePaths
from txm2sem.tiling import Tiling

SHAPE = (7, 20, 30)
VOXELS = np.random.default_rng(0).integers(0, 256, SHAPE, np.uint8)
VOXELS[4:6] = 0  # a block that is black is as much work as any other

PASSES = [
    Pass("y", SHAPE, 6, Tiling((7, 30), (1, 1), 0, 1)),
    Pass("x", SHAPE, 16, Tiling((7, 20), (1, 1), 0, 1)),
    Pass("z", SHAPE, 2, Tiling((20, 30), (1, 1), 0, 1)),
]


@contextmanager
def begun(folder: Path, fingerprint: Callable[[Block], str] = str) -> Iterator[VolumeStore]:
    """Begin, or go on with, an output in a folder, as a run does."""
    paths = VolumePaths(folder / "out.ome.zarr")
    draft = Draft(paths.output, "volume")
    with draft.begin({"input": "scan"}):
        store = VolumeStore.create(paths, draft, PASSES, labels=True)
        store.make_arrays(np.dtype("uint8"))
        store.check(fingerprint)
        store.clear()
        yield store


def work(store: VolumeStore) -> int:
    """Do the blocks that are missing; return how many there were."""
    blocks = [block for item in PASSES for block in store.missing(item.axis)]
    for block in blocks:
        array, labels = store.arrays()[block.axis], store.label_array()
        leading = array.ndim - 3
        array[*(slice(None),) * leading, *block.window()] = VOXELS[*(None,) * leading, *block.window()]
        if block.axis == "z" and labels is not None:
            labels[block.window()] = VOXELS[block.window()] // 2
        store.record(block, VolumeMeasures(voxels=VOXELS[block.window()].size), str(block))
        store.add(block)
    return len(blocks)


def files(folder: Path) -> list[Path]:
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def assert_whole(store: VolumeStore) -> None:
    for array in store.arrays().values():
        found = array[*(slice(None),) * array.ndim].reshape(VOXELS.shape)
        np.testing.assert_array_equal(found, VOXELS)
    labels = store.label_array()
    assert labels is not None
    np.testing.assert_array_equal(labels[:, :, :], VOXELS // 2)
    assert store.measures().voxels == 3 * VOXELS.size


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a translation whose blocks are all done."""
    folder = tmp_path_factory.mktemp("done")
    with begun(folder) as store:
        assert work(store) == 4 + 2 + 4
    return folder


def test_what_is_done_stays_done(done: Path, tmp_path: Path) -> None:
    shutil.copytree(done, tmp_path, dirs_exist_ok=True)
    before = files(tmp_path)
    with begun(tmp_path) as store:
        assert work(store) == 0
        assert_whole(store)
    assert files(tmp_path) == before


Damage = Callable[[bytes, random.Random], bytes | None]


def flipped(content: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(content))
    return content[:place] + bytes([content[place] ^ 1 << chance.randrange(8)]) + content[place + 1 :]


DAMAGES: dict[str, Damage] = {
    "lost": lambda content, chance: None,
    "empty": lambda content, chance: b"",
    "cut off": lambda content, chance: content[: chance.randrange(len(content))],
    "zeros": lambda content, chance: bytes(len(content)),
    "noise": lambda content, chance: chance.randbytes(len(content)),
    "a bit": flipped,
    "longer": lambda content, chance: content + b"\n{}",
    "no names": lambda content, chance: b"{}",
    "no UTF-8": lambda content, chance: content + b"\xff",
}


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(sorted(DAMAGES)), st.integers(0, 10**6)), min_size=1, max_size=4))
def test_whatever_happens_to_files_the_voxels_are_right_in_the_end(
    done: Path, tmp_path: Path, damages: list[tuple[str, int]]
) -> None:
    """Of voxels, of what says that they are done, and of metadata; `run.json` is all that the rest is compared with."""
    folder = tmp_path / "damaged"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(done, folder)
    before = files(folder)
    for name, seed in damages:
        chance = random.Random(seed)
        path = folder / chance.choice([path for path in before if path.name != "run.json"])
        if path.exists():
            content = DAMAGES[name](path.read_bytes() or b"\0", chance)
            path.unlink() if content is None else path.write_bytes(content)
    with begun(folder) as store:
        assert work(store) <= len(damages)
        assert_whole(store)
    assert files(folder) == before


def test_what_was_cut_off_is_removed(done: Path, tmp_path: Path) -> None:
    """What writing leaves behind when it is killed would stay in the result."""
    shutil.copytree(done, tmp_path, dirs_exist_ok=True)
    before = files(tmp_path)
    folder = VolumePaths(tmp_path / "out.ome.zarr").work
    for name in ("volume.ome.zarr/0/c/1/0/0.5fe1c0.partial", "blocks/.z_00001.json.partial", "volume.ome.tif"):
        (folder / name).write_bytes(b"half")
    with begun(tmp_path):
        pass
    assert files(tmp_path) == before


def test_blocks_of_another_run_are_not_done(done: Path, tmp_path: Path) -> None:
    shutil.copytree(done, tmp_path, dirs_exist_ok=True)
    state = VolumePaths(tmp_path / "out.ome.zarr").work / "run.json"
    run = Draft(tmp_path / "out.ome.zarr", "volume")
    run.look({"input": "scan"})
    state.write_text(state.read_text().replace(run.run, "0" * 32))
    with begun(tmp_path) as store:
        assert work(store) == 4 + 2 + 4


def test_blocks_made_from_other_slices_are_an_error(done: Path, tmp_path: Path) -> None:
    shutil.copytree(done, tmp_path, dirs_exist_ok=True)
    with (
        pytest.raises(UserError, match=r"the input of block 1 \(slices 2 to 3\) is not the one"),
        begun(tmp_path, lambda block: "another" if (block.axis, block.index) == ("z", 1) else str(block)),
    ):
        pass


def test_a_process_that_outlives_its_run_writes_nothing_into_the_next(done: Path, tmp_path: Path) -> None:
    shutil.copytree(done, tmp_path, dirs_exist_ok=True)
    with begun(tmp_path) as store:
        run = store.draft.run
        store.draft.check_run(run)
        shutil.rmtree(store.draft.folder)
    with begun(tmp_path) as store:
        assert store.draft.run != run
        with pytest.raises(UserError, match="has become that of another output"):
            store.draft.check_run(run)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_blocks_belong_to_the_statistics_that_they_were_made_with(done: Path, tmp_path: Path, damage: Damage) -> None:
    """Damaged ones are estimated anew: where that gives the same, blocks stay; where not, all are made again."""
    shutil.copytree(done, tmp_path, dirs_exist_ok=True)
    statistics = {"norm.running_mean": torch.rand(5), "norm.running_var": torch.rand(5)}
    with begun(tmp_path) as store:
        store.keep_statistics(statistics)
        store.check(str)
    with begun(tmp_path) as store:
        kept = store.kept_statistics()
        assert kept is not None
        assert all(torch.equal(kept[name], values) for name, values in statistics.items())
        name, path = store.statistics, store.paths.statistics
        content = damage(path.read_bytes(), random.Random(0))
        path.unlink() if content is None else path.write_bytes(content)
        found = store.kept_statistics()
        assert found is None or all(torch.equal(found[key], values) for key, values in statistics.items())
        store.keep_statistics(statistics)
        assert store.statistics == name
        store.keep_statistics({key: values + 1 for key, values in statistics.items()})
        assert store.statistics != name


def test_an_odd_plan_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    paths = VolumePaths(tmp_path / "out.ome.zarr")
    draft = Draft(paths.output, "volume")

    def refuse(plan: object) -> NDArray[np.uint8]:
        raise KeyError("depth")

    with draft.begin({}, "odd"), pytest.raises(UserError, match=r"run\.json is damaged: .* move .* away"):
        VolumeStore.reopen(paths, draft, refuse)  # type: ignore[arg-type]
