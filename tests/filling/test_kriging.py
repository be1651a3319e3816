"""Kriging against the textbook's equations, and on images with known answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from txm2sem.errors import UserError
from txm2sem.filling import krige, kriging, telea
from txm2sem.filling.kriging import covariance_spectrum, simple_kriging, simulate
from txm2sem.metrics import Spectrum, power_spectrum, psnr

POWER = Spectrum(np.linspace(0.01, 0.5, 50), 900.0 * np.exp(-np.linspace(0.01, 0.5, 50) / 0.08) + 5)


def rock(seed: int, side: int = 160) -> NDArray[np.uint8]:
    """Return a made-up SEM: grey values of some texture, none of them 0."""
    field = simulate(POWER, (side, side), np.random.default_rng(seed))
    grey: NDArray[np.uint8] = np.rint(field / field.std() * 30 + 128).clip(1, 255).astype(np.uint8)
    return grey


def hole(side: int = 160) -> NDArray[np.bool_]:
    mask = np.zeros((side, side), bool)
    mask[50:90, 60:110], mask[20:26, 10:90] = True, True
    return mask


def test_it_solves_the_equations_of_simple_kriging(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kriging, "TOLERANCE", 1e-6)
    shape = (14, 17)
    observed = np.random.default_rng(0).random(shape) < 0.6
    values = np.where(observed, np.random.default_rng(1).normal(size=shape), 0)
    # The covariance between any two pixels is what the field has on the torus that the estimate is made on.
    sides, spectrum = kriging._on_torus(POWER, shape)
    covariance = np.fft.irfft2(spectrum, sides)
    places = np.argwhere(np.ones(shape, bool))
    lag = places[:, None] - places[None]
    matrix = covariance[lag[..., 0] % sides[0], lag[..., 1] % sides[1]]
    known = observed.ravel()
    expected = matrix[:, known] @ np.linalg.solve(matrix[np.ix_(known, known)], values[observed])
    estimate = simple_kriging(POWER, values, observed)
    np.testing.assert_allclose(estimate.ravel(), expected, atol=2e-3)  # float32 transforms
    np.testing.assert_allclose(estimate[observed], values[observed], atol=2e-3)


def test_a_simulated_field_has_the_spectrum_asked_for() -> None:
    fields = [simulate(POWER, (128, 128), np.random.default_rng(seed)) for seed in range(20)]
    found = np.mean([power_spectrum(field).values for field in fields], axis=0)
    frequencies = power_spectrum(fields[0]).frequencies
    asked = np.exp(np.interp(frequencies, POWER.frequencies, np.log(POWER.values)))
    # The lowest ring has eight values of each field; others have more.
    assert np.abs(10 * np.log10(found / asked)).max() < 1.5
    assert np.abs(10 * np.log10(found / asked))[5:].max() < 0.5


def test_the_spectrum_is_found_through_holes() -> None:
    fields = [simulate(POWER, (160, 160), np.random.default_rng(seed)).astype(float) for seed in range(8)]
    fields = [field - field[~hole()].mean() for field in fields]
    observed = ~hole() & (np.random.default_rng(0).random((160, 160)) < 0.9)
    spectra = [covariance_spectrum(field, observed) for field in fields]
    asked = np.exp(np.interp(spectra[0].frequencies, POWER.frequencies, np.log(POWER.values)))
    ratio = 10 * np.log10(np.mean([spectrum.values for spectrum in spectra], axis=0) / asked)
    # Within half a decibel, but for the lowest frequencies, of which a small image knows little.
    assert np.abs(ratio[12:]).max() < 0.5
    assert np.abs(ratio).max() < 3


def test_it_is_nearer_to_the_truth_than_inpainting_and_smooth_inside() -> None:
    scores = []
    for seed in range(8):
        sem, mask = rock(seed), hole()
        charged = np.where(mask, 255, sem).astype(np.uint8)
        kriged = np.where(mask, np.rint(krige(charged, mask)), sem).clip(0, 255).astype(np.uint8)
        scores.append([psnr(image, sem, mask) for image in (kriged, telea(charged, mask))])
        assert kriged[55:85, 70:100].std() < 0.7 * sem[55:85, 70:100].std()
    assert np.mean(np.subtract(*np.transpose(scores))) > 0.15


def test_what_it_shows_inside_the_mask_has_no_influence() -> None:
    sem, mask = rock(0), hole()
    one, other = (krige(np.where(mask, grey, sem), mask) for grey in (255, 3))
    np.testing.assert_array_equal(one, other)


@settings(max_examples=15)
@given(slope=st.floats(0.1, 50), offset=st.floats(1, 1000))
def test_it_follows_brightness_and_contrast(slope: float, offset: float) -> None:
    sem, mask = rock(1, 64).astype(float), hole(64)
    plain = krige(sem, mask)[mask]
    np.testing.assert_allclose(
        krige(slope * sem + offset, mask)[mask], slope * plain + offset, atol=0.05 * slope + 0.01
    )


def test_the_txm_shows_what_no_neighbour_knows() -> None:
    txm = 100 + 60 * (gaussian_filter(np.random.default_rng(3).normal(size=(160, 160)), 4) > 0).astype(float)
    sem = np.rint(1.5 * gaussian_filter(txm, kriging.DRIFT_SIGMA) - 40)
    filled = krige(sem, hole(), txm)
    np.testing.assert_allclose(filled[hole()], sem[hole()], atol=1)
    assert np.abs(krige(sem, hole())[hole()] - sem[hole()]).max() > 20


def test_areas_that_neither_image_shows_are_filled_black() -> None:
    sem, txm = rock(4), rock(5)
    sem[:, 100:], txm[:, 100:] = 0, 0
    mask = hole()
    filled = krige(np.where(mask, 255, sem), mask, txm)
    assert (filled[mask & (np.arange(160) >= 100)] == 0).all()
    assert filled[mask & (np.arange(160) < 97)].min() > 0
    # Where only the TXM is black, the SEM does show something.
    sem = rock(4)
    assert krige(np.where(mask, 255, sem), mask, txm)[mask].min() > 0


def test_texture_is_that_of_the_rest_and_is_drawn_from_the_generator() -> None:
    mask = np.zeros((160, 160), bool)
    mask[40:120, 40:120] = True
    sems = [rock(seed) for seed in range(12)]
    filled = [krige(sem, mask, texture=np.random.default_rng(seed)) for seed, sem in enumerate(sems)]
    inside, outside = (
        np.mean([power_spectrum(image[window]).values for image in images], axis=0)
        for images, window in ((filled, np.s_[48:112, 48:112]), (sems, np.s_[48:112, 48:112]))
    )
    assert np.abs(10 * np.log10(inside / outside))[2:].max() < 2.5
    again, other = (krige(sems[0], mask, texture=np.random.default_rng(seed)) for seed in (0, 1))
    np.testing.assert_array_equal(again, filled[0])
    assert np.abs(other - again)[mask].mean() > 5


def test_tiles_join_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    sem, mask = rock(6), hole()
    whole = krige(sem, mask, texture=np.random.default_rng(0))
    monkeypatch.setattr(kriging, "TILE", 110)
    tiled = krige(sem, mask, texture=np.random.default_rng(0))
    assert np.sqrt(np.mean((tiled - whole)[mask] ** 2)) < 4
    steps = [np.abs(np.diff(image, axis=1))[50:90, 60:109].mean() for image in (tiled, whole)]
    assert steps[0] == pytest.approx(steps[1], rel=0.1)


def test_a_uniform_slice_is_filled_uniformly() -> None:
    np.testing.assert_allclose(krige(np.full((64, 64), 90, np.uint8), hole(64))[hole(64)], 90, atol=1e-3)


@pytest.mark.parametrize("side", [16, 64])
def test_a_slope_is_filled_with_numbers(side: int) -> None:
    sem = np.tile(np.linspace(1, 200, side), (side, 1))
    mask = np.zeros(sem.shape, bool)
    mask[4:9, 4:9] = True
    filled = krige(sem, mask, texture=np.random.default_rng(0))
    assert np.isfinite(filled).all()
    np.testing.assert_allclose(krige(sem, mask)[mask], sem[mask], atol=12)


def test_nothing_to_estimate_from_is_said() -> None:
    with pytest.raises(UserError, match="every pixel of the SEM is charged or 0"):
        krige(np.zeros((32, 32), np.uint8), np.ones((32, 32), bool))


def test_texture_goes_on_from_the_intact_pixels() -> None:
    steps, usual = [], []
    for seed in range(4):
        smooth = gaussian_filter(np.random.default_rng(seed).normal(size=(160, 160)), 3)
        sem, mask = smooth / smooth.std() * 30 + 128, hole()
        filled = np.where(mask, krige(sem, mask, texture=np.random.default_rng(seed)), sem)
        across = mask[:, 1:] != mask[:, :-1]
        steps.append(np.abs(np.diff(filled, axis=1))[across].mean())
        usual.append(np.abs(np.diff(sem, axis=1)).mean())
    assert np.mean(steps) < 1.5 * np.mean(usual)
