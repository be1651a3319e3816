"""What is said before a training of what the TXM shows and no SEM covers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_roots import write_slice
from numpy.typing import NDArray

from txm2sem.data import AlignedSlices
from txm2sem.data.coverage import check_coverage, mean_uncovered_share, uncovered_share
from txm2sem.options import DataOptions


def sem(covered: float) -> NDArray[np.uint8]:
    """Return an image of 100 x 80 pixels whose first rows, such a share of them, are imaged."""
    image = np.full((100, 80), 90, np.uint8)
    image[round(100 * covered) :] = 0
    return image


def write(folder: Path, covered: list[float]) -> AlignedSlices:
    for number, share in enumerate(covered):
        write_slice(folder / "train" / "txm" / f"{number:03d}.tif", np.full((100, 80), 120, np.uint8))
        write_slice(folder / "train" / "sem" / f"{number:03d}.tif", sem(share))
    return AlignedSlices.open(folder, "train", DataOptions())


def test_the_share_is_of_what_the_txm_shows_and_of_areas() -> None:
    txm = np.full((100, 80), 120, np.uint8)
    txm[:, :40] = 0
    image = sem(0.75)
    image[10:60:9, 50:70:9] = 0
    image[10:16, 20:26] = 0
    assert uncovered_share(txm, image) == 0.25
    assert uncovered_share(np.zeros_like(txm), image) == 0


def test_slices_of_all_of_a_split_are_looked_at(tmp_path: Path) -> None:
    slices = write(tmp_path, [1, 0.9, 0.9, 0.7, 0.9, 0.9, 0.8])
    assert mean_uncovered_share(slices) == pytest.approx((0 + 0.1 + 0.1 + 0.2) / 4)


@pytest.mark.parametrize(
    ("covered", "options", "warned"),
    [
        (0.6, {}, True),
        (0.94, {}, True),
        (1, {}, False),
        (0.6, {"ignore_charged": True}, False),
        (0.6, {"direction": "BtoA"}, False),
        (0.6, {"dataset_mode": "segmentation"}, False),
        (0.6, {"dataset_mode": "image_repair"}, False),
    ],
)
def test_a_training_that_would_learn_black_is_warned_of(
    tmp_path: Path, covered: float, options: Mapping[str, Any], warned: bool
) -> None:
    notes = check_coverage(write(tmp_path, [covered]), DataOptions(**options))
    assert len(notes) == warned
    assert all(f"{1 - covered:.0%}" in note and "--ignore_charged" in note for note in notes)
