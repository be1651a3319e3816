"""The models: which network learns from what, and what each option changes."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from txm2sem.data import to_uint8
from txm2sem.model.predictor import Predictor
from txm2sem.options import MODEL_DEFAULTS, TrainCommand, override
from txm2sem.runs import RunPaths
from txm2sem.training.accumulation import BatchPart
from txm2sem.training.adversarial import AdversarialModule
from txm2sem.training.drawing import VALIDATED_DRAWS
from txm2sem.training.fit import build_trainer
from txm2sem.training.models import MODELS
from txm2sem.training.translation import TranslationModule, total

SIZE = 32
SMALL = {"ngf": 4, "ndf": 4, "patch_size": SIZE, "num_train": 2, "niter": 1, "niter_decay": 0, "num_test": 1}
ADVERSARIAL = ["pix2pix", "srgan"]
MODELS_OF_IMAGES = ["feedforward", "srcnn", "pix2pix", "srgan"]


def command(model: str, **options: Any) -> TrainCommand:
    """Return small options of a model."""
    generator = {"netG": "sr_resnet_6blocks", "downsample_factor": 2} if model.startswith("sr") else {}
    plain = {"netG": "resnet_6blocks"} | generator
    return override(TrainCommand(), {**MODEL_DEFAULTS[model], "model": model, **SMALL, **plain, **options})


class Patches(Dataset[dict[str, Tensor]]):
    """Random batches of one patch."""

    def __init__(self, count: int, channels: int = 1) -> None:
        random = torch.Generator().manual_seed(3)
        self.images = torch.rand(count, channels + 1, 1, SIZE, SIZE, generator=random) * 2 - 1

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        if index >= len(self):
            raise IndexError(index)
        *source, target = self.images[index]
        return {"source": torch.stack(source, dim=1), "target": target[None]}


def train(module: TranslationModule, tmp_path: Path, steps: int = 2) -> TranslationModule:
    """Train on random patches with the real trainer, on the CPU."""
    paths = RunPaths.of("run", tmp_path, tmp_path)
    trainer = build_trainer(module, paths, lambda line: None, [torch.device("cpu")])
    training, validation = (
        DataLoader(Patches(count, module.command.model.input_nc), batch_size=None) for count in (steps, 1)
    )
    trainer.fit(module, training, validation)
    return module


def moved(before: dict[str, Tensor], module: torch.nn.Module) -> bool:
    """Say whether any weight of a network has changed."""
    return any(not torch.equal(value, before[name]) for name, value in module.named_parameters())


def weights(module: torch.nn.Module) -> dict[str, Tensor]:
    """Return a copy of a network's weights."""
    return {name: value.detach().clone() for name, value in module.named_parameters()}


@pytest.mark.parametrize("model", [model for model in MODELS if model != "segmentation"])  # which learns classes
def test_a_step_moves_every_network(model: str, tmp_path: Path) -> None:
    module = MODELS[model](command(model))
    before = {name: weights(network) for name, network in module.networks.items()}
    train(module, tmp_path)
    assert all(moved(before[name], network) for name, network in module.networks.items())


@pytest.mark.parametrize("model", ADVERSARIAL)
def test_the_generators_step_leaves_no_gradient_in_the_discriminator(model: str, tmp_path: Path) -> None:
    module = MODELS[model](command(model))
    assert isinstance(module, AdversarialModule)
    reached: list[str] = []
    updating: list[str] = []
    update = module.update

    def spy(network: str, parts: Iterable[tuple[float, dict[str, Tensor]]]) -> dict[str, Tensor]:
        updating.append(network)
        return update(network, parts)

    module.update = spy  # type: ignore[method-assign]
    for weight in module.discriminator.parameters():
        weight.register_post_accumulate_grad_hook(  # type: ignore[no-untyped-call]
            lambda _: reached.append(updating[-1])
        )
    train(module, tmp_path, steps=1)
    assert updating == ["D", "G"]
    assert set(reached) == {"D"}


@pytest.mark.parametrize("model", ["feedforward", "srgan"])
def test_gradients_take_no_memory_between_steps(model: str, tmp_path: Path) -> None:
    module = train(MODELS[model](command(model)), tmp_path)
    assert all(weight.grad is None for weight in module.parameters())


