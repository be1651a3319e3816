"""Testing on a volume through the command line: which voxels, in which order, into which files."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from data.readers.compound import write_txm
from data_roots import write_slice, write_stack
from numpy.typing import NDArray
from PIL import Image

from cli.calls import SRGAN, TINY_TRAINING, Program

MODE = "--dataset_mode txm2sem3d --gpu_ids -1"
IDENTITY = "--name identity --model feedforward --netG linearfilt"
SIZE = 12
DEPTH, ROWS, COLUMNS = 20, 30, 40


def made_stack(dtype: str = "uint8") -> NDArray[Any]:
    """Return a stack (z, y, x) in which every voxel says where it is: exchanged axes give other values."""
    z, y, x = np.mgrid[:DEPTH, :ROWS, :COLUMNS]
    values: NDArray[np.int64] = 1 + 5 * z + 3 * y + x
    return (values if dtype == "uint8" else 300 * values).astype(dtype)


def write_identity() -> None:
    """Write a checkpoint, as the original code has them, of a filter that returns what it is given."""
    weight = torch.zeros(1, 1, 15, 15)
    weight[0, 0, 7, 7] = 1
    path = Path("checkpoints/identity/latest_net_G.pth")
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"filter.weight": weight, "filter.bias": torch.zeros(1)}, path)


def slices_of(folder: Path) -> NDArray[np.uint8]:
    return np.stack([np.asarray(Image.open(path)) for path in sorted(folder.iterdir())])


@pytest.fixture
def stack(program: Program) -> Path:
    """Return the folder of a full stack in the data root, beside the checkpoint `identity`."""
    folder = Path("images/test/txm_full_stack")
    write_stack(folder, made_stack())
    write_identity()
    return folder


def run(program: Program, options: str = "", size: int = SIZE) -> str:
    outcome = program("test", IDENTITY, MODE, f"--patch_size {size}", options)
    assert outcome.status == 0, outcome.err
    return outcome.out


def test_x_is_the_column_y_the_row_and_z_the_slice(program: Program, stack: Path) -> None:
    out = run(program, "--x_ind 7 --y_ind 5 --z_ind 3 --save_name here")
    expected = made_stack()[3 : 3 + SIZE, 5 : 5 + SIZE, 7 : 7 + SIZE]
    results = Path("results/identity")
    for content in ("pred", "txm"):
        files = sorted((results / f"volume_{content}_here").iterdir())
        assert [file.name for file in files] == [f"{index:03d}.png" for index in range(SIZE)]
        np.testing.assert_array_equal(slices_of(results / f"volume_{content}_here"), expected)
    assert "slices 003.tif to 014.tif (--z_ind 3), rows 5 to 16 (--y_ind 5), columns 7 to 18 (--x_ind 7)" in out


def test_the_full_stack_may_be_a_volume_in_one_file(program: Program, stack: Path) -> None:
    for path in stack.iterdir():
        path.unlink()
    stack.rmdir()
    write_txm(stack.with_suffix(".txm"), made_stack())
    run(program, "--x_ind 7 --y_ind 5 --z_ind 3")
    expected = made_stack()[3 : 3 + SIZE, 5 : 5 + SIZE, 7 : 7 + SIZE]
    np.testing.assert_array_equal(slices_of(Path("results/identity/volume_pred_test")), expected)


def test_the_tiff_file_is_a_stack_along_z_for_fiji(program: Program, stack: Path) -> None:
    run(program, "--x_ind 7 --y_ind 5")
    for content in ("pred", "txm"):
        with tifffile.TiffFile(f"results/identity/volume_{content}_test.tif") as file:
            assert file.is_imagej
            assert file.imagej_metadata is not None
            assert file.imagej_metadata["slices"] == SIZE
            assert file.series[0].axes == "ZYX"
            volume = file.asarray()
        assert volume.dtype == np.uint8
        np.testing.assert_array_equal(volume, slices_of(Path(f"results/identity/volume_{content}_test")))


def test_saved_slices_are_stretched_to_the_aspect_ratio_and_the_tiff_file_is_not(program: Program, stack: Path) -> None:
    run(program, "--aspect_ratio 2")
    assert slices_of(Path("results/identity/volume_pred_test")).shape == (SIZE, 2 * SIZE, SIZE)
    assert tifffile.imread("results/identity/volume_pred_test.tif").shape == (SIZE, SIZE, SIZE)


@pytest.mark.draws
def test_the_files_of_a_test_and_no_others(program: Program, stack: Path) -> None:
    out = run(program, "--x_ind 0 --y_ind 0")
    results = Path("results/identity")
    assert {path.name for path in results.iterdir()} == {
        "volume_pred_test",
        "volume_pred_test.tif",
        "volume_txm_test",
        "volume_txm_test.tif",
        "volume_test.png",
        "volume_opt_test.txt",
        "continuity_test.txt",
        "continuity_test.json",
    }
    with Image.open(results / "volume_test.png") as picture:
        assert picture.width > 1000
    assert "volume_test: results/identity/volume_test.png" in out
    assert "without --eval" in out
    assert "without --eval" not in run(program, "--eval")
    assert "z_ind" in (results / "volume_opt_test.txt").read_text()


def test_an_open_place_is_drawn_from_the_seed_and_said(program: Program, stack: Path) -> None:
    def place(options: str) -> tuple[int, int]:
        found = re.search(r"\(--y_ind (\d+)\).*\(--x_ind (\d+)\)", run(program, options))
        assert found
        return int(found[1]), int(found[2])

    row, column = place("--seed 1")
    assert place("--seed 1") == (row, column)
    assert place("--seed 1 --x_ind 4") == (row, 4)
    assert place("--seed 1 --y_ind -1 --x_ind -1") == (row, column)


def test_continuity_is_that_of_the_saved_volumes(program: Program, stack: Path) -> None:
    rng = np.random.default_rng(0)
    write_stack(stack, rng.integers(1, 256, (DEPTH, ROWS, COLUMNS), np.uint8))
    run(program, "--x_ind 7 --y_ind 5")
    text = Path("results/identity/continuity_test.txt").read_text()
    found = json.loads(Path("results/identity/continuity_test.json").read_text())
    volume = slices_of(Path("results/identity/volume_pred_test")).astype(float)
    expected = np.abs(np.diff(volume, axis=0)).mean()
    prediction = found["volumes"]["prediction"]
    assert prediction["adjacent_difference"] == pytest.approx(expected)
    assert prediction["adjacent_difference_of_txm"] == pytest.approx(1)
    along_z = np.corrcoef(volume[:-1].ravel(), volume[1:].ravel())[0, 1]
    assert prediction["autocorrelation_along_z"][0] == pytest.approx(along_z)
    assert len(prediction["autocorrelation_in_plane"]) == len(found["lags"]) == SIZE - 1
    assert found["first"] == {"z": 0, "row": 5, "column": 7}
    assert "truth" not in found["volumes"]
    assert re.search(rf"^prediction +{expected:.2f} +1\.00 +along z +{along_z:.3f} ", text, re.MULTILINE)
    assert not re.search("PSNR|SSIM", text)


@pytest.mark.draws
def test_the_truth_is_measured_too_where_it_is_known(program: Program, stack: Path) -> None:
    noise = np.random.default_rng(0).integers(1, 256, (DEPTH, ROWS, COLUMNS), np.uint8)
    write_stack(Path("images/test/sem_full_stack"), noise)
    out = run(program, "--x_ind 7 --y_ind 5 --z_ind 2")
    found = json.loads(Path("results/identity/continuity_test.json").read_text())
    expected = np.abs(np.diff(noise[2 : 2 + SIZE, 5 : 5 + SIZE, 7 : 7 + SIZE].astype(float), axis=0)).mean()
    assert found["volumes"]["truth"]["adjacent_difference"] == pytest.approx(expected)
    assert f"SEM (truth)         {expected:.2f}" in out


def test_without_truth_there_are_no_scores_and_with_it_those_of_the_saved_slices(program: Program, stack: Path) -> None:
    run(program)
    assert not list(Path("results/identity").glob("scores_*"))
    truth = np.clip(made_stack().astype(int) + np.random.default_rng(0).integers(-9, 9, (DEPTH, ROWS, COLUMNS)), 1, 255)
    truth[6, 5:10, 7:15] = 0  # not imaged
    write_stack(Path("images/test/sem_full_stack"), truth.astype(np.uint8))
    out = run(program, "--x_ind 7 --y_ind 5 --z_ind 2 --eval")
    found = json.loads(Path("results/identity/scores_test.json").read_text())
    cube = truth[2 : 2 + SIZE, 5 : 5 + SIZE, 7 : 7 + SIZE]
    assert (found["model"], found["images"], found["slices"], found["interval"]) == ("identity", SIZE, SIZE, None)
    assert found["valid_share"] == pytest.approx(np.mean(cube > 0))
    assert "neighbouring slices of one cube are alike" in Path("results/identity/scores_test.txt").read_text()
    assert "images has no training split" in out
    assert found["similarity"]["model identity"] == found["similarity"]["raw TXM"]
    assert (found["rock"], list(found["similarity"])) == ({}, ["model identity", "raw TXM"])
    predicted = slices_of(Path("results/identity/volume_pred_test"))
    psnr = [
        10 * np.log10(255**2 / np.mean((one.astype(float) - other)[other > 0] ** 2))
        for one, other in zip(predicted, cube, strict=True)
    ]
    assert found["similarity"]["model identity"]["all"]["psnr"]["value"] == pytest.approx(np.mean(psnr))
    with Path("results/identity/scores_test.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "model identity"]
    assert [int(row["slice"]) for row in rows] == list(range(2, 2 + SIZE))
    assert [float(row["psnr_all"]) for row in rows] == pytest.approx(psnr, rel=1e-5)
    assert "scores_test: results/identity/scores_test.png" in out
    run(program, "--x_ind 0 --y_ind 0")
    kept = [path.name for path in Path("results").glob("identity_*/scores_test.*")]
    assert sorted(kept) == [f"scores_test.{suffix}" for suffix in ("csv", "json", "png", "txt")]


def test_a_cube_is_scored_beside_what_its_training_slices_tell(trained: Program, images: Path) -> None:
    txm, sem = (np.stack([tifffile.imread(images / "train" / name / "000.tif")] * 40) for name in ("txm", "sem"))
    write_stack(images / "test/txm_full_stack", txm)
    write_stack(images / "test/sem_full_stack", sem)
    assert trained("test --name run --eval", MODE, "--x_ind 10 --y_ind 20").status == 0
    found = json.loads(Path("results/run/scores_test.json").read_text())
    assert list(found["similarity"])[:4] == ["model run", "raw TXM", "constant", "linear fit"]
    assert found["phases"]["dice"] > 0.7
    assert found["rock"]["model run"]["high_density"]["fraction"]["true"]["value"] > 0
    assert (
        found["similarity"]["linear fit"]["all"]["psnr"]["value"]
        > found["similarity"]["constant"]["all"]["psnr"]["value"]
    )
    assert Path("results/run/scores_test.png").exists()


def test_a_training_split_that_cannot_be_used_is_told_and_no_obstacle(trained: Program, images: Path) -> None:
    rock = np.random.default_rng(0).integers(1, 255, (40, 48, 48), np.uint8)
    for name in ("txm", "sem"):
        write_stack(images / f"test/{name}_full_stack", rock)
    next((images / "train" / "sem").iterdir()).unlink()
    outcome = trained("test --name run --eval", MODE)
    assert outcome.status == 0, outcome.err
    assert "the training split cannot be used" in outcome.out
    assert "the phases of the rock, are left out: " in outcome.out
    assert "images/train/sem" in outcome.out


def test_voxels_outside_the_field_of_view_take_no_part(program: Program, stack: Path) -> None:
    volume = made_stack()
    volume[:, :, :10] = 0
    write_stack(stack, volume)
    out = run(program, "--x_ind 4 --y_ind 5")
    found = json.loads(Path("results/identity/continuity_test.json").read_text())
    assert found["share_in_field_of_view"] == pytest.approx(0.5)
    # Inside, each slice is 5 grey levels above the one before; with the empty half it would be 2.5.
    assert found["volumes"]["txm"]["adjacent_difference"] == pytest.approx(5)
    assert "50.00% of the voxels are 0" in out


@pytest.mark.draws
def test_a_volume_without_contrast_has_numbers_that_are_not_defined(program: Program, stack: Path) -> None:
    write_stack(stack, np.full((DEPTH, ROWS, COLUMNS), 9, np.uint8))
    assert "–" in run(program)
    found = json.loads(Path("results/identity/continuity_test.json").read_text())
    assert found["volumes"]["txm"]["adjacent_difference"] == 0
    assert found["volumes"]["txm"]["adjacent_difference_of_txm"] is None
    assert set(found["volumes"]["txm"]["autocorrelation_along_z"]) == {None}


def test_sixteen_bit_stacks_are_measured_or_take_the_range_given(program: Program, stack: Path) -> None:
    write_stack(stack, made_stack("uint16"))
    run(program, "--x_ind 0 --y_ind 0 --txm_range 0,65535 --save_name given")
    shown = slices_of(Path("results/identity/volume_txm_given"))
    expected = np.rint(made_stack("uint16")[:SIZE, :SIZE, :SIZE] / 65535 * 255)
    np.testing.assert_array_equal(shown, expected)
    run(program, "--x_ind 0 --y_ind 0 --save_name measured")
    measured = slices_of(Path("results/identity/volume_txm_measured"))
    low, high = np.percentile(made_stack("uint16"), (0.1, 99.9))
    expected = np.clip(np.rint((made_stack("uint16")[:SIZE, :SIZE, :SIZE] - low) / (high - low) * 255), 0, 255)
    # The range is measured on some of the slices.
    np.testing.assert_allclose(measured, expected, atol=1)


def test_the_contrast_is_what_the_model_was_trained_with(program: Program, stack: Path) -> None:
    run(program, "--x_ind 0 --y_ind 0 --gamma 0.5")
    expected = np.rint(255 * np.sqrt(made_stack()[:SIZE, :SIZE, :SIZE] / 255))
    np.testing.assert_array_equal(slices_of(Path("results/identity/volume_pred_test")), expected)


def test_a_model_for_the_other_direction_is_refused(program: Program, images: Path) -> None:
    assert program("train --name run --direction BtoA", SRGAN, TINY_TRAINING).status == 0
    outcome = program("test --name run", MODE)
    assert outcome.status == 1
    assert "the volume is TXM, but this model was trained with --direction BtoA" in outcome.err


def test_a_model_trained_on_scaled_patches_says_that_the_volume_is_not(program: Program, images: Path) -> None:
    options = "--preprocess scale_width --load_size 64"
    assert program("train --name run", SRGAN, TINY_TRAINING, options).status == 0
    write_stack(images / "test/txm_full_stack", np.random.default_rng(0).integers(1, 256, (32, 40, 40), np.uint8))
    assert "on patches of 32 pixels scaled to 64" in program("test --name run", MODE).out


def test_a_sample_has_its_own_stack_and_a_phase_too(program: Program, stack: Path) -> None:
    stack.rename("images/test/txm_full_stackB")
    assert "txm_full_stackB: slices" in run(program, "--sample_name B")
    Path("images/test").rename("images/validation")
    assert "images/validation/txm_full_stackB: slices" in run(program, "--sample_name B --phase val")


def test_slices_are_ordered_by_number(program: Program, stack: Path) -> None:
    for path in stack.iterdir():
        path.rename(path.with_name(f"TXM{int(path.stem) + 95}.tif"))
    out = run(program, "--x_ind 0 --y_ind 0")
    assert "slices TXM95.tif to TXM106.tif (--z_ind 0)" in out
    np.testing.assert_array_equal(
        slices_of(Path("results/identity/volume_pred_test")), made_stack()[:SIZE, :SIZE, :SIZE]
    )


def test_a_second_test_of_the_name_keeps_the_first_and_everything_else(program: Program, stack: Path) -> None:
    run(program, "--x_ind 1 --y_ind 1")
    run(program, "--x_ind 2 --y_ind 2 --save_name other")
    first = slices_of(Path("results/identity/volume_pred_test"))
    Path("results/identity/mine.txt").write_text("my notes")
    out = run(program, "--x_ind 3 --y_ind 3 --save_txm False")
    (kept,) = [path for path in Path("results").iterdir() if path.name != "identity"]
    assert str(kept) in out
    np.testing.assert_array_equal(slices_of(kept / "volume_pred_test"), first)
    assert (kept / "volume_txm_test.tif").exists()
    assert (kept / "continuity_test.json").exists()
    assert not Path("results/identity/volume_txm_test").exists()
    assert Path("results/identity/volume_pred_other").is_dir()
    assert Path("results/identity/mine.txt").read_text() == "my notes"


@pytest.mark.usefixtures("trained")
def test_a_trained_model_needs_only_its_name(program: Program, images: Path) -> None:
    write_stack(images / "test/txm_full_stack", np.random.default_rng(0).integers(1, 256, (32, 40, 40), np.uint8))
    outcome = program("test --name run", MODE)
    assert outcome.status == 0, outcome.err
    assert slices_of(Path("results/run/volume_pred_test")).shape == (32, 32, 32)
    again = program("test --name run --results_dir again", MODE)
    *said, following = again.out.replace("again", "results").splitlines()
    assert said == outcome.out.splitlines()[:-1]
    assert following == "next:     txm2sem report run --results_dir results"
    # What the aligned slices are scored with stays beside it.
    assert program("test --name run").status == 0
    assert Path("results/run/volume_pred_test").is_dir()


def test_slices_are_predicted_one_by_one(program: Program, images: Path) -> None:
    # Without --eval, a slice's statistics are its own: other slices in the cube do not change it.
    assert program("train --name run --no_dropout", SRGAN, TINY_TRAINING).status == 0
    volume = np.random.default_rng(0).integers(1, 256, (32, 32, 32), np.uint8)
    write_stack(images / "test/txm_full_stack", volume)
    assert program("test --name run", MODE).status == 0
    before = slices_of(Path("results/run/volume_pred_test"))
    volume[1:] = np.random.default_rng(1).integers(1, 99, (31, 32, 32), np.uint8)
    write_stack(images / "test/txm_full_stack", volume)
    assert program("test --name run", MODE).status == 0
    after = slices_of(Path("results/run/volume_pred_test"))
    np.testing.assert_array_equal(before[0], after[0])
    assert not np.array_equal(before[1], after[1])


def _no_folder(stack: Path) -> None:
    stack.rename(stack.with_name("elsewhere"))


def _no_slices(stack: Path) -> None:
    for path in stack.iterdir():
        path.unlink()


def _few_slices(stack: Path) -> None:
    for path in sorted(stack.iterdir())[SIZE - 1 :]:
        path.unlink()


def _gap(stack: Path) -> None:
    (stack / "004.tif").unlink()
    (stack / "006.tif").unlink()


def _duplicate(stack: Path) -> None:
    write_slice(stack / "TXM004.tif", made_stack()[4])


def _other_size(stack: Path) -> None:
    write_slice(stack / "004.tif", made_stack()[4, :-1])


def _damaged(stack: Path) -> None:
    path = stack / "004.tif"
    path.write_bytes(path.read_bytes()[:100])


def _black(stack: Path) -> None:
    write_slice(stack / "004.tif", np.zeros((ROWS, COLUMNS), np.uint8))


def _empty_corner(stack: Path) -> None:
    volume = made_stack()
    volume[:, :SIZE, :SIZE] = 0
    write_stack(stack, volume)


def _truth_of_other_size(stack: Path) -> None:
    write_stack(stack.with_name("sem_full_stack"), made_stack()[:, :-2])


def _truth_of_other_slices(stack: Path) -> None:
    write_stack(stack.with_name("sem_full_stack"), made_stack()[:-1])


def _unchanged(stack: Path) -> None:
    """Leave the data as they are: the options are what is wrong."""


FAULTS = [
    pytest.param(_no_folder, "", ["txm_full_stack", "000.tif", "z order"], id="no folder"),
    pytest.param(_no_slices, "", ["has no TIFF slices"], id="no slices"),
    pytest.param(_few_slices, "", ["found 11", "000.tif to 010.tif", "--patch_size"], id="few slices"),
    pytest.param(_gap, "", ["these are missing: 4, 6;", "000.tif to 013.tif"], id="gap"),
    pytest.param(_duplicate, "", ["004.tif and TXM004.tif", "both slice 4"], id="duplicate"),
    pytest.param(_other_size, "", ["29 x 40", "30 x 40"], id="slices of different size"),
    pytest.param(_damaged, "", ["004.tif"], id="damaged"),
    pytest.param(_black, "", ["004.tif", "black"], id="black"),
    pytest.param(_empty_corner, "--x_ind 0 --y_ind 0", ["empty", "field of view", "--x_ind"], id="empty cube"),
    pytest.param(_truth_of_other_size, "", ["sem_full_stack", "28 x 40", "30 x 40"], id="size of the truth"),
    pytest.param(_truth_of_other_slices, "", ["20 slices", "19 slices", "rename"], id="slices of the truth"),
    pytest.param(_unchanged, "--x_ind 29", ["--x_ind 29", "0 to 28", "40 columns", "11 remain"], id="x"),
    pytest.param(_unchanged, "--y_ind 19", ["--y_ind 19", "0 to 18", "30 rows"], id="y"),
    pytest.param(_unchanged, "--z_ind 9", ["--z_ind 9", "0 to 8", "20 slices", "11 remain"], id="z"),
    pytest.param(_unchanged, "--z_ind 99", ["0 to 8", "0 remain"], id="z beyond"),
    pytest.param(_unchanged, "--patch_size 31", ["--patch_size 31", "30 x 40", "at most 30"], id="patch size"),
    pytest.param(_unchanged, "--txm_range 9,3", ["--txm_range 9,3"], id="grey range"),
    pytest.param(_unchanged, "--input_nc 3", ["--input_nc 3", "expected 1"], id="channels"),
    pytest.param(_unchanged, "--epoch 7", ["7_net_G.pth"], id="no checkpoint"),
]


@pytest.mark.parametrize(("spoil", "options", "expected"), FAULTS)
def test_bad_input_is_named_before_anything_is_moved_or_written(
    program: Program, stack: Path, spoil: Callable[[Path], None], options: str, expected: list[str]
) -> None:
    earlier = Path("results/identity/volume_pred_test/000.png")
    earlier.parent.mkdir(parents=True)
    earlier.write_bytes(b"of an earlier test")
    spoil(stack)

    outcome = program("test", IDENTITY, MODE, f"--patch_size {SIZE}", options)

    assert outcome.status == 1
    assert outcome.err.startswith("txm2sem test: error: ")
    for words in expected:
        assert words in outcome.err
    assert earlier.read_bytes() == b"of an earlier test"
    assert [path for path in Path("results").rglob("*") if path.is_file()] == [earlier]


USAGE_FAULTS = [
    pytest.param("--x_ind -2", ["--x_ind -2", "expected -1 or more"], id="x negative"),
    pytest.param("--z_ind -1", ["--z_ind -1", "expected 0 or more"], id="z negative"),
    pytest.param("--x_ind left", ["--x_ind"], id="x not a number"),
    pytest.param("--save_name a/b", ["--save_name 'a/b'", "without /"], id="save name"),
    pytest.param("--dataset_mode txm2sem4d", ["txm2sem4d", "did you mean txm2sem3d?"], id="unknown data set"),
]


@pytest.mark.parametrize(("options", "expected"), USAGE_FAULTS)
def test_a_command_line_that_is_not_understood_says_what_was_expected(
    program: Program, stack: Path, options: str, expected: list[str]
) -> None:
    outcome = program("test", IDENTITY, MODE, options)
    assert outcome.status == 2
    for words in expected:
        assert words in outcome.out + outcome.err
    assert not Path("results").exists()


def test_a_gap_elsewhere_does_no_harm(program: Program, stack: Path) -> None:
    (stack / "015.tif").unlink()
    run(program)


def test_there_is_nothing_to_train_on(program: Program, images: Path) -> None:
    outcome = program("train --name run --dataset_mode txm2sem3d", SRGAN, TINY_TRAINING)
    assert outcome.status == 1
    assert "txm2sem3d has no SEM to learn from" in outcome.err
    assert not Path("checkpoints").exists()


def test_the_place_of_a_cube_is_refused_where_there_is_none(program: Program, stack: Path) -> None:
    outcome = program("test", IDENTITY, "--gpu_ids -1 --x_ind 7")
    assert outcome.status == 1
    assert "--x_ind does nothing with --dataset_mode txm2sem; it belongs to txm2sem3d" in outcome.err
