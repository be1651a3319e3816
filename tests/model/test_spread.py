"""Draws spread as far as their mean is wrong."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from txm2sem.model.predictor import Predictor
from txm2sem.model.spread import DRAWS, MOST, Seen, find_spread
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
    assert found.emphasis == pytest.approx(emphasis, abs=0.25)
    if 0 < found.emphasis < MOST:
        assert found.after == pytest.approx(1, abs=0.05)
        assert found.before == pytest.approx(1 / strength, rel=0.15)
    assert predictor.emphasis == 0


def test_the_finest_noise_stays_as_it_is() -> None:
    assert strengths(0).ravel().tolist() == [1] * CHANNELS
    assert strengths(1.5).ravel() == pytest.approx([1, 1, 1, 1.5, 2.5])
