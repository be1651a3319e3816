"""Neighbouring slices: which slices are the channels of what a network sees, and what must fit for that."""

from __future__ import annotations

import dataclasses
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from data_roots import write_positions, write_slice, write_stack
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor

from txm2sem.data import (
    AlignedSlices,
    EvaluationPatches,
    GreyRange,
    TiffStack,
    TrainingPatches,
    WholeSlices,
    context_indices,
    middle_channel,
)
from txm2sem.data.segmentation import SegmentationEvaluationPatches
from txm2sem.errors import UserError
from txm2sem.options import DataOptions, Phase, SamplingOptions

DEPTH, SIDE = 12, 40
POSITIONS = {3: 0, 7: 5, 8: 10, 9: 11}
"""Where the aligned slices lie in the full stack."""
OPTIONS = DataOptions(patch_size=16, num_test=6, txm_range="0,65535")
ALIGNED = 30000
"""What the aligned slices are brighter than the same slices of the full stack, to be told from them."""


def located_stack() -> NDArray[np.uint16]:
    """Return a stack (z, y, x) in which every voxel says where it is."""
    z, y, x = np.mgrid[:DEPTH, :SIDE, :SIDE]
    return np.asarray(1 + (z * SIDE + y) * SIDE + x, np.uint16)


def rock() -> NDArray[np.uint16]:
    """Return a stack (z, y, x) in which a slice resembles those above and below it, and no others."""
    texture: NDArray[Any] = gaussian_filter(np.random.default_rng(0).standard_normal((DEPTH, SIDE, SIDE)), (2.2, 1, 1))
    return np.asarray((20000 + 8000 * texture / texture.std()).clip(1, 65535), np.uint16)


def write_root(root: Path, stack: NDArray[np.uint16], brighter: int = 0, split: str = "train") -> Path:
    """Write a full stack and the aligned slices of it at `POSITIONS`, with any SEM, and return `root`."""
    write_stack(root / "test" / "txm_full_stack", stack)
    sem = np.random.default_rng(1).integers(1, 256, (SIDE, SIDE), np.uint8)
    for number, z in POSITIONS.items():
        write_slice(root / split / "txm" / f"{number:03d}.tif", stack[z] + np.uint16(brighter))
        write_slice(root / split / "sem" / f"{number:03d}.tif", sem)
    write_positions(root / "slice_positions.csv", POSITIONS)
    return root


def with_context(context: int, **options: Any) -> DataOptions:
    return dataclasses.replace(OPTIONS, context_slices=context, **options)


def levels(source: Tensor) -> NDArray[np.int64]:
    """Return the grey values in the files of what a network sees."""
    return np.rint(GreyRange(0, 65535).denormalise(source.numpy())).astype(np.int64)


@pytest.fixture(scope="module")
def located(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_root(tmp_path_factory.mktemp("located"), located_stack(), ALIGNED)


# -- which slices -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("z", "slices", "context", "expected"),
    [
        (5, 12, 0, [5]),
        (5, 12, 2, [3, 4, 5, 6, 7]),
        (0, 12, 1, [0, 0, 1]),
        (1, 12, 3, [0, 0, 0, 1, 2, 3, 4]),
        (10, 12, 3, [7, 8, 9, 10, 11, 11, 11]),
        (0, 1, 2, [0, 0, 0, 0, 0]),
    ],
)
def test_positions_are_repeated_beyond_the_ends_alone(z: int, slices: int, context: int, expected: list[int]) -> None:
    assert context_indices(z, slices, context) == expected


