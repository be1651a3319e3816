"""Networks give the outputs that were recorded with the original code, from its checkpoints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from txm2sem.networks import build_discriminator, build_generator
from txm2sem.options import ModelOptions

CASES = 22
# Convolutions may add up in another order on another processor; the recorded numbers are float32.
ABSOLUTE_TOLERANCE = 1e-4


@pytest.fixture(scope="module", params=range(CASES))
def case(request: pytest.FixtureRequest, reference: Path) -> dict[str, Any]:
    index: list[dict[str, Any]] = json.loads((reference / "nets" / "index.json").read_text())
    assert len(index) == CASES
    return index[int(request.param)]


@pytest.fixture
def network(case: dict[str, Any]) -> nn.Module:
    if case["kind"] == "discriminator":
        options = ModelOptions(netD=case["netD"], n_layers_D=case["n_layers_D"], norm=case["norm"], ndf=case["ndf"])
        return build_discriminator(options, case["input_nc"])
    return build_generator(
        ModelOptions(
            netG=case["netG"],
            norm=case["norm"],
            no_dropout=not case["dropout"],
            downsample_factor=case["downsample_factor"],
            ngf=case["ngf"],
            input_nc=case["input_nc"],
            output_nc=case["output_nc"],
        )
    )


def test_state_dict_has_the_recorded_keys_and_shapes(case: dict[str, Any], network: nn.Module) -> None:
    assert {key: list(value.shape) for key, value in network.state_dict().items()} == case["keys"]


def test_outputs_equal_the_recorded_ones(case: dict[str, Any], network: nn.Module, reference: Path) -> None:
    files = reference / "nets" / case["name"]
    network.load_state_dict(torch.load(f"{files}.pth", weights_only=True), strict=True)
    with np.load(f"{files}.npz") as recorded:
        arrays: dict[str, Tensor] = {name: torch.from_numpy(recorded[name]) for name in recorded}
    with torch.no_grad():
        evaluated = network.eval()(arrays["input"])
        network.train()
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.eval()
        trained = network(arrays["input"])

    torch.testing.assert_close(evaluated, arrays["output_eval"], rtol=0, atol=ABSOLUTE_TOLERANCE)
    if case["kind"] == "generator":
        torch.testing.assert_close(trained, arrays["output_train_without_dropout"], rtol=0, atol=ABSOLUTE_TOLERANCE)
