"""Maps and fields: what is fitted is what was displaced, and what is mapped is what is resampled."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from txm2sem.registration.transforms import BAND, Field, Model, fitted, mapped, reduction, resampled, scale_of, turned

POINTS = np.random.default_rng(0).uniform(0, 100, (12, 2))
MATRICES: dict[Model, np.ndarray] = {
    "shift": turned(0, 1, False, np.zeros(2), np.array([3.0, -2.0])),
    "rigid": turned(7, 1, False, np.array([50.0, 40.0]), np.array([52.0, 41.0])),
    "similarity": turned(-4, 1.1, False, np.array([50.0, 40.0]), np.array([47.0, 41.0])),
    "affine": np.array([[1.1, 0.05, 3], [-0.02, 0.9, 4], [0, 0, 1]]),
}


@pytest.mark.parametrize("model", MATRICES)
def test_each_kind_of_map_is_fitted_by_points_that_it_displaced(model: Model) -> None:
    found = fitted(model, POINTS, mapped(MATRICES[model], POINTS), np.linspace(0, 1, len(POINTS)))
    assert found == pytest.approx(MATRICES[model], abs=1e-6)


def test_points_without_weight_count_for_nothing() -> None:
    displaced = mapped(MATRICES["rigid"], POINTS)
    displaced[0] += 30
    weights = np.ones(len(POINTS))
    weights[0] = 0
    assert fitted("rigid", POINTS, displaced, weights) == pytest.approx(MATRICES["rigid"], abs=1e-6)


@given(angle=st.floats(-180, 180), scale=st.floats(0.5, 2), mirror=st.booleans())
def test_a_turn_has_its_scale_and_takes_its_point_along(angle: float, scale: float, mirror: bool) -> None:
    source, target = np.array([3.0, 5.0]), np.array([-1.0, 8.0])
    matrix = turned(angle, scale, mirror, source, target)
    assert scale_of(matrix) == pytest.approx(scale)
    assert (np.linalg.det(matrix[:2, :2]) < 0) == mirror
    assert mapped(matrix, source[None])[0] == pytest.approx(target)


def test_a_reduced_pixel_is_the_middle_of_those_it_is_made_of() -> None:
    assert mapped(reduction(4), np.array([[0, 4], [3, 7]])).mean(axis=0) == pytest.approx([0, 1])


def test_an_image_is_resampled_to_where_the_map_says() -> None:
    image = np.zeros((40, 50))
    image[10, 20] = 1
    assert resampled(image, MATRICES["shift"], (60, 30)).argmax() == 13 * 30 + 18
    rows, columns = np.arange(0.0, 61, 10), np.arange(0.0, 31, 10)
    field = Field(rows, columns, np.full((7, 4, 2), [2.0, 0.0]))
    assert resampled(image, MATRICES["shift"], (60, 30), field).argmax() == 11 * 30 + 18


def test_a_field_is_exact_at_its_nodes_and_goes_on_beyond_them() -> None:
    rows, columns = np.arange(5.0, 46, 10), np.arange(10.0, 71, 20)
    values = np.random.default_rng(1).normal(size=(5, 4, 2))
    field = Field(rows, columns, values)
    nodes = np.stack(np.meshgrid(rows, columns, indexing="ij"), -1).reshape(-1, 2)
    assert field.at(nodes).reshape(5, 4, 2) == pytest.approx(values, abs=1e-5)
    assert field.at(np.array([[-100.0, -100.0]]))[0] == pytest.approx(values[0, 0], abs=1e-5)


def test_a_field_is_the_same_over_rows_as_at_their_pixels() -> None:
    field = Field(np.arange(5.0, 46, 10), np.arange(10.0, 71, 20), np.random.default_rng(1).normal(size=(5, 4, 2)))
    pixels = np.stack(np.meshgrid(np.arange(7, 60), np.arange(90), indexing="ij"), -1).reshape(-1, 2).astype(float)
    assert field.over(range(7, 60), 90).reshape(-1, 2) == pytest.approx(field.at(pixels), abs=0.05)


def test_bands_do_not_show_where_an_image_is_resampled_with_a_field_and_layers_are_resampled_alike() -> None:
    image = np.random.default_rng(2).normal(size=(3 * BAND, 40)).astype(np.float32)
    rows, columns = np.arange(0.0, len(image) + 9, 10), np.arange(0.0, 41, 10)
    field = Field(rows, columns, np.full((len(rows), len(columns), 2), [2.0, -1.0]))
    found = resampled(np.dstack([image, 2 * image]), MATRICES["shift"], image.shape, field)
    assert found[..., 0] == pytest.approx(
        resampled(image, turned(0, 1, False, field.displacement[0, 0], np.array([3.0, -2.0])), image.shape), abs=1e-5
    )
    np.testing.assert_array_equal(found[..., 1], 2 * found[..., 0])
