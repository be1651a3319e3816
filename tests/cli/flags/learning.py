"""How a model is trained: what is drawn, what is minimised, how fast, and what is saved and shown."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from cli.calls import TINY_TRAINING
from cli.flags.table import DEFAULT, Bench, Training, loader_of, row, same, weights
from txm2sem.data.sampling import evaluation_locations
from txm2sem.data.transforms import random_contrast
from txm2sem.errors import UserError
from txm2sem.objectives import gan_loss
from txm2sem.options import RECIPES, DisplayOptions, to_mapping
from txm2sem.training import displays
from txm2sem.training.accumulation import BatchPart
from txm2sem.training.adversarial import AdversarialModule

FEEDFORWARD = f"--model feedforward --netG resnet_6blocks {TINY_TRAINING}"
WGAN = f"{DEFAULT} --gan_mode wgangp"
PLAIN = f"{DEFAULT} --no_flip"

# -- what is drawn ----------------------------------------------------------------------------------------------------


@row("train", "recipe")
def _(bench: Bench, command: str) -> None:
    for recipe in ("translate", "texture", "sample", "phases"):
        found = to_mapping(bench.command(command, f"--recipe {recipe} --ngf 2"))
        assert found.items() >= {**RECIPES[recipe], "recipe": recipe, "ngf": 2}.items()
    assert bench.command(command, "--recipe phases --seg_mode sem").data.seg_mode == "sem"


@row("train", "phase")
def _(bench: Bench, command: str) -> None:
    assert bench.training("--phase val").data.training.slices.folder == bench.images / "val"


@row("train", "num_train")
def _(bench: Bench, command: str) -> None:
    made = bench.training("--num_train 5")
    assert len(made.data.training) == len(list(loader_of(made).sampler)) == 5


@row("train", "batch_size")
def _(bench: Bench, command: str) -> None:
    batch = next(iter(loader_of(bench.training("--batch_size 2"))))
    assert batch["source"].shape == (2, 1, 32, 32)


@row("train", "accumulate")
def _(bench: Bench, command: str) -> None:
    module = bench.training("--batch_size 4 --accumulate 2").module
    parts = module.parts(IMAGES[:1].expand(4, 1, 1, 32, 32)[:, 0], torch.zeros(4, 1, 32, 32), None)
    assert [(len(part.source), part.share) for part in parts] == [(2, 0.5), (2, 0.5)]


def _turns(made: Training, count: int = 64) -> set[int]:
    """Return which of the eight orientations an image comes out in."""
    image = torch.arange(9.0).reshape(1, 3, 3)
    eight = [torch.rot90(turned, turns, (1, 2)) for turned in (image, image.flip(2)) for turns in range(4)]
    drawn = (
        made.data.training.orient({"source": image}, np.random.default_rng(seed))["source"] for seed in range(count)
    )
    return {next(number for number, other in enumerate(eight) if torch.equal(found, other)) for found in drawn}


@row("train", "no_flip", "all_orientations")
def _(bench: Bench, command: str) -> None:
    found = {words: _turns(bench.training(words)) for words in ("", "--no_flip", "--all_orientations")}
    assert found == {"": {0, 4}, "--no_flip": {0}, "--all_orientations": set(range(8))}


@row("train", "vary_contrast")
def _(bench: Bench, command: str) -> None:
    plain = bench.training("", PLAIN).data.training[0, 0]
    patches = bench.training("--vary_contrast 0.25", PLAIN).data.training
    varied = patches[0, 0]
    assert torch.equal(plain["target"], varied["target"])
    rng = patches.generator((0, 0))
    patches.locate((0, 0), rng)
    assert torch.equal(varied["source"], random_contrast(plain["source"], 0.25, rng))
    assert not torch.allclose(varied["source"], plain["source"])


def _places(made: Training, epoch: int) -> list[Any]:
    patches = made.data.training
    return [patches.locate((epoch, index), patches.generator((epoch, index))) for index in range(4)]


@row("train", "serial_batches")
def _(bench: Bench, command: str) -> None:
    for switch in ("", "--serial_batches"):
        made = bench.training(switch)
        assert (_places(made, 0) == _places(made, 1)) == bool(switch)


@row("train", "eval_mode")
def _(bench: Bench, command: str) -> None:
    made = bench.training("--eval_mode True")
    assert _places(made, 0) == _places(made, 1) == evaluation_locations(made.data.training.slices, 32, 4)


@row("train", "aligned")
def _(bench: Bench, command: str) -> None:
    for words, alike in (("", True), ("--aligned False", False)):
        patches = bench.training(words, PLAIN).data.training
        drawn = patches[0, 0]
        together = patches.read(patches.locate((0, 0), patches.generator((0, 0))))
        assert torch.equal(drawn["source"], together["source"])
        assert torch.equal(drawn["target"], together["target"]) == alike


@row("train", "forgive")
def _(bench: Bench, command: str) -> None:
    assert set(bench.training("", FEEDFORWARD).data.training[0, 0]) == {"source", "target"}
    place = bench.training("--forgive 3 --all_orientations", FEEDFORWARD).data.training[0, 0]["place"]
    assert place.shape == (3, 32, 32)
    assert place[1].max() - place[1].min() == place[2].max() - place[2].min() == 31
    bench.train("--forgive 3 --all_orientations", FEEDFORWARD)
    document = json.loads(Path("checkpoints/new/displacements.json").read_text())
    assert all(0 < slice_["length"] < 3 * 2**0.5 for slice_ in document["slices"].values())
    assert "feedforward" in bench.run("train --name other --forgive 3 --all_orientations", DEFAULT, status=1).err


# -- what is minimised ------------------------------------------------------------------------------------------------

IMAGES = torch.rand(3, 1, 1, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
"""Source, target and prediction."""


def losses(bench: Bench, words: str, base: str) -> dict[str, float]:
    """Return the weighted losses of the generator, by name, on `IMAGES`."""
    module = bench.training(words, base).module
    source, target, _ = IMAGES
    part = BatchPart(source, target, None, 1.0)
    torch.manual_seed(0)
    module.eval()
    image, prediction = module.translate(part)
    return {name: float(loss) for name, loss in module.generator_losses(part, image, prediction).items()}


@row("train", "regression_loss")
def _(bench: Bench, command: str) -> None:
    for kind, norm in (("L1", torch.abs), ("L2", torch.square)):
        module = bench.training(f"--regression_loss {kind}", FEEDFORWARD).module
        source, target, prediction = IMAGES
        found = module.generator_losses(BatchPart(source, target, None, 1.0), source, prediction)
        assert torch.isclose(found[f"G_{kind}"], norm(prediction - target).mean())
    assert bench.training("--regression_loss laplace", FEEDFORWARD).module.generator(IMAGES[0]).shape[1] == 2


@row("train", "lambda_regression", "lambda_ssim", "lambda_spectrum")
def _(bench: Bench, command: str) -> None:
    for option, loss in {"lambda_regression": "G_L1", "lambda_ssim": "G_SSIM", "lambda_spectrum": "G_spectrum"}.items():
        one, five = (losses(bench, f"--{option} {weight}", FEEDFORWARD)[loss] for weight in (1, 5))
        assert five == pytest.approx(5 * one)
        assert one > 0


@row("train", "lambda_crps")
def _(bench: Bench, command: str) -> None:
    sampled = f"{DEFAULT} --model pix2pix --netG sampled_unet --downsample_factor 1"
    one, five = (losses(bench, f"--lambda_crps {weight}", sampled)["G_CRPS"] for weight in (1, 5))
    assert five == pytest.approx(5 * one)
    assert one > 0
    with pytest.raises(UserError, match="expected a generator that draws samples"):
        bench.training("--lambda_crps 1")


@row("train", "lambda_L1")
def _(bench: Bench, command: str) -> None:
    one, five = (losses(bench, f"--lambda_L1 {weight}", DEFAULT)["G_L1"] for weight in (1, 5))
    assert five == pytest.approx(5 * one)


@row("train", "lambda_img_grad")
def _(bench: Bench, command: str) -> None:
    one, five = (losses(bench, f"--lambda_img_grad {weight}", DEFAULT) for weight in (1, 5))
    (name,) = set(one) - set(losses(bench, "", DEFAULT))
    assert five[name] == pytest.approx(5 * one[name])


@row("train", "jacobian_interval")
def _(bench: Bench, command: str) -> None:
    module = bench.training("--lambda_img_grad 1 --jacobian_interval 2").module
    evaluated = []
    for step in range(4):
        module.position.step = step
        evaluated.append(module.penalises_jacobian)
    assert evaluated == [True, False, True, False]


@row("train", "gan_mode")
def _(bench: Bench, command: str) -> None:
    for mode in ("vanilla", "lsgan", "wgangp"):
        module = bench.training(f"--gan_mode {mode}").module.eval()
        source, target, prediction = IMAGES
        found = module.generator_losses(BatchPart(source, target, None, 1.0), source, prediction)
        assert torch.equal(found["G_GAN"], gan_loss(module.networks["D"](prediction), True, mode))


@row("train", "lambda_gp")
def _(bench: Bench, command: str) -> None:
    found: list[Tensor | None] = []
    for weight in (0, 1, 5):
        module = bench.training(f"--lambda_gp {weight}", WGAN).module.eval()
        assert isinstance(module, AdversarialModule)
        torch.manual_seed(0)
        source, target, prediction = IMAGES
        found.append(module.discriminator_losses(BatchPart(source, target, None, 1.0), prediction).get("D_gp"))
    nothing, one, five = found
    assert nothing is None
    assert one is not None
    assert five is not None
    assert torch.isclose(five, 5 * one)


@row("train", "pool_size")
def _(bench: Bench, command: str) -> None:
    module = bench.training("--pool_size 3").module
    assert isinstance(module, AdversarialModule)
    for number in range(9):
        module.pool.query(torch.full((1, 1, 2, 2), float(number)))
    assert len(module.pool.state_dict()["images"]) == 3


@row("train", "d_condition")
def _(bench: Bench, command: str) -> None:
    channels = [
        next(bench.training(switch).module.networks["D"].parameters()).shape[1] for switch in ("", "--d_condition")
    ]
    assert channels == [1, 2]


@row("train", "class_weights")
def _(bench: Bench, command: str) -> None:
    base = f"--model segmentation --netG resnet_6blocks {TINY_TRAINING}"
    assert bench.training("--class_weights 1,2,3", base).command.objective.class_weights == "1,2,3"
    module = bench.training("--class_weights 1,2,3", base).module
    logits, target = torch.zeros(1, 3, 2, 2), torch.tensor([[[[0, 1], [2, 2]]]])
    # Every class is as likely, and the mean is over the four pixels.
    weighted = torch.tensor((1 + 2 + 3 + 3) * np.log(3) / 4, dtype=torch.float32)
    part = BatchPart(IMAGES[0], target, None, 1.0)
    assert torch.isclose(module.generator_losses(part, IMAGES[0], logits)["G_CE"], weighted)


# -- how fast ---------------------------------------------------------------------------------------------------------


def rates(bench: Bench, words: str, epochs: range) -> list[float]:
    """Return the learning rate of epochs, in the first one's."""
    module = bench.training(words).module
    (optimizer, *_) = module.configure_optimizers()
    module.named_optimizers = lambda: {"G": SimpleNamespace(optimizer=optimizer)}  # type: ignore[method-assign, dict-item]
    found = []
    for epoch in epochs:
        module.set_learning_rate(epoch)
        found.append(optimizer.param_groups[0]["lr"] / module.command.schedule.lr)
    return found


