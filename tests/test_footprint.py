"""The memory that a tile takes: by hand, and of a real process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import get_args

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from txm2sem.errors import UserError
from txm2sem.networks import GENERATORS, Chain, most_bytes_per_pixel, peak_bytes, size_multiple
from txm2sem.networks.blocks import SkipConnection
from txm2sem.networks.generators import GeneratorBuilder
from txm2sem.options import GeneratorName, ModelOptions

GENERATOR_OPTIONS = [
    ModelOptions(netG=name, downsample_factor=factor, ngf=4, norm="batch")
    for name in get_args(GeneratorName)
    for factor in GENERATORS[name].factors
]

every_generator = pytest.mark.parametrize(
    "options", GENERATOR_OPTIONS, ids=lambda options: f"{options.netG}-x{options.downsample_factor}"
)


class TestByHand:
    def test_linear_filter(self) -> None:
        pixels = 40 * 60
        # Source and output, 15 x 15 weights, and copies of all of them, that of the output with 16 channels.
        expected = 4 * (2 * pixels + 225 + 17 * pixels)
        assert peak_bytes(ModelOptions(netG="linearfilt"), 40, 60) == expected
        # Of 3 channels for 2 images.
        expected = 4 * (8 * pixels + 3 * 225 + (6 + 2 * 16) * pixels)
        assert peak_bytes(ModelOptions(netG="linearfilt", input_nc=3), 40, 60, batch=2) == expected

    def test_linear_filter_in_mixed_precision(self) -> None:
        pixels = 40 * 60
        # The same in 16 bits, beside the source and with weights and bias in 16 bits.
        expected = 4 * pixels + 2 * (2 * pixels + 225 + 1 + 225 + 17 * pixels)
        assert peak_bytes(ModelOptions(netG="linearfilt"), 40, 60, element_bytes=2) == expected

    @pytest.mark.parametrize(
        ("construct", "factor", "images", "further_bytes"),
        [
            # Beside the source, the input and the output of a layer.
            (lambda: nn.Sequential(nn.ReLU(), nn.ReLU(), nn.ReLU()), 1, 3, 0),
            (lambda: nn.Sequential(nn.ReLU(), nn.ReLU(inplace=True), nn.Flatten(2)), 1, 2, 0),
            (lambda: SkipConnection(nn.ReLU()), 1, 1 + 1 + 2, 0),
            (nn.Dropout, 1, 1, 0),
            (lambda: nn.Upsample(scale_factor=4), 4, 1 + 1 / 16 + 1, 0),
            # 16 and 32 channels are whole blocks. Source, input and output, copies of both and of the weights.
            (lambda: nn.Sequential(nn.Conv2d(1, 16, 1), nn.Conv2d(16, 32, 1)), 1, 1 + 2 * (16 + 32), 4 * 16 * 32),
            # The source is the input. Of the output, of four times the pixels, there are three.
            (lambda: nn.ConvTranspose2d(1, 32, 2, stride=2), 1, 2 + 3 * 4 * 32, 4 * 4 * 32),
            # 40 input channels take the room of 48.
            (lambda: nn.Sequential(Repeat(40), nn.Conv2d(40, 16, 1)), 1, 1 + 40 + 48 + 2 * 16, 4 * 40 * 16),
        ],
    )
    def test_other_layers(
        self,
        construct: Callable[[], nn.Module],
        factor: int,
        images: float,
        further_bytes: int,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        use_as_linear_filter(construct, factor, monkeypatch)
        found = peak_bytes(ModelOptions(netG="linearfilt", downsample_factor=factor), 32, 48)
        assert found == images * 32 * 48 * 4 + further_bytes

    def test_in_mixed_precision_weights_are_copied_for_one_layer_at_a_time(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        use_as_linear_filter(
            lambda: nn.Sequential(nn.Conv2d(1, 16, 15, padding=7), nn.Conv2d(16, 16, 1)), 1, monkeypatch
        )
        pixels = 32 * 48
        # Source, then input and output of the second layer and copies of both, its weights and biases.
        expected = 4 * pixels + 2 * (4 * 16 * pixels + 2 * 256 + 16)
        assert peak_bytes(ModelOptions(netG="linearfilt"), 32, 48, element_bytes=2) == expected


@pytest.fixture(autouse=True)
def no_numbers_of_other_networks() -> Iterator[None]:
    """Forget what was computed of networks that a test has put in the place of others."""
    peak_bytes.cache_clear()
    yield
    peak_bytes.cache_clear()


def use_as_linear_filter(construct: Callable[[], nn.Module], factor: int, monkeypatch: pytest.MonkeyPatch) -> None:
    builder = GeneratorBuilder(lambda options, bounded: construct(), factors=(factor,))
    monkeypatch.setitem(GENERATORS, "linearfilt", builder)


class Repeat(nn.Module):
    """Repeats an image as channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, source: Tensor) -> Tensor:
        return source.repeat(1, self.channels, 1, 1)


