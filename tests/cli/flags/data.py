"""The images, and how patches are taken from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from data_roots import write_neighbours
from repair_roots import write_repair_root
from skimage.exposure import equalize_adapthist
from torch import Tensor, nn

from cli.flags.table import PATCHES, Bench, Row, row, same, weights
from cli.volumes import IDENTITY, NETWORK, SEGMENTS, TRANSLATES, rock, write_identity, write_network, write_run
from txm2sem.applying.images import ImageTranslator
from txm2sem.applying.volume.opening import OpenVolume
from txm2sem.data import (
    DATASET_MODES,
    AlignedSlices,
    GreyRange,
    RepairEvaluationPatches,
    TiffStack,
    check_translates_txm,
)
from txm2sem.data.grey import resolve_stack_range
from txm2sem.data.readers import open_volume
from txm2sem.data.segmentation import SegmentationEvaluationPatches
from txm2sem.data.txm_input import TxmInput
from txm2sem.errors import UserError
from txm2sem.filling.network import fill
from txm2sem.model import Predictor
from txm2sem.model.first_stage import load_first_stage
from txm2sem.model.planes import PlaneTranslator
from txm2sem.model.segmenter import load_applied
from txm2sem.options import GeneratorOptions
from txm2sem.runs import trained_with

PIXELS = rock((1, 64, 64))[0]
"""A TXM plane."""


class Seen(nn.Module):
    """A network that keeps what it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[Tensor] = []

    def forward(self, source: Tensor) -> Tensor:
        self.batches.append(source)
        return source[:, :1]


def seen(bench: Bench, command: str, words: str = "") -> Tensor:
    """Return `PIXELS`, or a patch of a data root, as a command's network sees it: (H, W) in [-1, 1]."""
    if command in PATCHES.split():
        return bench.patches(command, f"--patch_size 32 --num_test 1 {words}")[0]["source"][0]
    asked = bench.command(command, f"--name run --txm_range 0,255 {words}")
    grey = GreyRange.parse(asked.data.txm_range)
    network = Seen()
    predictor = Predictor(network, GeneratorOptions(netG="linearfilt"))
    if command != "repair":
        return torch.from_numpy(PlaneTranslator(predictor, TxmInput.of(asked.data, grey)).network_input(PIXELS))
    plane = grey.normalise(PIXELS)
    fill(predictor, plane, plane, np.ones(plane.shape, bool), asked.data)
    return network.batches[0][0, 0]


SEES = f"{PATCHES} volume translate repair"
"""The commands whose networks see a TXM."""


@row(SEES, "gamma")
def _(bench: Bench, command: str) -> None:
    plain, bright = (seen(bench, command, f"--patch_size 32 {words}") for words in ("", "--gamma 0.5"))
    assert torch.allclose(bright, 2 * ((plain + 1) / 2) ** 0.5 - 1, atol=1e-6)


@row(SEES, "hist_eq")
def _(bench: Bench, command: str) -> None:
    plain, equal = (seen(bench, command, f"--patch_size 32 {words}") for words in ("", "--hist_eq 0.03"))
    expected = equalize_adapthist(((plain + 1) / 2).numpy(), 4, 0.03)
    assert np.allclose((equal.numpy() + 1) / 2, expected, atol=1e-6)


@row(SEES, "txm_range")
def _(bench: Bench, command: str) -> None:
    plain, stretched = (seen(bench, command, f"--patch_size 32 --txm_range {ends}") for ends in ("0,255", "100,150"))
    grey = (plain + 1) * 127.5
    assert torch.allclose(stretched, (grey - 100) / 25 - 1, atol=1e-4)


@row(PATCHES, "sem_range")
def _(bench: Bench, command: str) -> None:
    plain, stretched = (
        bench.patches(command, f"--patch_size 32 --num_test 1 --sem_range {ends}")[0]["target"]
        for ends in ("0,255", "100,150")
    )
    assert torch.allclose(stretched, ((plain + 1) * 127.5 - 100) / 25 - 1, atol=1e-4)


@row("volume", "sem_range")
def _(bench: Bench, command: str) -> None:
    write_identity()
    asked = bench.command(command, f"{IDENTITY} --sem_range 10,200")
    assert OpenVolume(asked, open_volume(rock((2, 16, 16)))).grey.model == GreyRange(10, 200)


@row("repair", "sem_range")
def _(bench: Bench, command: str) -> None:
    asked = bench.command(command, "--name run --sem_range 10,200")
    stack = TiffStack(bench.images / "test" / "sem")
    assert resolve_stack_range(asked.data, stack, "sem") == GreyRange(10, 200)


