"""Clusters that are joined across boxes are those of the whole volume."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import label

from morphology.bodies import Mask, blobs, everything, volumes
from txm2sem.morphology.boxes import Grid, Shape
from txm2sem.morphology.clusters import SIZES, Clusters, ClusterTally, join

sides = st.tuples(*[st.integers(1, 13)] * 3)


def clusters(phase: Mask, valid: Mask, side: Shape) -> Clusters:
    """Return the clusters of a volume, from boxes."""
    grid = Grid(phase.shape, side)
    tallies = (ClusterTally.of(phase[box.window], valid[box.window], box, phase.shape) for box in grid.boxes)
    return join(grid, tallies)


def in_whole(phase: Mask) -> tuple[list[int], list[int]]:
    """Return the voxels of each cluster, and for each axis those of clusters from end to end, by scipy."""
    labels, count = label(phase)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    through = [np.intersect1d(labels.take(0, axis), labels.take(-1, axis)) for axis in range(3)]
    return sizes[1:].tolist(), [int(sizes[both[both > 0]].sum()) for both in through]


@settings(max_examples=100)
@given(volumes(), sides)
def test_clusters_are_those_of_the_whole_volume(volume: tuple[Mask, Mask], side: Shape) -> None:
    phase, valid = volume
    found = clusters(phase, valid, side)
    sizes, through = in_whole(phase & valid)
    assert found.number.tolist() == [sum(2**k <= size < 2 ** (k + 1) for size in sizes) for k in range(SIZES)]
    assert found.voxels.tolist() == [sum(s for s in sizes if 2**k <= s < 2 ** (k + 1)) for k in range(SIZES)]
    assert found.largest == max(sizes, default=0)
    assert list(found.percolating) == through


def test_a_spiral_is_one_cluster_through_many_boxes() -> None:
    """It enters the same boxes again and again, so that they know it as several."""
    phase = np.zeros((9, 9, 9), bool)
    phase[::2] = True
    phase[1::4, -1, -1] = phase[3::4, 0, 0] = True
    found = clusters(phase, everything(phase), (2, 3, 4))
    assert (found.number.sum(), found.largest) == (1, 5 * 81 + 4)
    assert [found.largest_share, *found.percolating_share] == [1, 1, 1, 1]
    phase[3, 0, 0] = False
    torn = clusters(phase, everything(phase), (2, 3, 4))
    assert (torn.number.sum(), torn.largest) == (2, 3 * 81 + 2)
    assert torn.percolating_share == pytest.approx((0, 1, 1))


def test_shares_of_no_phase_are_not_known() -> None:
    found = clusters(np.zeros((4, 4, 4), bool), np.ones((4, 4, 4), bool), (2, 2, 2))
    assert (found.number.sum(), found.largest, found.total) == (0, 0, 0)
    assert np.isnan([found.largest_share, *found.percolating_share]).all()


def test_a_tally_comes_back_from_a_file(tmp_path: Path) -> None:
    phase = blobs((24, 20, 16), 0.2)
    grid = Grid(phase.shape, (8, 9, 10))
    for number, box in enumerate(grid.boxes):
        tally = ClusterTally.of(phase[box.window], everything(phase)[box.window], box, grid.shape)
        np.savez_compressed(tmp_path / f"{number}.npz", allow_pickle=False, **tally.to_arrays())

    def read(number: int) -> ClusterTally:
        with np.load(tmp_path / f"{number}.npz") as arrays:
            return ClusterTally.from_arrays(arrays)

    found = join(grid, map(read, range(len(list(grid.boxes)))))
    whole = clusters(phase, everything(phase), (24, 20, 16))
    assert (found.number == whole.number).all() and (found.voxels == whole.voxels).all()
    assert (found.largest, found.percolating) == (whole.largest, whole.percolating)


def test_a_tally_too_few_is_told() -> None:
    grid = Grid((4, 4, 4), (2, 4, 4))
    box = next(grid.boxes)
    with pytest.raises(ValueError, match="shorter"):
        join(grid, [ClusterTally.of(np.ones((2, 4, 4), bool), np.ones((2, 4, 4), bool), box, grid.shape)])
