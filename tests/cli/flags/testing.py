"""What is tested and how."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from data_roots import write_stack

from cli.flags.table import Bench, Row, png, row
from cli.volumes import NETWORK, rock, write_network
from txm2sem.errors import UserError
from txm2sem.model import Predictor
from txm2sem.model.draws import DrawingPredictor
from txm2sem.networks import build_generator
from txm2sem.runs import paths_of
from txm2sem.testing.harness import checkpoint_label
from txm2sem.trust.sampling import choose_method


@row("test volume translate repair", "epoch", "load_iter")
def _(bench: Bench, command: str) -> None:
    write_network(no_dropout=False)
    kept = Path("checkpoints/network")
    (kept / "latest_net_G.pth").rename(kept / "iter_4_net_G.pth")
    words = {
        "test": "test --eval --num_test 1",
        "volume": "volume scan.tif out.tif --voxel_size 32 --dry_run",
        "translate": "translate scan.tif out.tif",
        "repair": "repair images/test/sem out --sem_only",
    }[command]
    model = NETWORK.replace("--model srgan", "--model repair --input_nc 3") if command == "repair" else NETWORK
    tifffile.imwrite("scan.tif", rock((1, 48, 48))[0], photometric="minisblack")
    assert bench.images
    named = f"{words} {model} --norm batch --patch_size 32"
    for label, option in (("7", "--epoch 7"), ("iter_5", "--load_iter 5")):
        assert f"{label}_net_G.pth" in bench.run(named, option, status=1).err
    if command != "repair":
        bench.run(named, "--load_iter 4")


@row("test", "phase")
def _(bench: Bench, command: str) -> None:
    found = json.loads((bench.test("--phase val --num_test 2") / "scores.json").read_text())
    assert found["split"] == "val"


def _count(results: Path) -> int:
    return len(list((results / "sem_fake").iterdir()))


@row("test", "ntest")
def _(bench: Bench, command: str) -> None:
    assert [_count(bench.test(f"--num_test 4 --ntest {number}")) for number in (0, 2, 9)] == [4, 2, 4]


@row("test", "eval")
def _(bench: Bench, command: str) -> None:
    # Frozen, a prediction depends on its patch alone.
    bench.trained()
    asked = bench.command("test", "--name run --eval --gpu_ids -1")
    predictor = Predictor.load(paths_of(asked), checkpoint_label(asked), asked.model, device=torch.device("cpu"))
    results = bench.test("--eval --num_test 2")
    source = torch.from_numpy(png(results / "txm" / "000.png").astype(np.float32) / 127.5 - 1)[None, None]
    expected = (predictor(source)[0, 0].numpy() + 1) * 127.5
    assert np.abs(png(results / "sem_fake" / "000.png") - expected).max() < 1.01
    thawed = png(bench.test("--num_test 2") / "sem_fake" / "000.png")
    assert np.abs(thawed - expected).max() > 1.01


@row("test", "backend")
def _(bench: Bench, command: str) -> None:
    bench.train("--init_gain 0.2", name="strong")
    plain = png(bench.test("--eval", "strong") / "sem_fake" / "000.png")
    whole = png(bench.test("--eval --backend openvino", "strong") / "sem_fake" / "000.png")
    assert (plain != whole).any()
    assert np.abs(plain - whole).mean() < 0.2 * plain.std()


@row("test", "full_slice")
def _(bench: Bench, command: str) -> None:
    results = bench.test("--full_slice True --eval")
    files = sorted((results / "sem_fake_fullslice").iterdir())
    slices = sorted((bench.images / "test" / "sem").iterdir())
    assert len(files) == len(slices)
    for file, truth in zip(files, slices, strict=True):
        expected = tifffile.imread(truth)
        assert png(file).shape == expected.shape
        assert np.array_equal(png(results / "sem_fullslice" / file.name), expected)


@row("test", "aspect_ratio")
def _(bench: Bench, command: str) -> None:
    shapes = [png(bench.test(f"--num_test 1 --aspect_ratio {ratio}") / "sem" / "000.png").shape for ratio in (1, 2)]
    assert shapes == [(32, 32), (64, 32)]


@row("test volume", "uncertainty", "uncertainty_from")
def _(bench: Bench, command: str) -> None:
    write_network(no_dropout=False)
    asked = bench.command(command, f"{NETWORK} --norm batch --uncertainty 3")
    predictor = Predictor.load(paths_of(asked), "latest", asked.model, device=torch.device("cpu"))
    assert choose_method(asked.trust, predictor) == "dropout"
    asked = bench.command(command, f"{NETWORK} --norm batch --uncertainty 3 --uncertainty_from checkpoints")
    assert (asked.trust.uncertainty, choose_method(asked.trust, predictor)) == (3, "checkpoints")
    with pytest.raises(UserError, match="does nothing without --uncertainty"):
        bench.command(command, f"{NETWORK} --uncertainty_from dropout")


@row("test volume translate", "draws")
def _(bench: Bench, command: str) -> None:
    with pytest.raises(UserError, match="--draws 1: expected 2 or more"):
        bench.command(command, f"{NETWORK} --draws 1")
    options = bench.command(command, "--name sampled --model pix2pix --netG sampled_unet --draws 3")
    predictor = Predictor(build_generator(options.model), options.model)
    assert DrawingPredictor(predictor, options.drawn.draws)(torch.zeros(1, 1, 32, 32)).shape == (1, 5, 32, 32)


# -- a cube of the full stack ------------------------------------------------------------------------------------------


def _cube(bench: Bench, options: str) -> Path:
    bench.trained()
    stack = bench.images / "test" / "txm_full_stack"
    if not stack.exists():
        write_stack(stack, list(rock((40, 48, 48))))
    return bench.test(f"--dataset_mode txm2sem3d --x_ind 0 --y_ind 0 {options}")


@row("test", "save_name", "save_txm")
def _(bench: Bench, command: str) -> None:
    results = _cube(bench, "--save_name mine --save_txm False")
    assert (results / "volume_pred_mine" / "031.png").exists()
    assert not (results / "volume_txm_mine").exists()


def _corner(option: str, part: tuple[int, slice, slice]) -> Row:
    def check(bench: Bench, command: str) -> None:
        results = _cube(bench, f"--{option} 5")
        index, rows, columns = part
        stack = sorted((bench.images / "test" / "txm_full_stack").iterdir())
        expected = tifffile.imread(stack[index])[rows, columns]
        assert np.array_equal(png(results / "volume_txm_test" / "000.png"), expected)

    return check


row("test", "x_ind")(_corner("x_ind", (0, slice(0, 32), slice(5, 37))))
row("test", "y_ind")(_corner("y_ind", (0, slice(5, 37), slice(0, 32))))
row("test", "z_ind")(_corner("z_ind", (5, slice(0, 32), slice(0, 32))))
