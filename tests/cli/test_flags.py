"""Every flag of the program's specification, one by one, with the behaviour that it changes.

`FLAGS` has a row for each; a documented flag without a row, or an option of the program without one, fails.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from data_roots import write_neighbours
from PIL import Image

from cli.calls import SRGAN, TINY_TRAINING, Program
from txm2sem.options import DisplayOptions, TestCommand, TrainCommand, fields_of
from txm2sem.training import displays

DOCUMENTED = set(
    """
    dataroot name gpu_ids checkpoints_dir downsample_factor model input_nc output_nc ngf ndf netD netG n_layers_D norm
    init_type init_gain no_dropout dataset_mode direction serial_batches num_threads batch_size load_size crop_size
    full_slice max_dataset_size preprocess no_flip display_winsize epoch load_iter verbose suffix display_freq
    display_ncols display_id display_server display_env display_port update_html_freq print_freq no_html
    save_latest_freq save_epoch_freq save_by_iter continue_train epoch_count phase niter niter_decay beta1 lr gan_mode
    pool_size lr_policy lr_decay_iters weight_decay ntest results_dir aspect_ratio eval num_test lambda_regression
    regression_loss lambda_img_grad lambda_L1 lambda_gp d_condition aligned eval_mode patch_size txm_dir sem_dir
    charge_dir lowdens_dir highdens_dir num_train save_name x_ind y_ind sample_name z_ind save_txm gamma hist_eq
    x_misalign y_misalign seg_mode sem_only
    """.split()  # noqa: SIM905 (a list of a hundred quoted words is not easier to read)
)
"""The flags of the specification, in its order."""

Row = Callable[["Bench"], None]
FLAGS: dict[str, Row] = {}

DEFAULT = f"{SRGAN} {TINY_TRAINING}"


class Bench:
    """Trains and tests tiny models in a folder of images, and looks at what came of it.

    Args:
        program: runs a command.
        images: the data root.
        kept: by options, the checkpoints that they give with these images; benches share them.
    """

    def __init__(self, program: Program, images: Path, kept: dict[str, dict[str, bytes]]) -> None:
        self.program = program
        self.images = images
        self.kept = kept
        self.runs = 0

    def plain(self, base: str = DEFAULT) -> Path:
        """Return the folder of checkpoints that options give with the images as they were made.

        They are trained once for all benches; twice, as a difference to another training only means something where
        there is none between these.
        """
        if base not in self.kept:
            first, second = (self.train(base=base, name=name) for name in ("first", "second"))
            assert same(weights(first), weights(second))
            self.kept[base] = {path.name: path.read_bytes() for path in first.iterdir() if path.is_file()}
        self.runs += 1
        folder = Path(f"checkpoints/run{self.runs}")
        folder.mkdir(parents=True)
        for name, content in self.kept[base].items():
            (folder / name).write_bytes(content)
        return folder

    def train(self, options: str = "", base: str = DEFAULT, name: str | None = None) -> Path:
        """Train and return the folder of checkpoints."""
        if name is None:
            self.runs += 1
            name = f"run{self.runs}"
        outcome = self.program(f"train --name {name} --no_html", base, options)
        assert outcome.status == 0, outcome.err
        self.outcome = outcome
        return Path("checkpoints") / name

    def test(self, options: str = "", name: str = "run1") -> Path:
        """Test and return the folder of results."""
        outcome = self.program(f"test --name {name}", options)
        assert outcome.status == 0, outcome.err
        self.outcome = outcome
        return Path("results") / name


def weights(folder: Path, label: str = "latest") -> dict[str, torch.Tensor]:
    """Return the weights of a generator."""
    found: dict[str, torch.Tensor] = torch.load(folder / f"{label}_net_G.pth", weights_only=True)
    return found


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Say whether two networks are equal."""
    return one.keys() == other.keys() and all(
        value.shape == other[key].shape and torch.equal(value, other[key]) for key, value in one.items()
    )


def png(path: Path) -> np.ndarray[Any, Any]:
    """Return the pixels of a picture."""
    return np.asarray(Image.open(path)).astype(int)


