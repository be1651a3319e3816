"""The repair model: what it predicts, what its discriminator sees, what it is scored by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from training.test_modules import SIZE, command, train
from txm2sem.data import repair_source, to_uint8
from txm2sem.data.repair import charge_of
from txm2sem.metrics import psnr
from txm2sem.training.models import MODELS
from txm2sem.training.repair import RepairModule


def module(**options: Any) -> RepairModule:
    """Return a small repair model."""
    made = MODELS["repair"](command("repair", **options))
    assert isinstance(made, RepairModule)
    return made


def charged_patch() -> dict[str, Tensor]:
    """Return a patch (3, H, W) of which a quarter is charged, and its truth."""
    random = torch.Generator().manual_seed(2)
    txm, sem = torch.rand(2, 1, SIZE, SIZE, generator=random) * 2 - 1
    charge = torch.zeros(1, SIZE, SIZE, dtype=torch.bool)
    charge[:, 4:20, 8:24] = True
    return {"source": repair_source(txm, sem, charge), "target": sem}


def test_the_defaults_are_those_of_the_original_code() -> None:
    options = command("repair")
    assert (options.model.norm, options.model.input_nc, options.data.dataset_mode) == ("batch", 3, "image_repair")
    assert (options.objective.gan_mode, options.objective.pool_size, options.objective.lambda_L1) == ("vanilla", 0, 10)
    assert not options.model.no_dropout


def test_the_prediction_is_the_sem_outside_and_the_generators_inside() -> None:
    made, patch = module().eval(), charged_patch()
    source = patch["source"][None]
    with torch.no_grad():
        prediction, generated = made(source), made.generator(source)
    inside = charge_of(source)
    assert torch.equal(prediction[~inside], patch["target"][None][~inside])
    assert torch.equal(prediction[inside], generated[inside])


def test_the_losses_are_those_of_the_composited_image(tmp_path: Path) -> None:
    # Outside the mask nothing is to be gained: a target that the SEM channel shows there leaves a loss inside only.
    made = module(lambda_L1=8.0)
    seen: list[Tensor] = []
    made.discriminator.register_forward_hook(lambda _, arguments, __: seen.append(arguments[0].detach()))
    losses: list[dict[str, Tensor]] = []
    step = made.optimisation_step

    def spy(
        source: Tensor, target: Tensor, valid: Tensor | None = None, place: Tensor | None = None
    ) -> dict[str, Tensor]:
        patch = charged_patch()
        losses.append(step(patch["source"][None], patch["target"][None]))
        return losses[-1]

    made.optimisation_step = spy  # type: ignore[method-assign]
    train(made, tmp_path, steps=1)
    patch = charged_patch()
    source, target = patch["source"][None], patch["target"][None]
    inside = charge_of(source)
    real, fake, again = seen
    assert torch.equal(real, torch.cat([source, target], dim=1))
    for shown in (fake, again):
        assert torch.equal(shown[:, :3], source)
        assert torch.equal(shown[:, 3:][~inside], target[~inside])
        assert not torch.equal(shown[:, 3:][inside], target[inside])
    difference = (fake[:, 3:] - target).abs()
    assert float(losses[0]["G_L1"].detach()) == pytest.approx(8 * float(difference[inside].sum()) / SIZE**2, rel=1e-5)


def test_the_scores_are_inside_the_mask_first_then_over_the_patch() -> None:
    made, patch = module(), charged_patch()
    prediction = patch["target"].clone()
    inside = charge_of(patch["source"])
    prediction[inside] = 0
    scores = made.score(prediction, patch)
    assert list(scores) == ["PSNR_inside", "PSNR", "SSIM"]
    error = 10 ** (-scores["PSNR_inside"] / 10) * 255**2
    grey = np.rint((patch["target"][inside].numpy() + 1) / 2 * 255)
    assert error == pytest.approx(float(np.mean((grey - 128) ** 2)), rel=1e-3)
    # A quarter of the pixels is wrong, so the error over the patch is a quarter of the one inside.
    assert scores["PSNR"] == pytest.approx(scores["PSNR_inside"] + 10 * np.log10(4))
    assert 0 < scores["SSIM"] < 1
    assert made.score(patch["target"], patch)["PSNR"] == psnr(np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.uint8))


def test_pictures_show_each_channel_as_what_it_is() -> None:
    made, patch = module(), charged_patch()
    pictures = made.pictures(patch["target"], patch)
    shown = {"txm": patch["source"][0], "painted": patch["source"][1], "sem": patch["target"][0]}
    for name, image in shown.items():
        np.testing.assert_array_equal(pictures[name], to_uint8(image))


@pytest.mark.parametrize(
    "options", [{"gan_mode": "lsgan"}, {"gan_mode": "wgangp", "lambda_gp": 10.0}, {"pool_size": 1}, {"lambda_L1": 99.0}]
)
def test_the_options_of_the_objective_change_the_training(options: dict[str, Any], tmp_path: Path) -> None:
    plain, changed = module(), module(**options)
    for made in (plain, changed):
        train(made, tmp_path, steps=4)
    pairs = zip(plain.generator.parameters(), changed.generator.parameters(), strict=True)
    assert any(not torch.equal(one, other) for one, other in pairs)


def test_training_brings_the_repair_nearer_to_the_truth(tmp_path: Path) -> None:
    # The truth inside the mask is the same dark grey in every patch.
    made = module(lr=2e-3, lambda_L1=100.0, num_train=40)
    step, errors = made.optimisation_step, []

    def spy(
        source: Tensor, target: Tensor, valid: Tensor | None = None, place: Tensor | None = None
    ) -> dict[str, Tensor]:
        target = torch.where(charge_of(source), -0.6, source[:, 1:2])
        with torch.no_grad():
            errors.append(float((made(source) - target).abs()[charge_of(source)].mean()))
        return step(source, target)

    made.optimisation_step = spy  # type: ignore[method-assign]
    train(made, tmp_path, steps=40)
    assert np.mean(errors[-5:]) < 0.5 * errors[0]
