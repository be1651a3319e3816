"""What a GPU can do otherwise than the CPU: where a machine has one, it trains, goes on and predicts the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import txm2sem
from training.test_accumulation import PLAIN, batches, build
from training.test_displays import small_run
from txm2sem.devices import computes_bf16, devices_of, random_state, same_random_numbers
from txm2sem.model import Predictor
from txm2sem.runs import RunPaths
from txm2sem.training.fit import build_trainer, fit
from txm2sem.training.models import MODELS
from txm2sem.training.translation import TranslationModule

CPU, GPU = torch.device("cpu"), devices_of("auto")[0]
WORD = "0" if GPU.type == "cuda" else GPU.type

pytestmark = pytest.mark.skipif(GPU == CPU, reason="this machine has no GPU")


@pytest.fixture(autouse=True)
def exact_products() -> Iterator[None]:
    """Let NVIDIA's GPUs compute convolutions in float32, of whose factors they otherwise leave out 13 bits."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


def trained(model: str, device: torch.device, folder: Path) -> TranslationModule:
    """Return a small model after three steps on a device."""
    penalty = {} if model in ("repair", "segmentation") else {"lambda_img_grad": 1e-4}
    module = build(model, 1, **PLAIN | penalty).float()
    paths = RunPaths.of(device.type, folder / device.type, folder)
    data: DataLoader[Any] = DataLoader(batches(model, 2, dtype=torch.float32), batch_size=None)  # type: ignore[arg-type]
    build_trainer(module, paths, lambda line: None, [device]).fit(module, data, data)
    return module


@pytest.mark.parametrize("model", MODELS)
def test_models_learn_there_what_they_learn_on_the_cpu(model: str, tmp_path: Path) -> None:
    one, other = (trained(model, device, tmp_path) for device in (CPU, GPU))
    assert one.losses.keys() == other.losses.keys()
    for name, loss in one.losses.items():  # rounding of float32, of which Adam makes three steps of 2e-4
        assert float(other.losses[name]) == pytest.approx(float(loss), rel=1e-2, abs=1e-3), name
    source = batches(model, 2, dtype=torch.float32)[0]["source"]
    predictions = [Predictor(module.generator, module.command.model, device=CPU)(source) for module in (one, other)]
    torch.testing.assert_close(predictions[1], predictions[0], rtol=0, atol=1e-2)


def test_a_model_computes_there_what_it_computes_on_the_cpu() -> None:
    volume = np.random.default_rng(0).integers(1, 256, (3, 70, 90), np.uint8)
    options = {"memory": "512MB"}
    expected = txm2sem.load().predict(volume, **options).astype(int)
    found = txm2sem.load(device=WORD if GPU.type == "mps" else "cuda").predict(volume, **options).astype(int)
    assert np.abs(found - expected).max() <= 1


@pytest.mark.skipif(not computes_bf16(GPU), reason="this GPU does not compute in bf16")
def test_bf16_is_near_fp32_there() -> None:
    volume = np.random.default_rng(0).integers(1, 256, (3, 64, 64), np.uint8)
    exact, rough = (
        txm2sem.load(device="cuda", precision=name).predict(volume).astype(int) for name in ("fp32", "bf16")
    )
    assert 0 < np.abs(rough - exact).mean() < 2


def test_a_run_goes_on_there_where_it_stopped(tmp_path: Path) -> None:
    options = {"gpu_ids": WORD, "norm": "none"}
    whole = fit(small_run(tmp_path, name="whole", **options), lambda line: None)
    fit(small_run(tmp_path, name="parts", niter=1, **options), lambda line: None)
    parts = fit(small_run(tmp_path, name="parts", continue_train=True, **options), lambda line: None)
    for network in "GD":
        one, other = (torch.load(paths.network("latest", network), weights_only=True) for paths in (whole, parts))
        for key, value in one.items():
            # Sums in another order; weights mixed up, or dropout drawn otherwise, would make steps of 2e-4.
            torch.testing.assert_close(value, other[key], rtol=0, atol=1e-4, msg=key)


def test_repeated_random_numbers_leave_the_following_ones_alone() -> None:
    torch.manual_seed(3)
    state = random_state(GPU)
    drawn = torch.rand(3, device=GPU)
    with same_random_numbers(state, GPU):
        again = torch.rand(3, device=GPU)
    following = torch.rand(3, device=GPU)
    assert torch.equal(again, drawn)
    assert not torch.equal(following, drawn)