@pytest.mark.parametrize(
    ("context", "below", "above"),
    [
        (1, [[0], [4], [9], [10]], [[1], [6], [11], [11]]),
        (2, [[0, 0], [3, 4], [8, 9], [9, 10]], [[1, 2], [6, 7], [11, 11], [11, 11]]),
    ],
)
def test_channels_are_the_slices_below_the_slice_itself_and_those_above(
    located: Path, context: int, below: list[list[int]], above: list[list[int]]
) -> None:
    options = with_context(context)
    whole = WholeSlices(AlignedSlices.open(located, "train", options), options)
    stack = located_stack().astype(int)
    for index, z in enumerate(POSITIONS.values()):
        found = levels(whole[index]["source"])
        expected = [*(stack[i] for i in below[index]), stack[z] + ALIGNED, *(stack[i] for i in above[index])]
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", [EvaluationPatches, SegmentationEvaluationPatches])
def test_patches_are_cut_from_all_channels_at_one_place(located: Path, kind: type[EvaluationPatches]) -> None:
    options = with_context(1, seg_mode="txm")
    slices = AlignedSlices.open(located, "train", options)
    slices = dataclasses.replace(slices, lowdensity=slices.sem, highdensity=slices.sem)
    fixed, stack = kind(slices, options), located_stack().astype(int)
    for patch, location in zip(fixed, fixed.locations, strict=True):
        index, rows, columns = location.to_slices()
        around = [stack[z, rows, columns] for z in context_indices(list(POSITIONS.values())[index], DEPTH, 1)]
        around[1] = around[1] + ALIGNED
        np.testing.assert_array_equal(levels(patch["source"]), around)
        assert patch["target"].shape == (1, 16, 16)


@pytest.mark.parametrize("aligned", [True, False])
def test_training_patches_are_flipped_in_all_channels_or_none(located: Path, aligned: bool) -> None:
    options = with_context(1)
    slices = AlignedSlices.open(located, "train", options)
    patches = TrainingPatches(slices, options, 0, SamplingOptions(aligned=aligned))
    directions = set()
    for index in range(12):
        below, middle, above = levels(patches[0, index]["source"])
        # From slice to slice, voxels grow by the number of pixels; where a slice is repeated, they stay.
        assert np.unique(middle - ALIGNED - below).tolist() in ([SIDE**2], [0])
        assert np.unique(above - (middle - ALIGNED)).tolist() in ([SIDE**2], [0])
        directions.add(int(middle[0, 1] - middle[0, 0]))
    assert directions == {1, -1}


@pytest.mark.parametrize(
    "options",
    [
        {"gamma": 0.5},
        {"hist_eq": 0.05},
        {"x_misalign": 3, "y_misalign": -5},
        {"txm_range": "10000,30000"},
        {"preprocess": "resize_and_crop", "load_size": 12, "crop_size": 8},
        {"patch_size": 15},
    ],
    ids="+".join,
)
def test_each_channel_is_treated_as_if_it_were_alone(tmp_path: Path, options: dict[str, Any]) -> None:
    stack = rock()
    slices = AlignedSlices.open(write_root(tmp_path, stack), "train", with_context(1))
    seen = TrainingPatches(slices, with_context(1, **options), 0)
    for channel in range(3):
        for number, z in POSITIONS.items():
            write_slice(tmp_path / f"txm{channel}" / f"{number:03d}.tif", stack[context_indices(z, DEPTH, 1)[channel]])
        alone = dataclasses.replace(slices, txm=TiffStack(tmp_path / f"txm{channel}"), neighbours=None)
        expected = TrainingPatches(alone, dataclasses.replace(OPTIONS, **options), 0)
        for key in ((0, 0), (0, 1), (1, 0), (1, 1)):
            assert torch.equal(seen[key]["source"][channel], expected[key]["source"][0])


def test_positions_are_the_numbers_of_files_and_one_table_is_for_all_splits(tmp_path: Path) -> None:
    root = write_root(tmp_path, rock())
    shutil.copytree(root / "train", root / "val")
    for path in sorted((root / "test" / "txm_full_stack").iterdir(), reverse=True):
        path.rename(path.with_name(f"TXM{int(path.stem) + 100}.tif"))
    write_positions(root / "slice_positions.csv", {number: z + 100 for number, z in POSITIONS.items()})
    phases: list[Phase] = ["train", "val"]
    for phase in phases:
        neighbours = AlignedSlices.open(root, phase, with_context(1)).neighbours
        assert neighbours is not None
        assert neighbours.positions == tuple(POSITIONS.values())


