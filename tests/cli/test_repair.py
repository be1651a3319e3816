"""Image repair through the command line: train, test, repair slices; and what is wrong with bad input."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
import yaml
from data.readers.compound import write_txm
from data_roots import write_bars, write_data_root, write_slice
from numpy.typing import NDArray
from PIL import Image
from repair_roots import write_repair_root

from cli.calls import TINY_TRAINING, Program, TrainOnce
from txm2sem.data.repair import draw_charge

REPAIR = "--model repair --netG resnet_6blocks"
FEW_TRIES = 1000


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Return a small data root with charge at `./images`, where the program looks by default."""
    return write_repair_root(tmp_path / "images")


@pytest.fixture
def trained(program: Program, images: Path, train_once: TrainOnce) -> Program:
    """Return the program beside `run`, which was trained on the images."""
    train_once(f"--name run {REPAIR} {TINY_TRAINING}", write_repair_root)
    return program


def png(path: Path) -> NDArray[Any]:
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.draws
def test_train_and_test(program: Program, images: Path) -> None:
    outcome = program("train --name run", REPAIR, TINY_TRAINING)
    assert outcome.status == 0, outcome.err
    saved = yaml.safe_load(Path("checkpoints/run/options.yaml").read_text())
    assert (saved["dataset_mode"], saved["input_nc"], saved["lambda_L1"]) == ("image_repair", 3, 10.0)
    metrics = Path("checkpoints/run/run_metrics.txt").read_text().splitlines()
    assert all(re.fullmatch(r"\(epoch: \d\) PSNR_inside=\S+, PSNR=\S+±\S+, SSIM=\S+±\S+", line) for line in metrics)
    assert len(metrics) == 3

    # What the checkpoint knows need not be said again, but may be.
    for words in ("", "--dataset_mode image_repair --model repair"):
        outcome = program("test --name run", words)
        assert outcome.status == 0, outcome.err
    results = Path("results/run")
    assert "results/run/overview.png" in outcome.out
    text = (results / "eval_metrics.txt").read_text()
    assert text.startswith("(epoch: latest) PSNR_inside=")
    for name in ("model run", "constant", "Telea inpainting (radius 5)", "the same, not from black pixels", "kriging"):
        assert re.search(rf"^{re.escape(name)} .*±.*±.*±", text, re.MULTILINE), name
    (kept,) = [path for path in Path("results").iterdir() if path.name != "run"]
    for folder in ("txm", "sem", "sem_fake", "charged", "mask"):
        for place in (results, kept):
            assert [path.name for path in sorted((place / folder).iterdir())] == ["000.png", "001.png", "002.png"]


def test_tested_patches_are_repaired_inside_the_mask_only_and_scored_there(program: Program, trained: Program) -> None:
    assert program("test --name run --eval").status == 0
    results, inside, whole = Path("results/run"), [], []
    for name in ("000.png", "001.png", "002.png"):
        repaired, sem, charged = (png(results / folder / name) for folder in ("sem_fake", "sem", "charged"))
        mask = png(results / "mask" / name)
        assert set(np.unique(mask)) == {0, 255}
        masked = mask > 0
        assert 0.25 <= masked.mean() <= 0.75
        assert (charged[masked] == 255).all()
        np.testing.assert_array_equal(charged[~masked], sem[~masked])
        np.testing.assert_array_equal(repaired[~masked], sem[~masked])
        assert (repaired[masked] != sem[masked]).mean() > 0.5
        errors = (repaired.astype(float) - sem) ** 2
        inside.append(10 * np.log10(255**2 / errors[masked].mean()))
        whole.append(10 * np.log10(255**2 / errors.mean()))
    found = re.search(r"PSNR_inside=([\d.]+)±\S+, PSNR=([\d.]+)±", (results / "eval_metrics.txt").read_text())
    assert found
    assert float(found[1]) == pytest.approx(np.mean(inside))
    assert float(found[2]) == pytest.approx(np.mean(whole))


def test_testing_without_a_training_split_leaves_out_the_constant(
    program: Program, images: Path, trained: Program
) -> None:
    (images / "train").rename(images / "elsewhere")
    outcome = program("test --name run")
    assert outcome.status == 0
    assert "no training split" in outcome.out
    assert "Telea" in outcome.out
    assert "constant  " not in outcome.out


