"""The layout and the copies that a GPU wants, as far as a CPU can tell: the same is computed, and saved."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from data_roots import write_data_root
from pytorch_lightning.strategies import DDPStrategy
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from training.test_accumulation import assert_close, batches, build, train
from training.test_displays import small_run
from txm2sem.data import AlignedSlices
from txm2sem.devices import memory_format_of, move_images
from txm2sem.model import Predictor
from txm2sem.networks import build_generator
from txm2sem.runs import RunPaths
from txm2sem.training.fit import PatchData, build_trainer, fit
from txm2sem.training.models import MODELS
from txm2sem.training.translation import TranslationModule

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


@pytest.fixture
def side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the CPU have the layout of a GPU."""
    monkeypatch.setattr("txm2sem.devices.memory_format_of", lambda device: torch.channels_last)


def lies_side_by_side(tensor: Tensor) -> bool:
    return tensor.is_contiguous(memory_format=torch.channels_last)


def kernels(network: torch.nn.Module) -> list[Tensor]:
    """Return the weights that have more than one layout."""
    return [value for value in network.parameters() if value.dim() == 4 and min(value.shape[1:]) > 1]


def test_the_layout_is_that_of_the_device() -> None:
    assert memory_format_of(GPU) == torch.channels_last
    assert memory_format_of(CPU) == torch.preserve_format
    images = torch.rand(2, 3, 4, 4)
    assert move_images(images, CPU) is images


def test_to_a_gpu_images_are_copied_from_pinned_memory_without_waiting() -> None:
    class Images:
        """Stands for a tensor and keeps what is done with it."""

        device = CPU

        def __init__(self, dimensions: int, done: list[Any]) -> None:
            self.dimensions, self.done = dimensions, done

        def dim(self) -> int:
            return self.dimensions

        def pin_memory(self) -> Images:
            return Images(self.dimensions, [*self.done, "pinned"])

        def to(self, device: torch.device, **how: Any) -> Any:
            return [*self.done, (device, how)]

    for dimensions, layout in ((4, torch.channels_last), (1, torch.preserve_format)):
        images: Any = Images(dimensions, [])
        assert move_images(images, GPU) == ["pinned", (GPU, {"non_blocking": True, "memory_format": layout})]
        assert move_images(images, CPU) == [(CPU, {"non_blocking": False, "memory_format": torch.preserve_format})]


@pytest.mark.parametrize("model", MODELS)
def test_training_side_by_side_learns_the_same(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Dropout would draw its masks in the order of memory. The loss of a segmentation is float32, see `build`.
    options = {"norm": "none" if model == "segmentation" else "batch", "no_dropout": True, "lambda_img_grad": 1e-4}
    if model not in ("repair", "segmentation"):
        options |= {"input_nc": 3, "context_slices": 1}
    data = batches(model, 2)
    if "input_nc" in options:
        data = [batch | {"source": batch["source"].repeat(1, 3, 1, 1)} for batch in data]
    plain = train(build(model, 1, **options), tmp_path, data)
    assert not any(map(lies_side_by_side, kernels(plain.generator)))

    monkeypatch.setattr("txm2sem.devices.memory_format_of", lambda device: torch.channels_last)
    module = build(model, 1, **options)
    seen: list[Tensor] = []
    for network in module.networks.values():
        network.register_forward_hook(lambda _, arguments, __: seen.append(arguments[0]))
    train(module, tmp_path, data)
    assert all(map(lies_side_by_side, [*kernels(module), *seen]))
    assert_close(plain, module)
    saved = [torch.load(tmp_path / name / name / "latest_net_G.pth", weights_only=True) for name in ("run0", "run1")]
    assert saved[0].keys() == saved[1].keys()
    for key, value in saved[0].items():
        assert saved[1][key].is_contiguous()
        assert value.dtype == saved[1][key].dtype
        torch.testing.assert_close(value, saved[1][key], rtol=1e-6, atol=1e-9)


def test_a_run_can_be_continued_in_the_other_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"norm": "none", "no_dropout": True}
    whole = fit(small_run(tmp_path, name="whole", **options), lambda line: None)
    fit(small_run(tmp_path, name="parts", niter=1, **options), lambda line: None)
    monkeypatch.setattr("txm2sem.devices.memory_format_of", lambda device: torch.channels_last)
    parts = fit(small_run(tmp_path, name="parts", continue_train=True, **options), lambda line: None)
    for network in "GD":
        one, other = (torch.load(paths.network("latest", network), weights_only=True) for paths in (whole, parts))
        for key, value in one.items():
            # Rounding of float32, of which Adam makes steps of at most 2e-4; weights mixed up would make such steps.
            torch.testing.assert_close(value, other[key], rtol=0, atol=1e-5, msg=key)


