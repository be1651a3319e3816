"""The contract that every generator and discriminator keeps."""

from __future__ import annotations

import dataclasses
from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from txm2sem.errors import UserError
from txm2sem.networks import (
    DISCRIMINATORS,
    GENERATORS,
    build_discriminator,
    build_generator,
    initialise,
    size_multiple,
)
from txm2sem.options import DiscriminatorName, GeneratorName, InitName, ModelOptions, NormName

GENERATOR_OPTIONS = [
    ModelOptions(netG=name, downsample_factor=factor, ngf=2, ndf=4, norm="batch")
    for name in get_args(GeneratorName)
    for factor in GENERATORS[name].factors
]
DISCRIMINATOR_OPTIONS = [
    ModelOptions(netD="basic", ndf=4, norm="batch"),
    ModelOptions(netD="n_layers", n_layers_D=1, ndf=4, norm="batch"),
    ModelOptions(netD="n_layers", n_layers_D=4, ndf=4, norm="batch"),
    ModelOptions(netD="pixel", ndf=4, norm="batch"),
]


@pytest.fixture(autouse=True)
def same_weights_every_time() -> None:
    torch.manual_seed(0)


def generator_id(options: ModelOptions) -> str:
    return f"{options.netG}-x{options.downsample_factor}"


def discriminator_id(options: ModelOptions) -> str:
    return f"{options.netD}-{options.n_layers_D}"


every_generator = pytest.mark.parametrize("options", GENERATOR_OPTIONS, ids=generator_id)
every_discriminator = pytest.mark.parametrize("options", DISCRIMINATOR_OPTIONS, ids=discriminator_id)


def small_source(options: ModelOptions) -> Tensor:
    """Two images of grey values in [-1, 1], as small as suits the generator."""
    side = max(32, size_multiple(options)) // options.downsample_factor
    randomness = torch.Generator().manual_seed(1)
    return 2 * torch.rand(2, options.input_nc, side, side, generator=randomness) - 1


def assert_gradient_reaches_every_parameter(network: nn.Module, output: Tensor) -> None:
    torch.autograd.backward(output.square().sum())
    # Of a bias before a normalisation nothing is left but what rounding leaves, on some processors nothing at all.
    without = [
        name
        for name, weight in network.named_parameters()
        if weight.grad is None or not (weight.grad.any() or name.endswith("bias"))
    ]
    assert without == []


def test_registries_have_every_name_of_the_options() -> None:
    assert set(GENERATORS) == set(get_args(GeneratorName))
    assert set(DISCRIMINATORS) == set(get_args(DiscriminatorName))