def test_a_resumed_run_equals_the_uninterrupted_one(program: Program, images: Path) -> None:
    options = f"{REPAIR} {TINY_TRAINING.removesuffix('--niter 1 --niter_decay 1')}"
    assert program("train --name whole --niter 2 --niter_decay 0", options).status == 0
    assert program("train --name parts --niter 1 --niter_decay 0", options).status == 0
    assert program("train --name parts --continue_train --niter 2").status == 0
    for network in "GD":
        one, other = (
            torch.load(f"checkpoints/{name}/latest_net_{network}.pth", weights_only=True) for name in ("whole", "parts")
        )
        assert all(torch.equal(value, other[key]) for key, value in one.items())


def test_two_runs_with_one_seed_are_equal_and_loader_processes_change_nothing(program: Program, images: Path) -> None:
    for name, options in (("one", ""), ("two", "--num_threads 2"), ("three", "--seed 1")):
        assert program(f"train --name {name}", REPAIR, TINY_TRAINING, options).status == 0
    one, two, three = (
        torch.load(f"checkpoints/{name}/latest_net_G.pth", weights_only=True) for name in ("one", "two", "three")
    )
    assert all(torch.equal(value, two[key]) for key, value in one.items())
    assert any(not torch.equal(value, three[key]) for key, value in one.items())


def test_a_model_without_txm_does_not_see_it(program: Program, images: Path) -> None:
    assert program("train --name run --sem_only", REPAIR, TINY_TRAINING).status == 0
    assert program("test --name run --eval").status == 0
    before = png(Path("results/run/sem_fake/001.png"))
    for path in (images / "test" / "txm").iterdir():
        write_slice(path, 255 - tifffile.imread(path))
    assert program("test --name run --eval").status == 0
    np.testing.assert_array_equal(png(Path("results/run/sem_fake/001.png")), before)
    assert (png(Path("results/run/txm/001.png")) > 0).any()


MODE_FAULTS = [
    ("train --dataset_mode image_repair", ["--model pix2pix", "--model repair", "--dataset_mode txm2sem"]),
    ("train --model repair --dataset_mode txm2sem", ["--model repair", "--dataset_mode image_repair"]),
    ("train --model repair --input_nc 1 --patch_size 256", ["--input_nc 1", "expected 3"]),
    ("train --model srgan --sem_only", ["--sem_only does nothing with --model srgan", "repair"]),
    ("test --dataset_mode image_repair", ["--model pix2pix", "--model repair"]),
    ("test --model repair --dataset_mode txm2sem", ["--model repair", "--dataset_mode image_repair"]),
]


@pytest.mark.parametrize(("words", "expected"), MODE_FAULTS)
def test_model_and_data_set_must_fit(program: Program, images: Path, words: str, expected: list[str]) -> None:
    network = Path("checkpoints/experiment_name/latest_net_G.pth")
    network.parent.mkdir(parents=True)
    network.touch()  # a test looks first whether the model is there
    outcome = program(words)
    assert outcome.status == 1
    for part in expected:
        assert part in outcome.err


def test_sem_only_must_be_that_of_the_checkpoint(program: Program, trained: Program) -> None:
    outcome = program("test --name run --sem_only")
    assert outcome.status == 1
    assert "--sem_only" in outcome.err
    assert "contradicts the checkpoint" in outcome.err


def _no_masks(images: Path) -> None:
    shutil.rmtree(images / "train" / "charge")


def _no_masks_to_validate(images: Path) -> None:
    shutil.rmtree(images / "val" / "charge")


def _empty_masks(images: Path) -> None:
    for path in (images / "train" / "charge").iterdir():
        write_slice(path, np.zeros((96, 96), np.uint8))


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (_no_masks, "images/train has no charge masks"),
        (_no_masks_to_validate, "images/val has no charge masks"),
        (_empty_masks, "no charge mask in images/train/charge fits a patch of 32 x 32 pixels"),
    ],
)
def test_charge_masks_are_needed(
    program: Program, images: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], None], expected: str
) -> None:
    def impatient(*arguments: Any) -> NDArray[np.bool_]:
        return draw_charge(*arguments, max_tries=FEW_TRIES)

    monkeypatch.setattr("txm2sem.data.repair.draw_charge", impatient)
    spoil(images)
    outcome = program("train --name run", REPAIR, TINY_TRAINING)
    assert outcome.status == 1
    assert expected in outcome.err
    assert not Path("checkpoints").exists()


# -- repairing a folder of slices ------------------------------------------------------------------------------------


FOLDERS = "repair images/test/sem repaired --name run --txm images/test/txm --gpu_ids -1"


