"""Patches for image repair: what is painted where, what the network sees, and that all of it is reproducible."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from data_roots import write_slice
from repair_roots import BLACK, write_repair_root
from torch import Tensor

from txm2sem.data import (
    AlignedSlices,
    EvaluationPatches,
    PatchLocation,
    RepairEvaluationPatches,
    RepairTrainingPatches,
    TrainingPatches,
    composite,
    repair_source,
    to_uint8,
)
from txm2sem.data.repair import charge_of, draw_charge
from txm2sem.errors import UserError
from txm2sem.options import DataOptions, SamplingOptions

OPTIONS = DataOptions(dataset_mode="image_repair", patch_size=32, num_test=6)


@pytest.fixture(scope="module", params=["uint8", "uint16"])
def slices(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AlignedSlices:
    root = write_repair_root(tmp_path_factory.mktemp("root"), dtype=request.param, splits=("train",))
    return AlignedSlices.open(root, "train", OPTIONS)


def test_the_network_sees_txm_painted_sem_and_mask_and_learns_the_clean_sem(slices: AlignedSlices) -> None:
    plain = EvaluationPatches(slices, OPTIONS)
    for index, item in enumerate(RepairEvaluationPatches(slices, OPTIONS)):
        source, target, painted = item["source"], item["target"], item["painted"]
        assert source.shape == (3, 32, 32)
        assert source.dtype == target.dtype == torch.float32
        txm, sem, mask = source[:1], source[1:2], source[2:]
        assert torch.equal(txm, plain[index]["source"])
        assert torch.equal(target, plain[index]["target"])
        assert torch.equal(item["txm"], txm)
        assert set(np.unique(mask.numpy())) == {-1.0, 1.0}
        assert torch.equal(mask > 0, painted)
        assert (sem[painted] == 1).all()
        assert torch.equal(sem[~painted], target[~painted])
        assert torch.equal(item["charge"], plain[index]["charge"])
        assert item["index"] == index


def test_the_location_rule_is_that_of_the_other_data_set(slices: AlignedSlices) -> None:
    assert RepairEvaluationPatches(slices, OPTIONS).locations == EvaluationPatches(slices, OPTIONS).locations
    unflipped = SamplingOptions(no_flip=True)
    for index in range(5):
        key = (0, index)
        repair, other = (kind(slices, OPTIONS, 0, unflipped)[key] for kind in (RepairTrainingPatches, TrainingPatches))
        assert torch.equal(repair["target"], other["target"])
        assert torch.equal(repair["source"][:1], other["source"])


def test_a_quarter_to_three_quarters_stay_uncharged_and_black_pixels_always(slices: AlignedSlices) -> None:
    location = PatchLocation(0, 40, 40, 32)
    black = np.zeros((96, 96), bool)
    black[BLACK, BLACK] = True
    shapes = set()
    for seed in range(40):
        charge = draw_charge(slices, location, np.random.default_rng(seed))
        assert 0.25 <= 1 - charge.mean() <= 0.75
        assert not charge[black[40:72, 40:72]].any()
        shapes.add(charge.tobytes())
    assert len(shapes) > 30


def test_the_shape_is_one_of_the_charge_masks(slices: AlignedSlices) -> None:
    # Far from black pixels, the drawn mask is a window of a charge mask, and both slices give some.
    masks = [tifffile.imread(path) > 0 for path in sorted((slices.folder / "charge").iterdir())]
    given = [
        {mask[row : row + 32, column : column + 32].tobytes() for row in range(65) for column in range(65)}
        for mask in masks
    ]
    found = set()
    for seed in range(20):
        charge = draw_charge(slices, PatchLocation(1, 0, 60, 32), np.random.default_rng(seed)).tobytes()
        assert charge in given[0] | given[1]
        found.add(charge in given[0])
    assert found == {True, False}


def test_training_patches_depend_on_seed_epoch_and_index_alone(slices: AlignedSlices) -> None:
    patches, again = (RepairTrainingPatches(slices, OPTIONS, seed=0) for _ in range(2))
    keys = [(0, 0), (0, 1), (1, 0), (1, 1)]
    forward = {key: patches[key] for key in keys}
    for key in reversed(keys):
        assert all(torch.equal(forward[key][name], again[key][name]) for name in ("source", "target"))
    other = RepairTrainingPatches(slices, OPTIONS, seed=1)
    masks = [item["source"][2] for item in (*forward.values(), *(other[key] for key in keys))]
    assert all(not torch.equal(a, b) for i, a in enumerate(masks) for b in masks[:i])


def test_fixed_patches_are_the_same_each_time_and_fewer_are_the_first_of_them(slices: AlignedSlices) -> None:
    many, few = (RepairEvaluationPatches(slices, dataclasses.replace(OPTIONS, num_test=count)) for count in (6, 3))
    for index in range(3):
        assert torch.equal(many[index]["source"], few[index]["source"])
    assert len({mask.tobytes() for mask in many.painted}) == 6


def test_all_channels_and_the_target_are_flipped_together(slices: AlignedSlices) -> None:
    still = RepairTrainingPatches(slices, OPTIONS, 0, SamplingOptions(no_flip=True))
    flipping = RepairTrainingPatches(slices, OPTIONS, 0)
    seen = set()
    for index in range(12):
        one, other = still[0, index], flipping[0, index]
        flipped = not torch.equal(one["target"], other["target"])
        for name in ("source", "target"):
            expected = one[name].flip(-1) if flipped else one[name]
            assert torch.equal(other[name], expected)
        seen.add(flipped)
    assert seen == {True, False}


def test_sem_only_hides_the_txm_and_nothing_else(slices: AlignedSlices) -> None:
    alone = dataclasses.replace(OPTIONS, sem_only=True)
    training = [RepairTrainingPatches(slices, options, 0)[0, 3] for options in (OPTIONS, alone)]
    evaluation = [RepairEvaluationPatches(slices, options)[3] for options in (OPTIONS, alone)]
    for with_txm, without in (training, evaluation):
        assert with_txm["source"][0].std() > 0
        assert not without["source"][0].any()
        assert torch.equal(without["source"][1:], with_txm["source"][1:])
        assert torch.equal(without["target"], with_txm["target"])


@pytest.mark.parametrize("shape", [(), (2,)])
def test_the_composite_changes_no_bit_outside_the_mask(shape: tuple[int, ...]) -> None:
    random = torch.Generator().manual_seed(1)

    def image(channels: int) -> Tensor:
        return torch.rand(*shape, channels, 16, 16, generator=random) * 2.4 - 1.2

    source = image(3)
    source[..., 2, :, :] = (source[..., 2, :, :] > 0).float() * 2 - 1
    generated = image(1)
    repaired, mask = composite(generated, source), charge_of(source)
    assert repaired.shape == generated.shape
    assert torch.equal(repaired[~mask], source[..., 1:2, :, :][~mask])
    assert torch.equal(repaired[mask], generated[mask])


def test_eight_bits_survive_the_way_to_the_network_and_back(tmp_path: Path) -> None:
    root = write_repair_root(tmp_path, splits=("test",))
    levels = np.arange(96 * 96, dtype=np.uint32).reshape(96, 96) % 255 + 1
    write_slice(root / "test" / "sem" / "000.tif", levels.astype(np.uint8))
    opened = AlignedSlices.open(root, "test", OPTIONS)
    patches = RepairEvaluationPatches(opened, OPTIONS)
    seen = set()
    for item, location in zip(patches, patches.locations, strict=True):
        repaired = to_uint8(composite(torch.zeros(1, 32, 32), item["source"]))[0]
        intact = ~item["painted"][0].numpy()
        sem = opened.image("sem", *location.to_slices())
        np.testing.assert_array_equal(repaired[intact], sem[intact])
        seen.add(location.slice_index)
    assert 0 in seen


def test_painted_pixels_are_white_whatever_the_sem_shows_there() -> None:
    sem, charge = torch.full((1, 4, 4), 7.0), torch.zeros(1, 4, 4, dtype=torch.bool)
    charge[0, 1:3] = True
    source = repair_source(None, sem, charge)
    assert (source[1, 1:3] == 1).all()
    assert (source[1, 0] == 7).all()


def _no_masks(root: Path) -> None:
    shutil.rmtree(root / "train" / "charge")


def _empty_masks(root: Path) -> None:
    for path in (root / "train" / "charge").iterdir():
        write_slice(path, np.zeros((96, 96), np.uint8))


def _small_masks(root: Path) -> None:
    for path in (root / "train" / "charge").iterdir():
        mask = np.zeros((96, 96), np.uint8)
        mask[:12, :12] = 1
        write_slice(path, mask)


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (_no_masks, "train has no charge masks"),
        (_empty_masks, r"covers between 25% and 75% of it, found at most 0\.0%"),
        (_small_masks, r"covers between 25% and 75% of it, found at most 1[0-4]\.\d%"),
    ],
)
@pytest.mark.parametrize("kind", ["training", "evaluation"])
def test_masks_that_are_absent_or_do_not_fit_show_at_construction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], None], expected: str, kind: str
) -> None:
    # The search is given up early, to spare the test seconds.
    monkeypatch.setattr("txm2sem.data.repair.draw_charge", partial(draw_charge, max_tries=1000))
    root = write_repair_root(tmp_path, splits=("train",))
    spoil(root)
    opened = AlignedSlices.open(root, "train", OPTIONS)
    with pytest.raises(UserError, match=expected):
        RepairTrainingPatches(opened, OPTIONS, 0) if kind == "training" else RepairEvaluationPatches(opened, OPTIONS)


def test_pixels_that_do_not_count_are_told_apart(slices: AlignedSlices) -> None:
    options = dataclasses.replace(OPTIONS, ignore_charged=True)
    for item in (RepairTrainingPatches(slices, options, 0)[0, 1], RepairEvaluationPatches(slices, options)[1]):
        assert item["valid"].shape == (1, 32, 32)
        assert item["valid"].dtype == torch.bool
    patches = RepairEvaluationPatches(slices, options)
    for item, location in zip(patches, patches.locations, strict=True):
        assert torch.equal(item["valid"], torch.from_numpy(slices.valid(*location.to_slices()))[None])