def row(name: str) -> Callable[[Row], Row]:
    """Enter a row into the table."""

    def enter(check: Row) -> Row:
        assert name not in FLAGS, name
        FLAGS[name] = check
        return check

    return enter


# -- flags that change what is learned: each is trained with and without ----------------------------------------------

TRANSLATION = f"--model feedforward --netG resnet_6blocks {TINY_TRAINING}"
PIX2PIX = f"--model pix2pix --netG resnet_6blocks {TINY_TRAINING}"
WGAN = f"{SRGAN} --gan_mode wgangp {TINY_TRAINING}"
STEPS = f"{SRGAN} --lr_policy step {TINY_TRAINING}"

CHANGES_TRAINING: dict[str, str | tuple[str, str]] = {
    "downsample_factor": "--downsample_factor 4",
    "ngf": "--ngf 5",
    "ndf": "--ndf 5",
    "netD": "--netD pixel",
    "n_layers_D": (f"{SRGAN} --netD n_layers {TINY_TRAINING}", "--n_layers_D 1"),
    "norm": "--norm instance",
    "init_type": "--init_type xavier",
    "init_gain": "--init_gain 0.1",
    "no_dropout": "--no_dropout",
    "direction": "--direction BtoA",
    "batch_size": "--batch_size 2",
    # Batch norm takes the statistics of a part.
    "accumulate": (f"{SRGAN} {TINY_TRAINING} --batch_size 2", "--accumulate 2"),
    "load_size": (f"{SRGAN} {TINY_TRAINING} --preprocess scale_width --load_size 32", "--load_size 24"),
    "crop_size": (f"{SRGAN} {TINY_TRAINING} --preprocess crop --crop_size 24", "--crop_size 28"),
    "no_flip": "--no_flip",
    "beta1": "--beta1 0.9",
    "lr": "--lr 1e-3",
    "gan_mode": "--gan_mode lsgan",
    "pool_size": "--pool_size 1",
    "lr_policy": "--lr_policy cosine",
    "lr_decay_iters": (f"{STEPS} --lr_decay_iters 1", "--lr_decay_iters 2"),
    "weight_decay": "--weight_decay 0.5",
    "lambda_regression": (f"{TRANSLATION} --lambda_img_grad 1", "--lambda_regression 5"),
    "regression_loss": (TRANSLATION, "--regression_loss L2"),
    "lambda_img_grad": "--lambda_img_grad 1",
    "jacobian_interval": (f"{SRGAN} --lambda_img_grad 1 {TINY_TRAINING}", "--jacobian_interval 2"),
    "lambda_L1": "--lambda_L1 1",
    "lambda_gp": (WGAN, "--lambda_gp 10"),
    "d_condition": "--d_condition",
    "aligned": "--aligned False",
    "eval_mode": "--eval_mode True",
    "serial_batches": "--serial_batches",
    "patch_size": "--patch_size 48",
    "num_train": "--num_train 5",
    "epoch_count": "--epoch_count 2",
    "niter": "--niter 2",
    "niter_decay": "--niter_decay 2",
    "gamma": "--gamma 0.5",
    "hist_eq": "--hist_eq 0.03",
    "x_misalign": "--x_misalign 3",
    "y_misalign": "--y_misalign 3",
    "seed": "--seed 5",
    "txm_range": "--txm_range 10,200",
    "sem_range": "--sem_range 10,200",
    "ignore_charged": "--ignore_charged",
    "all_orientations": "--all_orientations",
    "lambda_ssim": (TRANSLATION, "--lambda_ssim 1"),
    "lambda_spectrum": (TRANSLATION, "--lambda_spectrum 1"),
    "ema": "--ema 0.9",
}


def _changes_training(base: str, options: str) -> Row:
    def check(bench: Bench) -> None:
        assert not same(weights(bench.plain(base)), weights(bench.train(options, base)))

    return check


for _name, _entry in CHANGES_TRAINING.items():
    _base, _options = (DEFAULT, _entry) if isinstance(_entry, str) else _entry
    FLAGS[_name] = _changes_training(_base, _options)


# -- where data and results are ---------------------------------------------------------------------------------------


