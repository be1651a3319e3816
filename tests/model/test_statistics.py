"""Normalisation statistics that are estimated once and then the same for every image."""

from __future__ import annotations

from typing import Literal

import pytest
import torch

from txm2sem.model.statistics import depend_on_tile, estimate_statistics, fix_statistics
from txm2sem.networks import build_generator, initialise
from txm2sem.options import ModelOptions


def generator(norm: Literal["instance", "batch", "none"]) -> torch.nn.Module:
    torch.manual_seed(0)
    network = build_generator(ModelOptions(netG="resnet_6blocks", ngf=4, norm=norm))
    initialise(network, init_gain=0.2)
    return network.eval()


def images(count: int, seed: int = 1, side: int = 32) -> list[torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    return [torch.randn(1, 1, side, side, generator=random) * (1 + index) for index in range(count)]


def test_only_instance_norm_depends_on_the_tile() -> None:
    assert depend_on_tile(generator("instance"))
    assert not depend_on_tile(generator("batch"))
    assert not depend_on_tile(generator("none"))


@torch.no_grad()
def test_estimated_on_one_image_they_are_those_of_instance_norm() -> None:
    (image,) = images(1, side=256)
    network = generator("instance")
    expected = network(image)
    estimate_statistics(network, [image])
    assert not depend_on_tile(network)
    # Batch norm keeps the unbiased variance: in the layers of 64 x 64 pixels it is larger by 1 / 4096.
    torch.testing.assert_close(network(image), expected, atol=0.01, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_once_fixed_an_image_does_not_depend_on_what_is_beside_it(norm: Literal["instance", "batch"]) -> None:
    network = generator(norm)
    estimate_statistics(network, images(3))
    one, other = torch.zeros(1, 1, 96, 96), torch.zeros(1, 1, 96, 96)
    other[..., :8, :8] = 5
    torch.testing.assert_close(network(one)[..., -8:, -8:], network(other)[..., -8:, -8:], atol=1e-6, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_another_process_gets_the_same_network(norm: Literal["instance", "batch"]) -> None:
    network, other = generator(norm), generator(norm)
    statistics = estimate_statistics(network, images(3))
    fix_statistics(other, statistics)
    (image,) = images(1, seed=2)
    torch.testing.assert_close(other(image), network(image), atol=0, rtol=0)


@torch.no_grad()
def test_they_are_means_over_all_samples() -> None:
    network = generator("batch")
    samples = images(4)
    statistics = estimate_statistics(network, samples)
    first = next(key for key in statistics if key.endswith("running_mean"))
    layer = network.get_submodule(first.removesuffix(".running_mean"))
    seen: list[torch.Tensor] = []
    layer.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].mean((0, 2, 3))))
    for sample in samples:
        network(sample)
    torch.testing.assert_close(statistics[first], torch.stack(seen).mean(0), atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_without_normalisation_there_is_nothing_to_estimate() -> None:
    assert estimate_statistics(generator("none"), images(1)) == {}
