"""Where runs are, what they are called, and the machine that does the work."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
from data_roots import write_stack
from run_folders import write_run

from cli.flags.table import DEFAULT, TRAINED, Bench, loader_of, png, row, same
from cli.volumes import NETWORK, rock, write_network
from txm2sem.applying.volume.opening import OpenVolume
from txm2sem.data import TiffStack
from txm2sem.data.readers import open_volume
from txm2sem.data.volumes import choose_cube
from txm2sem.devices import device_of, dtype_of
from txm2sem.errors import UserError
from txm2sem.filling.kriging import KrigingFilling
from txm2sem.networks import build_generator, initialise
from txm2sem.options import COMMANDS, VolumeOptions, to_mapping
from txm2sem.runs import paths_of
from txm2sem.training.fit import build_trainer

EVERY = f"train {TRAINED}"

OTHER = {"gpu_ids": "-1", "output": "there.html", "charge": "masks", "porosity": 0.125, "checkpoints_dir": "models"}
"""An option that each command has one of, with another value than by default."""


@row(" ".join(COMMANDS), "config")
def _(bench: Bench, command: str) -> None:
    option, value = next((name, value) for name, value in OTHER.items() if name in to_mapping(COMMANDS[command]))
    Path("mine.yaml").write_text(f"{option}: {value}")
    assert to_mapping(bench.command(command, "--config mine.yaml"))[option] == value


@row(EVERY, "name")
def _(bench: Bench, command: str) -> None:
    assert paths_of(bench.command(command, "--name shale")).checkpoints == Path("checkpoints/shale")


@row(EVERY, "suffix")
def _(bench: Bench, command: str) -> None:
    found = paths_of(bench.command(command, "--name shale --suffix {netG}_{precision} --netG unet_128"))
    assert found.name == "shale_unet_128_fp32"


@row(EVERY, "checkpoints_dir")
def _(bench: Bench, command: str) -> None:
    found = paths_of(bench.command(command, "--name shale --checkpoints_dir models"))
    assert found.checkpoints == Path("models/shale")


@row("train test", "results_dir")
def _(bench: Bench, command: str) -> None:
    assert paths_of(bench.command(command, "--name shale --results_dir out")).results == Path("out/shale")


@row("report compare", "checkpoints_dir", "results_dir")
def _(bench: Bench, command: str) -> None:
    for name in ("one", "two"):
        write_run(Path("elsewhere"), name)
    names = "one" if command == "report" else "one two"
    places = ("--checkpoints_dir elsewhere/checkpoints", "--results_dir elsewhere/results")
    sizes = []
    for words in (places, places[:1], places[1:]):
        bench.run(f"{command} {names}", *words, "--output page.html")
        sizes.append(len(Path("page.html").read_text()))
    assert sizes[0] > max(sizes[1:])
    assert "there is no run one" in bench.run(f"{command} {names}", status=1).err


@row("train", "dataroot")
def _(bench: Bench, command: str) -> None:
    bench.images.rename("elsewhere")
    assert bench.training("--dataroot elsewhere").data.training.slices.folder == Path("elsewhere/train")


@row("test", "dataroot")
def _(bench: Bench, command: str) -> None:
    bench.trained()
    bench.images.rename("elsewhere")
    assert "images" in bench.run("test --name run", status=1).err
    assert (bench.test("--dataroot elsewhere") / "overview.png").exists()


@row("translate", "dataroot")
def _(bench: Bench, command: str) -> None:
    # The contrast of the training images is measured there, once.
    bench.trained()
    bench.images.rename("elsewhere")
    words = "translate elsewhere/test/txm/000.tif out.tif --name run --gpu_ids -1 --grey match"
    assert "images" in bench.run(words, status=1).err
    bench.run(f"{words} --dataroot elsewhere")


@row("volume", "dataroot")
def _(bench: Bench, command: str) -> None:
    # What judges predictions is fitted there, once, where all splits of the training are.
    bench.trained()
    bench.images.rename("elsewhere")
    shutil.rmtree("elsewhere/val")
    words = "volume elsewhere/test/txm out.tif --name run --gpu_ids -1 --uncertainty 2 --voxel_size 32"
    assert "not both in images or elsewhere" in bench.run(f"{words} --dataroot elsewhere", status=1).err


@row(EVERY, "gpu_ids")
def _(bench: Bench, command: str) -> None:
    assert device_of(bench.command(command, "--name run --gpu_ids -1").run.gpu_ids) == torch.device("cpu")
    absent = torch.cuda.device_count() if torch.cuda.is_available() else 0
    with pytest.raises(UserError, match=f"GPU {absent} is not there"):
        device_of(bench.command(command, f"--name run --gpu_ids {absent}").run.gpu_ids)


@row(EVERY, "precision")
def _(bench: Bench, command: str) -> None:
    for present, expected in ((True, torch.bfloat16), (False, torch.float32)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("txm2sem.devices.computes_bf16", lambda device, present=present: present)
            found = bench.command(command, "--name run --gpu_ids -1 --precision bf16").run.precision
            assert dtype_of(found) == expected


@row("train", "num_threads")
def _(bench: Bench, command: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.cpu_count", lambda: 8)
        assert [loader_of(bench.training(f"--num_threads {count}")).num_workers for count in (0, 3)] == [0, 3]


@row("train", "num_nodes", "node_timeout")
def _(bench: Bench, command: str) -> None:
    # What they do together: tests/training/test_nodes.py.
    made = bench.training("--num_nodes 2 --node_timeout 7")
    trainer = build_trainer(made.module, paths_of(made.command), print, [torch.device("cpu")])
    assert trainer.num_nodes == 2
    assert vars(trainer.strategy)["_timeout"] == timedelta(seconds=7)
    outcome = bench.run("train --num_nodes 2", DEFAULT, status=1)
    assert "expected to be started on each node" in outcome.err
    assert not Path("checkpoints").exists()


@row("train", "seed")
def _(bench: Bench, command: str) -> None:
    made = bench.training("--seed 5")
    expected = build_generator(made.command.model)
    initialise(expected, "normal", 0.02, torch.Generator().manual_seed(5))
    assert same(made.module.generator.state_dict(), expected.state_dict())
    assert made.data.training.seed == 5


@row("test", "seed")
def _(bench: Bench, command: str) -> None:
    bench.trained()
    write_stack(bench.images / "test" / "txm_full_stack", list(rock((34, 60, 60))))
    stack = TiffStack(bench.images / "test" / "txm_full_stack")
    results = bench.test("--dataset_mode txm2sem3d --seed 5")
    cube = choose_cube(stack, 32, VolumeOptions(), 5)
    expected = stack.read(0, slice(cube.row, cube.row + 32), slice(cube.column, cube.column + 32))
    assert np.array_equal(png(results / "volume_txm_test" / "000.png"), expected)


@row("volume", "seed")
def _(bench: Bench, command: str) -> None:
    # The places of the patches that statistics are estimated on.
    write_network()
    words = f"{NETWORK} --patch_size 16 --seed"
    drawn = [
        torch.cat(list(OpenVolume(bench.command(command, f"{words} {seed}"), open_volume(rock((4, 48, 48)))).samples()))
        for seed in (1, 1, 2)
    ]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


@row("repair", "seed")
def _(bench: Bench, command: str) -> None:
    sem = rock((1, 48, 48))[0]
    mask = np.zeros(sem.shape, bool)
    mask[10:30, 10:30] = True
    fillings = []
    for seed in (1, 1, 2):
        asked = bench.command(command, f"--texture --seed {seed}")
        fillings.append(KrigingFilling(asked.repair.texture, asked.run.seed)(sem, mask, None, 0))
    assert np.array_equal(fillings[0], fillings[1])
    assert not np.array_equal(fillings[0], fillings[2])
    assert "--seed does nothing" in bench.run("repair sem out --seed 1", status=1).err


@row("train", "verbose")
def _(bench: Bench, command: str) -> None:
    short = "--niter 1 --niter_decay 0 --num_train 1 --num_test 1"
    assert "parameters" not in bench.train(short).out
    assert "parameters" in bench.train(f"{short} --verbose").out


@row("test translate volume", "verbose")
def _(bench: Bench, command: str) -> None:
    bench.trained()
    words = {
        "test": "test --num_test 1",
        "translate": "translate images/test/txm/000.tif {}.tif",
        "volume": "volume images/test/txm {}.tif --voxel_size 32 --dry_run",
    }[command]
    assert "parameters" not in bench.run(words.format("short"), "--name run --gpu_ids -1").out
    assert "parameters" in bench.run(words.format("long"), "--name run --gpu_ids -1 --verbose").out
