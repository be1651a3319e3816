"""The generator with grain, and the grain: noise that belongs to an image."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from txm2sem.networks import build_generator
from txm2sem.networks.textured_unet import grain
from txm2sem.objectives import spectrum_loss
from txm2sem.options import GeneratorName, ModelOptions


def txm(*shape: int, seed: int = 0) -> Tensor:
    """An image of few of 256 grey levels, as a smooth TXM of 8 bits has."""
    values = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return torch.round(130 + 3 * values) / 127.5 - 1


class TestGrain:
    def test_is_white_noise_of_one_strength_that_knows_nothing_of_the_image(self) -> None:
        image = txm(1, 1, 256, 256)
        noise = grain(image)
        assert noise.shape == image.shape
        assert noise.min() >= -1
        assert noise.max() < 1
        # Uniform in [-1, 1): mean 0 and variance 1/3, each within four standard errors of 65,536 values.
        assert noise.mean().item() == pytest.approx(0, abs=4 * 0.577 / 256)
        assert noise.var().item() == pytest.approx(1 / 3, abs=4 * 0.298 / 256)
        for other in (image, noise.roll(1, 2), noise.roll(1, 3), noise.roll((2, 3), (2, 3)), noise.mT):
            correlation = torch.corrcoef(torch.stack([noise.flatten(), other.flatten()]))[0, 1]
            assert abs(correlation) < 4 / 256
        power = torch.fft.fft2(noise).abs().square().reshape(8, 32, 8, 32).mean((1, 3))
        assert (power / power.mean() - 1).abs().max() < 4 / 32 + 0.1

    @given(top=st.integers(0, 20), left=st.integers(0, 20), height=st.integers(3, 20), width=st.integers(3, 20))
    def test_of_a_place_is_the_same_in_every_tile(self, top: int, left: int, height: int, width: int) -> None:
        image = txm(2, 3, 40, 40)
        tile = image[..., top : top + height, left : left + width]
        inside = grain(tile)[..., 1:-1, 1:-1]
        assert inside.equal(grain(image)[..., top + 1 : top + height - 1, left + 1 : left + width - 1])

    def test_is_another_wherever_one_grey_level_of_one_channel_is(self) -> None:
        image = txm(1, 3, 9, 9)
        changed = image.clone()
        changed[0, 1, 4, 4] += 1 / 127.5
        different = grain(image) != grain(changed)
        assert different[..., 3:6, 3:6].all()
        assert different.sum() == 9

    def test_is_the_same_as_ever(self) -> None:
        """Models have learned with these numbers."""
        row = torch.arange(-2.0, 3.0) / 4
        found = grain((row[:, None] * row)[None, None])[0, 0]
        assert (found[1] * 2**23).tolist() == [4874979, 8167399, -4182475, 3751258, -4044449]

    def test_of_a_constant_image_is_constant(self) -> None:
        noise = grain(torch.full((1, 1, 8, 8), 0.3))
        assert noise.min() == noise.max()

    def test_has_the_type_of_the_image(self) -> None:
        image = txm(1, 1, 8, 8)
        assert grain(image.double()).equal(grain(image).double())


def trained_for_noise(net: GeneratorName) -> float:
    """Return how far a network's spectrum is from that of white noise, after learning to make it from a smooth TXM."""
    torch.manual_seed(0)
    generator = build_generator(ModelOptions(netG=net, ngf=4, norm="none", no_dropout=True), bounded=False)
    optimizer = torch.optim.Adam(generator.parameters(), lr=1e-2)
    smooth = torch.nn.functional.avg_pool2d(txm(4, 1, 72, 72), 9, 1)
    for _ in range(40):
        loss = spectrum_loss(generator(smooth), 0.3 * torch.randn(4, 1, 64, 64))
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    return loss.item()


def test_a_network_with_grain_can_make_noise_where_the_txm_has_none() -> None:
    with_grain, without = trained_for_noise("textured_unet"), trained_for_noise("residual_unet")
    assert with_grain < 0.1 < without
