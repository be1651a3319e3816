"""What must hold of every loss, of the pool and of the schedules."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.func import jacrev

from txm2sem.metrics import power_spectrum, ssim
from txm2sem.objectives import (
    ImagePool,
    gan_loss,
    gradient_penalty,
    jacobian_penalty,
    laplace_log_scale,
    laplace_loss,
    laplace_variance,
    learning_rate_factor,
    mix_samples,
    regression_loss,
    spectrum_loss,
    ssim_loss,
)
from txm2sem.options import GanMode, LearningRatePolicy

# float32 rounding of short sums.
ROUNDING = 1e-5

GAN_MODES: list[GanMode] = ["vanilla", "lsgan", "wgangp"]

seeds = st.integers(0, 2**32 - 1)
slopes = st.floats(-10, 10).filter(lambda slope: abs(slope) > 1e-3)


@pytest.fixture(autouse=True)
def same_weights_every_time() -> None:
    torch.manual_seed(0)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class TestRegressionLoss:
    @pytest.mark.parametrize(("kind", "expected"), [("L1", 2.5), ("L2", 8.5)])
    def test_is_a_mean(self, kind: Literal["L1", "L2"], expected: float) -> None:
        prediction = torch.tensor([1.0, -2.0]).reshape(1, 1, 1, 2)
        target = torch.tensor([2.0, 2.0]).reshape(1, 1, 1, 2)
        assert regression_loss(prediction, target, kind).item() == pytest.approx(expected, rel=ROUNDING)


class TestSpectrumLoss:
    @given(seeds, st.integers(8, 30), st.integers(8, 30))
    def test_is_the_distance_of_the_power_spectra_that_are_scored(self, seed: int, rows: int, columns: int) -> None:
        # Noise that is strong beside that of rounding, which the loss adds.
        prediction, target = (
            noise(1, 1, rows, columns, seed=seed).double(),
            noise(1, 1, rows, columns, seed=seed + 1).double(),
        )
        one, other = (power_spectrum(image[0, 0].numpy()).values for image in (prediction, target))
        expected = np.mean(np.log10(one / other) ** 2)
        assert spectrum_loss(prediction, target).item() == pytest.approx(expected, rel=1e-2, abs=1e-4)

    def test_knows_the_strength_of_grain_and_not_its_place(self) -> None:
        target = noise(2, 1, 16, 16)
        assert spectrum_loss(target.flip(3), target).item() == pytest.approx(0, abs=1e-6)
        # Ten times the amplitude is 20 dB, at every frequency.
        assert spectrum_loss(10 * target, target).item() == pytest.approx(4, rel=1e-3)

    def test_compares_the_mean_spectra_of_the_images(self) -> None:
        """As those of the scorecard are: which image has how much power does not matter."""
        one, other = noise(1, 1, 16, 16), noise(1, 1, 16, 16, seed=1)
        assert spectrum_loss(torch.cat([one, 3 * other]), torch.cat([3 * other, one])).item() == pytest.approx(
            0, abs=1e-6
        )
        spectra = [power_spectrum(image[0, 0].double().numpy()).values for image in (one, other)]
        expected = np.mean(np.log10((spectra[0] + 9 * spectra[1]) / (spectra[0] + spectra[1])) ** 2)
        both = spectrum_loss(torch.cat([one, 3 * other]), torch.cat([one, other]))
        assert both.item() == pytest.approx(expected, rel=1e-2)

    def test_has_a_gradient_where_images_are_flat_or_in_half_precision(self) -> None:
        prediction = torch.zeros(1, 1, 8, 8, dtype=torch.bfloat16, requires_grad=True)
        torch.autograd.backward(
            spectrum_loss(prediction + 0.1 * noise(1, 1, 8, 8).bfloat16(), noise(1, 1, 8, 8, seed=1))
        )
        assert prediction.grad is not None
        assert prediction.grad.isfinite().all()
        assert prediction.grad.abs().sum() > 0
        assert spectrum_loss(torch.zeros(1, 1, 8, 8), noise(1, 1, 8, 8)).isfinite()


class TestSsimLoss:
    @given(seeds)
    def test_is_one_less_the_score_of_8_bit_images(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        target = rng.integers(0, 256, (18, 23), dtype=np.uint8)
        prediction = np.clip(target + rng.normal(0, rng.uniform(0, 80), target.shape), 0, 255).astype(np.uint8)
        valid = rng.random(target.shape) > 0.01
        one, other = (torch.from_numpy(image / np.float32(127.5) - 1)[None, None] for image in (prediction, target))
        assert ssim_loss(one, other).item() == pytest.approx(1 - ssim(prediction, target), abs=1e-4)
        score = ssim(prediction, target, valid)
        expected = 0.0 if math.isnan(score) else 1 - score
        assert ssim_loss(one, other, torch.from_numpy(valid)[None, None]).item() == pytest.approx(expected, abs=1e-4)

    def test_has_a_gradient_where_images_are_flat(self) -> None:
        prediction = torch.zeros(1, 1, 8, 8, requires_grad=True)
        torch.autograd.backward(ssim_loss(prediction, torch.ones(1, 1, 8, 8)))
        assert prediction.grad is not None
        assert prediction.grad.isfinite().all()
        assert (prediction.grad.sum() < 0).item()


class TestLaplaceLoss:
    def test_is_the_negative_log_likelihood_of_the_error(self) -> None:
        output = torch.tensor([[0.5, -0.2], [0.3, -1.0]]).reshape(1, 2, 1, 2)
        target = torch.tensor([0.0, 0.6]).reshape(1, 1, 1, 2)
        scales = [math.exp(laplace_log_scale(torch.tensor(channel)).item()) for channel in (0.3, -1.0)]
        assert scales[1] == pytest.approx(1 / 256)
        expected = [-math.log(math.exp(-error / b) / (2 * b)) for error, b in zip((0.5, 0.8), scales, strict=True)]
        assert laplace_loss(output, target).item() == pytest.approx(sum(expected) / 2, rel=1e-5)
        first = torch.tensor([True, False]).reshape(1, 1, 1, 2)
        assert laplace_loss(output, target, first).item() == pytest.approx(expected[0], rel=1e-5)
        assert laplace_loss(output, target, ~first & first).item() == 0

    def test_the_scale_that_costs_least_is_the_mean_absolute_error(self) -> None:
        target = 0.2 * noise(1, 1, 64, 64)
        channels = torch.linspace(-0.9, 0.9, 181)
        costs = [
            laplace_loss(torch.cat([torch.zeros_like(target), torch.full_like(target, float(channel))], 1), target)
            for channel in channels
        ]
        best = channels[int(torch.stack(costs).argmin())]
        assert laplace_log_scale(best).exp().item() == pytest.approx(target.abs().mean().item(), rel=0.03)
        assert laplace_variance(best).item() == pytest.approx(2 * target.abs().mean().item() ** 2, rel=0.06)


class TestGanLoss:
    @pytest.mark.parametrize(
        ("mode", "real", "fake"),
        [
            ("vanilla", math.log1p(math.exp(-2)), math.log1p(math.exp(2))),
            ("lsgan", 1.0, 4.0),
            ("wgangp", -2.0, 2.0),
        ],
    )
    def test_of_a_logit_of_two(self, mode: GanMode, real: float, fake: float) -> None:
        logits = torch.full((2, 1, 3, 3), 2.0)
        assert gan_loss(logits, True, mode).item() == pytest.approx(real, rel=ROUNDING)
        assert gan_loss(logits, False, mode).item() == pytest.approx(fake, rel=ROUNDING)

    @pytest.mark.parametrize("mode", GAN_MODES)
    @given(logit=st.floats(0.05, 0.95))
    def test_descent_raises_logits_of_real_and_lowers_those_of_fake(self, mode: GanMode, logit: float) -> None:
        # Outside (0, 1), the targets of least squares, this would not hold for lsgan.
        logits = torch.full((4,), logit, requires_grad=True)
        (of_real,) = torch.autograd.grad(gan_loss(logits, True, mode), logits)
        (of_fake,) = torch.autograd.grad(gan_loss(logits, False, mode), logits)
        assert (of_real < 0).all()
        assert (of_fake > 0).all()

    def test_vanilla_is_finite_for_confident_logits(self) -> None:
        logits = torch.tensor([-1e4, 1e4])
        assert gan_loss(logits, True, "vanilla").item() == pytest.approx(5e3, rel=ROUNDING)


class TestMixSamples:
    def test_share_is_uniform_and_one_per_sample(self) -> None:
        torch.manual_seed(0)
        shares = mix_samples(torch.ones(4000, 2, 2, 2), torch.zeros(4000, 2, 2, 2))
        assert shares.eq(shares[:, :1, :1, :1]).all()
        share = shares[:, 0, 0, 0]
        # Kolmogorov's distance exceeds 1.95 / sqrt(n) with probability 0.001.
        distance = (share.sort().values - torch.arange(4000) / 4000).abs().max().item()
        assert distance < 1.95 / 4000**0.5

    def test_mixes_lie_between(self) -> None:
        real, fake = noise(8, 1, 4, 4), noise(8, 1, 4, 4, seed=1)
        mixed = mix_samples(real, fake)
        share = ((mixed - fake) / (real - fake)).flatten(1)
        # Cancellation where real and fake are close.
        torch.testing.assert_close(share, share.median(1, keepdim=True).values.expand_as(share), rtol=0, atol=1e-3)


class TestGradientPenalty:
    @given(slope=slopes, weight=st.floats(0.1, 100), constant=st.floats(0, 3), seed=seeds)
    def test_of_a_linear_discriminator(self, slope: float, weight: float, constant: float, seed: int) -> None:
        samples = noise(3, 2, 4, 4, seed=seed)
        penalty = gradient_penalty(lambda x: slope * x, samples, weight, constant).item()
        gradient_norm = abs(slope) * 32**0.5
        # Close to the constant the difference cancels, hence the tolerance in units of its terms.
        scale = weight * (gradient_norm + constant) ** 2
        assert penalty == pytest.approx(weight * (gradient_norm - constant) ** 2, abs=ROUNDING * scale)

    def test_trains_the_discriminator_and_leaves_the_samples(self) -> None:
        discriminator = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Tanh(), nn.Conv2d(4, 1, 3, bias=False))
        samples = noise(2, 1, 8, 8).requires_grad_()
        torch.autograd.backward(gradient_penalty(discriminator, samples))
        assert all(weight.grad is not None and weight.grad.any() for weight in discriminator.parameters())
        assert samples.grad is None

    def test_is_float32_under_mixed_precision(self) -> None:
        first = nn.Conv2d(1, 8, 3)
        discriminator = nn.Sequential(first, nn.Tanh(), nn.Conv2d(8, 1, 3))
        samples, penalties, gradients = noise(4, 1, 16, 16), [], []
        for mixed in (False, True):
            with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
                penalty = gradient_penalty(discriminator, samples)
            assert penalty.dtype == torch.float32
            penalties.append(penalty.item())
            gradients.append(torch.autograd.grad(penalty, first.weight)[0])
        # As for the Jacobian penalty; the gradients are those of a double backward pass.
        assert penalties[1] == pytest.approx(penalties[0], rel=2e-2)
        assert torch.linalg.vector_norm(gradients[1] - gradients[0]) < 0.03 * torch.linalg.vector_norm(gradients[0])


class TestJacobianPenalty:
    @given(slope=slopes, side=st.integers(1, 6), samples=st.integers(1, 3), projections=st.integers(1, 3), seed=seeds)
    def test_of_a_slope_is_exact_for_every_draw(
        self, slope: float, side: int, samples: int, projections: int, seed: int
    ) -> None:
        source = torch.zeros(samples, 1, side, side, requires_grad=True)
        randomness = torch.Generator().manual_seed(seed)
        penalty = jacobian_penalty(slope * source, source, projections, randomness)
        assert penalty.item() == pytest.approx(slope**2 * side**2 / 2, rel=ROUNDING)

    @given(seed=seeds)
    def test_is_unbiased(self, seed: int) -> None:
        matrix = noise(6, 4, seed=seed)
        source = torch.zeros(5000, 4, requires_grad=True)
        estimate = jacobian_penalty(source @ matrix.T, source, 1, torch.Generator().manual_seed(seed))
        exact = 0.5 * matrix.square().sum().item()
        # |v J|^2 for unit v in 6 dimensions has at most the mean's spread times sqrt(2 (C - 1) / (C + 2)) = 1.12 (for
        # a Jacobian of rank one); five standard errors of 5000 draws.
        assert estimate.item() == pytest.approx(exact, rel=5 * 1.12 / 5000**0.5)

    def test_more_projections_come_closer(self) -> None:
        network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Tanh(), nn.Conv2d(2, 1, 3))
        source = noise(1, 1, 8, 8).requires_grad_()
        output = network(source)
        exact: float = 0.5 * jacrev(network)(source.detach()).square().sum().item()
        randomness = torch.Generator().manual_seed(0)

        def mean_square_error(projections: int) -> float:
            estimates: list[float] = [
                jacobian_penalty(output, source, projections, randomness).item() for _ in range(100)
            ]
            return sum((estimate - exact) ** 2 for estimate in estimates)

        # The variance falls by 16; each estimate of it, from 100 draws, is good within a factor of two.
        assert 4 < mean_square_error(1) / mean_square_error(16) < 64

    @given(slope=slopes)
    def test_can_be_trained(self, slope: float) -> None:
        parameter = torch.tensor(slope, requires_grad=True)
        source = torch.zeros(2, 1, 4, 4, requires_grad=True)
        torch.autograd.backward(jacobian_penalty(parameter * source, source))
        assert parameter.grad is not None
        assert parameter.grad.item() == pytest.approx(slope * 16, rel=ROUNDING)

    def test_same_seed_same_estimate(self) -> None:
        source = noise(2, 1, 4, 4).requires_grad_()
        output = source**3
        one, same, other = (
            jacobian_penalty(output, source, 1, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)
        )
        assert one == same
        assert one != other

    def test_is_float32_under_mixed_precision(self) -> None:
        network = nn.Sequential(nn.Conv2d(1, 8, 3), nn.Tanh(), nn.Conv2d(8, 1, 3))
        source = noise(4, 1, 16, 16).requires_grad_()
        full = jacobian_penalty(network(source), source, 8, torch.Generator().manual_seed(0))
        with torch.autocast("cpu", torch.bfloat16):
            output = network(source)
            assert output.dtype == torch.bfloat16
            mixed = jacobian_penalty(output, source, 8, torch.Generator().manual_seed(0))
        assert mixed.dtype == torch.float32
        # bfloat16 has 8 bits; the rounding of weights and activations (2^-9 each) adds up over two layers.
        assert mixed.item() == pytest.approx(full.item(), rel=2e-2)

    def test_source_without_gradient(self) -> None:
        source = noise(1, 1, 4, 4)
        with pytest.raises(ValueError, match=r"source\.requires_grad_\(\)"):
            jacobian_penalty(source * 2, source)


class TestImagePool:
    def test_of_size_zero_returns_what_it_is_given(self) -> None:
        images = noise(3, 1, 2, 2)
        pool = ImagePool(0)
        assert all(pool.query(images).equal(images) for _ in range(20))
        assert pool.state_dict()["images"] == []

    def test_fills_up_first(self) -> None:
        pool = ImagePool(4)
        for seed in range(2):
            images = noise(2, 1, 2, 2, seed=seed)
            assert pool.query(images).equal(images)
        assert torch.stack(pool.state_dict()["images"]).equal(torch.cat([noise(2, 1, 2, 2, seed=s) for s in range(2)]))

    @given(seed=seeds, size=st.integers(1, 5), batch=st.integers(1, 4))
    def test_every_image_is_either_held_or_returned(self, seed: int, size: int, batch: int) -> None:
        torch.manual_seed(seed)
        pool = ImagePool(size)
        shown: list[float] = []
        numbers = torch.arange(float(12 * batch)).reshape(12, batch, 1, 1, 1)
        for images in numbers:
            before = [image.item() for image in pool.state_dict()["images"]]
            returned = [image.item() for image in pool.query(images)]
            after = [image.item() for image in pool.state_dict()["images"]]
            assert len(returned) == batch
            assert len(after) == min(size, len(before) + batch)
            assert set(before) | set(images.flatten().tolist()) == set(after) | set(returned)
            shown += returned
        assert set(shown) <= set(numbers.flatten().tolist())

    def test_swaps_with_probability_one_half_and_with_any_stored_image(self) -> None:
        torch.manual_seed(0)
        draws, size = 4000, 4
        pool = ImagePool(size)
        pool.query(torch.zeros(size, 1, 1, 1))
        swaps = 0
        places = [0] * size
        for number in range(1, draws + 1):
            before = pool.state_dict()["images"]
            image = torch.full((1, 1, 1, 1), float(number))
            if not pool.query(image).equal(image):
                swaps += 1
                after = pool.state_dict()["images"]
                places[[old is not new for old, new in zip(before, after, strict=True)].index(True)] += 1
        # Binomial: standard deviation sqrt(n p (1 - p)); four of them.
        assert swaps == pytest.approx(draws / 2, abs=4 * (draws / 4) ** 0.5)
        assert places == pytest.approx([swaps / size] * size, abs=4 * (swaps * 3 / 16) ** 0.5)

    @pytest.mark.parametrize("size", [0, 1])
    def test_no_gradient_passes(self, size: int) -> None:
        assert not ImagePool(size).query(noise(3, 1, 2, 2).requires_grad_() * 2).requires_grad

    def test_stored_images_do_not_follow_their_source(self) -> None:
        pool = ImagePool(2)
        images = torch.ones(2, 1, 2, 2)
        pool.query(images)
        images.zero_()
        assert all(image.eq(1).all() for image in pool.state_dict()["images"])

    def test_goes_on_from_its_state(self) -> None:
        pool, resumed = ImagePool(3), ImagePool(3)
        torch.manual_seed(0)
        for seed in range(5):
            pool.query(noise(2, 1, 2, 2, seed=seed))
        resumed.load_state_dict(pool.state_dict())

        def go_on(pool: ImagePool) -> Tensor:
            torch.manual_seed(1)
            return torch.cat([pool.query(noise(2, 1, 2, 2, seed=seed)) for seed in range(5, 12)])

        assert go_on(pool).equal(go_on(resumed))


class TestLearningRateFactor:
    @given(niter=st.integers(0, 50), niter_decay=st.integers(0, 50), epoch=st.integers(1, 200))
    def test_linear_is_one_then_falls_and_is_never_negative(self, niter: int, niter_decay: int, epoch: int) -> None:
        def factor(epoch: int) -> float:
            return learning_rate_factor("linear", epoch, niter=niter, niter_decay=niter_decay, lr_decay_iters=1)

        if epoch <= niter:
            assert factor(epoch) == 1
        elif epoch <= niter + niter_decay:
            # Double precision.
            assert factor(epoch - 1) - factor(epoch) == pytest.approx(1 / (niter_decay + 1), rel=1e-9)
            assert factor(epoch) > 0
        else:
            assert factor(epoch) == 0

    @pytest.mark.parametrize("policy", ["linear", "step", "cosine"])
    @given(epoch=st.integers(1, 300))
    def test_starts_at_one_and_stays_within_zero_and_one(self, policy: LearningRatePolicy, epoch: int) -> None:
        periods = {"niter": 7, "niter_decay": 5, "lr_decay_iters": 3}
        assert learning_rate_factor(policy, 1, **periods) == 1
        assert 0 <= learning_rate_factor(policy, epoch, **periods) <= 1

    def test_plateau_is_not_a_function_of_the_epoch(self) -> None:
        with pytest.raises(ValueError, match="found plateau"):
            learning_rate_factor("plateau", 1, niter=1, niter_decay=1, lr_decay_iters=1)
