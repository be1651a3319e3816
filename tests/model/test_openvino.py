"""Generators computed by OpenVINO: the same function in float32, near it in 8-bit integers."""

from __future__ import annotations

import platform
import subprocess
import sys
from itertools import product
from typing import get_args

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from txm2sem.devices import adds_8_bit_products_exactly
from txm2sem.errors import UserError
from txm2sem.model.openvino import OpenVinoNetwork, find_ranges, import_openvino
from txm2sem.networks import build_generator, initialise, peak_bytes, size_multiple, smallest_side
from txm2sem.options import GeneratorName, ModelOptions, NormName

pytestmark = pytest.mark.openvino

CHANNELS = 3
NETWORKS = [name for name in get_args(GeneratorName) if name not in ("gammafilt", "textured_unet", "sampled_unet")]


def options(net: str, norm: str) -> ModelOptions:
    factor = 4 if net.startswith("sr_") else 1
    return ModelOptions(netG=net, norm=norm, ngf=4, input_nc=CHANNELS, downsample_factor=factor)  # type: ignore[arg-type]


def network(model: ModelOptions) -> nn.Module:
    """Return a generator with random weights, whose batch norms have seen something."""
    generator = build_generator(model)
    initialise(generator, "xavier", 1.0, generator=torch.Generator().manual_seed(0))
    for module in generator.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
        if isinstance(module, nn.PReLU):
            nn.init.constant_(module.weight, 0.1)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        generator.train()(images(model, seed=1, count=2))
    return generator.eval()


def images(model: ModelOptions, seed: int, count: int = 1, sides: int = 1) -> Tensor:
    """Return smooth images (N, C, H, W) in [-1, 1] of some 32 pixels, or so many sides of what the network takes."""
    side = max(size_multiple(model), smallest_side(model), 32) // model.downsample_factor * sides
    noise = torch.rand(count, CHANNELS, side, side, generator=torch.Generator().manual_seed(seed))
    return nn.functional.avg_pool2d(noise, 3, stride=1, padding=1, count_include_pad=False) * 2 - 1


def relative_error(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).square().mean().sqrt() / expected.std())


@pytest.mark.parametrize(("net", "norm"), list(product(NETWORKS, get_args(NormName))))
def test_every_generator_is_the_same_in_float32_and_near_in_integers(net: str, norm: str) -> None:
    model = options(net, norm)
    generator = network(model)
    before = {key: value.clone() for key, value in generator.state_dict().items()}
    source = images(model, seed=2)
    with torch.inference_mode():
        expected = generator(source)
    # Rounding of float32: sums are taken in another order.
    torch.testing.assert_close(OpenVinoNetwork(generator, CHANNELS, None)(source), expected, rtol=0, atol=1e-4)
    quantised = OpenVinoNetwork(generator, CHANNELS, find_ranges(generator, [source]))
    # Each layer rounds to a 256th of its range, about a hundredth of its values' spread, and 10 to 30 layers follow one
    # another (most in `fine_unet` with batch norm: 0.127); a wrong range, scale or place makes errors of the order of
    # the prediction itself. Weights have half the steps on processors that would cut sums of 8-bit products off.
    limit = 0.14 if adds_8_bit_products_exactly() else 0.17
    assert 1e-6 < relative_error(quantised(source), expected) < limit
    assert all(torch.equal(value, before[key]) for key, value in generator.state_dict().items())


def test_images_may_have_any_size_and_number() -> None:
    model = options("sr_resnet_6blocks", "batch")
    generator = network(model)
    exact = OpenVinoNetwork(generator, CHANNELS, None)
    sources = [images(model, 2), images(model, 3, count=2, sides=2), images(model, 4)[..., :6]]
    predictions = [exact(source) for source in sources]
    for source, prediction in zip(sources, predictions, strict=True):
        with torch.inference_mode():
            torch.testing.assert_close(prediction, generator(source), rtol=0, atol=1e-4)


def test_dropout_is_off_and_the_generator_keeps_its_mode() -> None:
    model = options("resnet_6blocks", "batch")
    generator = network(model)
    source = images(model, seed=2)
    with torch.inference_mode():
        expected = generator(source)
    generator.train()
    torch.testing.assert_close(OpenVinoNetwork(generator, CHANNELS, None)(source), expected, rtol=0, atol=1e-4)
    find_ranges(generator, [source])
    assert generator.training


