from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes
from numpy.typing import NDArray

from txm2sem.figures.planes import crossing, draw_planes

CORNERS = np.array([[10.0, 0, 0], [10, 0, 20], [14, 8, 20], [14, 8, 0]])
"""Of a plane that rises by half a voxel of z for each of y."""


def drawn(panel: Axes) -> NDArray[np.float64]:
    """Return the points of the last line."""
    return np.asarray(panel.lines[-1].get_xydata(), np.float64)


def test_a_plane_crosses_a_cut_between_two_of_its_edges() -> None:
    np.testing.assert_allclose(crossing(CORNERS, 1, 4.0), [[12, 4, 20], [12, 4, 0]])
    np.testing.assert_allclose(crossing(CORNERS, 2, 5.0), [[10, 0, 5], [14, 8, 5]])
    assert len(crossing(CORNERS, 1, 9.0)) == 0


@pytest.mark.parametrize(("size", "unit"), [(None, "voxels"), ((50.0, 100.0, 200.0), "µm")])
def test_planes_are_drawn_where_they_lie(size: tuple[float, float, float] | None, unit: str) -> None:
    images = {axis: np.ones((4, 4), np.float32) for axis in "zyx"}
    figure = draw_planes(images, (32, 16, 24), (12.0, 4.0, 5.0), {"007": CORNERS}, size)
    outline, across_x, across_y = figure.axes
    step = np.array(size or (1000.0, 1000.0, 1000.0)) / 1000
    np.testing.assert_allclose(drawn(outline), (CORNERS * step)[[0, 1, 2, 3, 0]][:, [2, 1]])
    np.testing.assert_allclose(drawn(across_x), np.array([[20, 12], [0, 12]]) * step[[2, 0]])
    np.testing.assert_allclose(drawn(across_y), np.array([[0, 10], [8, 14]]) * step[[1, 0]])
    assert [text.get_text() for text in across_x.texts] == ["007"]
    assert across_y.get_xlabel() == f"y [{unit}]"
    left, right, bottom, top = across_x.images[0].get_extent()
    assert (left, right, bottom, top) == pytest.approx((-step[2] / 2, 23.5 * step[2], 31.5 * step[0], -step[0] / 2))
