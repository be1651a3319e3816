"""A generator that makes another image from each draw of noise."""

from __future__ import annotations

import torch
from torch import Tensor

from txm2sem.networks import build_generator
from txm2sem.noise import CHANNELS
from txm2sem.objectives import crps_loss, regression_loss
from txm2sem.options import ModelOptions

SAMPLED = ModelOptions(netG="sampled_unet", ngf=4, norm="none", no_dropout=True)


def drawn(count: int = 4) -> Tensor:
    return torch.randn(count, CHANNELS, 32, 32)


def test_another_draw_is_another_image_of_the_same_txm() -> None:
    torch.manual_seed(0)
    generator, txm, noise = build_generator(SAMPLED), torch.rand(1, 1, 32, 32), drawn(2)
    one, other = (generator(txm, item[None]) for item in noise)
    assert one.shape == (1, 1, 32, 32)
    assert not one.equal(other)
    assert generator(txm).equal(generator(txm, torch.zeros(1, CHANNELS, 32, 32)))


def spread_after_learning(*, scored: bool) -> tuple[float, float]:
    """Return mean and spread of draws after learning images that are -0.5 or 0.5, from a TXM that does not tell which.

    Args:
        scored: by the score of two draws; else by the mean absolute difference.
    """
    torch.manual_seed(0)
    generator, txm = build_generator(SAMPLED), torch.zeros(4, 1, 32, 32)
    optimizer = torch.optim.Adam(generator.parameters(), lr=5e-3)
    for _ in range(100):
        target = torch.where(torch.rand(4, 1, 1, 1) < 0.5, -0.5, 0.5).expand(4, 1, 32, 32)
        one, other = generator(txm, drawn()), generator(txm, drawn())
        loss = crps_loss(one, other, target) if scored else regression_loss(one, target, "L2")
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    with torch.no_grad():
        images = torch.cat([generator(txm, drawn()) for _ in range(8)])
    return images.mean().item(), images.std(0).mean().item()


def test_learns_what_the_txm_leaves_open() -> None:
    (mean, spread), (_, blurred) = (spread_after_learning(scored=scored) for scored in (True, False))
    # The truth has a standard deviation of 0.5 about 0; four seeds gave 0.56 to 0.62 about -0.08 to 0.11.
    assert abs(mean) < 0.25
    assert 0.3 < spread < 0.75
    assert blurred < 0.2


def test_a_draw_with_the_targets_boundaries_scores_better_than_one_that_only_has_its_grey_values() -> None:
    """Of squares as large as 16 pixels both have the same mean; only one has pieces of the same size."""
    rows, columns = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")

    def board(side: int) -> Tensor:
        return ((rows // side + columns // side) % 2).float()[None, None] - 0.5

    target = board(8)
    moved, finer = target.roll(8, dims=-1), board(2)
    # Each is wrong in as many pixels.
    assert (moved - target).abs().mean() > (finer - target).abs().mean()
    assert crps_loss(moved, moved, target) < crps_loss(finer, finer, target)