class TestGenerators:
    @every_generator
    @pytest.mark.parametrize(("input_nc", "output_nc"), [(1, 1), (3, 1), (1, 3)])
    def test_output_has_full_resolution_and_the_asked_channels(
        self, options: ModelOptions, input_nc: int, output_nc: int
    ) -> None:
        options = dataclasses.replace(options, input_nc=input_nc, output_nc=output_nc)
        source = small_source(options)
        prediction = build_generator(options).eval()(source)
        side = options.downsample_factor * source.shape[-1]
        assert prediction.shape == (2, output_nc, side, side)

    @every_generator
    @pytest.mark.parametrize("norm", get_args(NormName))
    def test_every_norm_works_in_training(self, options: ModelOptions, norm: NormName) -> None:
        prediction = build_generator(dataclasses.replace(options, norm=norm))(small_source(options))
        assert prediction.isfinite().all()

    @pytest.mark.parametrize(
        ("name", "factor", "multiple"),
        [
            ("resnet_9blocks", 1, 4),
            ("resnet_6blocks", 1, 4),
            ("sr_resnet_9blocks", 2, 2),
            ("sr_resnet_6blocks", 4, 4),
            ("unet_128", 1, 128),
            ("unet_256", 1, 256),
            ("residual_unet", 1, 16),
            ("fine_unet", 1, 16),
            ("linearfilt", 1, 1),
            ("gammafilt", 1, 1),
        ],
    )
    def test_size_multiple(self, name: GeneratorName, factor: int, multiple: int) -> None:
        assert size_multiple(ModelOptions(netG=name, downsample_factor=factor)) == multiple

    @every_generator
    def test_size_multiple_suffices_for_odd_multiples_and_oblong_images(self, options: ModelOptions) -> None:
        multiple = size_multiple(options)
        odd = 1 if multiple > 64 else 7
        height, width = odd * multiple, (odd + 2) * multiple
        factor = options.downsample_factor
        prediction = build_generator(options).eval()(torch.zeros(1, 1, height // factor, width // factor))
        assert prediction.shape[-2:] == (height, width)

    def test_resnet_rounds_other_sizes_up(self) -> None:
        generator = build_generator(ModelOptions(netG="resnet_6blocks", ngf=2)).eval()
        assert generator(torch.zeros(1, 1, 30, 29)).shape == (1, 1, 32, 32)

    def test_unet_cannot_join_its_skips_at_other_sizes(self) -> None:
        generator = build_generator(ModelOptions(netG="unet_128", ngf=2)).eval()
        with pytest.raises(RuntimeError, match="Sizes of tensors must match"):
            generator(torch.zeros(1, 1, 192, 192))

    @every_generator
    def test_gradient_reaches_every_parameter(self, options: ModelOptions) -> None:
        generator = build_generator(options)
        initialise(generator, "kaiming", generator=torch.Generator().manual_seed(0))
        with torch.random.fork_rng():
            torch.manual_seed(0)  # of dropout, which may leave nothing of a channel
            output = generator(small_source(options))
        assert_gradient_reaches_every_parameter(generator, output)

    @pytest.mark.parametrize(
        ("name", "factor", "expected"),
        [
            ("resnet_9blocks", 4, "expected --downsample_factor 1, found 4"),
            ("unet_256", 2, "expected --downsample_factor 1, found 2"),
            ("linearfilt", 2, "or --netG with one of sr_resnet_9blocks, sr_resnet_6blocks"),
            ("sr_resnet_9blocks", 1, "expected --downsample_factor 2 or 4, found 1"),
            ("sr_resnet_6blocks", 8, "expected --downsample_factor 2 or 4, found 8"),
        ],
    )
    def test_factor_that_the_generator_does_not_have(self, name: GeneratorName, factor: int, expected: str) -> None:
        with pytest.raises(UserError, match=expected):
            build_generator(ModelOptions(netG=name, downsample_factor=factor))

    @pytest.mark.parametrize("name", ["resnet_6blocks", "unet_128", "residual_unet", "fine_unet"])
    def test_dropout_is_random_in_training_and_absent_in_evaluation(self, name: GeneratorName) -> None:
        options = ModelOptions(netG=name, ngf=2, norm="none")
        source = small_source(options)
        with_dropout = build_generator(options)
        assert not with_dropout(source).equal(with_dropout(source))
        with_dropout.eval()
        assert with_dropout(source).equal(with_dropout(source))
        without = build_generator(dataclasses.replace(options, no_dropout=True))
        assert without(source).equal(without(source))

    def test_fine_unet_drops_no_fine_channels_and_learns_from_half_of_the_resolution(self) -> None:
        generator = build_generator(ModelOptions(netG="fine_unet", ngf=2, norm="batch"))
        seen = {
            name: convolution.weight.shape[:2]
            for name, convolution in generator.named_modules()
            if isinstance(convolution, nn.Conv2d)
        }
        # The four pixels of a place, then twice the channels from level to level.
        assert seen["enter"] == (2, 4)
        assert [seen[f"encode.{level}.residual.0"][0] for level in range(4)] == [2, 4, 8, 16]
        dropped = [name for name, layer in generator.named_modules() if isinstance(layer, nn.Dropout2d)]
        assert dropped == ["encode.3.residual.3"]


class TestGammaFilter:
    @pytest.mark.parametrize("gamma", [-0.5, 0.0, 0.3, 1.0, 2.2])
    def test_output_and_gradients_are_finite(self, gamma: float) -> None:
        network = build_generator(ModelOptions(netG="gammafilt"))
        network.load_state_dict({"gamma": torch.tensor([gamma])}, strict=False)
        source = torch.tensor([-1.0, -0.5, -1e-9, 0.0, 1e-9, 0.5, 1.0]).repeat(1, 1, 7, 1).requires_grad_()
        output = network(source)
        torch.autograd.backward(output.square().sum())
        assert output.isfinite().all()
        assert source.grad is not None
        assert source.grad.isfinite().all()
        assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in network.parameters())

    def test_power_keeps_the_sign(self) -> None:
        network = build_generator(ModelOptions(netG="gammafilt"))
        centre = torch.zeros(1, 1, 15, 15)
        centre[..., 7, 7] = 1
        network.load_state_dict({"gamma": torch.tensor([2.0]), "filter.weight": centre, "filter.bias": torch.zeros(1)})
        grey = torch.tensor([[[[-1.0, -0.5, 0.0, 0.5, 1.0]]]])
        # One rounding of the power and one of the product in float32.
        torch.testing.assert_close(network(grey), torch.tensor([[[[-1.0, -0.25, 0.0, 0.25, 1.0]]]]), rtol=1e-6, atol=0)


class TestDiscriminators:
    @every_discriminator
    @pytest.mark.parametrize("input_channels", [1, 2, 4])
    def test_logits_per_patch(self, options: ModelOptions, input_channels: int) -> None:
        layers = {"basic": 3, "n_layers": options.n_layers_D}.get(options.netD)
        side = 64 // 2**layers - 2 if layers else 64
        logits = build_discriminator(options, input_channels)(torch.zeros(2, input_channels, 64, 64))
        assert logits.shape == (2, 1, side, side)

    @pytest.mark.parametrize(("name", "layers", "field"), [("basic", 5, 70), ("n_layers", 2, 34), ("pixel", 3, 1)])
    def test_a_logit_sees_a_patch_of_the_documented_size(
        self, name: DiscriminatorName, layers: int, field: int
    ) -> None:
        discriminator = build_discriminator(ModelOptions(netD=name, n_layers_D=layers, ndf=2, norm="none"), 1)
        image = torch.randn(1, 1, 128, 128, generator=torch.Generator().manual_seed(0)).requires_grad_()
        logits = discriminator(image)
        middle = logits.shape[-1] // 2
        torch.autograd.backward(logits[0, 0, middle, middle])
        assert image.grad is not None
        rows, columns = image.grad[0, 0].nonzero(as_tuple=True)
        assert rows.max() - rows.min() + 1 == field
        assert columns.max() - columns.min() + 1 == field

    @every_discriminator
    def test_gradient_reaches_every_parameter(self, options: ModelOptions) -> None:
        discriminator = build_discriminator(options, 2)
        initialise(discriminator, "kaiming", generator=torch.Generator().manual_seed(0))
        image = torch.randn(2, 2, 64, 64, generator=torch.Generator().manual_seed(1))
        assert_gradient_reaches_every_parameter(discriminator, discriminator(image))

    def test_no_layers(self) -> None:
        with pytest.raises(UserError, match="--n_layers_D 0: expected 1 or more"):
            build_discriminator(ModelOptions(netD="n_layers", n_layers_D=0), 1)


class TestInitialisation:
    @pytest.fixture
    def network(self) -> nn.Module:
        """64 channels to 32 by 3 x 3: fan-in 576, fan-out 288, 18432 weights; everything set to 5."""
        network = nn.Sequential(
            nn.Conv2d(64, 32, 3), nn.BatchNorm2d(32), nn.PReLU(), nn.ConvTranspose2d(32, 64, 3), nn.BatchNorm2d(4096)
        )
        for weight in network.parameters():
            nn.init.constant_(weight, 5)
        return network

    @pytest.mark.parametrize(
        ("init_type", "deviation"),
        [
            ("normal", 0.5),
            ("xavier", 0.5 * (2 / (576 + 288)) ** 0.5),
            ("kaiming", (2 / 576) ** 0.5),
            ("orthogonal", 0.5 / 576**0.5),  # 32 orthogonal rows of length 576 with norm 0.5
        ],
    )
    def test_statistics_of_weights(self, network: nn.Module, init_type: InitName, deviation: float) -> None:
        initialise(network, init_type, 0.5, torch.Generator().manual_seed(0))
        weight = network.get_parameter("0.weight")
        # Standard errors for n = 18432 normal draws: s / sqrt(n) of the mean, s / sqrt(2 n) of the deviation s.
        assert abs(weight.mean().item()) < 4 * deviation / 18432**0.5
        assert weight.std().item() == pytest.approx(deviation, rel=4 / (2 * 18432) ** 0.5)
        # A normal distribution has 68.3 % within one deviation, a uniform one 57.7 %; four binomial standard errors.
        within = (weight.abs() < deviation).float().mean().item()
        assert within == pytest.approx(0.683, abs=4 * (0.683 * 0.317 / 18432) ** 0.5)
        assert not network.get_parameter("3.weight").eq(5).any()

    def test_orthogonal_rows(self, network: nn.Module) -> None:
        initialise(network, "orthogonal", 0.5, torch.Generator().manual_seed(0))
        rows = network.get_parameter("0.weight").detach().flatten(1)
        # Rounding of sums of 576 float32 products.
        torch.testing.assert_close(rows @ rows.T, 0.25 * torch.eye(32), rtol=0, atol=1e-6)

    def test_batch_norm_biases_and_the_rest(self, network: nn.Module) -> None:
        initialise(network, "normal", 0.5, torch.Generator().manual_seed(0))
        scale = network.get_parameter("4.weight")
        # As above, for n = 4096.
        assert scale.mean().item() == pytest.approx(1, abs=4 * 0.5 / 4096**0.5)
        assert scale.std().item() == pytest.approx(0.5, rel=4 / (2 * 4096) ** 0.5)
        assert not any(network.get_parameter(f"{layer}.bias").any() for layer in (0, 1, 3, 4))
        assert network.get_parameter("2.weight").eq(5).all()

    @every_generator
    def test_same_seed_same_weights(self, options: ModelOptions) -> None:
        def weights(seed: int) -> Tensor:
            generator = build_generator(options)
            initialise(generator, "normal", 0.02, torch.Generator().manual_seed(seed))
            return torch.cat([weight.detach().flatten() for weight in generator.parameters()])

        assert weights(3).equal(weights(3))
        assert not weights(3).equal(weights(4))