@row("train", "niter", "niter_decay", "lr_policy")
def _(bench: Bench, command: str) -> None:
    linear = rates(bench, "--niter 2 --niter_decay 3", range(1, 6))
    assert linear == pytest.approx([1, 1, 0.75, 0.5, 0.25])
    cosine = rates(bench, "--niter 4 --niter_decay 0 --lr_policy cosine", range(1, 5))
    assert cosine == pytest.approx([(1 + np.cos(np.pi * epoch / 4)) / 2 for epoch in range(4)])
    assert bench.training("--niter 2 --niter_decay 3").module.epochs_in_all == 5


@row("train", "lr_decay_iters")
def _(bench: Bench, command: str) -> None:
    found = rates(bench, "--niter 5 --niter_decay 0 --lr_policy step --lr_decay_iters 2", range(1, 6))
    assert len(set(found)) == 3
    assert found[1] > found[2] == found[3] > found[4] or found[0] == found[1] > found[2]


@row("train", "epoch_count")
def _(bench: Bench, command: str) -> None:
    module = bench.training("--niter 5 --niter_decay 0 --epoch_count 3").module
    assert (module.epoch, module.epochs_in_all, module.last_epoch) == (3, 3, 5)


@row("train", "lr", "beta1", "weight_decay")
def _(bench: Bench, command: str) -> None:
    module = bench.training("--lr 1e-3 --beta1 0.9 --weight_decay 0.5").module
    found = [optimizer.param_groups[0] for optimizer in module.configure_optimizers()]
    assert [group["lr"] for group in found] == [1e-3, 1e-3]
    assert [group["betas"] for group in found] == [(0.9, 0.999)] * 2
    assert [group["weight_decay"] for group in found] == [0.5, 0.0]


