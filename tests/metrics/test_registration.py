"""Displacement between two images of different contrast, and areas that two images have in common."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, shift

from txm2sem.metrics import (
    Agreement,
    Displacement,
    Landmarks,
    common_area,
    edges,
    likely_shifts,
    power_spectrum,
)
from txm2sem.metrics.spectra import noise_floor_frequency


def _rock(seed: int, size: int = 128, sigma: float = 3.0) -> NDArray[np.float64]:
    noise: NDArray[np.float64] = gaussian_filter(np.random.default_rng(seed).standard_normal((size, size)), sigma)
    noise /= noise.std()
    return noise


def _displacement(one: NDArray[Any], other: NDArray[Any], valid: NDArray[np.bool_] | None = None) -> Displacement:
    counts = np.ones(one.shape, np.bool_) if valid is None else valid
    return Agreement.of(edges(one, counts, 1.5), edges(other, counts, 1.5), 12).displacement()


@pytest.mark.parametrize("vector", [(0, 0), (3, 0), (0, -5), (-2.5, 1.25)])
@pytest.mark.parametrize("contrast", [1, -1])
def test_a_displacement_is_found_whatever_the_contrast(vector: tuple[float, float], contrast: int) -> None:
    rock = _rock(0, 160)
    moved = shift(contrast * rock, vector, order=3, mode="nearest")[16:-16, 16:-16]
    found = _displacement(moved, np.tanh(rock)[16:-16, 16:-16])
    assert found.confident
    assert (found.rows, found.columns) == pytest.approx(vector, abs=0.2)


def test_images_of_different_places_have_no_confident_displacement() -> None:
    assert not any(_displacement(_rock(seed), _rock(seed + 100)).confident for seed in range(20))


def test_an_image_without_edges_has_no_confident_displacement() -> None:
    assert not _displacement(np.zeros((64, 64)), _rock(0, 64)).confident


def test_invalid_pixels_take_no_part() -> None:
    rock = _rock(1)
    one, other = np.roll(rock, (2, 1), (0, 1)), rock.copy()
    # The same bright pattern at one place in both would say: no displacement.
    charged = np.zeros(rock.shape, np.bool_)
    charged[30:80, 30:80] = True
    pattern = 50 * _rock(7)
    one[charged], other[charged] = pattern[charged], pattern[charged]
    assert _displacement(one, other).length < 0.5
    found = _displacement(one, other, ~charged)
    assert (found.rows, found.columns) == pytest.approx((2, 1), abs=0.2)


def test_images_of_different_shape_are_refused() -> None:
    one, other = (edges(np.zeros(shape), np.ones(shape, np.bool_), 1.5) for shape in ((32, 32), (32, 33)))
    with pytest.raises(ValueError, match="one shape"):
        Agreement.of(one, other, 4)


def _noisy(seed: int, size: int = 256) -> NDArray[np.float64]:
    """Return an image whose structure is always the same, and whose noise is its own."""
    return 3 * _rock(99, size) + np.random.default_rng(seed).standard_normal((size, size))


def _everywhere(image: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    return image, np.ones(image.shape, np.bool_)


@pytest.mark.parametrize("among", [2, 3, 12])
def test_a_common_area_is_found_at_another_place_and_in_another_contrast(among: int) -> None:
    images = [_noisy(seed) for seed in range(among)]
    images[0][100:200, 60:180] = 20 + 0.5 * images[-1][37:137, 103:223]
    one, other = images[0], images[-1]
    likely = likely_shifts([Landmarks.of(*_everywhere(image), 6) for image in images])
    assert (63, -43) in [found.shift for found in likely if (found.one, found.other) == (0, among - 1)]
    area = common_area(_everywhere(one), _everywhere(other), (63, -43), 0.8)
    assert area.correlation > 0.99
    assert area.share == pytest.approx(100 * 120 / 256**2, rel=0.5)


def test_the_same_structure_with_other_noise_is_no_common_area() -> None:
    one, other = _everywhere(_noisy(1)), _everywhere(_noisy(2))
    assert common_area(one, other, (0, 0), 0.8).windows == 0
    assert common_area(one, one, (0, 0), 0.8).share == pytest.approx(1)


def test_areas_without_detail_are_not_in_common() -> None:
    flat = _everywhere(np.full((128, 128), 255.0))
    assert common_area(flat, flat, (0, 0), 0.8).windows == 0


@pytest.mark.parametrize("sigma", [2.0, 3.0])
def test_a_noise_floor_is_met_where_blurred_structure_ends(sigma: float) -> None:
    rng = np.random.default_rng(0)
    rock = 100 * gaussian_filter(rng.standard_normal((256, 256)), sigma)
    found = noise_floor_frequency(power_spectrum(rock + 0.5 * rng.standard_normal(rock.shape)))
    # The signal is 100² exp(-(2 pi f sigma)²), the noise 0.25.
    expected = np.sqrt(np.log(100**2 / 0.25)) / (2 * np.pi * sigma)
    assert found == pytest.approx(expected, rel=0.15)