def test_integers_keep_8_bit_grey_values_and_zeros() -> None:
    # One convolution that passes the middle pixel on: what it sees is what comes out.
    convolution = nn.Conv2d(1, 1, 3, padding=1, bias=False)
    nn.init.dirac_(convolution.weight)
    network = nn.Sequential(convolution)
    grey = torch.arange(256.0).view(1, 1, 16, 16) / 127.5 - 1
    quantised = OpenVinoNetwork(network, 1, find_ranges(network, [grey]))
    # The range -1 to 1 is moved by half a step at most, so that 0, with which images are padded, is one of its values.
    torch.testing.assert_close(quantised(grey), grey, rtol=0, atol=1 / 255 + 1e-6)
    assert quantised(torch.zeros(1, 1, 4, 4)).abs().max() == 0
    clipped = quantised(torch.full((1, 1, 4, 4), 5.0))
    assert clipped.max() == pytest.approx(1, abs=1 / 255 + 1e-6)


def test_ranges_are_those_of_all_examples_and_include_zero() -> None:
    network = nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(1, 1, 3), nn.ReLU(), nn.Conv2d(1, 1, 1))
    examples = [torch.full((1, 1, 4, 4), value) for value in (2.0, 0.5, 3.0)]
    ranges = find_ranges(network, examples)
    assert ranges["range0"] == (0.0, 3.0)
    assert ranges["range1"][0] == 0


def test_rare_large_values_do_not_cost_the_many_small_ones() -> None:
    # Steps of 60 / 255 would round all small values to 0, of which the convolution sums 49; behind the tanh it does not
    # matter how large the large ones are.
    convolution = nn.Conv2d(1, 1, 7)
    nn.init.constant_(convolution.weight, 0.2)
    network = nn.Sequential(convolution, nn.Tanh())
    source = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0)) * 0.1
    source[0, 0, 20, 20] = 60
    ranges = find_ranges(network, [source])
    assert 0 < ranges["range0"][1] < 30
    with torch.inference_mode():
        expected = network(source)
    wide, narrow = (OpenVinoNetwork(network, 1, found)(source) for found in ({"range0": (0.0, 60.0)}, ranges))
    assert relative_error(narrow, expected) < relative_error(wide, expected) / 2


def test_what_is_always_zero_stays_zero() -> None:
    convolution = nn.Conv2d(1, 2, 3)
    nn.init.zeros_(convolution.weight[0])
    network = nn.Sequential(nn.ReLU(), convolution)
    source = -torch.rand(1, 1, 8, 8)
    with torch.inference_mode(), np.errstate(all="raise"):
        torch.testing.assert_close(OpenVinoNetwork(network, 1, find_ranges(network, [source]))(source), network(source))


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="OpenVINO has other kernels elsewhere")
@pytest.mark.parametrize(
    ("net", "others"),
    [("sr_resnet_6blocks", 0), ("unet_128", 0), ("resnet_6blocks", 1), ("residual_unet", 0), ("fine_unet", 0)],
)
def test_convolutions_are_computed_in_integers(net: str, others: int) -> None:
    # But for the transposed convolution behind the last sum of a resnet, whose input has both signs.
    model = options(net, "batch")
    generator = network(model)
    quantised = OpenVinoNetwork(generator, CHANNELS, find_ranges(generator, [images(model, seed=1)]))
    layers = [node.rt_info for node in quantised._request.get_compiled_model().get_runtime_model().get_ops()]
    precisions = [str(layer["runtimePrecision"].value) for layer in layers if "onv" in str(layer["layerType"].value)]
    convolutions = sum(isinstance(module, nn.Conv2d | nn.ConvTranspose2d) for module in generator.modules())
    assert len(precisions) == convolutions
    assert sum(precision not in ("u8", "i8") for precision in precisions) == others


def test_nothing_is_told_to_the_makers_of_openvino() -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "openvino_telemetry"]:
        del sys.modules[name]
    import_openvino()
    assert "openvino_telemetry" not in sys.modules
    from openvino.tools.ovc import telemetry_utils

    assert telemetry_utils.tm.__name__.endswith("telemetry_stub")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(UserError, match="install the extra openvino"):
        import_openvino()


MEASUREMENT = r"""
import re
from pathlib import Path
import torch
from txm2sem.options import ModelOptions
from txm2sem.model.openvino import OpenVinoNetwork, find_ranges
from txm2sem.networks import build_generator
torch.set_num_threads(2)
generator = build_generator(ModelOptions(netG="resnet_6blocks", ngf=16, norm="batch")).eval()
network = OpenVinoNetwork(generator, 1, find_ranges(generator, [torch.rand(1, 1, 64, 64)]))
for side in (64, 1024):
    network(torch.zeros(1, 1, side, side))
    print(1024 * int(re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())[1]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is measured as Linux does")
def test_a_tile_takes_no_more_memory_than_is_planned_for_torch() -> None:
    output = subprocess.run([sys.executable, "-c", MEASUREMENT], capture_output=True, check=True, text=True).stdout
    before, peak = map(int, output.split())
    assert peak - before > 16 * 2**20
    assert peak - before < peak_bytes(ModelOptions(netG="resnet_6blocks", ngf=16, norm="batch"), 1024, 1024)