@row("train", "ema")
def _(bench: Bench, command: str) -> None:
    module = bench.training("--ema 0.9").module
    before = {name: value.clone() for name, value in module.results["G"].state_dict().items()}
    module.position.step = 1000
    with torch.no_grad():
        for weight in module.generator.parameters():
            weight.add_(1)
    module.update_average()
    name = next(name for name, _ in module.generator.named_parameters())
    assert torch.allclose(module.results["G"].state_dict()[name], before[name] + 0.1, atol=1e-5)
    assert bench.training().module.average is None


@row("train", "time_budget")
def _(bench: Bench, command: str) -> None:
    # A tenth of a millisecond: the first batch uses it up, and its epoch ends there.
    bench.train("--time_budget 1.6e-6 --print_freq 1", name="timed")
    folder = Path("checkpoints/timed")
    assert len((folder / "loss_log.txt").read_text().splitlines()) == 1
    assert len((folder / "timed_metrics.txt").read_text().splitlines()) == 2
    assert "has used up its time budget" in bench.run("train --name timed --continue_train").out


@row("train", "patience")
def _(bench: Bench, command: str) -> None:
    # A learning rate of 0 makes nothing better after the first epoch.
    bench.train("--lr 0 --norm none --niter 4 --patience 1", FEEDFORWARD, name="patient")
    assert len(Path("checkpoints/patient/patient_metrics.txt").read_text().splitlines()) == 3
    assert "has not become better in 1 epochs" in bench.run("train --name patient --continue_train").out