@row(f"{PATCHES} repair", "patch_size")
def _(bench: Bench, command: str) -> None:
    assert seen(bench, command, "--patch_size 48").shape == (48, 48)


@row("volume translate", "patch_size")
def _(bench: Bench, command: str) -> None:
    # Contrast is equalised over regions as large as those of the training patches.
    plain, equal = (seen(bench, command, f"--patch_size 64 {words}") for words in ("", "--hist_eq 0.03"))
    expected = equalize_adapthist(((plain + 1) / 2).numpy(), 8, 0.03)
    assert np.allclose((equal.numpy() + 1) / 2, expected, atol=1e-6)


@row(PATCHES, "num_test")
def _(bench: Bench, command: str) -> None:
    assert len(bench.patches(command, "--patch_size 32 --num_test 3")) == 3


@row(PATCHES, "direction")
def _(bench: Bench, command: str) -> None:
    forwards, backwards = (
        bench.patches(command, f"--patch_size 32 --num_test 1 --direction {direction}")[0]
        for direction in ("AtoB", "BtoA")
    )
    assert torch.equal(forwards["source"], backwards["target"])
    assert torch.equal(forwards["target"], backwards["source"])


@row("volume translate", "direction")
def _(bench: Bench, command: str) -> None:
    asked = bench.command(command, "--name run --direction BtoA")
    with pytest.raises(UserError, match="--direction BtoA"):
        check_translates_txm(GeneratorOptions(model="srgan"), asked.data)


@row(PATCHES, "context_slices")
def _(bench: Bench, command: str) -> None:
    positions = write_neighbours(bench.images)
    stack = TiffStack(bench.images / "test" / "txm_full_stack")
    patches = bench.patches(command, "--patch_size 32 --num_test 1 --context_slices 1")
    index, rows, columns = patches.window(0)
    z = positions[patches.slices.txm.numbers[index]]
    expected = [stack.read(z + step, rows, columns) for step in (-1, 0, 1)]
    assert np.allclose((patches[0]["source"] + 1) * 127.5, expected, atol=1e-3)


@row("volume", "context_slices")
def _(bench: Bench, command: str) -> None:
    write_network(input_nc=3)
    asked = bench.command(command, f"{NETWORK} --context_slices 1")
    opened = OpenVolume(asked, open_volume(rock((3, 32, 32))))
    assert (asked.model.input_nc, opened.model.predictor.chain.input_channels) == (3, 3)


@row("translate", "context_slices")
def _(bench: Bench, command: str) -> None:
    asked = bench.command(command, f"{NETWORK} --context_slices 1")
    with pytest.raises(UserError, match="which single images do not have"):
        ImageTranslator(asked, [PIXELS], "the image")


@row(PATCHES, "preprocess", "load_size", "crop_size")
def _(bench: Bench, command: str) -> None:
    sizes = {"none": 32, "resize_and_crop": 24, "crop": 24, "scale_width": 28, "scale_width_and_crop": 24}
    for mode, size in sizes.items():
        words = f"--patch_size 32 --num_test 1 --preprocess {mode} --load_size 28 --crop_size 24"
        assert bench.patches(command, words)[0]["target"].shape == (1, size, size)


@row(PATCHES, "x_misalign", "y_misalign")
def _(bench: Bench, command: str) -> None:
    patches = bench.patches(command, "--patch_size 32 --num_test 1 --x_misalign 3 --y_misalign 2 --txm_range 0,255")
    index, rows, columns = patches.window(0)
    txm = patches.slices.txm.read(index, slice(0, 96), slice(0, 96))
    padded = np.pad(txm, ((0, 2), (0, 3)))
    expected = padded[rows.start + 2 : rows.stop + 2, columns.start + 3 : columns.stop + 3]
    assert np.allclose((patches[0]["source"][0] + 1) * 127.5, expected, atol=1e-3)


@row(PATCHES, "ignore_charged")
def _(bench: Bench, command: str) -> None:
    words = "--patch_size 32 --num_test 1"
    patches = bench.patches(command, f"{words} --ignore_charged")
    assert torch.equal(patches[0]["valid"][0], torch.from_numpy(patches.slices.valid(*patches.window(0))))
    assert "valid" not in bench.patches(command, words)[0]


@row(PATCHES, "max_dataset_size")
def _(bench: Bench, command: str) -> None:
    found = (bench.patches(command, f"--patch_size 32 {words}").slices for words in ("", "--max_dataset_size 1"))
    assert [len(slices.txm) for slices in found] == [2, 1]