def repaired_pairs(sem: str = "images/test/sem", out: str = "repaired") -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """Return (before, after) of every slice, after a check of the names."""
    paths = sorted(path for path in Path(out).iterdir() if path.suffix == ".tif")
    assert [path.name for path in paths] == sorted(path.name for path in Path(sem).iterdir())
    return [(tifffile.imread(Path(sem) / path.name), tifffile.imread(path)) for path in paths]


@pytest.mark.draws
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_slices_are_repaired_inside_the_masks_only_and_keep_their_type(
    program: Program, tmp_path: Path, dtype: str
) -> None:
    write_repair_root(tmp_path / "images", dtype=dtype)
    assert program("train --name run", REPAIR, TINY_TRAINING).status == 0
    outcome = program(FOLDERS, "--charge images/test/charge")
    assert outcome.status == 0, outcome.err
    assert "picture: repaired/before_after.png" in outcome.out
    assert png(Path("repaired/before_after.png")).shape[1] > 800
    assert not Path("repaired/charge").exists()
    for name, (before, after) in zip(("000.tif", "001.tif"), repaired_pairs(), strict=True):
        mask = (tifffile.imread(f"images/test/charge/{name}") > 0) & (before != 0)
        assert after.dtype == before.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(after[~mask], before[~mask])
        assert (after[mask] < before[mask]).mean() > 0.9


