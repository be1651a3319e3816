"""Bad input: the message names what is wrong and what to do, the status is not 0, and nothing is lost."""

from __future__ import annotations

import errno
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from cli.calls import SRGAN, TINY, TINY_TRAINING, Program


def _no_data(images: Path) -> None:
    shutil.rmtree(images)


def _empty_folder(images: Path) -> None:
    for path in (images / "train" / "txm").iterdir():
        path.unlink()


def _one_folder_only(images: Path) -> None:
    next(iter(sorted((images / "train" / "sem").iterdir()))).unlink()


def _rewrite(images: Path, change: Callable[[np.ndarray], np.ndarray], folder: str = "txm") -> None:
    path = sorted((images / "train" / folder).iterdir())[0]
    tifffile.imwrite(path, change(tifffile.imread(path)))


def _other_size(images: Path) -> None:
    _rewrite(images, lambda slice_: slice_[:-8])


def _rgb(images: Path) -> None:
    _rewrite(images, lambda slice_: np.stack([slice_] * 3, axis=-1))


def _multi_page(images: Path) -> None:
    _rewrite(images, lambda slice_: np.stack([slice_] * 5))


def _black(images: Path) -> None:
    for folder in ("train", "val"):
        for path in (images / folder / "sem").iterdir():
            tifffile.imwrite(path, np.zeros_like(tifffile.imread(path)))


def _nan(images: Path) -> None:
    def poison(slice_: np.ndarray) -> np.ndarray:
        poisoned = slice_.astype(np.float32)
        poisoned[10, 20] = np.nan
        return poisoned

    for split in ("train", "val"):
        for path in (images / split / "txm").iterdir():
            tifffile.imwrite(path, poison(tifffile.imread(path)))


def _truncated(images: Path) -> None:
    path = sorted((images / "train" / "txm").iterdir())[0]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _all_charged(images: Path) -> None:
    for split in ("train", "val"):
        for path in (images / split / "charge").iterdir():
            tifffile.imwrite(path, np.full_like(tifffile.imread(path), 255))


def _unchanged(images: Path) -> None:
    """Leave the data as they are: the options are what is wrong."""


DATA_FAULTS = [
    pytest.param(_no_data, "", ["images", "--dataroot"], id="missing folder"),
    pytest.param(_empty_folder, "", ["txm", ".tif"], id="empty folder"),
    pytest.param(_one_folder_only, "", ["sem", "slice"], id="slice in one folder only"),
    pytest.param(_other_size, "", ["96"], id="slices of different size"),
    pytest.param(_rgb, "", ["grey"], id="RGB"),
    pytest.param(_multi_page, "", ["page"], id="multi-page"),
    pytest.param(_truncated, "", ["truncated"], id="truncated"),
    pytest.param(_black, "", ["0"], id="all black"),
    pytest.param(_nan, "", ["NaN"], id="NaN"),
    pytest.param(_all_charged, "", ["uncharged", "95"], id="all charged"),
    pytest.param(_unchanged, "--patch_size 128", ["128", "96", "--patch_size"], id="patch larger than slice"),
    pytest.param(_unchanged, "--patch_size 33", ["33", "multiple of 2", "--patch_size"], id="not divisible"),
    pytest.param(_unchanged, "--downsample_factor 1", ["sr_resnet_6blocks", "2 or 4", "found 1"], id="no factor"),
    pytest.param(_unchanged, "--downsample_factor 3", ["sr_resnet_6blocks", "2 or 4", "found 3"], id="factor 3"),
    pytest.param(
        _unchanged,
        "--model pix2pix --downsample_factor 1 --netG unet_256 --patch_size 128",
        ["unet_256", "multiple of 256", "found 128"],
        id="unet_256 with 128",
    ),
    pytest.param(_unchanged, "--gpu_ids 0", ["GPU", "-1"], id="GPU absent"),
    pytest.param(_unchanged, "--gpu_ids first", ["first", "0,1", "-1"], id="GPU unreadable"),
    pytest.param(_unchanged, "--input_nc 3", ["--input_nc 3", "1"], id="channels"),
    pytest.param(_unchanged, "--txm_range 9,3", ["9,3"], id="grey range"),
    pytest.param(_unchanged, "--patch_size 8", ["--patch_size 8", "at least 10", "sr_resnet"], id="too small for G"),
    pytest.param(_unchanged, "--patch_size 16", ["--patch_size 16", "at least 24", "--netD"], id="too small for D"),
    pytest.param(_unchanged, "--preprocess crop --crop_size 40", ["--crop_size 40", "32"], id="crop too large"),
    pytest.param(_unchanged, "--niter 0 --niter_decay 0", ["--niter 0", "found 0"], id="no epochs"),
    pytest.param(_unchanged, "--niter 0 --lr_policy cosine", ["cosine", "found 0"], id="no cosine"),
    pytest.param(_unchanged, "--time_budget 5 --lr_policy plateau", ["--time_budget 5", "plateau"], id="no length"),
    pytest.param(
        _unchanged, "--batch_size 3 --accumulate 2", ["--batch_size 3", "2 equal parts", "--batch_size 4"], id="parts"
    ),
    pytest.param(_unchanged, "--suffix {nett}", ["nett", "--suffix"], id="suffix"),
]