@row("train", "continue_train")
def _(bench: Bench, command: str) -> None:
    bench.train("--niter 1 --niter_decay 0")
    bench.run("train --name new --no_html --continue_train --niter_decay 1")
    bench.trained()
    assert same(weights(Path("checkpoints/run")), weights(Path("checkpoints/new")))
    assert not same(weights(Path("checkpoints/run")), weights(Path("checkpoints/run"), "1"))


# -- what is saved and shown ------------------------------------------------------------------------------------------


def _labels(folder: str) -> set[str]:
    return {path.name.removesuffix("_net_G.pth") for path in Path("checkpoints", folder).glob("*_net_G.pth")}


@row("train", "save_epoch_freq", "save_by_iter", "save_latest_freq")
def _(bench: Bench, command: str) -> None:
    bench.trained()
    assert _labels("run") == {"1", "2", "iter_4", "iter_8", "latest", "best"}
    bench.train("--save_epoch_freq 2 --save_latest_freq 3")
    assert _labels("new") == {"2", "latest", "best"}


@row("train", "print_freq", "no_html")
def _(bench: Bench, command: str) -> None:
    bench.train("--print_freq 4")
    assert len(Path("checkpoints/new/loss_log.txt").read_text().splitlines()) == 2
    assert not Path("checkpoints/new/web").exists()


@row("train", "update_html_freq", "display_winsize")
def _(bench: Bench, command: str) -> None:
    assert bench.images
    bench.run("train --name shown --update_html_freq 2 --display_winsize 100", DEFAULT)
    web = Path("checkpoints/shown/web")
    assert len(list((web / "images").glob("*_prediction.png"))) == 4
    assert "100px" in (web / "index.html").read_text()


class Recorder:
    """Stands for a visdom server's client and keeps what it is told."""

    def __init__(self, options: DisplayOptions) -> None:
        self.options = options
        self.calls: list[tuple[str, dict[str, Any]]] = []

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
    return recorders[0]


@row("train", "display_id", "display_freq", "display_env")
def _(bench: Bench, command: str) -> None:
    # That a real server shows all this is tested in tests/training/test_displays.py.
    recorder = _shown(bench, "--display_id 7 --display_freq 4 --display_ncols 2 --display_env mine")
    assert {kind: arguments["win"] for kind, arguments in recorder.calls} == {"line": "7", "images": "8"}
    assert len(recorder.calls) == 4
    assert recorder.options.display_env == "mine"


@row("train", "display_ncols")
def _(bench: Bench, command: str) -> None:
    calls = _shown(bench, "--display_id 1 --display_freq 8 --display_ncols 2").calls
    assert [arguments["nrow"] for kind, arguments in calls if kind == "images"] == [2]
    kinds = [kind for kind, _ in _shown(bench, "--display_id 1 --display_freq 8 --display_ncols 0").calls]
    assert kinds.count("image") == 3


@row("train", "display_server", "display_port")
def _(bench: Bench, command: str) -> None:
    # Nothing listens on port 1: one line names the address, and the training is not disturbed.
    out = bench.train("--display_id 1 --display_server http://127.0.0.1 --display_port 1").out
    assert out.count("no windows are shown") == 1
    assert "http://127.0.0.1:1" in out or "visdom is not installed" in out