def test_slices_larger_than_a_tile_are_repaired_everywhere_and_again_the_same(
    program: Program, trained: Program
) -> None:
    # Charge right across the slice, its last odd rows and columns included.
    for number in (7, 8):
        rock = np.random.default_rng(number).integers(1, 200, (75, 101)).astype(np.uint8)
        mask = np.zeros_like(rock)
        mask[30:34], mask[:, 60:63], mask[-1], mask[:, -1] = 1, 1, 1, 1
        rock[mask > 0] = 255
        for folder, image in (("sem", rock), ("txm", rock // 2), ("charge", mask)):
            write_slice(Path(f"own/{folder}/x_{number}.tif"), image)
    txm = [np.zeros((75, 101), np.uint8)] * 7 + [tifffile.imread(f"own/txm/x_{number}.tif") for number in (7, 8)]
    write_txm(Path("own/scan.txm"), np.stack(txm))  # as a volume, in which slices are counted from 0
    for out, source in (("one", "own/txm"), ("two", "own/scan.txm")):
        outcome = program(f"repair own/sem {out} --name run --txm {source} --charge own/charge --gpu_ids -1")
        assert outcome.status == 0, outcome.err
    for first, second in zip(repaired_pairs("own/sem", "one"), repaired_pairs("own/sem", "two"), strict=True):
        np.testing.assert_array_equal(first[1], second[1])
        before, after = first
        np.testing.assert_array_equal(after[before != 255], before[before != 255])
        assert (after[before == 255] < 255).mean() > 0.99


def test_saturated_regions_are_found_where_no_masks_are_given(program: Program, trained: Program) -> None:
    sem = np.random.default_rng(0).integers(1, 200, (64, 64)).astype(np.uint8)
    sem[10:20, 10:20] = 255  # 100 pixels
    sem[40:43, 40:43] = 255  # too small
    sem[30:34, 50:60] = 254  # not saturated
    sem[8, 12] = 0
    for folder in ("sem", "txm"):
        write_slice(Path(f"own/{folder}/000.tif"), sem)
    words = "repair own/sem {} --name run --txm own/txm --gpu_ids -1 {}"
    outcome = program(words.format("plain", ""))
    assert outcome.status == 0, outcome.err
    assert "64 or more connected pixels of at least 255, and 2 pixels around them" in outcome.out
    mask = tifffile.imread("plain/charge/000.tif") > 0
    assert mask[10:20, 8:22].all()
    assert not mask[8, 12]
    assert mask[8, 13]
    assert not mask[:, 23:].any()
    assert not mask[23:].any()
    np.testing.assert_array_equal(tifffile.imread("plain/000.tif")[~mask], sem[~mask])

    # The options of the search, each of which adds or takes away.
    counts = {}
    for name, option in {"small": "--min_area 9", "grey": "--saturation 254 --min_area 40", "bare": "--dilation 0",
                         "none": "--min_area 101"}.items():  # fmt: skip
        assert program(words.format(name, option)).status == 0
        counts[name] = np.count_nonzero(tifffile.imread(f"{name}/charge/000.tif"))
    assert counts["bare"] == 100
    assert counts["none"] == 0
    assert counts["small"] > mask.sum()
    assert counts["grey"] > mask.sum()
    np.testing.assert_array_equal(tifffile.imread("none/000.tif"), sem)

    # The masks that were found can be passed back.
    assert program(words.format("again", "--charge plain/charge")).status == 0
    np.testing.assert_array_equal(tifffile.imread("again/000.tif"), tifffile.imread("plain/000.tif"))


def test_what_is_said_of_a_slice_is_said_of_the_repaired_one_and_of_its_mask(program: Program) -> None:
    sem = np.random.default_rng(0).integers(60, 200, (40, 40)).astype(np.uint8)
    sem[5:15, 5:15] = 255
    tags = [(274, 3, 1, 4, True), (34682, 2, 0, "[Scan]\r\nPixelWidth=1.0E-8\r\n", True)]
    options: dict[str, Any] = {"imagej": True, "photometric": None, "metadata": {"unit": "nm"}, "extratags": tags}
    write_slice(Path("own/sem/000.tif"), sem[::-1], resolution=(0.1, 0.1), **options)
    assert program("repair own/sem repaired").status == 0
    with tifffile.TiffFile("repaired/000.tif") as file:
        page = file.pages.first
        assert (page.resolution, (file.imagej_metadata or {})["unit"]) == ((0.1, 0.1), "nm")
        assert "PixelWidth=1.0E-8" in str(page.tags[34682].value) or "PixelWidth" in str(file.fei_metadata)
    after, mask = (tifffile.imread(f"{folder}/000.tif") for folder in ("repaired", "repaired/charge"))
    np.testing.assert_array_equal(after[mask == 0], sem[mask == 0])
    assert (after[sem == 255] < 255).all()
    with tifffile.TiffFile("repaired/charge/000.tif") as file:
        assert file.pages.first.resolution == pytest.approx((1e6, 1e6))  # of a centimetre: 10 nm


def test_the_text_beside_a_slice_says_where_its_data_bar_is_and_comes_along(program: Program) -> None:
    sem = np.random.default_rng(0).integers(60, 200, (48, 40)).astype(np.uint8)
    sem[5:15, 5:15] = 250
    sem[40:] = 255  # brighter than what is charged, without any text
    write_slice(Path("own/000.tif"), sem)
    Path("own/000.txt").write_text("$CM_FULL_SIZE 40 40\n$$SM_MICRON_BAR 91\n$$SM_MICRON_MARKER 10um\n")
    Path("own/notes.txt").write_text("mine")
    outcome = program("repair own repaired --dilation 0")
    assert outcome.status == 0, outcome.err
    after, mask = (tifffile.imread(f"{folder}/000.tif") for folder in ("repaired", "repaired/charge"))
    np.testing.assert_array_equal(mask > 0, sem == 250)
    np.testing.assert_array_equal(after[40:], sem[40:])
    assert Path("repaired/000.txt").read_bytes() == Path("own/000.txt").read_bytes()
    assert not Path("repaired/notes.txt").exists()
    with tifffile.TiffFile("repaired/charge/000.tif") as file:
        assert 1e7 / file.pages.first.resolution[0] == pytest.approx(1e4 / 91, rel=1e-5)


def test_the_meaning_of_black_and_the_pixel_size_are_kept(program: Program, trained: Program) -> None:
    sem = np.random.default_rng(0).integers(60, 255, (40, 40)).astype(np.uint8)
    sem[5:15, 5:15] = 0  # white, as the file means it
    options = {"photometric": "miniswhite", "resolution": (2e5, 2e5), "resolutionunit": 3, "compression": "zlib"}
    write_slice(Path("own/sem/000.tif"), sem, **options)
    write_slice(Path("own/txm/000.tif"), sem)
    outcome = program("repair own/sem repaired --name run --txm own/txm --gpu_ids -1 --dilation 0")
    assert outcome.status == 0, outcome.err
    after = tifffile.imread("repaired/000.tif")
    np.testing.assert_array_equal(after[sem != 0], sem[sem != 0])
    assert (after[sem == 0] > 0).all()
    with tifffile.TiffFile("repaired/000.tif") as file:
        page: Any = file.pages.first
        assert (page.photometric.name, page.resolution, int(page.resolutionunit)) == ("MINISWHITE", (2e5, 2e5), 3)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("options", ["", "--txm images/test/txm", "--texture --seed 3"])
def test_slices_are_repaired_without_a_model(program: Program, tmp_path: Path, dtype: str, options: str) -> None:
    write_repair_root(tmp_path / "images", dtype=dtype)
    outcome = program("repair images/test/sem repaired --charge images/test/charge", options)
    assert outcome.status == 0, outcome.err
    assert Path("repaired/before_after.png").exists()
    for name, (before, after) in zip(("000.tif", "001.tif"), repaired_pairs(), strict=True):
        mask = (tifffile.imread(f"images/test/charge/{name}") > 0) & (before != 0)
        assert after.dtype == before.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(after[~mask], before[~mask])
        assert (after[mask] < before[mask]).mean() > 0.9
    assert program("repair images/test/sem again --charge images/test/charge", options).status == 0
    for one, other in zip(repaired_pairs(), repaired_pairs(out="again"), strict=True):
        np.testing.assert_array_equal(one[1], other[1])


def test_texture_is_another_in_every_slice_and_with_every_seed(program: Program, images: Path) -> None:
    for number in (0, 1):
        sem = tifffile.imread("images/test/sem/000.tif")
        write_slice(Path(f"same/sem/{number}.tif"), sem)
        write_slice(Path(f"same/charge/{number}.tif"), tifffile.imread("images/test/charge/000.tif"))
    for out, options in (("smooth", ""), ("one", "--texture"), ("two", "--texture --seed 1")):
        assert program(f"repair same/sem {out} --charge same/charge", options).status == 0
    (_, first), (_, second) = repaired_pairs("same/sem", "smooth")
    np.testing.assert_array_equal(first, second)
    (_, first), (_, second) = repaired_pairs("same/sem", "one")
    assert (first != second).any()
    assert (first != repaired_pairs("same/sem", "two")[0][1]).any()


def test_charge_that_reaches_beyond_its_mask_is_noticed_and_taken_in(program: Program) -> None:
    sem = np.random.default_rng(0).integers(90, 110, (64, 64)).astype(np.uint8)
    sem[20:40, 20:40] = 250
    mask = np.zeros_like(sem)
    mask[22:38, 22:38] = 255
    write_slice(Path("own/sem/000.tif"), sem)
    write_slice(Path("own/charge/000.tif"), mask)
    words = "repair own/sem {} --charge own/charge {}"
    outcome = program(words.format("tight", ""))
    assert "- next to the repaired regions the slices are up to 100% on the way" in outcome.out
    assert "--dilation, such as 3" in outcome.out
    assert tifffile.imread("tight/000.tif")[30, 30] > 150
    outcome = program(words.format("wide", "--dilation 3"))
    assert "note" not in outcome.out
    wide = tifffile.imread("wide/000.tif")
    assert wide.max() < 130
    np.testing.assert_array_equal(wide[:17], sem[:17])


def test_a_slice_without_an_intact_pixel_is_named(program: Program, images: Path) -> None:
    write_slice(images / "test/charge/001.tif", np.full((96, 96), 255, np.uint8))
    outcome = program("repair images/test/sem repaired --charge images/test/charge")
    assert outcome.status == 1
    assert "images/test/sem/001.tif: every pixel of the SEM is charged or 0" in outcome.err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--patch_size 32", ["--patch_size does nothing in a repair by kriging", "--name"]),
        ("--epoch best", ["--epoch does nothing in a repair by kriging"]),
        ("--seed 1", ["--seed does nothing in a repair by kriging"]),
        ("--name run --texture --txm images/test/txm", ["--texture belongs to kriging", "--name"]),
    ],
)
@pytest.mark.usefixtures("trained")
def test_options_of_the_other_method_are_refused(program: Program, words: str, expected: list[str]) -> None:
    outcome = program("repair images/test/sem repaired", words)
    assert outcome.status == 1
    for part in expected:
        assert part in outcome.err
    assert not Path("repaired").exists()