@row("dataroot")
def _(bench: Bench) -> None:
    bench.images.rename("elsewhere")
    assert bench.program("train", SRGAN, TINY_TRAINING).status == 1
    bench.train("--dataroot elsewhere")


@row("name")
def _(bench: Bench) -> None:
    assert (bench.train(name="shale") / "latest_net_G.pth").exists()


@row("suffix")
def _(bench: Bench) -> None:
    bench.train("--suffix {netG}")
    assert Path("checkpoints/run1_sr_resnet_6blocks/latest_net_G.pth").exists()


@row("checkpoints_dir")
def _(bench: Bench) -> None:
    bench.train("--checkpoints_dir models")
    assert Path("models/run1/latest_net_G.pth").exists()


@row("results_dir")
def _(bench: Bench) -> None:
    bench.plain()
    bench.test("--results_dir out")
    assert Path("out/run1/overview.png").exists()


@row("sample_name")
def _(bench: Bench) -> None:
    for folder in list(bench.images.glob("*/*")):
        folder.rename(f"{folder}_b")
    bench.train("--sample_name _b")


def _renamed(option: str, folder: str) -> Row:
    def check(bench: Bench) -> None:
        for split in ("train", "val", "test"):
            (bench.images / split / folder).rename(bench.images / split / "other")
        found = bench.train(f"--{option} other")
        if option in ("txm_dir", "sem_dir"):
            assert bench.program("train", SRGAN, TINY_TRAINING).status == 1
        elif option == "charge_dir":
            # Patches lie where hardly anything is charged.
            assert not same(weights(found), weights(bench.train(f"--{option} no")))
        else:
            # Other masks may be absent, so their absence shows in the results.
            shown = [png(bench.test(f"--{option} {choice}") / folder / "000.png").any() for choice in ("other", "no")]
            assert shown == [True, False]

    return check


for _option, _folder in {
    "txm_dir": "txm",
    "sem_dir": "sem",
    "charge_dir": "charge",
    "lowdens_dir": "lowdensity",
    "highdens_dir": "highdensity",
}.items():
    FLAGS[_option] = _renamed(_option, _folder)


@row("max_dataset_size")
def _(bench: Bench) -> None:
    plain = weights(bench.plain())
    limited = weights(bench.train("--max_dataset_size 1"))
    assert not same(plain, limited)
    for folder in (bench.images / "train").iterdir():
        for path in sorted(folder.iterdir())[1:]:
            path.unlink()
    assert same(limited, weights(bench.train()))


@row("phase")
def _(bench: Bench) -> None:
    plain = weights(bench.plain())
    assert not same(plain, weights(bench.train("--phase val")))
    bench.test("--phase val")
    assert "split val" in bench.outcome.out


# -- machine ----------------------------------------------------------------------------------------------------------


@row("gpu_ids")
def _(bench: Bench) -> None:
    bench.train("--gpu_ids -1")
    absent = torch.cuda.device_count() if torch.cuda.is_available() else 0
    outcome = bench.program("train", SRGAN, TINY_TRAINING, f"--gpu_ids {absent}")
    assert outcome.status == 1
    assert f"GPU {absent} is not there" in outcome.err


@row("precision")
def _(bench: Bench) -> None:
    plain = weights(bench.plain())
    for present in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("txm2sem.devices.computes_bf16", lambda device, present=present: present)
            assert same(plain, weights(bench.train("--precision bf16"))) == (not present)


@row("num_threads")
def _(bench: Bench) -> None:
    assert same(weights(bench.plain()), weights(bench.train("--num_threads 2")))


# -- models -----------------------------------------------------------------------------------------------------------


@row("model")
def _(bench: Bench) -> None:
    networks = {
        "feedforward": (TRANSLATION, ["G"]),
        "pix2pix": (PIX2PIX, ["D", "G"]),
        "srcnn": (f"{SRGAN} {TINY_TRAINING} --model srcnn", ["G"]),
        "srgan": (f"{SRGAN} {TINY_TRAINING}", ["D", "G"]),
    }
    for model, (base, expected) in networks.items():
        folder = bench.train(base=base, name=model)
        assert sorted(path.stem[-1] for path in folder.glob("latest_net_*.pth")) == expected