@pytest.mark.parametrize(("spoil", "options", "expected"), DATA_FAULTS)
def test_training_on_bad_data_or_options_stops_before_anything_is_written(
    program: Program, images: Path, spoil: Callable[[Path], None], options: str, expected: list[str]
) -> None:
    spoil(images)
    if options.startswith("--gpu_ids 0") and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    earlier = Path("checkpoints/experiment_name/latest_net_G.pth")
    earlier.parent.mkdir(parents=True)
    earlier.write_bytes(b"of an earlier run")

    outcome = program("train", SRGAN, TINY_TRAINING, options)

    assert outcome.status == 1
    assert outcome.err.startswith("txm2sem train: error: ")
    for words in expected:
        assert words in outcome.err
    assert earlier.read_bytes() == b"of an earlier run"
    assert [path.name for path in Path("checkpoints").iterdir()] == ["experiment_name"]


USAGE_FAULTS = [
    pytest.param("train --lamda_L1 3", "--lambda_L1", id="unknown option"),
    pytest.param("train --model srgn", "did you mean srgan?", id="unknown model"),
    pytest.param("train --netG sr_resnet_9block", "did you mean sr_resnet_9blocks?", id="unknown value"),
    pytest.param("train --niter many", "--niter", id="not a number"),
    pytest.param("train --print_freq 0", "expected 1 or more", id="too small"),
    pytest.param("trian", "did you mean train?", id="unknown command"),
    pytest.param("", "usage: txm2sem", id="no command"),
]


@pytest.mark.parametrize(("words", "expected"), USAGE_FAULTS)
def test_a_command_line_that_is_not_understood_names_what_was_meant(
    program: Program, words: str, expected: str
) -> None:
    outcome = program(words)
    assert outcome.status == 2
    assert expected in outcome.out + outcome.err


def test_an_option_that_would_do_nothing_is_refused(program: Program) -> None:
    outcome = program("train --model feedforward --lambda_L1 3")
    assert outcome.status == 1
    assert "--lambda_L1 does nothing with --model feedforward; it belongs to pix2pix, srgan" in outcome.err
    outcome = program("train --recipe phases --ignore_charged")
    assert outcome.status == 1
    assert "--ignore_charged is not needed with --recipe phases" in outcome.err
    assert "--dataset_mode" not in outcome.err


@pytest.fixture
def checkpoint(trained: Program) -> Path:
    """Return the checkpoint of `run`, of which only the weights are left, as others' have them."""
    checkpoint = Path("checkpoints/run/latest_net_G.pth")
    for path in checkpoint.parent.iterdir():
        if path.is_file() and path != checkpoint:
            path.unlink()
    return checkpoint


def test_a_missing_checkpoint_lists_what_is_there(program: Program, checkpoint: Path) -> None:
    outcome = program("test --name run --epoch 7", SRGAN, TINY)
    assert outcome.status == 1
    assert "7_net_G.pth" in outcome.err
    assert "holds latest_net_G.pth" in outcome.err
    outcome = program("test --name other", SRGAN, TINY)
    assert outcome.status == 1
    assert "--name" in outcome.err


