"""Spectra of images whose frequencies are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from txm2sem.metrics import (
    Spectrum,
    deviation_db,
    finest_period,
    fourier_ring_correlation,
    grid_power,
    power_spectrum,
    resolution,
)


@pytest.mark.parametrize("size", [(64, 64), (65, 96), (50, 33)])
def test_white_noise_has_its_variance_at_all_frequencies(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    spectra = [power_spectrum(rng.normal(100, 3, size)).values for _ in range(200)]
    # A ring of n independent values scatters by 1 / sqrt(n): 2 values in the first, of 200 images 5 %; the Hann window
    # lets neighbours depend on each other, and the mean that is taken out lowers the first ring.
    assert np.mean(spectra, axis=0)[1:] == pytest.approx(9, rel=0.2)
    assert np.mean(np.mean(spectra, axis=0)[1:]) == pytest.approx(9, rel=0.02)


def test_a_wave_is_at_its_frequency() -> None:
    rows, columns = np.indices((96, 96))
    spectrum = power_spectrum(50 + 10 * np.sin(2 * np.pi * (0.15 * rows + 0.2 * columns)))
    assert spectrum.frequencies[np.argmax(spectrum.values)] == pytest.approx(0.25, abs=0.01)
    away = abs(spectrum.frequencies - 0.25) > 0.05
    assert spectrum.values[away].max() < 1e-3 * spectrum.values.max()


def test_frequencies_ascend_to_nyquist_and_constants_have_no_power() -> None:
    spectrum = power_spectrum(np.full((40, 60), 7, np.uint8))
    assert (np.diff(spectrum.frequencies) > 0).all()
    assert spectrum.frequencies[-1] == pytest.approx(0.5, abs=0.02)
    assert spectrum.values == pytest.approx(0, abs=1e-20)
    assert fourier_ring_correlation(np.zeros((16, 16)), np.ones((16, 16))).values == pytest.approx(0)


def test_an_image_agrees_with_itself_and_its_negative_disagrees() -> None:
    image = np.random.default_rng(0).random((48, 48))
    assert fourier_ring_correlation(image, 3 * image + 1).values == pytest.approx(1)
    assert fourier_ring_correlation(image, -image).values == pytest.approx(-1)
    assert resolution(fourier_ring_correlation(image, image)) == 2


def test_correlation_ends_where_noise_covers_the_signal() -> None:
    rng = np.random.default_rng(0)
    signal = gaussian_filter(rng.normal(size=(512, 512)), 2)
    noise = 0.02
    correlation = fourier_ring_correlation(*(signal + noise * rng.normal(size=signal.shape) for _ in range(2)))
    # At the frequency f the signal's power is exp(-(2 pi f 2)^2), the noise's 0.02^2; the correlation is s / (s + n).
    power = np.exp(-((4 * np.pi * correlation.frequencies) ** 2))
    deviations = (correlation.values - power / (power + noise**2))[20:]
    # A ring of 2 pi 20 values and more, of which the window leaves a third independent, scatters by 0.15 at most.
    assert abs(deviations).max() < 0.6
    assert abs(np.mean(deviations)) < 0.02
    crossing = np.sqrt(-np.log(noise**2 / 6)) / (4 * np.pi)
    assert resolution(correlation) == pytest.approx(1 / crossing, rel=0.03)


def test_independent_images_are_not_resolved() -> None:
    rng = np.random.default_rng(1)
    correlation = fourier_ring_correlation(rng.random((256, 256)), rng.random((256, 256)))
    assert abs(correlation.values[20:]).max() < 0.6
    assert abs(np.mean(correlation.values[20:])) < 0.03
    assert resolution(Spectrum(np.array([0.1, 0.2]), np.array([0.1, 0.9]))) == np.inf


def test_resolution_is_interpolated() -> None:
    assert resolution(Spectrum(np.array([0.1, 0.2]), np.array([0.9, 0.1])), 0.5) == pytest.approx(1 / 0.15)


def test_many_resolutions_are_those_of_one_after_the_other() -> None:
    frequencies = np.linspace(0.05, 0.5, 12)
    correlations = np.random.default_rng(0).random((2, 30, 12)) + np.linspace(0.6, -0.4, 12)
    expected = [[resolution(Spectrum(frequencies, one), 0.5) for one in many] for many in correlations]
    np.testing.assert_array_equal(finest_period(frequencies, correlations, 0.5), expected)


def test_images_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match=r"at least 8 x 8 pixels, found the shape \(7, 8\)"):
        power_spectrum(np.zeros((7, 8)))
    with pytest.raises(ValueError, match=r"one shape, found \(8, 8\), \(8, 9\)"):
        fourier_ring_correlation(np.zeros((8, 8)), np.zeros((8, 9)))


def test_white_noise_has_no_grid() -> None:
    rng = np.random.default_rng(0)
    powers = [grid_power(rng.normal(100, 3, (64, 48))) for _ in range(200)]
    for factor in (2, 4):
        peak, around = np.mean([power[factor] for power in powers], axis=0).T
        assert around == pytest.approx(9, rel=0.05)
        assert abs(deviation_db(peak, around)).max() < 1


@pytest.mark.parametrize(
    ("factor", "number", "wave"),
    [
        (2, 0, lambda rows, columns: (-1) ** columns),
        (2, 1, lambda rows, columns: (-1) ** rows),
        (2, 2, lambda rows, columns: (-1) ** (rows + columns)),
        (4, 0, lambda rows, columns: np.cos(np.pi / 2 * columns)),
        (4, 3, lambda rows, columns: np.cos(np.pi / 2 * (rows - columns))),
        (4, 5, lambda rows, columns: (-1) ** rows * np.cos(np.pi / 2 * columns)),
    ],
)
def test_a_checkerboard_stands_out_at_its_frequency(factor: int, number: int, wave: Any) -> None:
    noise = np.random.default_rng(0).normal(100, 1, (64, 64))
    found = grid_power(noise + 4 * wave(*np.indices((64, 64))))
    peaks = {(f, n): value for f, pairs in found.items() for n, value in enumerate(deviation_db(*pairs.T))}
    assert peaks.pop((factor, number)) > 25
    assert max(peaks.values()) < 15


def test_deviations_in_decibels() -> None:
    assert deviation_db(np.array([1.0, 10.0, 0.0]), np.array([1.0, 1.0, 1.0])).tolist() == [0, 10, -np.inf]
    assert np.isnan(deviation_db(np.zeros(1), np.zeros(1)))
    image = np.random.default_rng(0).random((32, 32))
    half = deviation_db(power_spectrum(image / 2).values, power_spectrum(image).values)
    assert half == pytest.approx(-20 * np.log10(2))