def test_a_model_without_txm_repairs_without(program: Program, images: Path) -> None:
    assert program("train --name alone --sem_only", REPAIR, TINY_TRAINING).status == 0
    outcome = program("repair images/test/sem repaired --name alone --charge images/test/charge --gpu_ids -1")
    assert outcome.status == 0, outcome.err
    assert len(repaired_pairs()) == 2
    outcome = program("repair images/test/sem other --name alone --txm images/test/txm --gpu_ids -1")
    assert outcome.status == 1
    assert "--sem_only" in outcome.err
    assert not Path("other").exists()


def _nothing(images: Path) -> None:
    """Leave the slices as they are: the words are what is wrong."""


def _missing_txm(images: Path) -> None:
    (images / "test/txm/001.tif").unlink()


def _other_size(images: Path) -> None:
    for path in (images / "test/charge").iterdir():
        write_slice(path, tifffile.imread(path)[:50])


def _small(images: Path) -> None:
    for folder in ("sem", "txm", "charge"):
        for path in (images / "test" / folder).iterdir():
            write_slice(path, tifffile.imread(path)[60:90])


def _other_grey(images: Path) -> None:
    for path in (images / "test/sem").iterdir():
        write_slice(path, tifffile.imread(path).astype(np.uint16) * 200)


def _full(images: Path) -> None:
    Path("repaired").mkdir()
    Path("repaired/notes.txt").write_text("mine")