@pytest.mark.parametrize("model", ADVERSARIAL)
def test_the_discriminators_step_leaves_the_generator_alone(model: str, tmp_path: Path) -> None:
    module = MODELS[model](command(model))
    before = weights(module.generator)
    update = module.update

    def only_discriminator(network: str, parts: Iterable[tuple[float, dict[str, Tensor]]]) -> dict[str, Tensor]:
        return update(network, parts) if network == "D" else {}

    module.update = only_discriminator  # type: ignore[method-assign]
    train(module, tmp_path, steps=1)
    assert not moved(before, module.generator)


def test_the_discriminators_two_losses_are_averaged() -> None:
    losses = {"D_real": 1.0, "D_fake": 3.0, "D_gp": 5.0, "G_L1": 7.0}
    assert total({name: torch.tensor(loss) for name, loss in losses.items()}) == (1 + 3) / 2 + 5 + 7


@pytest.mark.parametrize(
    ("model", "options", "channels"),
    [("pix2pix", {}, 2), ("srgan", {}, 1), ("srgan", {"d_condition": True}, 2)],
)
def test_the_discriminator_sees_the_txm_where_it_is_conditional(
    model: str, options: dict[str, Any], channels: int
) -> None:
    module = MODELS[model](command(model, **options))
    assert isinstance(module, AdversarialModule)
    source, image = torch.rand(2, 1, 1, SIZE, SIZE)
    seen = module.seen_by_discriminator(source, image)
    assert seen.shape[1] == channels
    assert torch.equal(seen[:, -1:], image)
    assert channels == 1 or torch.equal(seen[:, :1], source)


@pytest.mark.parametrize("model", MODELS_OF_IMAGES)
def test_neighbouring_slices_are_learned_from_and_judged_by(model: str, tmp_path: Path) -> None:
    options = {"context_slices": 1, "input_nc": 3, "d_condition": True, "lambda_img_grad": 1e-3}
    losses = []
    for neighbours in (1.0, 0.5):
        module = MODELS[model](command(model, **options))
        before = {name: weights(network) for name, network in module.networks.items()}
        patches = Patches(2, channels=3)
        patches.images[:, (0, 2)] *= neighbours
        paths = RunPaths.of(f"run{neighbours}", tmp_path, tmp_path)
        trainer = build_trainer(module, paths, lambda line: None, [torch.device("cpu")])
        trainer.fit(module, DataLoader(patches, batch_size=None), DataLoader(patches, batch_size=None))
        assert all(moved(before[name], network) for name, network in module.networks.items())
        losses.append({name: float(loss) for name, loss in module.losses.items()})
    assert all(losses[0][name] != losses[1][name] for name in losses[0])
    if isinstance(module, AdversarialModule):
        source, image = torch.rand(1, 3, SIZE, SIZE), torch.rand(1, 1, SIZE, SIZE)
        assert torch.equal(module.seen_by_discriminator(source, image), torch.cat([source, image], dim=1))


def test_pictures_show_the_slice_between_its_neighbours() -> None:
    module = MODELS["feedforward"](command("feedforward", context_slices=1, input_nc=3))
    patch = Patches(1, channels=3)[0]
    patch = {name: image[0] for name, image in patch.items()}
    pictures = module.pictures(patch["target"] / 2, patch)
    shown = {"txm": patch["source"][1], "prediction": patch["target"][0] / 2, "sem": patch["target"][0]}
    assert pictures.keys() == shown.keys()
    for name, image in shown.items():
        np.testing.assert_array_equal(pictures[name], to_uint8(image))


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("srcnn", {"lambda_img_grad": 1e-2}),
        ("srcnn", {"lambda_regression": 3.0, "lambda_img_grad": 1e-2}),
        ("feedforward", {"regression_loss": "L2"}),
        ("feedforward", {"weight_decay": 0.5}),
        ("feedforward", {"beta1": 0.9}),
        ("pix2pix", {"lambda_L1": 1.0}),
        ("pix2pix", {"gan_mode": "lsgan"}),
        ("pix2pix", {"gan_mode": "wgangp"}),
        ("pix2pix", {"gan_mode": "wgangp", "lambda_gp": 10.0}),
        ("pix2pix", {"pool_size": 1}),
        ("srgan", {"d_condition": True}),
        ("srgan", {"no_dropout": True}),
        ("srgan", {"netD": "pixel"}),
        ("srgan", {"norm": "instance"}),
        ("srgan", {"init_type": "kaiming"}),
        ("srgan", {"init_gain": 0.1}),
    ],
)
def test_each_option_changes_the_training(model: str, options: dict[str, Any], tmp_path: Path) -> None:
    plain, changed = (MODELS[model](command(model, **choice)) for choice in ({}, options))
    for module in (plain, changed):
        train(module, tmp_path, steps=4)
    one, other = weights(plain.generator), weights(changed.generator)
    assert one.keys() != other.keys() or any(not torch.equal(one[name], other[name]) for name in one)


