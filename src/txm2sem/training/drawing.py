"""The noise that a model of samples sees while it is trained and validated."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from txm2sem.devices import move_images
from txm2sem.noise import noise

NOISE_PLACES = 2**31
"""Draws, and places along each axis, that training takes noise from."""

VALIDATED_DRAWS = 8
"""Draws whose mean is what a model of samples is validated by, and shows while it trains."""


def training_noise(image: Tensor) -> Tensor:
    """Return noise for what the generator sees of patches (N, C, H, W), each a draw and a place of its own."""
    rows, columns = image.shape[-2:]
    draws = [
        noise(draw, z, slice(row, row + rows), slice(column, column + columns))
        for draw, z, row, column in torch.randint(NOISE_PLACES, (len(image), 4)).tolist()
    ]
    return move_images(torch.from_numpy(np.stack(draws)), image.device)


def validation_noise(image: Tensor) -> list[Tensor]:
    """Return the noise of `VALIDATED_DRAWS`, as at the first place of a volume, for each patch (N, C, H, W)."""
    drawn = move_images(_first_place(*image.shape[-2:]), image.device)
    return [one.expand(len(image), *one.shape) for one in drawn]


@lru_cache(maxsize=1)
def _first_place(rows: int, columns: int) -> Tensor:
    """Return noise (draws, channels, rows, columns), which validations take again and again."""
    drawn = [noise(draw, 0, slice(0, rows), slice(0, columns)) for draw in range(VALIDATED_DRAWS)]
    return torch.from_numpy(np.stack(drawn))