def _file(images: Path) -> None:
    Path("repaired").write_text("mine")


REPAIR_FAULTS = [
    pytest.param(_nothing, "repair images/test/sem repaired --name run", ["--txm", "--sem_only"], id="no TXM"),
    pytest.param(_missing_txm, FOLDERS, ["images/test/txm has no slice 1"], id="slice without TXM"),
    pytest.param(_other_size, f"{FOLDERS} --charge images/test/charge", ["50 x 96", "96 x 96"], id="other size"),
    pytest.param(_small, FOLDERS, ["30 x 96", "--patch_size 32"], id="smaller than a tile"),
    pytest.param(_other_grey, FOLDERS, ["uint16", "--sem_range 0,255"], id="other grey values"),
    pytest.param(_full, FOLDERS, ["repaired exists and is not overwritten"], id="not empty"),
    pytest.param(_file, FOLDERS, ["repaired exists and is not overwritten"], id="a file"),
    pytest.param(_nothing, FOLDERS.replace("test/sem", "test/semm"), ["cannot read the folder"], id="no SEM"),
    pytest.param(_nothing, f"{FOLDERS} --charge images/none", ["cannot read the folder images/none"], id="no masks"),
    pytest.param(_nothing, f"{FOLDERS} --saturation bright", ["--saturation bright", "auto"], id="saturation"),
    pytest.param(_nothing, f"{FOLDERS} --epoch 9", ["9_net_G.pth", "latest_net_G.pth"], id="no such epoch"),
    pytest.param(_nothing, f"{FOLDERS} --patch_size 34", ["multiple of 4"], id="patch size"),
]


@pytest.mark.parametrize(("spoil", "words", "expected"), REPAIR_FAULTS)
@pytest.mark.usefixtures("trained")
def test_what_cannot_be_repaired_is_said_before_anything_is_written(
    program: Program, images: Path, spoil: Callable[[Path], None], words: str, expected: list[str]
) -> None:
    spoil(images)
    outcome = program(words)
    assert outcome.status == 1
    for part in expected:
        assert part in outcome.err
    assert not list(Path().glob("repaired/*.tif"))
    assert not list(Path().glob("repaired/*.png"))


def test_a_model_of_another_kind_does_not_repair(program: Program, tmp_path: Path) -> None:
    write_data_root(tmp_path / "images")
    assert program("train --name run --model pix2pix --netG resnet_6blocks", TINY_TRAINING).status == 0
    outcome = program(FOLDERS)
    assert outcome.status == 1
    assert "--model" in outcome.err
    assert "repair" in outcome.err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("repair", "expected the folder of the SEM slices"),
        ("repair images/test/sem --name run", "expected the folder of the SEM slices"),
        ("repair a b --min_area 0", "--min_area 0: expected 1 or more"),
        ("repair a b --dilation -2", "--dilation -2: expected -1 or more"),
        ("repair a b --tmx c", "--txm"),
    ],
)
def test_words_that_are_not_understood(program: Program, words: str, expected: str) -> None:
    outcome = program(words)
    assert outcome.status == 2
    assert expected in outcome.out + outcome.err


def test_the_help_lists_the_options_of_the_search(program: Program) -> None:
    outcome = program("repair --help")
    assert outcome.status == 0
    for option in ("--txm", "--charge", "--saturation", "--min_area", "--dilation", "--texture", "--name"):
        assert f"{option} " in outcome.out
    assert "repair" in program("--help").out


def test_slices_with_a_data_bar_are_not_scored(trained: Program, images: Path) -> None:
    write_bars(images / "test" / "sem")
    outcome = trained("test --name run")
    assert outcome.status == 1
    assert "the last 20 rows" in outcome.err
    assert not Path("results/run").exists()