@row("netG")
def _(bench: Bench) -> None:
    keys = {
        name: frozenset(weights(bench.train(f"--netG {name} --patch_size {size}", TRANSLATION)))
        for name, size in {"resnet_6blocks": 32, "resnet_9blocks": 32, "linearfilt": 32, "gammafilt": 32}.items()
    }
    assert len(set(keys.values())) == len(keys)


def _channels(option: str) -> Row:
    def check(bench: Bench) -> None:
        bench.train(f"--{option} 1")
        outcome = bench.program("train", SRGAN, TINY_TRAINING, f"--{option} 3")
        assert outcome.status == 1
        assert f"--{option} 3: expected 1" in outcome.err

    return check


FLAGS["input_nc"], FLAGS["output_nc"] = _channels("input_nc"), _channels("output_nc")


@row("context_slices")
def _(bench: Bench) -> None:
    z = write_neighbours(bench.images)[0]
    stack = bench.images / "test" / "txm_full_stack"
    trained = {}
    # Slice z + 2 is seen from z with two neighbours on each side, and not with one.
    for context, changed in ((1, 1), (1, 2), (2, 2)):
        options = f"--context_slices {context} --max_dataset_size 1"
        before = weights(bench.train(options))
        path = stack / f"{z + changed:03d}.tif"
        tifffile.imwrite(path, tifffile.imread(path)[::-1])
        trained[context, changed] = not same(before, weights(bench.train(options)))
    assert trained == {(1, 1): True, (1, 2): False, (2, 2): True}


@row("preprocess")
def _(bench: Bench) -> None:
    sizes = {"none": 32, "resize_and_crop": 24, "crop": 24, "scale_width": 28, "scale_width_and_crop": 24}
    for mode, size in sizes.items():
        bench.train(f"--preprocess {mode} --load_size 28 --crop_size 24", name=mode)
        assert png(bench.test(name=mode) / "sem" / "000.png").shape == (size, size)


@row("dataset_mode")
def _(bench: Bench) -> None:
    outcome = bench.program("train --dataset_mode txm2sem3d", SRGAN, TINY_TRAINING)
    assert outcome.status == 1
    assert "no SEM to learn from" in outcome.err
    outcome = bench.program("train --dataset_mode segmentation", SRGAN, TINY_TRAINING)
    assert outcome.status == 1
    assert "--model segmentation" in outcome.err


# -- saving, showing, going on ----------------------------------------------------------------------------------------


def _labels(folder: Path) -> set[str]:
    return {path.name.removesuffix("_net_G.pth") for path in folder.glob("*_net_G.pth")}


@row("save_epoch_freq")
def _(bench: Bench) -> None:
    assert _labels(bench.train("--save_epoch_freq 1")) == {"1", "2", "latest", "best"}
    assert _labels(bench.train("--save_epoch_freq 2")) == {"2", "latest", "best"}


@row("save_by_iter")
def _(bench: Bench) -> None:
    assert _labels(bench.train("--save_latest_freq 4 --save_by_iter")) == {"iter_4", "iter_8", "latest", "best"}
    assert _labels(bench.train("--save_latest_freq 4")) == {"latest", "best"}


@row("save_latest_freq")
def _(bench: Bench) -> None:
    assert _labels(bench.train("--save_latest_freq 3 --save_by_iter")) == {"iter_3", "iter_6", "latest", "best"}


@row("epoch")
def _(bench: Bench) -> None:
    bench.train("--save_epoch_freq 1")
    first, second = (png(bench.test(f"--epoch {epoch}") / "sem_fake" / "000.png") for epoch in ("1", "2"))
    assert not np.array_equal(first, second)


@row("load_iter")
def _(bench: Bench) -> None:
    bench.train("--save_latest_freq 4 --save_by_iter")
    assert (bench.test("--load_iter 4") / "eval_metrics.txt").read_text().startswith("(epoch: iter_4)")