def test_weight_decay_is_for_the_generator_only() -> None:
    module = MODELS["srgan"](command("srgan", weight_decay=0.25))
    generator, discriminator = module.configure_optimizers()
    assert generator.param_groups[0]["weight_decay"] == 0.25
    assert discriminator.param_groups[0]["weight_decay"] == 0


def test_validation_leaves_the_normalisation_statistics_alone(tmp_path: Path) -> None:
    module = MODELS["feedforward"](command("feedforward"))
    train(module, tmp_path)
    before = copy.deepcopy(module.generator.state_dict())
    module.eval()
    module.validation_step(Patches(1)[0], 0)
    assert all(torch.equal(value, before[key]) for key, value in module.generator.state_dict().items())


@torch.no_grad()
def sensitivity(tmp_path: Path, weight: float, **options: Any) -> float:
    """Train a little, and return how much the prediction changes with noise on its input."""
    module = MODELS["srcnn"](command("srcnn", lambda_img_grad=weight, lr=2e-3, niter=1, num_train=30, **options))
    with torch.enable_grad():
        train(module, tmp_path, steps=30)
    module.eval()
    source = Patches(1)[0]["source"]
    noise = 0.05 * torch.randn(source.shape, generator=torch.Generator().manual_seed(1))
    return float((module(source + noise) - module(source)).square().mean())


def test_the_jacobian_penalty_makes_the_prediction_less_sensitive(tmp_path: Path) -> None:
    assert sensitivity(tmp_path, 1.0) < 0.5 * sensitivity(tmp_path, 0.0)


