"""The model and its networks."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from cli.calls import TINY_TRAINING
from cli.flags.table import TRAINED, Bench, Row, row, same, weights
from cli.volumes import write_network
from txm2sem.checkpoints import load_generator
from txm2sem.data import check_channels, check_repairs, check_translates_txm
from txm2sem.errors import UserError
from txm2sem.model import Predictor
from txm2sem.networks import build_generator, initialise
from txm2sem.networks.blocks import ResidualBlock
from txm2sem.options import GeneratorOptions, InitName
from txm2sem.runs import paths_of

RIGHT = {"netG": "sr_resnet_6blocks", "ngf": 4, "norm": "batch", "downsample_factor": 2, "no_dropout": False}
RIGHT |= {"input_nc": 1, "output_nc": 1}
WRONG = {"netG": "sr_resnet_9blocks", "ngf": 5, "norm": "instance", "downsample_factor": 4, "no_dropout": True}
WRONG |= {"input_nc": 3, "output_nc": 2}

TRANSLATION = f"--model feedforward --netG resnet_6blocks {TINY_TRAINING}"


def _as(options: dict[str, Any]) -> str:
    return " ".join(f"--{name} {value}" for name, value in options.items())


def _of_checkpoint(option: str) -> Row:
    """A checkpoint of the original code has no saved options: with the right ones it is read, with others not."""

    def check(bench: Bench, command: str) -> None:
        write_network(no_dropout=False)
        for options, fits in ((RIGHT, True), (RIGHT | {option: WRONG[option]}, False)):
            asked = bench.command(command, f"--name network --model srgan {_as(options)}")
            path = paths_of(asked).network("latest", "G")
            if fits:
                load_generator(path, asked.model)
            else:
                with pytest.raises(UserError, match=f"made with .*{option}"):
                    load_generator(path, asked.model)

    return check


for _option in RIGHT:
    row(TRAINED, _option)(_of_checkpoint(_option))


@row("test", "model")
def _(bench: Bench, command: str) -> None:
    asked = bench.command(command, "--model segmentation")
    assert (asked.data.dataset_mode, asked.model.output_nc, asked.test.eval) == ("segmentation", 3, True)


@row("volume translate repair", "model")
def _(bench: Bench, command: str) -> None:
    right, wrong = ("repair", "srgan") if command == "repair" else ("srgan", "repair")
    for model in (right, wrong):
        asked = bench.command(command, f"--name run --model {model}")
        with nullcontext() if model == right else pytest.raises(UserError, match=f"--model {wrong}"):
            if command == "repair":
                check_repairs(asked.model, "run")
            else:
                check_translates_txm(asked.model, asked.data)


@row("test volume translate", "keep_empty")
def _(bench: Bench, command: str) -> None:
    write_network(no_dropout=False)
    source = torch.full((1, 1, 32, 32), -1.0)
    for switch in ("", "--keep_empty"):
        asked = bench.command(command, f"--name network --model srgan {_as(RIGHT)} {switch}")
        prediction = Predictor.load(paths_of(asked), "latest", asked.model, device=torch.device("cpu"))(source)
        assert bool((prediction == -1).all()) == bool(switch)


@row("test volume translate", "empty_level")
def _(bench: Bench, command: str) -> None:
    write_network(no_dropout=False)
    asked = bench.command(command, f"--name network --model srgan {_as(RIGHT)} --keep_empty --empty_level=-3")
    predictor = Predictor.load(paths_of(asked), "latest", asked.model, device=torch.device("cpu"))
    for level in (-3.0, -1.0):
        assert bool((predictor(torch.full((1, 1, 32, 32), level)) == -1).all()) == (level == -3)


# -- training: the networks as they are made --------------------------------------------------------------------------


def _kinds(network: nn.Module, kind: type[nn.Module]) -> int:
    return sum(isinstance(layer, kind) for layer in network.modules())


def _shapes(network: nn.Module) -> dict[str, torch.Size]:
    return {name: weight.shape for name, weight in network.state_dict().items()}


@row("train", "model")
def _(bench: Bench, command: str) -> None:
    for model, expected in {"feedforward": ["G"], "srcnn": ["G"], "pix2pix": ["G", "D"], "srgan": ["G", "D"]}.items():
        size = "--patch_size 32 --netG resnet_6blocks"
        assert list(bench.training(f"--model {model} {size}", TINY_TRAINING).module.networks) == expected


@row("train", "netG")
def _(bench: Bench, command: str) -> None:
    for name in ("resnet_6blocks", "residual_unet", "fine_unet", "linearfilt", "gammafilt"):
        made = bench.training(f"--netG {name} --norm none", TRANSLATION).module.generator
        expected = build_generator(GeneratorOptions(netG=name, norm="none", ngf=4, no_dropout=True))
        assert type(made) is type(expected)
        assert _shapes(made) == _shapes(expected)
    blocks = [
        _kinds(bench.training(f"--netG resnet_{count}blocks", TRANSLATION).module.generator, ResidualBlock)
        for count in (6, 9)
    ]
    assert blocks == [6, 9]


@row("train", "ngf")
def _(bench: Bench, command: str) -> None:
    first = next(bench.training("--ngf 5", TRANSLATION).module.generator.parameters())
    assert first.shape[0] == 5


@row("train", "ndf")
def _(bench: Bench, command: str) -> None:
    first = next(bench.training("--ndf 5").module.networks["D"].parameters())
    assert first.shape[0] == 5


@row("train", "netD")
def _(bench: Bench, command: str) -> None:
    for name, side in {"basic": 2, "pixel": 32}.items():
        logits = bench.training(f"--netD {name}").module.networks["D"](torch.zeros(1, 1, 32, 32))
        assert logits.shape[-1] == side


@row("train", "n_layers_D")
def _(bench: Bench, command: str) -> None:
    sides = {}
    for layers in (1, 2):
        network = bench.training(f"--netD n_layers --n_layers_D {layers}").module.networks["D"]
        sides[layers] = network(torch.zeros(1, 1, 32, 32)).shape[-1]
    assert sides == {1: 14, 2: 6}


@row("train", "norm")
def _(bench: Bench, command: str) -> None:
    layers = {"batch": nn.BatchNorm2d, "instance": nn.InstanceNorm2d}
    for norm in ("batch", "instance", "none"):
        network = bench.training(f"--norm {norm}").module.generator
        assert [name for name, kind in layers.items() if _kinds(network, kind)] == [norm] * (norm != "none")


@row("train", "init_type", "init_gain")
def _(bench: Bench, command: str) -> None:
    cases: list[tuple[InitName, float]] = [("normal", 0.1), ("xavier", 0.5)]
    for kind, gain in cases:
        made = bench.training(f"--init_type {kind} --init_gain {gain}")
        expected = build_generator(made.command.model)
        initialise(expected, kind, gain, torch.Generator().manual_seed(0))
        assert same(made.module.generator.state_dict(), expected.state_dict())


@row("train", "init_from")
def _(bench: Bench, command: str) -> None:
    bench.trained()
    start = weights(Path("checkpoints/run"))
    for words, taken in (("--init_from run", True), ("--init_from checkpoints/run/1_net_G.pth", False)):
        module = bench.training(f"--name new {words}").module
        module.begin(lambda line: None)
        assert same(module.networks["G"].state_dict(), start) == taken
    assert "begins with checkpoints/run" in bench.train("--init_from run --niter 1 --niter_decay 0 --num_train 1").out


@row("train", "freeze")
def _(bench: Bench, command: str) -> None:
    network = bench.training("--init_from run --freeze 1").module.networks["G"]
    kept = {name for name, weight in network.named_parameters() if not weight.requires_grad}
    assert kept == {"premodel.1.weight", "premodel.2.weight"}
    assert "without --init_from" in bench.run("train --freeze 1", status=1).err


@row("train", "no_dropout")
def _(bench: Bench, command: str) -> None:
    base = f"--model pix2pix --netG resnet_6blocks {TINY_TRAINING}"
    counts = [_kinds(bench.training(switch, base).module.generator, nn.Dropout) for switch in ("", "--no_dropout")]
    assert counts[0] > counts[1] == 0


@row("train", "downsample_factor")
def _(bench: Bench, command: str) -> None:
    source = torch.zeros(1, 1, 32, 32)
    sides = [bench.training(f"--downsample_factor {n}").module.generator_input(source).shape[-1] for n in (2, 4)]
    assert sides == [16, 8]


@row("train", "input_nc", "output_nc")
def _(bench: Bench, command: str) -> None:
    for option in ("input_nc", "output_nc"):
        asked = bench.command(command, f"--{option} 3 --model srgan")
        with pytest.raises(UserError, match=f"--{option} 3: expected 1"):
            check_channels(asked.model, asked.data)


@row("train", "keep_empty")
def _(bench: Bench, command: str) -> None:
    source = torch.full((1, 1, 32, 32), -1.0)
    for switch in ("", "--keep_empty"):
        module = bench.training(switch, TRANSLATION).module.eval()
        assert bool((module(source) == -1).all()) == bool(switch)


@row("train", "empty_level")
def _(bench: Bench, command: str) -> None:
    assert bench.command(command).model.empty_level == "auto"
    words = "--keep_empty --txm_range 50,150"
    for given in ("", "--empty_level=-2"):
        module = bench.training(f"{words} {given}", TRANSLATION).module.eval()
        for level in (-2.0, -1.0):
            assert bool((module(torch.full((1, 1, 32, 32), level)) == -1).all()) == (level == -2)
    with pytest.raises(UserError, match="--empty_level -1: expected -2"):
        bench.training(f"{words} --empty_level=-1", TRANSLATION)
    # A run that an older version has begun, which knew none, goes on as it was.
    assert bench.training(f"{words} --continue_train", TRANSLATION).command.model.empty_level == "auto"