@row(PATCHES, "sample_name")
def _(bench: Bench, command: str) -> None:
    for folder in list(bench.images.glob("*/*")):
        folder.rename(f"{folder}_b")
    found = bench.patches(command, "--patch_size 32 --sample_name _b").slices
    assert {path.parent.name for path in (*found.txm.paths, *found.sem.paths)} == {"txm_b", "sem_b"}


@row("volume translate", "sample_name")
def _(bench: Bench, command: str) -> None:
    # The images that the model was trained on, of which something is measured.
    for folder in list(bench.images.glob("*/*")):
        folder.rename(f"{folder}_b")
    data = trained_with(bench.command(command, "--name run --sample_name _b")).data
    assert AlignedSlices.open(bench.images, "train", data).txm.folder == bench.images / "train" / "txm_b"


def _renamed(option: str, name: str) -> Row:
    def check(bench: Bench, command: str) -> None:
        for split in ("train", "val", "test"):
            (bench.images / split / name).rename(bench.images / split / "other")
        found = getattr(bench.patches(command, f"--patch_size 32 --{option} other").slices, name)
        assert found.folder == bench.images / "test" / "other"
        if option in ("txm_dir", "sem_dir"):
            with pytest.raises(UserError, match=name):
                bench.patches(command, "--patch_size 32")
        else:
            assert getattr(bench.patches(command, "--patch_size 32").slices, name) is None

    return check


FOLDERS = {
    "txm_dir": "txm",
    "sem_dir": "sem",
    "charge_dir": "charge",
    "lowdens_dir": "lowdensity",
    "highdens_dir": "highdensity",
}
for _option, _name in FOLDERS.items():
    row(PATCHES, _option)(_renamed(_option, _name))


@row("train test", "dataset_mode")
def _(bench: Bench, command: str) -> None:
    assert bench.images
    for word in ("dataset_mode", "dataset"):
        asked = bench.command(command, f"--model segmentation --{word} segmentation")
        assert DATASET_MODES[asked.data.dataset_mode].target_channels == asked.model.output_nc == 3
    assert "no SEM to learn from" in bench.run("train --dataset_mode txm2sem3d", status=1).err


@row("train test", "seg_mode")
def _(bench: Bench, command: str) -> None:
    both = bench.patches(command, "--patch_size 32 --num_test 1")[0]
    for mode, name in (("sem", "target"), ("txm", "source"), ("semfake", "source")):
        words = f"--model segmentation --patch_size 32 --num_test 1 --seg_mode {mode}"
        data = bench.command(command, words).data
        slices = AlignedSlices.open(bench.images, "test", data)
        assert torch.equal(SegmentationEvaluationPatches(slices, data)[0]["source"], both[name])


@row("train test", "seg_source")
def _(bench: Bench, command: str) -> None:
    bench.trained()
    words = "--model segmentation --seg_mode semfake --patch_size 32 --txm_range 0,255 --sem_range 0,255"
    asked = bench.command(command, f"{words} --seg_source run")
    stage = load_first_stage(asked.run, asked.data)
    assert stage is not None
    assert same(stage.generator.state_dict(), weights(Path("checkpoints/run")))
    asked = bench.command(command, f"{words} --seg_source absent")
    with pytest.raises(UserError, match="--seg_source absent"):
        load_first_stage(asked.run, asked.data)


@row("volume translate", "seg_mode", "seg_source")
def _(bench: Bench, command: str) -> None:
    write_run("phases", SEGMENTS)
    write_run("translation", TRANSLATES)
    for words, segmented, stages in (
        ("txm", "TXM", 1),
        ("sem", "SEM", 1),
        ("semfake --seg_source translation", "SEM predicted by translation", 2),
    ):
        asked = bench.command(command, f"--name phases --gpu_ids -1 --seg_mode {words}")
        model = load_applied(asked, "latest")
        assert model.segments.startswith(segmented)
        assert len(model.predictor.chain.models) == stages


@row("train test", "sem_only")
def _(bench: Bench, command: str) -> None:
    write_repair_root(Path("images"))
    channels = []
    for switch in ("", "--sem_only"):
        data = bench.command(command, f"--model repair --patch_size 32 --num_test 1 {switch}").data
        patch = RepairEvaluationPatches(AlignedSlices.open(Path("images"), "test", data), data)[0]
        channels.append(bool((patch["source"][0] == patch["txm"][0]).all()))
    assert channels == [True, False]


@row("repair", "sem_only")
def _(bench: Bench, command: str) -> None:
    for switch in ("", "--sem_only"):
        outcome = bench.run(f"repair {bench.images}/test/sem out --name absent --patch_size 32 {switch}", status=1)
        assert ("pass the folder of the aligned TXM" in outcome.err) == (not switch)
