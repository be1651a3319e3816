"""How much of what the TXM shows no SEM covers: a model would learn that it is black."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.data.slices import AlignedSlices
from txm2sem.options import DataOptions

MATTERS = 0.01
"""Share of what the TXM shows from which on `--ignore_charged` is advised."""

MOST_LOOKED_AT = 4
"""Slices of a split that are looked at before a training: each is covered by the SEM alike, or not."""


def uncovered_share(txm: NDArray[Any], sem: NDArray[Any]) -> float:
    """Return the share of the pixels that a TXM shows in which the SEM is 0 over an area, see `empty_areas`.

    Args:
        txm: (H, W), 0 where nothing was imaged.
        sem: (H, W), the same place.

    Returns:
        0 to 1; 0 where the TXM shows nothing.
    """
    import torch

    from txm2sem.data.transforms import empty_areas

    shown = txm != 0
    empty = empty_areas(torch.from_numpy(sem == 0)[None, None])[0, 0].numpy()
    return int(np.count_nonzero(shown & empty)) / max(int(np.count_nonzero(shown)), 1)


def mean_uncovered_share(slices: AlignedSlices) -> float:
    """Return the mean of `uncovered_share` over a few slices, evenly spread.

    Raises:
        UserError: one is damaged, black all over, or has pixels that are not finite.
    """
    spread = np.linspace(0, len(slices) - 1, min(len(slices), MOST_LOOKED_AT)).round().astype(int)
    whole = tuple(map(slice, slices.shape))
    return float(
        np.mean([uncovered_share(slices.txm.read(one, *whole), slices.sem.read(one, *whole)) for one in spread])
    )


def check_coverage(slices: AlignedSlices, options: DataOptions) -> list[str]:
    """Return a note where a training with these options would learn that rock is black where no SEM is.

    Raises:
        UserError: as `mean_uncovered_share`.
    """
    if not learns_black(options):
        return []
    share = mean_uncovered_share(slices)
    if share <= MATTERS:
        return []
    return [
        f"in {share:.0%} of what the TXM shows, the SEM in {slices.folder} is 0 over areas, which the model will learn "
        "to paint black; --ignore_charged leaves them out"
    ]


def learns_black(options: DataOptions) -> bool:
    """Say whether the SEM is learned from where it is 0, too."""
    return options.dataset_mode == "txm2sem" and options.direction == "AtoB" and not options.ignore_charged
