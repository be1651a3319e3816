from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from data_roots import write_data_root, write_slice
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from txm2sem.data import AlignedSlices, EpochSampler, EvaluationPatches, GreyRange, TrainingPatches
from txm2sem.errors import UserError
from txm2sem.options import DataOptions, SamplingOptions

OPTIONS = DataOptions(patch_size=32, num_test=4)


@pytest.fixture(scope="module", params=["uint8", "uint16"])
def slices(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AlignedSlices:
    root = write_data_root(tmp_path_factory.mktemp("root"), dtype=request.param, splits=("train",))
    return AlignedSlices.open(root, "train", OPTIONS)


def test_training_patches(slices: AlignedSlices) -> None:
    patches = TrainingPatches(slices, OPTIONS, seed=0)
    assert len(patches) == SamplingOptions().num_train
    item = patches[0, 3]
    assert set(item) == {"source", "target"}
    for image in item.values():
        assert image.shape == (1, 32, 32)
        assert image.dtype == torch.float32
        assert image.std() > 0.05
        assert image.abs().max() < 1.5


def test_training_patches_depend_on_seed_epoch_and_index_alone(slices: AlignedSlices) -> None:
    patches = TrainingPatches(slices, OPTIONS, seed=0)
    keys = [(0, 0), (0, 1), (1, 0), (1, 1)]
    forward = {key: patches[key]["source"] for key in keys}
    again = TrainingPatches(slices, OPTIONS, seed=0)
    assert all(torch.equal(forward[key], again[key]["source"]) for key in reversed(keys))
    other = TrainingPatches(slices, OPTIONS, seed=1)
    images = [*forward.values(), *(other[key]["source"] for key in keys)]
    assert all(not torch.equal(a, b) for i, a in enumerate(images) for b in images[:i])


@pytest.mark.parametrize(("workers", "context"), [(0, None), (1, "spawn"), (2, "fork")])
def test_loader_processes_change_nothing(tmp_path: Path, workers: int, context: str | None) -> None:
    slices = AlignedSlices.open(write_data_root(tmp_path, splits=("train",)), "train", OPTIONS)
    patches = TrainingPatches(slices, OPTIONS, seed=3)
    loader = DataLoader(
        patches,
        batch_size=4,
        sampler=EpochSampler(2, 12),
        num_workers=workers,
        multiprocessing_context=context,
    )
    loaded = torch.cat([batch["source"] for batch in loader])
    assert torch.equal(loaded, torch.stack([patches[2, index]["source"] for index in range(12)]))


def test_source_and_target_are_flipped_together(tmp_path: Path) -> None:
    root = write_data_root(tmp_path, slices=1, size=(16, 16), splits=("train",), masks=False)
    ramp = np.tile(np.arange(10, 170, 10, dtype=np.uint8), (16, 1))
    for folder in ("txm", "sem"):
        write_slice(root / "train" / folder / "000.tif", ramp)
    slices = AlignedSlices.open(root, "train", OPTIONS)
    options = DataOptions(patch_size=8)
    items = [TrainingPatches(slices, options, seed=0)[0, index] for index in range(20)]
    assert all(torch.equal(item["source"], item["target"]) for item in items)
    rising = [bool(item["source"][0, 0, 0] < item["source"][0, 0, 1]) for item in items]
    assert set(rising) == {True, False}
    still = TrainingPatches(slices, options, seed=0, sampling=SamplingOptions(no_flip=True))
    assert all(still[0, index]["source"].diff().min() > 0 for index in range(20))


def test_all_orientations_are_eight(tmp_path: Path) -> None:
    root = write_data_root(tmp_path, slices=1, size=(16, 16), splits=("train",), masks=False)
    slices = AlignedSlices.open(root, "train", OPTIONS)
    sampling = SamplingOptions(all_orientations=True)
    patches = TrainingPatches(slices, DataOptions(patch_size=16), seed=0, sampling=sampling)
    seen = {tuple(patches[0, index]["source"].flatten().tolist()) for index in range(60)}
    assert len(seen) == 8


def test_evaluation_patches(slices: AlignedSlices) -> None:
    patches = EvaluationPatches(slices, OPTIONS)
    assert len(patches) == len(list(patches)) == 4
    for index, location in enumerate(patches.locations):
        item = patches[index]
        number, rows, columns = location.to_slices()
        folder = slices.folder
        grey = GreyRange.parse(patches.options.txm_range)
        txm = tifffile.imread(folder / "txm" / f"{number:03d}.tif")[rows, columns]
        np.testing.assert_array_equal(item["source"][0].numpy(), grey.normalise(txm))
        for name in ("charge", "lowdensity", "highdensity"):
            mask = tifffile.imread(folder / name / f"{number:03d}.tif")[rows, columns] > 0
            assert item[name].dtype == torch.bool
            np.testing.assert_array_equal(item[name][0].numpy(), mask)
        assert item["target"].shape == item["charge"].shape == (1, 32, 32)
        assert item["index"] == index


def test_masks_that_nobody_asks_for_are_not_read(tmp_path: Path) -> None:
    root = write_data_root(tmp_path, splits=("val",))
    opened = AlignedSlices.open(root, "val", OPTIONS)
    full, bare = (EvaluationPatches(opened, OPTIONS, with_masks=choice) for choice in (True, False))
    expected = [full[index] for index in range(len(full))]
    for name in ("charge", "lowdensity", "highdensity"):
        for path in (root / "val" / name).iterdir():
            path.unlink()
    for index, patch in enumerate(expected):
        item = bare[index]
        assert set(item) == {"source", "target", "index"}
        assert all(torch.equal(value, patch[name]) for name, value in item.items())


def test_evaluation_patches_without_masks(tmp_path: Path) -> None:
    root = write_data_root(tmp_path, splits=("val",), masks=False)
    patches = EvaluationPatches(AlignedSlices.open(root, "val", OPTIONS), OPTIONS)
    batch = next(iter(DataLoader(patches, batch_size=4)))
    for name in ("charge", "lowdensity", "highdensity"):
        assert batch[name].shape == (4, 1, 32, 32)
        assert not batch[name].any()
    assert batch["index"].tolist() == [0, 1, 2, 3]


def test_given_ranges_are_used(slices: AlignedSlices) -> None:
    wide = DataOptions(patch_size=32, num_test=1, txm_range="0,1000000", sem_range="-1000000,0")
    for item in (EvaluationPatches(slices, wide)[0], TrainingPatches(slices, wide, 0)[0, 0]):
        assert item["source"].max() < 0
        assert item["target"].min() >= 1


def test_16_bits_are_neither_clipped_nor_cut_to_8(tmp_path: Path) -> None:
    root = write_data_root(tmp_path, slices=1, dtype="uint16", splits=("test",), masks=False)
    levels = (1000 + np.arange(96 * 96, dtype=np.uint16)).reshape(96, 96)
    write_slice(root / "test" / "txm" / "000.tif", levels)
    patches = EvaluationPatches(
        AlignedSlices.open(root, "test", OPTIONS), DataOptions(patch_size=64, num_test=1, txm_range="3000,4000")
    )
    source = patches[0]["source"]
    assert np.unique(source.numpy()).size == 64 * 64
    assert source.min() < -1
    assert source.max() > 1


@pytest.mark.parametrize("dataset", ["training", "evaluation"])
def test_unusable_data_show_at_construction(tmp_path: Path, dataset: str) -> None:
    slices = AlignedSlices.open(write_data_root(tmp_path, size=(20, 20), splits=("train",)), "train", OPTIONS)
    with pytest.raises(UserError, match="--patch_size 32 does not fit"):
        TrainingPatches(slices, OPTIONS, 0) if dataset == "training" else EvaluationPatches(slices, OPTIONS)


def test_datasets_pickle_without_pixels(slices: AlignedSlices) -> None:
    patches = TrainingPatches(slices, OPTIONS, seed=0)
    content = pickle.dumps(patches)
    assert len(content) < 10_000
    assert torch.equal(pickle.loads(content)[0, 0]["source"], patches[0, 0]["source"])


@given(length=st.integers(0, 50), start=st.integers(0, 60), world_size=st.integers(1, 5), epoch=st.integers(0, 3))
def test_processes_share_an_epoch(length: int, start: int, world_size: int, epoch: int) -> None:
    samplers = [
        EpochSampler(epoch, length, start=start, rank=rank, world_size=world_size) for rank in range(world_size)
    ]
    keys = [list(sampler) for sampler in samplers]
    assert len({len(sampler) for sampler in samplers}) == 1
    assert all(len(sampler) == len(own) for sampler, own in zip(samplers, keys, strict=True))
    indices = sorted(index for own in keys for key_epoch, index in own if key_epoch == epoch)
    assert indices == list(range(start, start + len(indices)))
    assert len(indices) - max(length - start, 0) in range(world_size)


def test_resumed_epoch_goes_on_where_it_stopped() -> None:
    whole = [list(EpochSampler(1, 20, rank=rank, world_size=2)) for rank in range(2)]
    rest = [list(EpochSampler(1, 20, start=8, rank=rank, world_size=2)) for rank in range(2)]
    assert rest == [own[4:] for own in whole]
