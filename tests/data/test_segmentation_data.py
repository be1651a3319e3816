"""Patches for segmentation: classes from masks, which pixels count, the places of the translation patches."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from data_roots import write_data_root, write_slice

from txm2sem.data import AlignedSlices, EvaluationPatches, TrainingPatches
from txm2sem.data.classes import IGNORED
from txm2sem.data.segmentation import (
    SegmentationEvaluationPatches,
    SegmentationTrainingPatches,
    measure_class_shares,
    parse_class_weights,
    read_classes,
    resolve_class_weights,
)
from txm2sem.errors import UserError
from txm2sem.options import DataOptions, SamplingOptions

OPTIONS = DataOptions(dataset_mode="segmentation", patch_size=32, num_test=4)
WHOLE = (0, slice(None), slice(None))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_data_root(tmp_path, splits=("train",))


def opened(root: Path) -> AlignedSlices:
    return AlignedSlices.open(root, "train", OPTIONS)


def test_classes_come_from_the_masks(tmp_path: Path) -> None:
    grey = np.full((1, 8), 100, np.uint8)
    sem, txm = grey.copy(), grey.copy()
    sem[0, 4], txm[0, 5] = 0, 0
    masks = {
        "lowdensity": [0, 9, 0, 255, 255, 0, 255, 0],
        "highdensity": [0, 0, 255, 1, 0, 255, 0, 0],
        "charge": [0, 0, 0, 0, 0, 0, 255, 1],
    }
    images = {"sem": sem, "txm": txm} | {name: np.array([row], np.uint8) for name, row in masks.items()}
    for folder, image in images.items():
        write_slice(tmp_path / "train" / folder / "000.tif", image)
    classes = read_classes(opened(tmp_path), *WHOLE)
    assert classes.dtype == np.int64
    assert classes.tolist() == [[0, 1, 2, 2, IGNORED, IGNORED, IGNORED, IGNORED]]


@pytest.mark.parametrize("seg_mode", ["sem", "txm", "semfake"])
@pytest.mark.parametrize("no_flip", [False, True])
def test_places_and_flips_are_those_of_translation(root: Path, seg_mode: str, no_flip: bool) -> None:
    slices = opened(root)
    options = dataclasses.replace(OPTIONS, seg_mode=seg_mode)  # type: ignore[arg-type]
    sampling = SamplingOptions(no_flip=no_flip)
    shown = "target" if seg_mode == "sem" else "source"
    for kind, other, keys in (
        (
            SegmentationTrainingPatches(slices, options, 3, sampling),
            TrainingPatches(slices, options, 3, sampling),
            [(0, 1), (2, 5), (1, 0)],
        ),
        (SegmentationEvaluationPatches(slices, options), EvaluationPatches(slices, options), [0, 1, 3]),
    ):
        for key in keys:
            item = kind[key]  # type: ignore[index]
            assert torch.equal(item["source"], other[key][shown])  # type: ignore[index]
            assert item["source"].shape == (1, 32, 32)
            assert item["target"].shape == (1, 32, 32)
            assert item["target"].dtype == torch.int64


def test_classes_and_image_are_flipped_together(root: Path) -> None:
    for path in (root / "train" / "sem").iterdir():
        masks = {name: root / "train" / name / path.name for name in ("lowdensity", "highdensity", "charge")}
        sem = tifffile.imread(path)
        write_slice(masks["lowdensity"], (sem < 90) * np.uint8(255))
        write_slice(masks["highdensity"], (sem > 160) * np.uint8(255))
        write_slice(masks["charge"], np.zeros_like(sem))
    patches = SegmentationTrainingPatches(opened(root), OPTIONS, 0)
    for index in range(8):
        item = patches[0, index]
        grey = (item["source"][0] + 1) / 2 * 255
        expected = torch.where(grey > 160.5, 2, torch.where(grey < 89.5, 1, 0))
        assert torch.equal(item["target"][0], expected)
        assert set(item["target"].flatten().tolist()) == {0, 1, 2}


@pytest.mark.parametrize(("name", "option"), [("lowdensity", "--lowdens_dir"), ("highdensity", "--highdens_dir")])
def test_missing_masks_are_named(root: Path, name: str, option: str) -> None:
    shutil.rmtree(root / "train" / name)
    slices = opened(root)
    for make in (
        lambda: SegmentationTrainingPatches(slices, OPTIONS, 0),
        lambda: SegmentationEvaluationPatches(slices, OPTIONS),
    ):
        with pytest.raises(UserError, match=f"no folder .*{name}; add a mask .* {option}"):
            make()


def test_charge_masks_may_be_absent(root: Path) -> None:
    shutil.rmtree(root / "train" / "charge")
    assert (read_classes(opened(root), *WHOLE) != IGNORED).all()


def test_shares_are_of_the_pixels_that_count(root: Path) -> None:
    slices = opened(root)
    classes = np.stack([read_classes(slices, index, slice(None), slice(None)) for index in range(2)])
    counted = classes[classes != IGNORED]
    assert counted.size < classes.size
    expected = [np.mean(counted == index) for index in range(3)]
    assert measure_class_shares(slices).tolist() == pytest.approx(expected)


def test_auto_weights_are_inverse_roots_of_the_shares_with_mean_one(root: Path) -> None:
    slices = opened(root)
    shares = measure_class_shares(slices)
    weights = np.array(parse_class_weights(resolve_class_weights("auto", slices)))
    assert (weights * shares).sum() == pytest.approx(1, rel=1e-5)
    assert (weights**2 * shares).tolist() == pytest.approx([(weights**2 * shares)[0]] * 3, rel=1e-5)


def test_a_class_that_does_not_occur_has_weight_zero(root: Path) -> None:
    for path in (root / "train" / "highdensity").iterdir():
        write_slice(path, np.zeros_like(tifffile.imread(path)))
    weights = parse_class_weights(resolve_class_weights("auto", opened(root)))
    assert weights[2] == 0
    assert min(weights[:2]) > 0


def test_given_weights_are_kept(root: Path) -> None:
    assert resolve_class_weights("1, 2.5,0", opened(root)) == "1,2.5,0"


@pytest.mark.parametrize("text", ["1,2", "1,2,3,4", "a,b,c", "", "1,-1,2", "0,0,0", "nan,1,1", "inf,1,1"])
def test_weights_of_another_form_are_refused(root: Path, text: str) -> None:
    with pytest.raises(UserError, match=r"--class_weights .*expected auto, or three numbers"):
        resolve_class_weights(text, opened(root))


def test_slices_without_a_pixel_that_counts_are_refused(root: Path) -> None:
    for path in (root / "train" / "charge").iterdir():
        write_slice(path, np.full_like(tifffile.imread(path), 255))
    with pytest.raises(UserError, match="all pixels are charged"):
        measure_class_shares(opened(root))