def test_a_sample_has_its_own_stack_and_table(tmp_path: Path) -> None:
    root = write_root(tmp_path, rock())
    for folder in ("train/txm", "train/sem", "test/txm_full_stack"):
        (root / folder).rename(f"{root / folder}_B")
    (root / "slice_positions.csv").rename(root / "slice_positions_B.csv")
    slices = AlignedSlices.open(root, "train", with_context(1, sample_name="_B"))
    assert slices.neighbours is not None
    assert slices.neighbours.stack.folder == root / "test" / "txm_full_stack_B"


def test_datasets_travel_to_loader_processes(located: Path) -> None:
    options = with_context(1)
    patches = TrainingPatches(AlignedSlices.open(located, "train", options), options, seed=0)
    again = pickle.loads(pickle.dumps(patches))
    assert torch.equal(again[0, 0]["source"], patches[0, 0]["source"])


def test_the_middle_channel_is_the_slice_itself() -> None:
    image = torch.arange(5.0)[:, None, None].expand(5, 4, 4)
    assert (middle_channel(image) == 2).all()
    assert middle_channel(image).shape == (4, 4)
    assert middle_channel(image[None].expand(2, 5, 4, 4)).shape == (2, 4, 4)
    assert (middle_channel(image[3:4]) == 3).all()


# -- what must fit ----------------------------------------------------------------------------------------------------


def _no_stack(root: Path) -> None:
    shutil.rmtree(root / "test" / "txm_full_stack")


def _no_test_split(root: Path) -> None:
    shutil.rmtree(root / "test")


def _no_table(root: Path) -> None:
    (root / "slice_positions.csv").unlink()


def _table(content: str | bytes) -> Callable[[Path], None]:
    def spoil(root: Path) -> None:
        (root / "slice_positions.csv").write_bytes(content.encode() if isinstance(content, str) else content)

    return spoil


def _without_positions(root: Path) -> None:
    write_positions(root / "slice_positions.csv", {3: 0, 8: 10, 70: 5})


def _at(number: int, z: int) -> Callable[[Path], None]:
    return lambda root: write_positions(root / "slice_positions.csv", POSITIONS | {number: z})


def _other_size(root: Path) -> None:
    write_stack(root / "test" / "txm_full_stack", rock()[:, :-1])


def _other_dtype(root: Path) -> None:
    write_stack(root / "test" / "txm_full_stack", (rock() >> 8).astype(np.uint8))


def _gap(root: Path) -> None:
    (root / "test" / "txm_full_stack" / "003.tif").unlink()


def _empty_margin(root: Path) -> None:
    stack = rock()
    stack[:, 10:] = 0
    write_root(root, stack)
    _at(7, 2)(root)


def _nothing_in_common(root: Path) -> None:
    stack = rock()
    stack[:, 20:] = 0
    write_stack(root / "test" / "txm_full_stack", stack)
    for number, z in POSITIONS.items():
        write_slice(root / "train" / "txm" / f"{number:03d}.tif", stack[z, ::-1])


