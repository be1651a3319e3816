"""A refinement in blocks is the one of pixels, computed otherwise."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from txm2sem.networks.blockwise import REDUCTION, BlockReflection, BlockwiseRefinement
from txm2sem.networks.residual_unet import FINE_CHANNELS, Refinement


@pytest.mark.parametrize(("channels", "out_channels"), [(1, 1), (3, 2)])
@pytest.mark.parametrize("places", [(8, 8), (9, 13)])
def test_blocks_make_the_same_prediction_up_to_the_borders(
    channels: int, out_channels: int, places: tuple[int, int]
) -> None:
    generator = torch.Generator().manual_seed(0)
    refinement = Refinement(channels, out_channels, REDUCTION)
    for parameter in refinement.parameters():
        nn.init.normal_(parameter, generator=generator)
    before = {name: value.clone() for name, value in refinement.state_dict().items()}
    rows, columns = (REDUCTION * side for side in places)
    features = torch.randn(2, FINE_CHANNELS, *places, generator=generator)
    source = torch.randn(2, channels, rows, columns, generator=generator)
    with torch.inference_mode():
        expected = refinement(features, source)
        found = BlockwiseRefinement(refinement)(features, source)
    assert expected.shape == (2, out_channels, rows, columns)
    # Sums are taken in another order; values are some tens.
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)
    assert all(torch.equal(value, before[name]) for name, value in refinement.state_dict().items())


def test_blocks_are_continued_by_the_pixels_of_the_image() -> None:
    image = torch.randn(1, 3, 8, 12, generator=torch.Generator().manual_seed(0))

    def in_blocks(pixels: torch.Tensor) -> torch.Tensor:
        """Return blocks whose channels are the pixels, and for each of them its channels."""
        blocks = nn.functional.pixel_unshuffle(pixels, REDUCTION)
        return blocks.reshape(1, 3, -1, *blocks.shape[2:]).movedim(1, 2).flatten(1, 2)

    def of_blocks(blocks: torch.Tensor) -> torch.Tensor:
        pixels = blocks.reshape(1, -1, 3, *blocks.shape[2:]).movedim(2, 1).flatten(1, 2)
        return nn.functional.pixel_shuffle(pixels, REDUCTION)

    continued = of_blocks(BlockReflection(3)(in_blocks(image)))
    near = slice(REDUCTION - 1, 1 - REDUCTION)
    assert torch.equal(continued[..., near, near], nn.functional.pad(image, (1,) * 4, mode="reflect"))
