"""Draws are as different as scores best."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from txm2sem.model.predictor import Predictor
from txm2sem.model.spread import DRAWS, MOST, Seen, _score_and_spread, find_spread
from txm2sem.noise import CHANNELS, noise, strengths
from txm2sem.options import ModelOptions

SIDE, PATCHES = 64, 12


class Coarse(nn.Module):
    """Makes the coarsest noise an image."""

    def forward(self, source: Tensor, noise: Tensor) -> Tensor:
        return 0 * source + 0.05 * noise[:, -1:]


def truths(strength: float) -> list[Seen]:
    """Return patches whose truth is the coarsest noise, too, so many times as strong, of draws that nobody takes."""
    place = slice(0, SIDE)
    images = [noise(DRAWS + 1, 50 * number, place, place)[-1] for number in range(PATCHES)]
    source, valid = torch.zeros(1, 1, SIDE, SIDE), np.ones((SIDE, SIDE), bool)
    return [((50 * number, 0, 0), source, 0.05 * strength * image, valid) for number, image in enumerate(images)]


@pytest.mark.parametrize(("strength", "emphasis"), [(0.5, 0.0), (1.0, 0.0), (2.5, 1.5), (30.0, MOST)])
def test_coarse_noise_is_as_strong_as_the_truth_asks_for(strength: float, emphasis: float) -> None:
    predictor = Predictor(Coarse(), ModelOptions(netG="sampled_unet"))
    found = find_spread(predictor, truths(strength), "weights")
    # Twelve patches of four lattice points along a side tell the strength to about a tenth.
    assert found.emphasis == pytest.approx(emphasis, abs=0.3)
    if strength == 2.5:
        assert found.after == pytest.approx(1, abs=0.15)
        assert found.before == pytest.approx(1 / strength, rel=0.15)
        assert found.score_after < found.score_before
    assert predictor.emphasis == 0


class Shifting(nn.Module):
    """Makes an image that stronger noise makes brighter, too."""

    def forward(self, source: Tensor, noise: Tensor) -> Tensor:
        return 0 * source + 0.02 * noise[:, -1:] + 0.02 * (noise[:, -1:].abs() > 2.5)


def test_draws_are_not_made_different_at_the_cost_of_their_mean() -> None:
    """Noise that is strong enough for them to spread as far as their mean is wrong would shift it."""
    predictor = Predictor(Shifting(), ModelOptions(netG="sampled_unet"))
    seen = [(place, source, image.clip(max=0.02), valid) for place, source, image, valid in truths(0.5)]
    found = find_spread(predictor, seen, "weights")
    scores = {emphasis: _score_and_spread(predictor.emphasising(emphasis), seen) for emphasis in (0.0, 1.0, 2.0, 4.0)}
    assert found.score_after <= min(score for score, _ in scores.values())


def test_the_finest_noise_stays_as_it_is() -> None:
    assert strengths(0).ravel().tolist() == [1] * CHANNELS
    assert strengths(1.5).ravel() == pytest.approx([1, 1, 1, 1.5, 2.5])