@every_generator
def test_larger_tiles_take_more_in_proportion(options: ModelOptions) -> None:
    side = size_multiple(options) * max(256 // size_multiple(options), 1)
    small = peak_bytes(options, side, side)
    for height, width, batch in ((2 * side, side, 1), (side, 2 * side, 1), (side, side, 2)):
        # Weights' copies and the margins that reflections add do not grow with it.
        assert 1.7 * small < peak_bytes(options, height, width, batch) <= 2 * small


@every_generator
def test_mixed_precision_takes_less(options: ModelOptions) -> None:
    side = size_multiple(options) * max(256 // size_multiple(options), 1)
    full = peak_bytes(options, side, side)
    assert 0.5 * full < peak_bytes(options, side, side, element_bytes=2) < full


@every_generator
def test_no_larger_tile_takes_more_per_pixel_than_a_small_one_that_is_soon_done(options: ModelOptions) -> None:
    chain = Chain((options,))
    small = chain.whole(max(32, chain.smallest_side))
    most = {element_bytes: most_bytes_per_pixel(options, small, element_bytes) for element_bytes in (2, 4)}
    for height, width, element_bytes in ((1, 1, 4), (1, 4, 4), (3, 2, 4), (8, 8, 4), (2, 2, 2)):
        found = peak_bytes(options, height * small, width * small, element_bytes=element_bytes)
        assert found <= most[element_bytes] * height * width * small**2
    assert most[4] * small**2 == peak_bytes(options, small, small)


def test_the_small_tile_takes_no_draws_and_may_be_asked_for_in_inference() -> None:
    options = ModelOptions(netG="resnet_6blocks", ngf=4, norm="batch")
    before = torch.get_rng_state()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        found = most_bytes_per_pixel(options, 32)
    assert torch.get_rng_state().equal(before)
    most_bytes_per_pixel.cache_clear()
    assert most_bytes_per_pixel(options, 32) == found


def test_it_neither_takes_the_memory_nor_draws_and_may_be_asked_for_in_inference() -> None:
    options = ModelOptions(netG="resnet_6blocks", ngf=64, norm="batch")
    before = torch.get_rng_state()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        found = peak_bytes(options, 2**16, 2**16)
    # A process could not have the terabytes.
    assert found > 4e12
    assert torch.get_rng_state().equal(before)
    peak_bytes.cache_clear()
    assert peak_bytes(options, 2**16, 2**16) == found


def test_options_that_do_not_exist_are_refused() -> None:
    with pytest.raises(UserError, match="expected --downsample_factor 2 or 4, found 8"):
        peak_bytes(ModelOptions(netG="sr_resnet_6blocks", downsample_factor=8), 64, 64)
    with pytest.raises(ValueError, match="expected elements of 2 or 4 bytes, found 8"):
        peak_bytes(ModelOptions(), 256, 256, element_bytes=8)


MEASUREMENT = r"""
import re
from pathlib import Path
import torch
from txm2sem.options import ModelOptions
from txm2sem.devices import computes_bf16
from txm2sem.networks import build_generator
torch.set_num_threads(2)
generator = build_generator(ModelOptions(netG="sr_resnet_6blocks", downsample_factor=4, ngf=16, norm="batch")).eval()
kinds = (True, False) if computes_bf16(torch.device("cpu")) else (False,)
for side, mixed in [(side, mixed) for side in (64, 512) for mixed in kinds]:
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        generator(torch.zeros(1, 1, side, side)[..., ::4, ::4].contiguous()).float()
    print(1024 * int(re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())[1]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is measured as Linux does")
def test_a_process_takes_at_most_this_and_not_much_less() -> None:
    # Blocks that are freed are returned at once, so that none are kept.
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"}
    command = [sys.executable, "-c", MEASUREMENT]
    output = subprocess.run(command, env=environment, capture_output=True, check=True, text=True).stdout
    found = list(map(int, output.split()))
    kinds = len(found) // 2  # 16 bits only where the processor has instructions for them, and never elsewhere
    before, peaks = found[kinds - 1], found[kinds:]
    options = ModelOptions(netG="sr_resnet_6blocks", downsample_factor=4, ngf=16, norm="batch")
    for element_bytes, peak in zip((2, 4)[-kinds:], peaks, strict=True):
        expected = peak_bytes(options, 512, 512, element_bytes=element_bytes)
        # Threads and code that is loaded take some megabytes.
        assert peak - before < expected + 8e6
        assert expected < 1.3 * (peak - before)


@every_generator
def test_tensors_of_no_device_stand_for_those_of_the_cpu(
    options: ModelOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    side = size_multiple(options) * max(128 // size_multiple(options), 1)
    found = peak_bytes(options, side, side, batch=2)
    monkeypatch.setattr("txm2sem.networks.footprint._without_contents", lambda element_bytes: FakeTensorMode())
    assert peak_bytes.__wrapped__(options, side, side, batch=2) == found