@row("continue_train")
def _(bench: Bench) -> None:
    bench.train("--niter 1 --niter_decay 0", name="parts")
    bench.program("train --name parts --no_html --continue_train --niter_decay 1")
    whole = bench.train("--niter 1 --niter_decay 1", name="whole")
    assert not same(weights(whole), weights(bench.train("--niter 1 --niter_decay 0")))
    assert same(weights(whole), weights(Path("checkpoints/parts")))


@row("time_budget")
def _(bench: Bench) -> None:
    # A tenth of a millisecond: the first batch uses it up, and its epoch ends there.
    folder = bench.train("--time_budget 1.6e-6 --print_freq 1", name="timed")
    assert len((folder / "loss_log.txt").read_text().splitlines()) == 1
    assert len((folder / "timed_metrics.txt").read_text().splitlines()) == 2
    assert "has used up its time budget" in bench.program("train --name timed --continue_train").out


@row("patience")
def _(bench: Bench) -> None:
    # A learning rate of 0 makes nothing better after the first epoch.
    folder = bench.train("--lr 0 --norm none --niter 4 --patience 1", TRANSLATION, name="patient")
    assert len((folder / "patient_metrics.txt").read_text().splitlines()) == 3
    assert "has not become better in 1 epochs" in bench.program("train --name patient --continue_train").out


@row("recipe")
def _(bench: Bench) -> None:
    for recipe, network in (("translate", "residual_unet"), ("texture", "textured_unet")):
        folder = bench.train(f"--recipe {recipe}", f"{TINY_TRAINING} --ngf 2", name=recipe)
        options = (folder / "options.yaml").read_text()
        assert f"recipe: {recipe}" in options
        assert f"netG: {network}" in options
        assert "ngf: 2" in options
        bench.test("--epoch best --eval", name=recipe)
        assert ("textured_unet are made up" in bench.outcome.out) == (recipe == "texture")


@row("keep_empty")
def _(bench: Bench) -> None:
    for path in bench.images.glob("*/*/*.tif"):
        image = tifffile.imread(path)
        image[:, :24] = 0
        tifffile.imwrite(path, image)
    for options in ("", "--keep_empty"):
        bench.train(options, TRANSLATION)
        results = bench.test("--full_slice", name=f"run{bench.runs}")
        black = png(results / "sem_fake_fullslice/000.png") == 0
        assert black[:, :24].all() == bool(options)
        assert not black[:, 24:].all()


@row("print_freq")
def _(bench: Bench) -> None:
    lines = {frequency: (bench.train(f"--print_freq {frequency}") / "loss_log.txt") for frequency in (1, 4)}
    assert [len(path.read_text().splitlines()) for path in lines.values()] == [8, 2]


@row("verbose")
def _(bench: Bench) -> None:
    bench.train()
    assert "parameters" not in bench.outcome.out
    bench.train("--verbose", name="loud")
    assert "parameters" in bench.outcome.out
    bench.test("--verbose")
    assert "parameters" in bench.outcome.out


@row("no_html")
def _(bench: Bench) -> None:
    assert not (bench.train() / "web").exists()
    assert bench.program("train --name shown", SRGAN, TINY_TRAINING).status == 0
    assert Path("checkpoints/shown/web/index.html").exists()


@row("update_html_freq")
def _(bench: Bench) -> None:
    counts = []
    for frequency in (1, 100):
        bench.program(f"train --name html{frequency} --update_html_freq {frequency}", SRGAN, TINY_TRAINING)
        counts.append(len(list(Path(f"checkpoints/html{frequency}/web/images").glob("*_prediction.png"))))
    assert counts == [8, 2]


@row("display_winsize")
def _(bench: Bench) -> None:
    pages = []
    for width in (100, 300):
        bench.program(f"train --name wide{width} --display_winsize {width}", SRGAN, TINY_TRAINING)
        pages.append(Path(f"checkpoints/wide{width}/web/index.html").read_text())
    assert "100px" in pages[0]
    assert "300px" in pages[1]


# -- testing ----------------------------------------------------------------------------------------------------------


def _count(results: Path) -> int:
    return len(list((results / "sem_fake").iterdir()))


