"""Neighbouring slices through the command line: a model that sees them is trained and tested like any other."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
import yaml
from data_roots import write_data_root, write_neighbours, write_positions, write_stack
from numpy.typing import NDArray
from PIL import Image

import txm2sem
from cli.calls import SRGAN, TINY_TRAINING, Program, options_of
from cli.test_labels import VOLUME, labels_of
from cli.test_train_and_test import assert_equal_weights, weights
from cli.test_volume import COLUMNS, DEPTH, IDENTITY, MODE, ROWS, SIZE, made_stack, slices_of
from cli.volumes import voxels
from txm2sem.data.classes import CLASSES, IGNORED
from txm2sem.measures import numbers, read_measures
from txm2sem.options import TestCommand, TrainCommand

CONDITIONAL = f"{SRGAN} --d_condition --lambda_img_grad 1e-4 {TINY_TRAINING}"


@pytest.fixture
def volume(program: Program) -> Path:
    """Return a phantom at `./images`, where the program looks by default."""
    assert program("phantom images --size 64 --depth 40 --train_slices 2 --test_slices 2").status == 0
    return Path("images")


def png(path: Path) -> NDArray[np.uint8]:
    return np.asarray(Image.open(path))


def write_channel(channel: int, channels: int) -> None:
    """Write a checkpoint, as the original code has them, of a filter that returns one of its channels."""
    weight = torch.zeros(1, channels, 15, 15)
    weight[0, channel, 7, 7] = 1
    path = Path("checkpoints/identity/latest_net_G.pth")
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"filter.weight": weight, "filter.bias": torch.zeros(1)}, path)


def test_a_model_with_neighbours_trains_and_tests_like_any_other(program: Program, volume: Path) -> None:
    outcome = program("train --name run --context_slices 1", CONDITIONAL)
    assert outcome.status == 0, outcome.err
    saved = yaml.safe_load(Path("checkpoints/run/options.yaml").read_text())
    assert (saved["context_slices"], saved["input_nc"]) == (1, 3)
    first = {name: value for name, value in weights(Path("checkpoints/run")).items() if value.ndim == 4}
    assert first["G.premodel.1.weight"].shape[1] == 3
    assert next(value for name, value in first.items() if name.startswith("D.")).shape[1] == 4

    # What the checkpoint knows need not be said again.
    outcome = program("test --name run --eval")
    assert outcome.status == 0, outcome.err
    results = Path("results/run")
    pairs = [
        (png(path).astype(float), png(results / "sem" / path.name)) for path in sorted((results / "txm").iterdir())
    ]
    raw = re.search(r"raw TXM +([\d.]+)", outcome.out)
    assert raw
    psnr = [10 * np.log10(255**2 / np.mean((txm - sem) ** 2)) for txm, sem in pairs]
    assert float(raw[1]) == pytest.approx(np.mean(psnr), abs=0.005)

    outcome = program("test --name run --eval --full_slice")
    assert outcome.status == 0, outcome.err
    for index, path in enumerate(sorted((volume / "test" / "txm").iterdir())):
        np.testing.assert_array_equal(png(results / "txm_fullslice" / f"{index:03d}.png"), tifffile.imread(path))


SIDE = 32
SEGMENTATION = f"--model segmentation --seg_mode txm {TINY_TRAINING.replace('--ndf 4 ', '')}"


def test_phases_of_slices_are_those_of_the_stack_whatever_asks_for_them(program: Program) -> None:
    root = write_data_root(Path("images"), size=(SIDE, SIDE))
    places = write_neighbours(root)
    outcome = program("train --name run --context_slices 1 --init_gain 0.2", SEGMENTATION)
    assert outcome.status == 0, outcome.err
    saved = yaml.safe_load(Path("checkpoints/run/options.yaml").read_text())
    assert (saved["context_slices"], saved["input_nc"]) == (1, 3)
    kept = Path("checkpoints/run/latest_net_G.phases_txm.json")
    calibrated = json.loads(kept.read_text())
    assert calibrated["calibration"]["scales"] != [1.0, 1.0, 1.0]

    # With other biases, all classes are somewhere the likeliest one.
    stack = tifffile.imread(sorted((root / "test" / "txm_full_stack").iterdir()))
    logarithms = np.log(txm2sem.load("run", device="cpu").probabilities(stack)).mean(axis=(1, 2, 3))
    calibrated["calibration"]["biases"] = (calibrated["calibration"]["biases"] - logarithms).tolist()
    kept.write_text(json.dumps(calibrated))

    # Patches are whole slices; which one is drawn.
    outcome = program("test --name run --gpu_ids -1 --num_test 4")
    assert outcome.status == 0, outcome.err
    assert program(f"volume images/test/txm_full_stack out.ome.zarr --name run {VOLUME} --probabilities").status == 0
    image, *likely = voxels("out.ome.zarr")
    labels = labels_of("out.ome.zarr")
    tested = {places[int(path.stem)]: tifffile.imread(path) for path in (root / "test" / "txm").iterdir()}
    for path in sorted(Path("results/run/txm").iterdir()):
        (z,) = [z for z, txm in tested.items() if np.array_equal(txm, png(path))]
        np.testing.assert_array_equal(image[z], png(path))
        true = png(Path("results/run/labels") / path.name)
        found = png(Path("results/run/labels_fake") / path.name)
        assert len(np.unique(found)) > 1
        assert np.mean((found == labels[z])[true != IGNORED]) > 0.99

    model = txm2sem.load("run", device="cpu")
    probabilities = model.probabilities(stack)
    np.testing.assert_allclose(probabilities * 255, likely, atol=1.5)
    # Slice 4 is seen below slice 5 and above slice 3, and nowhere else.
    other = stack.copy()
    other[4] = stack[0]
    changed = np.abs(model.probabilities(other) - probabilities).max(axis=(0, 2, 3))
    assert np.flatnonzero(changed).tolist() == [3, 4, 5]

    outcome = program(f"measure images/test/txm_full_stack measured --name run {VOLUME}")
    assert outcome.status == 0, outcome.err
    low = next(phase for phase in read_measures(Path("measured"))["phases"] if phase["name"] == CLASSES[1])
    (expected,) = [one.value for one in numbers(low, "nm") if one.measure == "expected_fraction"]
    assert expected == pytest.approx(probabilities[1].mean(), abs=2e-3)

    for words, problem in (
        ("translate images/test/txm out", "slices above and below"),
        (f"volume images/test/txm_full_stack other.ome.zarr {VOLUME} --seg_mode sem", "--seg_mode sem segments single"),
        ("test --context_slices 0", "--context_slices 0 contradicts the checkpoint of run"),
    ):
        outcome = program(words, "--name run")
        assert outcome.status == 1
        assert problem in outcome.err


def test_predictions_of_aligned_slices_see_the_stack(program: Program, images: Path) -> None:
    places = write_neighbours(images)
    # The identity of one channel translates the TXM below the slice, the slice itself, or the TXM above it.
    for channel in range(3):
        write_channel(channel, 3)
        outcome = program("test", IDENTITY, "--gpu_ids -1 --patch_size 32 --num_test 3 --context_slices 1 --full_slice")
        assert outcome.status == 0, outcome.err
        found = slices_of(Path("results/identity/sem_fake_fullslice"))
        numbers = [int(path.stem) for path in sorted((images / "test" / "txm").iterdir())]
        stack = [images / "test" / "txm_full_stack" / f"{places[number] + channel - 1:03d}.tif" for number in numbers]
        np.testing.assert_array_equal(found, tifffile.imread(stack))


def test_a_resumed_run_equals_the_uninterrupted_one(program: Program, images: Path) -> None:
    write_neighbours(images)
    options = CONDITIONAL.removesuffix("--niter 1 --niter_decay 1")
    assert program("train --name whole --context_slices 1 --niter 1 --niter_decay 1", options).status == 0
    assert program("train --name parts --context_slices 1 --niter 1 --niter_decay 0", options).status == 0
    outcome = program("train --name parts --continue_train --niter_decay 1")
    assert outcome.status == 0, outcome.err
    assert_equal_weights(Path("checkpoints/whole"), Path("checkpoints/parts"))


# -- options ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["feedforward", "srcnn", "pix2pix", "srgan", "segmentation --seg_mode txm"])
@pytest.mark.parametrize(("words", "channels"), [("", 1), ("--context_slices 2", 5), ("--context_slices=1", 3)])
def test_the_input_channels_follow(model: str, words: str, channels: int) -> None:
    given = ["--model", *model.split(), *words.split()]
    assert options_of(TrainCommand(), given).model.input_nc == channels
    assert options_of(TestCommand(), given).model.input_nc == channels
    assert options_of(TrainCommand(), [*given, "--input_nc", "7"]).model.input_nc == 7


REFUSED = [
    (
        "--model srcnn --context_slices 1 --input_nc 1",
        "--input_nc 1: expected 3, the channels of --dataset_mode txm2sem",
    ),
    (
        "--model srcnn --input_nc 3",
        "--input_nc 3: expected 1, the channels of --dataset_mode txm2sem with --context_slices 0",
    ),
    ("--model srcnn --context_slices 1 --direction BtoA", "--direction BtoA translates the SEM"),
    ("--model repair --context_slices 1", "--context_slices does nothing with --dataset_mode image_repair"),
    (
        "--model segmentation --seg_mode txm --context_slices 1 --input_nc 1",
        "--input_nc 1: expected 3, the channels of --dataset_mode segmentation with --context_slices 1",
    ),
    ("--model segmentation --context_slices 1", "--seg_mode sem segments single slices"),
    (
        "--model segmentation --context_slices 1 --seg_mode semfake --seg_source other",
        "--seg_mode semfake segments single slices",
    ),
]


@pytest.mark.parametrize(("words", "expected"), REFUSED)
def test_options_that_do_not_fit_are_refused(program: Program, images: Path, words: str, expected: str) -> None:
    outcome = program("train", words)
    assert outcome.status == 1
    assert expected in outcome.err
    assert program("train --context_slices -1").status == 2


def test_another_number_of_neighbours_contradicts_the_checkpoint(program: Program, images: Path) -> None:
    write_neighbours(images)
    assert program("train --name run --context_slices 1", SRGAN, TINY_TRAINING).status == 0
    for command in ("test", "train --continue_train"):
        for number in (0, 2):
            outcome = program(f"{command} --name run --context_slices {number}")
            assert outcome.status == 1
            assert f"--context_slices {number} contradicts the checkpoint of run" in outcome.err
            assert "trained with --context_slices 1" in outcome.err


@pytest.mark.usefixtures("trained")
def test_runs_that_are_older_than_the_option_go_on_without_neighbours(program: Program) -> None:
    path = Path("checkpoints/run/options.yaml")
    saved = yaml.safe_load(path.read_text())
    del saved["context_slices"]
    path.write_text(yaml.safe_dump(saved))
    outcome = program("test --name run --context_slices 1")
    assert outcome.status == 1
    assert (
        "--context_slices 1 contradicts the checkpoint of run, which was trained with --context_slices 0" in outcome.err
    )
    for command in ("test", "train --continue_train --niter 2"):
        outcome = program(f"{command} --name run")
        assert outcome.status == 0, outcome.err


# -- data that do not fit: all of them are in tests/data/test_neighbours.py -------------------------------------------


def _no_stack(images: Path) -> None:
    (images / "test" / "txm_full_stack").rename(images / "test" / "elsewhere")


def _no_table(images: Path) -> None:
    (images / "slice_positions.csv").unlink()


def _no_position_of_a_validation_slice(images: Path) -> None:
    write_positions(images / "slice_positions.csv", {0: 1, 1: 4})


def _another_place(images: Path) -> None:
    write_positions(images / "slice_positions.csv", {number: 3 * number for number in range(6)})


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (_no_stack, "no folder images/test/txm_full_stack"),
        (_no_table, "no file images/slice_positions.csv"),
        (_no_position_of_a_validation_slice, "images/val/txm"),
        (_another_place, "slice 0 lies at z 0"),
    ],
)
def test_what_does_not_fit_is_named_before_anything_is_written(
    program: Program, images: Path, spoil: Callable[[Path], None], expected: str
) -> None:
    write_neighbours(images)
    spoil(images)
    outcome = program("train --context_slices 1", SRGAN, TINY_TRAINING)
    assert outcome.status == 1
    assert expected in outcome.err
    assert not Path("checkpoints").exists()


# -- a volume ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("z", "channel"), [(1, 0), (DEPTH - SIZE - 1, 4)])
def test_neighbours_of_a_cube_are_those_of_the_stack(program: Program, z: int, channel: int) -> None:
    write_stack(Path("images/test/txm_full_stack"), made_stack())
    write_channel(channel, 5)
    place = f"--patch_size {SIZE} --x_ind 7 --y_ind 5 --z_ind {z}"
    outcome = program("test", IDENTITY, MODE, "--context_slices 2", place)
    assert outcome.status == 0, outcome.err
    rows, columns = slice(5, 5 + SIZE), slice(7, 7 + SIZE)
    seen = np.clip(np.arange(z, z + SIZE) + channel - 2, 0, DEPTH - 1)
    found = slices_of(Path("results/identity/volume_pred_test"))
    np.testing.assert_array_equal(found, made_stack()[seen, rows, columns])
    shown = slices_of(Path("results/identity/volume_txm_test"))
    np.testing.assert_array_equal(shown, made_stack()[z : z + SIZE, rows, columns])


def test_a_gap_among_the_neighbours_of_a_cube_is_named(program: Program) -> None:
    stack = Path("images/test/txm_full_stack")
    write_stack(stack, np.random.default_rng(0).integers(1, 256, (DEPTH, ROWS, COLUMNS), np.uint8))
    (stack / "014.tif").unlink()
    write_channel(1, 3)
    for z, status in ((1, 0), (2, 1)):
        outcome = program("test", IDENTITY, MODE, f"--context_slices 1 --patch_size {SIZE} --z_ind {z}")
        assert outcome.status == status, outcome.err
    assert "every slice from 001.tif to 015.tif" in outcome.err
    assert "these are missing: 14;" in outcome.err
