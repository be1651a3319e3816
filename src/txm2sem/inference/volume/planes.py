"""Translate single planes of any size."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from txm2sem.config import DataOptions
from txm2sem.data import GreyRange
from txm2sem.data.transforms import adjust_contrast
from txm2sem.inference.predictor import Predictor
from txm2sem.tiling import Tiling

Plane = NDArray[np.float32]


class PlaneTranslator:
    """Translates planes of TXM, tile by tile.

    Args:
        predictor: the model, with normalisation statistics that do not depend on the tile.
        grey: grey values of the TXM that the network was trained with.
        data: contrast of the TXM, `gamma` and `hist_eq`, the latter over regions as large as in training.

    Attributes:
        network_seconds: wall time spent in the network so far.
    """

    def __init__(self, predictor: Predictor, grey: GreyRange, data: DataOptions) -> None:
        self.predictor = predictor
        self.grey = grey
        self.data = data
        self.network_seconds = 0.0

    def network_input(self, plane: NDArray[Any]) -> Plane:
        """Return a plane (rows, columns) of TXM grey values as the network sees it, in [-1, 1]."""
        image = torch.from_numpy(self.grey.normalise(plane))[None]
        regions = max(self.data.patch_size // 8, 1)
        return adjust_contrast(image, self.data.gamma, self.data.hist_eq, regions)[0].numpy()

    def translate(self, channels: Plane, tiling: Tiling) -> Plane:
        """Translate a plane.

        Args:
            channels: the plane, between its neighbours where the model takes them: (C, rows, columns) in [-1, 1].
            tiling: of planes of that size, or larger: planes are continued by reflection, downwards and to the right.

        Returns:
            SEM, (rows, columns) in [-1, 1].
        """
        rows, columns = channels.shape[1:]
        missing = (tiling.shape[0] - rows, tiling.shape[1] - columns)
        padded = np.pad(channels, ((0, 0), (0, missing[0]), (0, missing[1])), "reflect") if any(missing) else channels
        return tiling.apply(self._predict, padded)[:rows, :columns]

    def _predict(self, tile: Plane) -> Plane:
        started = time.perf_counter()
        prediction = self.predictor(torch.from_numpy(tile)[None])[0, 0].numpy()
        self.network_seconds += time.perf_counter() - started
        return prediction


def padded_shape(shape: tuple[int, int], multiple: int, smallest: int) -> tuple[int, int]:
    """Return the next larger sides that a network takes: multiples of `multiple` of at least `smallest` [pixels]."""
    rows, columns = (-(-max(side, smallest) // multiple) * multiple for side in shape)
    return rows, columns
