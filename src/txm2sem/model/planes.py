"""Translate single planes of any size."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from txm2sem.data.txm_input import TxmInput
from txm2sem.model.network import continued
from txm2sem.model.predictor import Place, Predictor
from txm2sem.tiling import Tiling

Plane = NDArray[np.float32]

Sampler = Callable[[Tensor, Sequence[int]], tuple[Tensor, Tensor]]
"""Predicts with the variance of each pixel, see `txm2sem.trust.Sampler`."""


class PlaneTranslator:
    """Translates planes of TXM, tile by tile.

    Args:
        predictor: the model, with normalisation statistics that do not depend on the tile.
        see: how the model sees the TXM.

    Attributes:
        network_seconds: wall time spent in the network so far.
    """

    def __init__(self, predictor: Predictor, see: TxmInput) -> None:
        self.predictor = predictor
        self.see = see
        self.network_seconds = 0.0

    def network_input(self, plane: NDArray[Any]) -> Plane:
        """Return a plane (rows, columns) of TXM grey values as the network sees it, in [-1, 1]."""
        return self.see(plane).numpy()

    def translate(self, channels: Plane, tiling: Tiling, place: Place = (0, 0, 0)) -> Plane:
        """Translate a plane.

        Args:
            channels: the plane, between its neighbours where the model takes them: (C, rows, columns) in [-1, 1].
            tiling: of planes of that size, or larger: planes are continued by reflection, downwards and to the right.
            place: slice, row and column of its first pixel, which what is drawn depends on.

        Returns:
            What the predictor makes of it, (predicted, rows, columns): SEM in [-1, 1], or see `Segmenter`.
        """
        z, row, column = place
        corners = iter(tile.corner for tile in tiling.tiles)

        def predict(tile: Tensor) -> Tensor:
            down, across = next(corners)
            return self.predictor.at((z, row + down, column + across))(tile)[0]

        return self._apply(predict, channels, tiling)

    def sample(self, channels: Plane, tiling: Tiling, sampler: Sampler, entropy: tuple[int, ...]) -> Plane:
        """Translate a plane with the variance of each pixel, as `translate` and `Sampler` do.

        What is random in a tile is drawn from the numbers `entropy` and the number of the tile.

        Returns:
            SEM and its raw variance, (2, rows, columns).
        """
        numbers = count()

        def predict(tile: Tensor) -> Tensor:
            return torch.cat(sampler(tile, (*entropy, next(numbers))), dim=1)[0]

        return self._apply(predict, channels, tiling)

    def _apply(self, predict: Callable[[Tensor], Tensor], channels: Plane, tiling: Tiling) -> Plane:
        """Return what `predict` makes of a plane, tile by tile: (1, C, rows, columns) to (..., rows, columns)."""
        rows, columns = channels.shape[1:]
        padded = continued(channels, tiling.shape)

        def timed(tile: Plane) -> Plane:
            started = time.perf_counter()
            prediction = predict(torch.from_numpy(tile)[None]).numpy()
            self.network_seconds += time.perf_counter() - started
            return prediction

        return tiling.apply(timed, padded)[..., :rows, :columns]
