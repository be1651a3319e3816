"""The trivial predictions are the least-squares ones, and scores are of what they say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from txm2sem.metrics import psnr, ssim
from txm2sem.scoring.evaluation import BLUR_SIGMAS, CurveFit, LinearFit, PatchScores, blur, fit_trivial_predictions
from txm2sem.scoring.means import Column, Means


def patches(slope: float, offset: float, sigma: float = 0.0, count: int = 3) -> list[dict[str, Tensor]]:
    """Return patches whose SEM is a line of the blurred TXM, except where it is charged."""
    random = np.random.default_rng(0)
    result = []
    for _ in range(count):
        source = random.uniform(-1, 1, (32, 32)).astype(np.float32)
        target = slope * blur(source, sigma) + np.float32(offset)
        charge = random.random((32, 32)) < 0.1
        target[charge] = 1
        images = {"source": source, "target": target, "charge": charge}
        result.append({name: torch.from_numpy(image)[None] for name, image in images.items()})
    return result


@given(st.floats(-2, 2), st.floats(-1, 1))
def test_a_line_is_found_in_spite_of_charge(slope: float, offset: float) -> None:
    fit = fit_trivial_predictions(patches(slope, offset))["linear fit"]
    assert isinstance(fit, LinearFit)
    assert fit.slope == pytest.approx(slope, abs=1e-5)
    assert fit.offset == pytest.approx(offset, abs=1e-5)


@pytest.mark.parametrize("sigma", BLUR_SIGMAS)
def test_the_blur_that_fits_best_is_found(sigma: float) -> None:
    fits = fit_trivial_predictions(patches(0.5, 0.1, sigma))
    line, curve = (f"blurred {kind} fit (sigma {sigma:g})" for kind in ("linear", "curve"))
    assert [name for name in fits if name.startswith("blurred")] == [line, curve]
    fit = fits[line]
    assert isinstance(fit, LinearFit)
    assert fit.slope == pytest.approx(0.5, abs=1e-4)


def test_the_constant_is_the_mean_of_the_uncharged_sem() -> None:
    training = patches(0.3, 0.2)
    valid = np.concatenate([patch["target"][~patch["charge"]].numpy() for patch in training])
    constant = fit_trivial_predictions(training)["constant"]
    assert constant(np.zeros((2, 2), np.float32)) == pytest.approx(np.full((2, 2), valid.mean()), abs=1e-5)


def test_a_curve_follows_what_no_line_does_and_has_the_sem_of_its_ends_beyond_them() -> None:
    def bent(training: list[dict[str, Tensor]]) -> list[dict[str, Tensor]]:
        for patch in training:
            seen = blur(patch["source"][0].numpy(), 1)
            patch["target"] = torch.from_numpy(np.abs(seen) - np.float32(0.5))[None]
        return training

    fits = fit_trivial_predictions(bent(patches(0, 0, count=12)))
    (curve,) = [fit for fit in fits.values() if isinstance(fit, CurveFit)]
    assert curve.sigma == 1
    (new,) = bent(patches(0, 0, count=13))[12:]
    error = curve(new["source"][0].numpy()) - new["target"][0].numpy()
    assert np.abs(error).mean() < 0.01
    line = fits["linear fit"](new["source"][0].numpy()) - new["target"][0].numpy()
    assert np.abs(line).mean() > 0.05
    assert curve(np.full((2, 2), 3, np.float32)) == pytest.approx(np.full((2, 2), curve.mean[-1]))


def test_a_grey_value_that_many_pixels_have_is_a_point_of_its_own() -> None:
    training = patches(0.3, 0.2)
    for patch in training:
        patch["source"][0, :16] = -1
        patch["target"][0, :16] = -1
    (curve,) = [fit for fit in fit_trivial_predictions(training).values() if isinstance(fit, CurveFit)]
    assert curve(np.full((8, 8), -1, np.float32)) == pytest.approx(np.full((8, 8), -1), abs=1e-6)


def test_a_flat_source_gives_a_constant() -> None:
    training = patches(0.3, 0.2)
    for patch in training:
        patch["source"] = torch.zeros_like(patch["source"])
    fits = fit_trivial_predictions(training)
    fit = fits["linear fit"]
    assert isinstance(fit, LinearFit)
    assert fit.slope == 0
    (curve,) = [fit for fit in fits.values() if isinstance(fit, CurveFit)]
    flat = np.zeros((2, 2), np.float32)
    assert curve(flat) == pytest.approx(fits["constant"](flat), abs=1e-6)


def test_the_slice_between_its_neighbours_is_what_trivial_predictions_see() -> None:
    plain, wide = patches(0.3, 0.2), patches(0.3, 0.2)
    for patch in wide:
        patch["source"] = torch.cat([-patch["source"], patch["source"], patch["target"]])
    source = plain[0]["source"][0].numpy()
    for one, other in zip(*(fit_trivial_predictions(kind).values() for kind in (wide, plain)), strict=True):
        assert np.array_equal(one(source), other(source))


def image(value: int) -> NDArray[np.uint8]:
    """Return a flat 8-bit image."""
    return np.full((16, 16), value, np.uint8)


def test_scores_of_known_images() -> None:
    assert psnr(image(100), image(110)) == pytest.approx(10 * np.log10(255**2 / 100))
    assert psnr(image(7), image(7)) == float("inf")
    textured = np.random.default_rng(0).integers(0, 256, (32, 32)).astype(np.uint8)
    assert ssim(textured, textured) == pytest.approx(1)
    # Between flat images only the luminance term is left: (2ab + C1) / (a² + b² + C1), C1 = (0.01 * 255)².
    c1 = 2.55**2
    assert ssim(image(100), image(50)) == pytest.approx((2 * 5000 + c1) / (12500 + c1), abs=1e-6)


def test_scores_are_summarised_with_the_standard_error() -> None:
    scores = PatchScores()
    for value in (110, 120):
        scores.add(image(100), image(value))
    expected = [10 * np.log10(255**2 / 100), 10 * np.log10(255**2 / 400)]
    summary = scores.means()["PSNR"]
    assert summary.mean == pytest.approx(np.mean(expected))
    assert summary.standard_error == pytest.approx(np.std(expected) / np.sqrt(2))
    means = Means("all pixels", 2, ({"PSNR": Column("PSNR", "dB", 2)},), {"model": scores.means()})
    assert means.line().startswith(f"PSNR={summary.mean}±{summary.standard_error}, SSIM=")
    assert means.tables().splitlines()[1].split() == [
        "model",
        f"{summary.mean:.2f}",
        "±",
        f"{summary.standard_error:.2f}",
    ]


def test_scores_over_some_pixels_do_not_see_the_others() -> None:
    random = np.random.default_rng(0)
    target = random.integers(0, 256, (32, 32)).astype(np.uint8)
    prediction = np.where(random.random((32, 32)) < 0.5, target, 128).astype(np.uint8)
    valid = np.ones((32, 32), bool)
    valid[:10, :12] = False
    other = np.where(valid, target, 3).astype(np.uint8)
    for score in (psnr, ssim):
        # Running sums over windows carry the last digits of the pixels before.
        assert score(prediction, target, valid) == pytest.approx(score(prediction, other, valid), rel=1e-12)
        assert score(prediction, target, valid) != score(prediction, target)
        assert np.isnan(score(prediction, target, np.zeros_like(valid)))
    whole = np.ones_like(valid)
    assert psnr(prediction, target, whole) == psnr(prediction, target)
    # The mean is taken over the windows inside the image, as without a mask.
    assert ssim(prediction, target, whole) == pytest.approx(ssim(prediction, target))