def test_a_truncated_checkpoint_is_called_damaged(program: Program, checkpoint: Path) -> None:
    checkpoint.write_bytes(checkpoint.read_bytes()[:2000])
    outcome = program("test --name run", SRGAN, TINY)
    assert outcome.status == 1
    assert "latest_net_G.pth" in outcome.err
    assert "damaged" in outcome.err


@pytest.mark.parametrize(
    ("options", "key", "advice"),
    [
        (f"{SRGAN} --no_dropout", "conv_block.5.weight", "dropout (leave out --no_dropout)"),
        (f"{SRGAN} --ngf 8", "premodel.1.weight", "--ngf 4 (not 8)"),
        (f"{SRGAN} --norm instance", "premodel.1.bias", "--norm batch (not instance)"),
        (SRGAN.replace("factor 2", "factor 4"), "upsample.3.weight", "--downsample_factor 2 (not 4)"),
        (SRGAN.replace("6blocks", "9blocks"), "model.6.conv_block", "--netG sr_resnet_6blocks (not sr_resnet_9blocks)"),
    ],
)
def test_a_checkpoint_of_another_architecture_names_the_first_key_and_the_option(
    program: Program, checkpoint: Path, options: str, key: str, advice: str
) -> None:
    outcome = program("test --name run", TINY, options)
    assert outcome.status == 1
    assert key in outcome.err
    assert advice in outcome.err


class Malicious:
    """A pickle that leaves a trace where it is executed."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, ("executed",)


@pytest.mark.parametrize("protocol", [2, pickle.HIGHEST_PROTOCOL])
def test_a_pickle_that_is_not_weights_is_refused_and_not_executed(
    program: Program, checkpoint: Path, protocol: int
) -> None:
    for write in (
        lambda: torch.save(Malicious(), checkpoint),
        lambda: checkpoint.write_bytes(pickle.dumps(Malicious(), protocol)),
    ):
        write()
        outcome = program("test --name run", SRGAN, TINY)
        assert outcome.status == 1
        assert "not" in outcome.err
        assert "weights" in outcome.err
        assert not Path("executed").exists()


def test_weights_in_another_wrapping_are_refused(program: Program, checkpoint: Path) -> None:
    torch.save({"state_dict": {"weight": torch.zeros(1)}, "epoch": 3}, checkpoint)
    outcome = program("test --name run", SRGAN, TINY)
    assert outcome.status == 1
    assert "expected a mapping of names to tensors, found 'state_dict': dict" in outcome.err


def test_an_option_that_contradicts_the_checkpoint_is_refused_with_both_values(trained: Program) -> None:
    for options, found in (("--ngf 8", "--ngf 4"), ("--model pix2pix", "--model srgan"), ("--txm_range 0,9", "0,255")):
        outcome = trained("test --name run", options)
        assert outcome.status == 1
        assert options in outcome.err
        assert found in outcome.err


def test_a_full_disk_leaves_the_previous_checkpoint_whole(trained: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path("checkpoints/run")
    before = {path: path.read_bytes() for path in folder.glob("*.pth")}

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    outcome = trained("train --name run --continue_train --niter 2", SRGAN)
    assert outcome.status == 1
    assert "No space left on device" in outcome.err
    assert "untouched" in outcome.err
    assert {path: path.read_bytes() for path in folder.glob("*.pth")} == before
    assert not list(folder.glob("*.partial"))


def test_a_folder_that_cannot_be_written_stops_training_before_it_starts(program: Program, images: Path) -> None:
    Path("file").write_text("not a folder")
    outcome = program("train --checkpoints_dir file", SRGAN, TINY_TRAINING)
    assert outcome.status == 1
    assert "file" in outcome.err
    assert Path("file").read_text() == "not a folder"


def test_damaged_options_of_a_run_are_named(trained: Program) -> None:
    Path("checkpoints/run/options.yaml").write_text("[broken")
    outcome = trained("test --name run")
    assert outcome.status == 1
    assert "options.yaml" in outcome.err