@pytest.mark.usefixtures("side_by_side")
@pytest.mark.parametrize("factor", [1, 2])
def test_a_predictor_side_by_side_predicts_the_same(factor: int, monkeypatch: pytest.MonkeyPatch) -> None:
    netG = {1: "resnet_6blocks", 2: "sr_resnet_6blocks"}[factor]  # noqa: N806
    options = build("feedforward", 1, netG=netG, downsample_factor=factor, input_nc=3).command.model
    torch.manual_seed(0)
    generator = build_generator(options)
    source = torch.rand(2, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        expected = generator.eval()(source[..., ::factor, ::factor])
    predictor = Predictor(generator, options)
    assert all(map(lies_side_by_side, [*kernels(predictor.generator), predictor.generator_input(source)]))
    torch.testing.assert_close(predictor(source), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("device", [CPU, GPU])
def test_patches_for_a_gpu_are_loaded_into_pinned_memory(
    device: torch.device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_data_root(tmp_path / "images")
    module = MODELS["feedforward"](small_run(tmp_path, model="feedforward", netG="resnet_6blocks", downsample_factor=1))
    slices = AlignedSlices.open(tmp_path / "images", "train", module.command.data)
    patches = PatchData(module, slices, slices)
    patches.trainer = SimpleNamespace(global_rank=0, world_size=1)  # type: ignore[assignment]
    monkeypatch.setattr(TranslationModule, "device", device)
    for loader in (patches.train_dataloader(), patches.val_dataloader()):
        assert loader.pin_memory == (device == GPU)


@pytest.mark.parametrize(
    ("devices", "accelerator", "asked", "together"),
    [
        ([CPU], "cpu", 1, False),
        ([torch.device("mps")], "mps", 1, False),
        ([torch.device("cuda", 2)], "cuda", [2], False),
        ([GPU, torch.device("cuda", 3)], "cuda", [0, 3], True),
    ],
)
def test_training_runs_on_the_devices_asked_for(
    devices: list[torch.device],
    accelerator: str,
    asked: int | list[int],
    together: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pl, "Trainer", SimpleNamespace)
    module = build("feedforward", 1)
    paths = RunPaths.of("run", tmp_path, tmp_path)
    trainer: Any = build_trainer(module, paths, lambda line: None, devices)
    assert (trainer.accelerator, trainer.devices) == (accelerator, asked)
    assert isinstance(trainer.strategy, DDPStrategy) if together else trainer.strategy == "auto"
    assert trainer.benchmark == (accelerator == "cuda")  # cuDNN tries its algorithms


class Apple(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Refuses to make float64 of what is computed, as Apple's GPUs do, which have no such numbers."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        given, found = ({leaf.dtype for leaf in tree_leaves(one) if isinstance(leaf, Tensor)} for one in (args, made))
        assert torch.float64 not in found or torch.float32 not in given, func
        return made


@pytest.mark.parametrize("model", MODELS)
def test_steps_of_training_and_predictions_take_no_float64(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"lambda_img_grad": 1e-4, "lambda_ssim": 0.1} if model == "feedforward" else {"lambda_img_grad": 1e-4}
    options |= {"lambda_spectrum": 1.0} if model == "pix2pix" else {}
    module, step = build(model, 1, **options).float(), TranslationModule.training_step

    def on_apple(self: TranslationModule, *batch: Any) -> Any:
        with Apple():  # type: ignore[no-untyped-call]
            return step(self, *batch)

    monkeypatch.setattr(TranslationModule, "training_step", on_apple)
    data = batches(model, 2, dtype=torch.float32)
    train(module, tmp_path, data)
    with Apple():  # type: ignore[no-untyped-call]
        Predictor(module.generator, module.command.model)(data[0]["source"])
