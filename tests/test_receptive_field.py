"""The halo of tiles: as large as it must be, and no larger."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from txm2sem.errors import UserError
from txm2sem.networks import (
    GENERATORS,
    build_generator,
    initialise,
    receptive_field,
    size_multiple,
    smallest_side,
)
from txm2sem.networks.generators import GeneratorBuilder
from txm2sem.options import GeneratorName, ModelOptions

GENERATOR_OPTIONS = [
    ModelOptions(netG=name, downsample_factor=factor, norm="batch")
    for name in get_args(GeneratorName)
    for factor in GENERATORS[name].factors
]


def generator_id(options: ModelOptions) -> str:
    return f"{options.netG}-x{options.downsample_factor}"


every_generator = pytest.mark.parametrize("options", GENERATOR_OPTIONS, ids=generator_id)


def translator(options: ModelOptions, seed: int) -> Callable[[Tensor], Tensor]:
    """Return a network with random weights and frozen, random statistics, from full resolution to full resolution."""
    randomness = torch.Generator().manual_seed(seed)
    network = build_generator(options, bounded=False).double().eval()
    initialise(network, "kaiming", generator=randomness)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            # Such that not too many of the ReLUs behind it are dead.
            layer.running_mean.uniform_(-0.5, 0.5, generator=randomness)
            layer.running_var.uniform_(0.2, 1, generator=randomness)

    @torch.no_grad()
    def translate(image: Tensor) -> Tensor:
        factor = options.downsample_factor
        prediction: Tensor = network(image[..., ::factor, ::factor])
        return prediction

    return translate


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@every_generator
@pytest.mark.parametrize("axis", [2, 3])
@pytest.mark.parametrize(("ngf", "input_nc"), [(2, 1), (3, 3)])
def test_an_aligned_block_sees_as_far_as_the_halo_and_no_further(
    options: ModelOptions, axis: int, ngf: int, input_nc: int
) -> None:
    options = dataclasses.replace(options, ngf=ngf, input_nc=input_nc)
    translate = translator(options, seed=ngf)
    halo, multiple = receptive_field(options), size_multiple(options)
    start = halo + 2 * multiple
    sides = [-(-smallest_side(options) // multiple) * multiple] * 2
    sides[axis - 2] = 2 * start + multiple
    image = noise(1, input_nc, *sides)

    def block_if_noise_replaces_all_but(margin: int) -> Tensor:
        changed = 10 * noise(*image.shape, seed=1)
        kept = slice(start - margin, start + multiple + margin)
        changed.movedim(axis, 0)[kept] = image.movedim(axis, 0)[kept]
        return translate(changed).narrow(axis, start, multiple)

    block = translate(image).narrow(axis, start, multiple)
    assert block_if_noise_replaces_all_but(halo).equal(block)
    assert not block_if_noise_replaces_all_but(halo - multiple).equal(block)


@every_generator
def test_the_centre_of_a_tile_is_that_of_the_whole_image(options: ModelOptions) -> None:
    options = dataclasses.replace(options, ngf=1)
    translate = translator(options, seed=0)
    halo, multiple = receptive_field(options), size_multiple(options)
    # Two blocks in the centre, and an image that goes on around the tile.
    side = 2 * halo + 2 * multiple
    image = noise(1, 1, side + 2 * multiple, side + multiple)
    tile = image[..., multiple : multiple + side, multiple:]
    centre = slice(halo, side - halo)
    whole = translate(image)[..., multiple : multiple + side, multiple:]
    torch.testing.assert_close(translate(tile)[..., centre, centre], whole[..., centre, centre], rtol=0, atol=1e-5)
    # On the right the tile ends with the image.
    torch.testing.assert_close(translate(tile)[..., centre, halo:], whole[..., centre, halo:], rtol=0, atol=1e-5)


@every_generator
def test_it_is_a_multiple_of_what_the_network_takes_whatever_its_width_and_normalisation(options: ModelOptions) -> None:
    halo = receptive_field(options)
    assert halo % size_multiple(options) == 0
    other = dataclasses.replace(options, ngf=7, norm="instance", no_dropout=True, input_nc=2, output_nc=3)
    assert receptive_field(other) == halo


def test_it_takes_no_draws_and_may_be_asked_for_in_inference() -> None:
    options = ModelOptions(netG="resnet_6blocks", ngf=11)
    before = torch.get_rng_state()
    with torch.inference_mode():
        halo = receptive_field(options)
    assert torch.get_rng_state().equal(before)
    assert halo == receptive_field(dataclasses.replace(options, ngf=12))


def test_a_factor_that_the_generator_does_not_have() -> None:
    with pytest.raises(UserError, match="expected --downsample_factor 2 or 4, found 8"):
        receptive_field(ModelOptions(netG="sr_resnet_6blocks", downsample_factor=8))


class Future(nn.Module):
    """A generator of one layer that takes one channel."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, source: Tensor) -> Tensor:
        output: Tensor = self.layer(source)
        return output


class TestFutureGenerators:
    @pytest.fixture
    def halo_of(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[nn.Module], int]:
        def halo(layer: nn.Module) -> int:
            receptive_field.cache_clear()
            monkeypatch.setitem(GENERATORS, "linearfilt", GeneratorBuilder(lambda options, bounded: Future(layer)))
            try:
                return receptive_field(ModelOptions(netG="linearfilt"))
            finally:
                receptive_field.cache_clear()

        return halo

    def test_the_longer_of_both_directions_and_sides_counts(self, halo_of: Callable[[nn.Module], int]) -> None:
        tall = nn.Conv2d(1, 1, (5, 3), padding=(20, 1), dilation=(10, 1))
        wide = nn.Conv2d(1, 1, (1, 3), padding=(0, 1))
        ahead = nn.Sequential(nn.ZeroPad2d((0, 6, 0, 0)), nn.Conv2d(1, 1, (1, 7)))
        behind = nn.Sequential(nn.ZeroPad2d((5, 0, 0, 0)), nn.Conv2d(1, 1, (1, 6)))
        assert [halo_of(layer) for layer in (tall, wide, ahead, behind)] == [20, 1, 6, 5]

    def test_one_pixel_needs_no_halo(self, halo_of: Callable[[nn.Module], int]) -> None:
        assert halo_of(nn.Conv2d(1, 1, 1)) == 0

    def test_a_network_that_sees_everything_is_refused(self, halo_of: Callable[[nn.Module], int]) -> None:
        class Mean(nn.Module):
            def forward(self, source: Tensor) -> Tensor:
                return source - source.mean((2, 3), keepdim=True)

        with pytest.raises(ValueError, match="found that linearfilt sees 16384 and more"):
            halo_of(Mean())
