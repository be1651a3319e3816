"""Convolutions as matrix products, and dropout from single bits, beside those of torch."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck
from torch.utils.flop_counter import FlopCounterMode

from txm2sem.networks import build_generator
from txm2sem.networks.blocks import HalfDropout
from txm2sem.networks.convolutions import FewChannelsConv2d, StridedConv2d, StridedConvTranspose2d
from txm2sem.options import ModelOptions

Build = Callable[..., nn.Module]

# The product, torch's module, and the sizes of images that few positions or channels make a product.
PAIRS: dict[str, tuple[Build, Build, tuple[int, ...]]] = {
    "halving": (StridedConv2d, nn.Conv2d, (2, 6, 8, 4)),
    "halving to one pixel": (StridedConv2d, nn.Conv2d, (1, 6, 2, 2)),
    "doubling": (StridedConvTranspose2d, nn.ConvTranspose2d, (2, 6, 4, 3)),
    "doubling one pixel": (StridedConvTranspose2d, nn.ConvTranspose2d, (1, 6, 1, 1)),
    "few channels": (FewChannelsConv2d, nn.Conv2d, (2, 6, 9, 11)),
}
every_pair = pytest.mark.parametrize("name", PAIRS)
with_and_without_bias = pytest.mark.parametrize("bias", [True, False])


def build(name: str, bias: bool) -> tuple[nn.Module, nn.Module, Tensor]:
    """Return product and convolution with the same weights, and an image, all float64."""
    product, convolution, size = PAIRS[name]
    torch.manual_seed(0)
    few = name == "few channels"
    options = {"kernel_size": (7, 5)} if few else {"kernel_size": 4, "stride": 2, "padding": 1}
    modules = [kind(size[1], 2 if few else 5, bias=bias, **options).double() for kind in (product, convolution)]
    modules[1].load_state_dict(modules[0].state_dict())
    return modules[0], modules[1], torch.randn(size, dtype=torch.float64, requires_grad=True)


def convolutions_in(network: nn.Module, image: Tensor) -> int:
    """Return how many convolutions, forward, run while the network sees the image."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(image)
    return sum("convolution" in str(operation) for operation in counter.get_flop_counts()["Global"])


@every_pair
@with_and_without_bias
def test_product_and_convolution_agree_with_gradients(name: str, bias: bool) -> None:
    product, convolution, image = build(name, bias)
    assert convolutions_in(product, image) == 0
    results = []
    for module in (product, convolution):
        output = module(image)
        # A penalty on gradients is differentiated once more, as in training.
        (gradient,) = torch.autograd.grad(output.square().sum(), image, create_graph=True)
        gradient.square().sum().backward()  # type: ignore[no-untyped-call]
        results.append([output, gradient, *[weight.grad for weight in module.parameters()]])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)


@every_pair
def test_product_is_differentiated_once_and_twice(name: str) -> None:
    product, _, image = build(name, True)

    def function(image: Tensor, *weights: Tensor) -> Tensor:
        names = [key for key, _ in product.named_parameters()]
        output: Tensor = torch.func.functional_call(product, dict(zip(names, weights, strict=True)), (image,))
        return output

    inputs = (image, *product.parameters())
    assert gradcheck(function, inputs, fast_mode=True)
    assert gradgradcheck(function, inputs, fast_mode=True)


@every_pair
def test_product_in_mixed_precision(name: str) -> None:
    product, convolution, image = build(name, True)
    image = image.detach().float()
    with torch.autocast("cpu", torch.bfloat16):
        mixed = product.float()(image)
    assert mixed.dtype == torch.bfloat16
    # Weights, image and output are rounded to 8 bits each.
    torch.testing.assert_close(mixed.float(), convolution.float()(image), atol=0.02, rtol=0.02)


@pytest.mark.parametrize(
    ("module", "size"),
    [
        (StridedConv2d(4, 4, 4, 2, 1), (1, 4, 18, 16)),
        (StridedConv2d(4, 4, 4, 2, 1), (2, 4, 16, 16)),
        (StridedConvTranspose2d(4, 4, 4, 2, 1), (1, 4, 9, 8)),
        (StridedConvTranspose2d(4, 4, 4, 2, 1), (2, 4, 8, 8)),
    ],
)
def test_more_positions_are_convolved(module: nn.Module, size: tuple[int, ...]) -> None:
    assert convolutions_in(module, torch.rand(size)) == 1


@pytest.mark.parametrize("name", ["unet_128", "sr_resnet_6blocks", "resnet_6blocks"])
def test_exported_networks_have_convolutions_only(name: str) -> None:
    factor = 2 if name.startswith("sr") else 1
    options = ModelOptions(netG=name, downsample_factor=factor, ngf=4, norm="batch", no_dropout=True)  # type: ignore[arg-type]
    generator = build_generator(options).eval()
    image = torch.rand(1, 1, 128 // factor, 128 // factor)
    layers = sum(isinstance(module, nn.Conv2d | nn.ConvTranspose2d) for module in generator.modules())
    traced = torch.jit.trace(generator, image)  # type: ignore[no-untyped-call]
    nodes = [node.kind() for node in traced.inlined_graph.nodes()]
    assert nodes.count("aten::_convolution") == layers
    assert not {"aten::im2col", "aten::col2im", "aten::mm", "aten::bmm"} & set(nodes)
    torch.testing.assert_close(traced(image), generator(image))
    exported = [str(node.target) for node in torch.export.export(generator, (image,)).graph.nodes]
    assert sum(target.startswith("aten.conv") for target in exported) == layers


class TestHalfDropout:
    def test_each_element_is_kept_and_doubled_or_dropped_with_equal_chance(self) -> None:
        torch.manual_seed(0)
        dropped = HalfDropout()(torch.ones(1000, 77)).numpy()
        assert set(dropped.ravel()) == {0, 2}
        # 1000 decisions of a chance of a half have a standard deviation of 0.016; 77 columns are all within 4 of them.
        assert abs(dropped.mean(axis=0) / 2 - 0.5).max() < 0.063
        # Neighbours, and elements of one byte, are independent: the correlation of 76,000 pairs scatters by 0.004.
        flat = dropped.ravel() - 1
        assert all(abs((flat[lag:] * flat[:-lag]).mean()) < 0.016 for lag in (1, 2, 7, 8, 64))

    def test_seed_decides(self) -> None:
        masks = []
        for seed in (0, 0, 1):
            torch.manual_seed(seed)
            masks.append(HalfDropout()(torch.ones(3, 5, 7)))
        assert torch.equal(masks[0], masks[1])
        assert not torch.equal(masks[0], masks[2])

    def test_gradient_is_that_of_the_mask(self) -> None:
        image = torch.rand(2, 3, 5, 5, requires_grad=True)
        output = HalfDropout()(image)
        (gradient,) = torch.autograd.grad(output.sum(), image)
        torch.testing.assert_close(output, image * gradient)

    def test_evaluation_changes_nothing(self) -> None:
        image = torch.rand(2, 3, 5, 5)
        assert torch.equal(HalfDropout().eval()(image), image)
        assert HalfDropout()(image.bfloat16()).dtype == torch.bfloat16