@row("num_test")
def _(bench: Bench) -> None:
    bench.plain()
    assert [_count(bench.test(f"--num_test {number}")) for number in (2, 5)] == [2, 5]


@row("ntest")
def _(bench: Bench) -> None:
    bench.plain()
    assert [_count(bench.test(f"--num_test 4 --ntest {number}")) for number in (0, 2, 9)] == [4, 2, 4]


@row("eval")
def _(bench: Bench) -> None:
    bench.plain()
    plain, frozen = (png(bench.test(option) / "sem_fake" / "000.png") for option in ("", "--eval"))
    assert not np.array_equal(plain, frozen)


@row("backend")
def _(bench: Bench) -> None:
    bench.train("--init_gain 0.5")
    plain = png(bench.test("--eval") / "sem_fake" / "000.png")
    whole = png(bench.test("--eval --backend openvino") / "sem_fake" / "000.png")
    assert 0 < np.abs(plain - whole).mean() < 8


@row("full_slice")
def _(bench: Bench) -> None:
    bench.plain()
    results = bench.test("--full_slice True --eval")
    files = sorted((results / "sem_fake_fullslice").iterdir())
    slices = sorted((bench.images / "test" / "sem").iterdir())
    assert len(files) == len(slices)
    for file, truth in zip(files, slices, strict=True):
        expected = tifffile.imread(truth)
        assert png(file).shape == expected.shape
        assert np.array_equal(png(results / "sem_fullslice" / file.name), expected)


@row("aspect_ratio")
def _(bench: Bench) -> None:
    bench.plain()
    shapes = [png(bench.test(f"--aspect_ratio {ratio}") / "sem" / "000.png").shape for ratio in (1, 2)]
    assert shapes == [(32, 32), (64, 32)]


# -- 3D mode, repair, segmentation ------------------------------------------------------------------------------------


def _volume(bench: Bench, options: str) -> Path:
    stack = bench.images / "test" / "txm_full_stack"
    if not stack.exists():
        bench.plain()
        stack.mkdir()
        rng = np.random.default_rng(0)
        for z in range(40):
            tifffile.imwrite(stack / f"{z:03d}.tif", rng.integers(1, 255, (48, 48), np.uint8))
    return bench.test(f"--dataset_mode txm2sem3d --x_ind 0 --y_ind 0 {options}")


@row("save_name")
def _(bench: Bench) -> None:
    assert (_volume(bench, "--save_name mine") / "volume_pred_mine" / "031.png").exists()


@row("save_txm")
def _(bench: Bench) -> None:
    assert (_volume(bench, "") / "volume_txm_test").exists()
    bench.test("--dataset_mode txm2sem3d --save_name without --save_txm False")
    assert not Path("results/run1/volume_txm_without").exists()


def _corner(option: str, part: tuple[int, slice, slice]) -> Row:
    def check(bench: Bench) -> None:
        results = _volume(bench, f"--{option} 5")
        index, rows, columns = part
        stack = sorted((bench.images / "test" / "txm_full_stack").iterdir())
        expected = tifffile.imread(stack[index])[rows, columns]
        assert np.array_equal(png(results / "volume_txm_test" / "000.png"), expected)

    return check


FLAGS["x_ind"] = _corner("x_ind", (0, slice(0, 32), slice(5, 37)))
FLAGS["y_ind"] = _corner("y_ind", (0, slice(5, 37), slice(0, 32)))
FLAGS["z_ind"] = _corner("z_ind", (5, slice(0, 32), slice(0, 32)))


@row("sem_only")
def _(bench: Bench) -> None:
    for path in bench.images.glob("*/charge/*"):
        # Charge in a corner, to be cut out and painted elsewhere.
        mask = np.zeros_like(tifffile.imread(path))
        mask[-36:, -36:] = 255
        tifffile.imwrite(path, mask)
    base = f"--model repair --netG resnet_6blocks {TINY_TRAINING}"
    folders = [bench.train(option, base) for option in ("", "--sem_only")]
    assert not same(*(weights(folder) for folder in folders))