FAULTS = [
    pytest.param(_no_stack, ["no folder", "test/txm_full_stack,", "--context_slices 2", "000.tif"], id="no stack"),
    pytest.param(_no_test_split, ["has no folder test"], id="no test split"),
    pytest.param(_no_table, ["no file", "slice_positions.csv,", "number,z", "8,120"], id="no table"),
    pytest.param(
        _table(""), ["slice_positions.csv: expected the first line number,z, found an empty file"], id="empty"
    ),
    pytest.param(_table("3,0\n7,5\n"), ["expected the first line number,z, found 3,0"], id="no header"),
    pytest.param(_table("z,number\n"), ["expected the first line number,z, found z,number"], id="other header"),
    pytest.param(_table("number,z\n3,0\n7,five\n"), ["line 3", "two whole numbers", "7,five"], id="word"),
    pytest.param(_table("number,z\n3;0\n"), ["line 2", "found 3;0"], id="semicolon"),
    pytest.param(_table("number,z\n3,0,1\n"), ["line 2", "found 3,0,1"], id="three columns"),
    pytest.param(_table("number,z\n3,0\n3,1\n"), ["line 3", "slice 3 is there already", "z 0", "z 1"], id="twice"),
    pytest.param(_table(b"number,z\n\xff\xfe"), ["cannot read", "slice_positions.csv"], id="not text"),
    pytest.param(_without_positions, ["train/txm", "7, 9 are missing", "number,z"], id="no position"),
    pytest.param(_at(7, 12), ["slice 7 lies at z 12", "000.tif to 011.tif"], id="beyond the stack"),
    pytest.param(_at(7, -1), ["slice 7 lies at z -1"], id="negative"),
    pytest.param(_other_size, ["40 x 40 pixels of type uint16", "39 x 40 pixels of type uint16"], id="size"),
    pytest.param(_other_dtype, ["40 x 40 pixels of type uint16", "40 x 40 pixels of type uint8"], id="dtype"),
    pytest.param(_gap, ["002.tif to 007.tif", "missing: 3;", "--context_slices 2"], id="gap"),
    pytest.param(_at(7, 2), ["slice 7 lies at z 2", "txm/007.tif", "002.tif do not show the same"], id="wrong place"),
    pytest.param(_at(7, 6), ["slice 7 lies at z 6", "shows what 005.tif shows", "1.0000"], id="wrong by one"),
    pytest.param(_empty_margin, ["slice 7 lies at z 2", "do not show the same place"], id="margin"),
    pytest.param(_nothing_in_common, ["slice 3 lies at z 0", "found 0.00"], id="nothing in common"),
]


@pytest.mark.parametrize(("spoil", "expected"), FAULTS)
def test_what_does_not_fit_is_named(tmp_path: Path, spoil: Callable[[Path], None], expected: list[str]) -> None:
    root = write_root(tmp_path, rock())
    spoil(root)
    with pytest.raises(UserError) as caught:
        AlignedSlices.open(root, "train", with_context(2))
    for words in expected:
        assert words in str(caught.value)
    # What is not seen need not be there.
    AlignedSlices.open(root, "train", OPTIONS)


def test_a_gap_beyond_what_is_seen_does_no_harm(tmp_path: Path) -> None:
    root = write_root(tmp_path, rock())
    _gap(root)
    slices = AlignedSlices.open(root, "train", with_context(1))
    assert slices.neighbours is not None
    assert slices.neighbours.positions == (0, 4, 9, 10)


def test_slices_may_be_filtered_and_tables_come_from_spreadsheets(tmp_path: Path) -> None:
    root = write_root(tmp_path, rock())
    for number, z in POSITIONS.items():
        noise = np.random.default_rng(number).normal(0, 600, (SIDE, SIDE))
        write_slice(root / "train" / "txm" / f"{number:03d}.tif", (0.5 * rock()[z] + noise + 9000).astype(np.uint16))
    table = "\ufeff" + '"number","z"\r\n\r\n' + "".join(f"{number:03d}, {z}\r\n" for number, z in POSITIONS.items())
    (root / "slice_positions.csv").write_text(table)
    AlignedSlices.open(root, "train", with_context(1))


def test_slices_that_are_not_used_need_no_position(tmp_path: Path) -> None:
    root = write_root(tmp_path, rock())
    write_positions(root / "slice_positions.csv", {3: 0, 7: 5})
    assert len(AlignedSlices.open(root, "train", with_context(1, max_dataset_size=2))) == 2
