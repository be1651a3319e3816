from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from data_roots import write_data_root, write_slice

from txm2sem.data import AlignedSlices, has_split
from txm2sem.data.slices import MASK_NAMES, ImageName, check_instruments, split_folder
from txm2sem.errors import UserError
from txm2sem.options import DataOptions, Phase

WINDOW = (1, slice(10, 30), slice(5, 50))
IMAGES: tuple[ImageName, ...] = ("txm", "sem")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_data_root(tmp_path, size=(40, 60), splits=("train",))


def message(root: Path, phase: Phase = "train", **options: str) -> str:
    with pytest.raises(UserError) as caught:
        AlignedSlices.open(root, phase, dataclasses.replace(DataOptions(), **options))  # type: ignore[arg-type]
    return str(caught.value)


def test_reads_images_and_masks(root: Path) -> None:
    slices = AlignedSlices.open(root, "train", DataOptions())
    assert (len(slices), slices.numbers, slices.names) == (2, (0, 1), ("000.tif", "001.tif"))
    assert slices.shape == (40, 60)
    assert slices.folder == root / "train"
    for image in IMAGES:
        expected = tifffile.imread(root / "train" / image / "001.tif")[10:30, 5:50]
        np.testing.assert_array_equal(slices.image(image, *WINDOW), expected)
    for name in MASK_NAMES:
        mask = slices.mask(name, *WINDOW)
        expected = tifffile.imread(root / "train" / name / "001.tif")[10:30, 5:50] > 0
        assert mask.dtype == np.bool_
        np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize("inside", [1, 7, 255])
def test_mask_is_anything_above_0(root: Path, inside: int) -> None:
    mask = np.zeros((40, 60), np.uint8)
    mask[12, 6] = inside
    for number in (0, 1):
        write_slice(root / "train" / "charge" / f"{number:03d}.tif", mask)
    np.testing.assert_array_equal(
        AlignedSlices.open(root, "train", DataOptions()).mask("charge", *WINDOW), mask[10:30, 5:50] > 0
    )


def test_masks_may_be_absent(tmp_path: Path) -> None:
    root = write_data_root(tmp_path, splits=("train",), masks=False)
    slices = AlignedSlices.open(root, "train", DataOptions())
    assert slices.charge is slices.lowdensity is slices.highdensity is None
    mask = slices.mask("charge", *WINDOW)
    assert mask.shape == (20, 45)
    assert mask.flags.writeable
    assert not mask.any()


@pytest.mark.parametrize(
    ("phase", "folder"),
    [("train", "train"), ("train", "training"), ("val", "val"), ("val", "validation"), ("test", "test")],
)
def test_names_of_split_folders(tmp_path: Path, phase: Phase, folder: str) -> None:
    assert not has_split(tmp_path, phase)
    write_data_root(tmp_path, slices=1, size=(8, 8), splits=(folder,))
    assert has_split(tmp_path, phase)
    assert AlignedSlices.open(tmp_path, phase, DataOptions()).folder == tmp_path / folder


def test_names_of_files_differ_by_folder(root: Path) -> None:
    for folder, pattern in {
        "txm": "TXM{}.tif",
        "sem": "{}_SEM.tif",
        "charge": "{}_SEM_mask.tif",
        "lowdensity": "SEM_dark{}.tif",
    }.items():
        for path in sorted((root / "train" / folder).iterdir()):
            path.rename(path.with_name(pattern.format(path.stem)))
    slices = AlignedSlices.open(root, "train", DataOptions())
    assert slices.numbers == (0, 1)
    assert slices.names == ("TXM000.tif", "TXM001.tif")


def test_sample_name_is_a_suffix_of_the_folders(root: Path) -> None:
    for name in ("txm", "sem", "charge"):
        (root / "train" / name).rename(root / "train" / f"{name}_VM2")
    slices = AlignedSlices.open(root, "train", DataOptions(sample_name="_VM2", txm_dir="txm/"))
    assert slices.txm.folder == root / "train" / "txm_VM2"
    assert slices.charge is not None
    assert slices.lowdensity is None
    assert str(root / "train" / "txm") in message(root)


@pytest.mark.parametrize("folder", ["txm", "sem"])
def test_images_are_required(root: Path, folder: str) -> None:
    shutil.rmtree(root / "train" / folder)
    text = message(root)
    assert str(root / "train" / folder) in text
    assert "expected TIFF slices such as 000.tif" in text


def test_missing_data_root_and_split(root: Path) -> None:
    text = message(root / "elsewhere")
    assert str(root / "elsewhere") in text
    assert "--dataroot" in text
    text = message(root, "val")
    assert f"{root} has no folder val or validation, found train" in text


def test_what_two_instruments_left_is_no_data_root(tmp_path: Path) -> None:
    (tmp_path / "sem").mkdir()
    (tmp_path / "txm.ome.tif").touch()
    with pytest.raises(UserError, match=r"found sem, txm.ome.tif; .* txm2sem align \S*/txm.ome.tif \S*/sem images"):
        split_folder(tmp_path, "train")


def test_a_split_in_place_of_the_data_root_is_noticed(root: Path) -> None:
    with pytest.raises(UserError, match=f"did you mean {root}"):
        split_folder(root / "train", "train")


def test_the_folder_above_the_sem_slices_and_an_exchange_are_noticed(tmp_path: Path) -> None:
    (tmp_path / "sem").mkdir()
    txm = tmp_path / "txm.ome.tif"
    for path in (txm, tmp_path / "sem" / "000.tif"):
        path.touch()
    check_instruments(txm, tmp_path / "sem")
    with pytest.raises(UserError, match=f"did you mean {tmp_path}/sem"):
        check_instruments(txm, tmp_path)
    with pytest.raises(UserError, match=f"did you mean {txm} {tmp_path}/sem"):
        check_instruments(tmp_path / "sem", txm)


def test_split_folder_twice(root: Path) -> None:
    (root / "training").mkdir()
    assert "train and training" in message(root)


def test_slices_in_some_folders_only(tmp_path: Path) -> None:
    root = write_data_root(tmp_path, slices=5, size=(8, 8), splits=("train",))
    (root / "train" / "sem" / "001.tif").unlink()
    (root / "train" / "sem" / "004.tif").unlink()
    (root / "train" / "charge" / "002.tif").unlink()
    text = message(root)
    assert f"slices 1, 4 missing in {root / 'train' / 'sem'}" in text
    assert f"slice 2 missing in {root / 'train' / 'charge'}" in text
    assert "Add or remove" in text
    assert str(root / "train" / "txm") not in text


def test_mask_without_image(root: Path) -> None:
    shutil.copy(root / "train" / "charge" / "001.tif", root / "train" / "charge" / "017.tif")
    assert f"slice 17 missing in {root / 'train' / 'txm'}" in message(root)


@pytest.mark.parametrize("folder", ["sem", "highdensity"])
def test_sizes_differ(root: Path, folder: str) -> None:
    for path in (root / "train" / folder).iterdir():
        write_slice(path, np.ones((40, 59), np.uint8))
    text = message(root)
    assert f"{root / 'train' / folder / '000.tif'} is 40 x 59 pixels" in text
    assert f"{root / 'train' / 'txm' / '000.tif'} is 40 x 60" in text
    assert "crop" in text
