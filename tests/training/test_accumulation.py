"""A batch taken through the networks in parts is learned from as one, and needs less memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from training.test_modules import SIZE, command, moved, weights
from txm2sem.errors import UserError
from txm2sem.options import SamplingOptions
from txm2sem.runs import RunPaths
from txm2sem.training.accumulation import split
from txm2sem.training.adversarial import AdversarialModule
from txm2sem.training.fit import build_trainer
from txm2sem.training.models import MODELS
from txm2sem.training.translation import TranslationModule

PLAIN = {"no_dropout": True, "norm": "none", "lambda_img_grad": 0.0}
Batch = dict[str, Tensor]


def batches(model: str, patches: int, count: int = 3, dtype: torch.dtype = torch.float64) -> list[Batch]:
    """Return batches of random patches."""
    random = torch.Generator().manual_seed(5)
    channels, made = {"repair": 3}.get(model, 1), []
    for _ in range(count):
        source = torch.rand(patches, channels, SIZE, SIZE, generator=random, dtype=dtype) * 2 - 1
        target = torch.rand(patches, 1, SIZE, SIZE, generator=random, dtype=dtype) * 2 - 1
        classes = torch.randint(0, 3, target.shape, generator=random)
        made.append({"source": source, "target": classes if model == "segmentation" else target})
    return made


def build(model: str, accumulate: int, **options: Any) -> TranslationModule:
    """Return a small model; with float64, so that rounding stays far below Adam's epsilon (1e-8).

    Else a gradient that is nothing but rounding, that of a bias before instance norm, would become a whole step.
    """
    given = {"class_weights": "1,1,1"} if model == "segmentation" else {}
    return MODELS[model](
        command(model, accumulate=accumulate, **({"batch_size": accumulate} | given | options))
    ).double()


def train(module: TranslationModule, tmp_path: Path, data: list[Batch]) -> TranslationModule:
    """Train on batches with the real trainer, on the CPU."""
    name = f"run{len(list(tmp_path.iterdir()))}"
    paths = RunPaths.of(name, tmp_path / name, tmp_path)
    trainer = build_trainer(module, paths, lambda line: None, [torch.device("cpu")])
    trainer.fit(module, DataLoader(data, batch_size=None), DataLoader(data[:1], batch_size=None))  # type: ignore[arg-type]
    return module


def assert_close(one: TranslationModule, other: TranslationModule) -> None:
    """Check that all weights, and the losses that are shown, are equal up to rounding."""
    pairs = zip(one.named_parameters(), other.parameters(), strict=True)
    for (name, first), second in pairs:
        torch.testing.assert_close(first, second, rtol=1e-6, atol=1e-9, msg=name)
    assert one.losses.keys() == other.losses.keys()
    for name, loss in one.losses.items():
        assert float(loss) == pytest.approx(float(other.losses[name]), rel=1e-6), name


# The loss of a segmentation is float32. Of its rounding, all that biases before instance norm see, Adam makes steps.
@pytest.mark.parametrize(
    ("model", "norm"),
    [(model, "none") for model in MODELS] + [(model, "instance") for model in MODELS if model != "segmentation"],
)
def test_parts_give_the_weights_of_the_whole_batch(model: str, norm: str, tmp_path: Path) -> None:
    data = batches(model, 4)
    whole, parts = (train(build(model, count, **PLAIN | {"norm": norm}), tmp_path, data) for count in (1, 2))
    assert_close(whole, parts)
    start = build(model, 1, **PLAIN | {"norm": norm})
    assert all(moved(weights(start.networks[name]), network) for name, network in parts.networks.items())


def test_the_smaller_batch_at_an_epochs_end_counts_patch_by_patch(tmp_path: Path) -> None:
    data = [*batches("pix2pix", 4, 1), *batches("pix2pix", 3, 1), *batches("pix2pix", 1, 1)]
    assert_close(*(train(build("pix2pix", count, **PLAIN), tmp_path, data) for count in (1, 2)))
    source = torch.arange(3.0)[:, None, None, None]
    parts = split(source, source, None, 2)
    assert [(part.source.flatten().tolist(), part.share) for part in parts] == [([0, 1], 2 / 3), ([2], 1 / 3)]


def test_the_pool_sees_the_patches_in_order(tmp_path: Path) -> None:
    pools = []
    for count in (1, 2, 4):
        module = train(build("pix2pix", count, **PLAIN | {"pool_size": 3}), tmp_path, batches("pix2pix", 4))
        assert isinstance(module, AdversarialModule)
        pools.append(torch.stack(module.pool.state_dict()["images"]))
    for pool in pools[1:]:
        torch.testing.assert_close(pool, pools[0], rtol=1e-6, atol=1e-8)


def test_losses_are_means_over_the_parts_of_means_over_their_valid_pixels(tmp_path: Path) -> None:
    (data,) = batches("feedforward", 2, 1)
    valid = torch.ones(2, 1, SIZE, SIZE, dtype=torch.bool)
    valid[0, :, : SIZE // 2] = False
    shown = []
    for patches in (slice(0, 2), slice(0, 1), slice(1, 2)):
        batch = {name: item[patches] for name, item in (data | {"valid": valid}).items()}
        shown.append(train(build("feedforward", 2, **PLAIN), tmp_path, [batch]).losses["G_L1"])
    together, first, second = map(float, shown)
    assert together == pytest.approx((first + second) / 2)
    assert first != pytest.approx(second)


def seen_by_discriminator(module: TranslationModule) -> list[Tensor]:
    """Return a list to which everything is added that the discriminator judges."""
    seen: list[Tensor] = []
    module.networks["D"].register_forward_hook(lambda _, arguments, __: seen.append(arguments[0].detach().clone()))
    return seen


def test_both_passes_of_a_part_draw_the_same_and_statistics_are_gathered_once(tmp_path: Path) -> None:
    module = build("pix2pix", 2, no_dropout=False, norm="batch")
    seen = seen_by_discriminator(module)
    gathered = []
    step = module.optimisation_step

    def spy(
        source: Tensor, target: Tensor, valid: Tensor | None = None, place: Tensor | None = None
    ) -> dict[str, Tensor]:
        losses = step(source, target, valid)
        gathered.append(next(value for key, value in module.generator.state_dict().items() if "tracked" in key).item())
        return losses

    module.optimisation_step = spy  # type: ignore[method-assign]
    same = batches("pix2pix", 1, 1)[0]
    train(module, tmp_path, [{name: torch.cat([item, item]) for name, item in same.items()}] * 2)
    assert gathered == [2, 4]
    _, one, _, two, one_again, two_again = seen[:6]
    assert torch.equal(one, one_again)
    assert torch.equal(two, two_again)
    # The parts are equal patches, whose dropout is different.
    assert not torch.equal(one, two)


def saved_bytes(run: Callable[[], object]) -> int:
    """Return the most bytes that autograd keeps at a time for backward passes while something runs."""
    held = most = 0

    class Kept:
        def __init__(self, tensor: Tensor) -> None:
            nonlocal held, most
            self.tensor, self.size = tensor, tensor.numel() * tensor.element_size()
            held += self.size
            most = max(most, held)

        def __del__(self) -> None:
            nonlocal held
            held -= self.size

    with torch.autograd.graph.saved_tensors_hooks(Kept, lambda kept: kept.tensor):
        run()
    return most


@pytest.mark.parametrize("model", ["srcnn", "pix2pix"])
def test_parts_need_less_memory(model: str, tmp_path: Path) -> None:
    data = batches(model, 4, 1)
    whole, parts = (saved_bytes(partial(train, build(model, count, ngf=16), tmp_path, data)) for count in (1, 4))
    assert parts < 0.5 * whole


@pytest.mark.parametrize("model", MODELS)
def test_parts_move_every_network_in_bf16(model: str, tmp_path: Path) -> None:
    module = build(model, 2, precision="bf16", lambda_img_grad=1e-4, norm="batch").float()
    before = {name: weights(network) for name, network in module.networks.items()}
    train(module, tmp_path, batches(model, 2, dtype=torch.float32))
    for name, network in module.networks.items():
        still = [key for key, value in network.named_parameters() if torch.equal(value, before[name][key])]
        assert not still


def test_parts_of_different_size_are_refused() -> None:
    assert SamplingOptions(batch_size=6, accumulate=3).accumulate == 3
    with pytest.raises(UserError, match=r"--batch_size 5 --accumulate 3: .* found 5 .* --batch_size 6"):
        SamplingOptions(batch_size=5, accumulate=3)