@row("seg_mode")
def _(bench: Bench) -> None:
    base = f"--model segmentation --netG resnet_6blocks {TINY_TRAINING}"
    bench.train(name="translation")
    modes = ("--seg_mode sem", "--seg_mode txm", "--seg_mode semfake --seg_source translation")
    trained = [weights(bench.train(mode, base.replace("--ndf 4", ""))) for mode in modes]
    assert not any(same(trained[one], trained[other]) for one, other in ((0, 1), (0, 2), (1, 2)))


# -- visdom: that a real server shows all this is tested in tests/training/test_displays.py ---------------------------


class Recorder:
    """Stands for a visdom server's client and keeps what it is told."""

    calls: list[tuple[str, dict[str, Any]]]

    def __init__(self, options: DisplayOptions) -> None:
        self.options = options
        self.calls = []

    def line(self, **arguments: Any) -> None:
        self.calls.append(("line", arguments))

    def image(self, pixels: Any, **arguments: Any) -> None:
        self.calls.append(("image", arguments))

    def images(self, pixels: Any, **arguments: Any) -> None:
        self.calls.append(("images", arguments))


def _shown(bench: Bench, options: str) -> Recorder:
    recorders: list[Recorder] = []

    def connect(display: DisplayOptions) -> Recorder:
        recorders.append(Recorder(display))
        return recorders[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(displays, "connect", connect)
        bench.train(f"--print_freq 1 {options}")
    return recorders[0] if recorders else Recorder(DisplayOptions())


@row("display_id")
def _(bench: Bench) -> None:
    assert not _shown(bench, "").calls
    calls = _shown(bench, "--display_id 7 --display_freq 4").calls
    assert {kind: arguments["win"] for kind, arguments in calls} == {"line": "7", "images": "8"}


@row("display_freq")
def _(bench: Bench) -> None:
    counts = [len(_shown(bench, f"--display_id 1 --display_freq {frequency}").calls) for frequency in (2, 4)]
    assert counts == [8, 4]


@row("display_ncols")
def _(bench: Bench) -> None:
    calls = _shown(bench, "--display_id 1 --display_freq 8 --display_ncols 2").calls
    assert [arguments["nrow"] for kind, arguments in calls if kind == "images"] == [2]
    kinds = [kind for kind, _ in _shown(bench, "--display_id 1 --display_freq 8 --display_ncols 0").calls]
    assert kinds.count("image") == 3


@row("display_env")
def _(bench: Bench) -> None:
    assert _shown(bench, "--display_id 1 --display_env mine").options.display_env == "mine"


def _address(bench: Bench) -> None:
    # Nothing listens on port 1: one line names the address, and the training is not disturbed.
    folder = bench.train("--display_id 1 --display_server http://127.0.0.1 --display_port 1")
    assert bench.outcome.out.count("no windows are shown") == 1
    assert "http://127.0.0.1:1" in bench.outcome.out or "visdom is not installed" in bench.outcome.out
    assert same(weights(folder), weights(bench.plain()))


FLAGS["display_server"] = FLAGS["display_port"] = _address


# -- the table itself -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def kept() -> dict[str, dict[str, bytes]]:
    """Return the checkpoints that benches share."""
    return {}


@pytest.fixture
def bench(program: Program, images: Path, kept: dict[str, dict[str, bytes]]) -> Bench:
    return Bench(program, images, kept)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.openvino) if name == "backend" else name for name in sorted(FLAGS)],
)
def test_the_flag_changes_what_it_says(name: str, bench: Bench) -> None:
    FLAGS[name](bench)


def test_every_documented_flag_has_a_row() -> None:
    assert not set(DOCUMENTED) - set(FLAGS)


def test_every_option_of_the_commands_has_a_row() -> None:
    offered = {option.name for command in (TrainCommand(), TestCommand()) for _, option, _ in fields_of(command)}
    segmentation = {"class_weights", "seg_source"}  # tests/cli/test_segmentation.py
    trust = {"uncertainty", "uncertainty_from"}  # tests/cli/test_trust.py
    assert not offered - set(FLAGS) - segmentation - trust
    assert set(DOCUMENTED) <= offered