@pytest.mark.parametrize("model", ["srcnn", "srgan"])
def test_a_lazy_penalty_counts_in_every_nth_step_and_n_times(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every projection is the same, so that the first step, from the same weights, tells the factor."""
    monkeypatch.setattr("txm2sem.training.translation.jacobian_penalty", lambda output, source: output.square().sum())

    def losses_with(interval: int) -> tuple[list[float], list[float]]:
        """Return what the penalty adds in each step, 0 where it is left out, and what is shown of it after each."""
        module = MODELS[model](command(model, lambda_img_grad=1e-3, jacobian_interval=interval))
        step = module.optimisation_step
        added: list[float] = []
        shown: list[float] = []

        def spy(
            source: Tensor, target: Tensor, valid: Tensor | None = None, place: Tensor | None = None
        ) -> dict[str, Tensor]:
            if module.losses:
                shown.append(float(module.losses["G_jacobian"]))
            losses = step(source, target, valid)
            added.append(float(losses.get("G_jacobian", torch.zeros(())).detach()))
            return losses

        module.optimisation_step = spy  # type: ignore[method-assign]
        train(module, tmp_path, steps=5)
        return added, shown

    every, shown_of_every = losses_with(1)
    third, shown_of_third = losses_with(3)
    assert all(every)
    assert [bool(value) for value in third] == [True, False, False, True, False]
    assert third[0] == pytest.approx(3 * every[0])
    assert shown_of_third[0] == pytest.approx(shown_of_every[0])
    assert shown_of_third[:3] == [shown_of_third[0]] * 3


def test_a_lazy_penalty_makes_the_prediction_less_sensitive_too(tmp_path: Path) -> None:
    assert sensitivity(tmp_path, 1.0, jacobian_interval=4) < 0.5 * sensitivity(tmp_path, 0.0)


@pytest.mark.parametrize("policy", ["linear", "step", "cosine"])
def test_the_learning_rate_of_an_epoch_follows_the_policy(policy: str, tmp_path: Path) -> None:
    options = {"lr_policy": policy, "niter": 2, "niter_decay": 2, "lr_decay_iters": 1, "num_train": 1}
    module = MODELS["feedforward"](command("feedforward", **options))
    rates: list[float] = []
    step = module.optimisation_step

    def spy(
        source: Tensor, target: Tensor, valid: Tensor | None = None, place: Tensor | None = None
    ) -> dict[str, Tensor]:
        rates.append(module.named_optimizers()["G"].optimizer.param_groups[0]["lr"])
        return step(source, target, valid)

    module.optimisation_step = spy  # type: ignore[method-assign]
    train(module, tmp_path, steps=1)
    expected = {
        "linear": [1, 1, 2 / 3, 1 / 3],
        "step": [1, 0.1, 0.01, 0.001],
        "cosine": [1, 0.5, 0, 0.5],
    }
    assert rates == pytest.approx([2e-4 * factor for factor in expected[policy]])


@pytest.mark.parametrize("model", MODELS_OF_IMAGES)
def test_pixels_that_do_not_count_take_no_part_in_the_training(model: str, tmp_path: Path) -> None:
    valid = torch.ones(1, 1, SIZE, SIZE, dtype=torch.bool)
    valid[..., : SIZE // 2, : SIZE // 2] = False

    def with_validity(patch: Any) -> dict[str, Tensor]:
        return {**patch, "valid": valid}

    trained = []
    for charge in (-1.0, 0.7):
        module = MODELS[model](command(model, lambda_img_grad=1e-3))
        patches = Patches(3)
        patches.images[:, 1] = torch.where(valid, patches.images[:, 1], charge)
        loader = DataLoader(patches, batch_size=None, collate_fn=with_validity)
        paths = RunPaths.of(f"run{charge}", tmp_path, tmp_path)
        trainer = build_trainer(module, paths, lambda line: None, [torch.device("cpu")])
        trainer.fit(module, loader, loader)
        scores = np.array([list(patch.values()) for patch in module.validation_scores])
        trained.append((weights(module.generator), float(module.losses[next(iter(module.losses))]), scores))
    (one, loss, scores), (other, other_loss, other_scores) = trained
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    assert loss == other_loss
    # Running sums over the windows of SSIM carry the last digits of the pixels before.
    assert scores == pytest.approx(other_scores, rel=1e-12)


def test_the_scale_of_the_error_is_seen_by_its_loss_alone() -> None:
    module = MODELS["feedforward"](command("feedforward", regression_loss="laplace", output_nc=2, lambda_img_grad=1.0))
    module.generator = torch.nn.Conv2d(1, 2, 1, bias=False)
    with torch.no_grad():
        module.generator.weight.copy_(torch.tensor([0.5, 30.0]).reshape(2, 1, 1, 1))
    source = torch.rand(1, 1, SIZE, SIZE) * 2 - 1
    assert torch.equal(module(source), 0.5 * source)
    part = BatchPart(source, source, None, 1.0)
    losses = module.generator_losses(part, *module.translate(part))
    # Of a map that multiplies by a half, the Jacobian has a quarter of the number of pixels as its squared norm.
    assert losses["G_jacobian"].item() == pytest.approx(0.5 * 0.25 * SIZE**2, rel=1e-4)
    assert set(losses) == {"G_laplace", "G_jacobian"}


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_a_model_of_samples_is_validated_by_the_mean_of_its_draws(ema: float, tmp_path: Path) -> None:
    options = {"netG": "sampled_unet", "norm": "none", "no_dropout": True, "downsample_factor": 1, "ema": ema}
    module = train(MODELS["pix2pix"](command("pix2pix", **options)), tmp_path)
    predictor = Predictor(module.results["G"], module.command.model)
    source = Patches(2).images[:, 0]
    draws = torch.stack([predictor.drawing(number)(source) for number in range(VALIDATED_DRAWS)])
    assert draws.std(dim=0).min() > 0
    torch.testing.assert_close(module.eval()(source).detach(), draws.mean(dim=0))
    # It takes nothing from the generator that training draws from.
    state = torch.random.get_rng_state()
    module(source)
    assert torch.equal(state, torch.random.get_rng_state())
