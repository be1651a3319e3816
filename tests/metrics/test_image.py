"""Similarity of images whose similarity is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import convolve, gaussian_filter
from scipy.signal import convolve2d
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure as reference

from txm2sem.errors import UserError
from txm2sem.metrics import MIN_REGION, TrueImage, ms_ssim, pearson, psnr, scales_of, ssim
from txm2sem.metrics.image import MS_SSIM_WEIGHTS

Bytes = NDArray[np.uint8]
Values = NDArray[np.float64]


def pair(shape: tuple[int, int], seed: int = 0) -> tuple[Bytes, Bytes]:
    """Return a textured image and a blurred, noisy one."""
    rng = np.random.default_rng(seed)
    image = 128 + 60 * gaussian_filter(rng.normal(size=shape), 2) / 0.15
    other = gaussian_filter(image, 1) + rng.normal(0, 10, shape)
    one, two = (np.clip(np.rint(values), 0, 255).astype(np.uint8) for values in (other, image))
    return one, two


def plain_ms_ssim(prediction: Bytes, target: Bytes) -> float:
    """Return the measure as the paper writes it, window by window."""
    weights = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])[: scales_of(target.shape)]
    line = np.exp(-(np.arange(-5, 6) ** 2) / 4.5)
    window = np.outer(line, line) / line.sum() ** 2
    x, y = prediction.astype(float), target.astype(float)
    terms = []
    for scale in range(len(weights)):
        mx, my, xx, xy, yy = (convolve2d(image, window, "valid") for image in (x, y, x * x, x * y, y * y))
        structure = (2 * (xy - mx * my) + 58.5225) / (xx + yy - mx**2 - my**2 + 58.5225)
        last = (2 * mx * my + 6.5025) / (mx**2 + my**2 + 6.5025) if scale == len(weights) - 1 else 1
        terms.append(np.mean(structure * last))
        rows, columns = (side // 2 for side in x.shape)
        x, y = (image[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2).mean(axis=(1, 3)) for image in (x, y))
    return float(np.prod(np.array(terms) ** (weights / weights.sum())))


@pytest.mark.parametrize("shape", [(192, 256), (128, 128), (65, 90), (33, 50)])
def test_multi_scale_similarity_is_that_of_the_paper(shape: tuple[int, int]) -> None:
    prediction, target = pair(shape)
    assert ms_ssim(prediction, target) == pytest.approx(plain_ms_ssim(prediction, target), rel=1e-9)
    assert 0.2 < ms_ssim(prediction, target) < 0.99


def test_five_scales_are_those_of_torchmetrics() -> None:
    prediction, target = pair((192, 256))
    one, other = (torch.from_numpy(image.astype(np.float64))[None, None] for image in (prediction, target))
    expected = reference(one, other, data_range=255.0, normalize="relu")
    # It takes windows beyond the edge, with mirrored pixels, on the last scale.
    assert ms_ssim(prediction, target) == pytest.approx(float(torch.as_tensor(expected)), abs=5e-4)


def test_scales_are_as_many_as_a_window_of_11_pixels_fits_on() -> None:
    assert [scales_of((side, 999)) for side in (10, 11, 43, 44, 128, 175, 176, 999)] == [0, 1, 2, 3, 4, 4, 5, 5]
    small = np.zeros((10, 10), np.uint8)
    assert np.isnan(ms_ssim(small, small))


def test_equal_images_and_opposite_structures() -> None:
    _, target = pair((96, 96))
    assert ms_ssim(target, target) == pytest.approx(1)
    assert ms_ssim(255 - target, target) == 0


@pytest.mark.parametrize("shape", [(6, 40), (40, 6), (1, 1)])
def test_images_that_are_too_small_for_a_window_are_refused(shape: tuple[int, int]) -> None:
    image = np.zeros(shape, np.uint8)
    for score in (
        lambda: ssim(image, image),
        lambda: TrueImage(image, image == 0, {"all": image == 0}).similarity(image),
    ):
        with pytest.raises(UserError, match=f"{shape[0]} x {shape[1]}"):
            score()


def test_pixels_that_do_not_count_change_nothing() -> None:
    prediction, target = pair((128, 128))
    valid = np.ones((128, 128), bool)
    valid[:40, :50] = False
    other = np.where(valid, target, 7).astype(np.uint8)
    assert ms_ssim(prediction, target, valid) == pytest.approx(ms_ssim(prediction, other, valid), rel=1e-12)
    assert ms_ssim(prediction, target, valid) != pytest.approx(ms_ssim(prediction, target), rel=1e-6)
    assert ms_ssim(prediction, target, valid | True) == ms_ssim(prediction, target)
    assert np.isnan(ms_ssim(prediction, target, np.zeros_like(valid)))


def test_correlation_sees_neither_brightness_nor_contrast() -> None:
    image = np.random.default_rng(0).random((20, 20))
    assert pearson(3 * image + 7, image) == pytest.approx(1)
    assert pearson(-image, image) == pytest.approx(-1)
    assert np.isnan(pearson(np.ones((20, 20)), image))
    valid = np.zeros((20, 20), bool)
    assert np.isnan(pearson(image, image, valid))
    valid[:5] = True
    mixed = np.where(valid, image, 0)
    assert pearson(mixed, image, valid) == pytest.approx(1)
    one, other = np.random.default_rng(1).integers(0, 256, (2, 9, 9)).astype(np.uint8)
    assert pearson(one, other) == pytest.approx(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def test_multi_scale_similarity_cuts_windows_to_pixels_that_count() -> None:
    """Every mean over a window, or over 2 x 2 pixels, is one over what counts in it."""
    prediction, target = pair((44, 51))
    valid = np.random.default_rng(5).random(target.shape) > 0.3
    valid[:12, :20] = False
    line = np.exp(-(np.arange(-5, 6) ** 2) / 4.5)

    def windowed(image: Values) -> Values:
        sums, weights = (convolve(values, np.outer(line, line), mode="reflect") for values in (image * share, share))
        return np.asarray(np.divide(sums, weights, out=np.zeros_like(sums), where=weights > 1e-12))

    def halved(image: Values) -> Values:
        rows, columns = (side // 2 for side in image.shape)
        return np.asarray(image[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2).mean(axis=(1, 3)))

    x, y, share = (image.astype(float) for image in (prediction, target, valid))
    expected = 1.0
    for scale, weight in enumerate(np.array(MS_SSIM_WEIGHTS[:3]) / sum(MS_SSIM_WEIGHTS[:3])):
        if scale:
            counted = np.maximum(halved(share), 1e-12)
            x, y, share = halved(x * share) / counted, halved(y * share) / counted, halved(share)
        mx, my, xx, xy, yy = (windowed(image) for image in (x, y, x * x, x * y, y * y))
        term = (2 * (xy - mx * my) + 58.5225) / (xx + yy - mx**2 - my**2 + 58.5225)
        if scale == 2:
            term *= (2 * mx * my + 6.5025) / (mx**2 + my**2 + 6.5025)
        expected *= np.average(term[5:-5, 5:-5], weights=share[5:-5, 5:-5]) ** weight
    assert ms_ssim(prediction, target, valid) == pytest.approx(expected, rel=1e-9)
    assert 0.2 < expected < 0.99


def test_regions_are_scored_apart() -> None:
    prediction, target = pair((128, 128))
    left = np.zeros((128, 128), bool)
    left[:, :64] = True
    prediction = np.where(left, target, prediction).astype(np.uint8)
    valid = np.ones_like(left)
    dots = np.zeros_like(left)
    dots[5, : MIN_REGION - 1] = True
    scores = TrueImage(target, valid, {"all": valid, "left": left, "right": ~left, "dots": dots}).similarity(prediction)
    assert scores["all"] == {
        "psnr": psnr(prediction, target),
        "ssim": pytest.approx(ssim(prediction, target)),
        "ms_ssim": pytest.approx(ms_ssim(prediction, target)),
        "pearson": pytest.approx(pearson(prediction, target)),
    }
    assert scores["left"]["psnr"] == np.inf
    assert scores["left"]["pearson"] == pytest.approx(1)
    assert scores["right"]["psnr"] == pytest.approx(scores["all"]["psnr"] - 10 * np.log10(2))
    for name in ("ssim", "ms_ssim"):
        assert scores["left"][name] > scores["all"][name] > scores["right"][name]
    assert all(np.isnan(value) for value in scores["dots"].values())
    cut = TrueImage(target, valid & left, {"all": valid}).similarity(prediction)
    assert cut["all"]["ms_ssim"] == pytest.approx(1)


@pytest.mark.parametrize("shape", [(64, 80), (20, 13)])
def test_predictions_that_are_compared_together_have_the_scores_of_each(
    shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(3)
    target, *predictions = rng.integers(0, 256, (6, *shape)).astype(np.uint8)
    predictions += [target, np.full_like(target, 90)]
    valid = rng.random(shape) > 0.05
    halves = {"all": valid, "above": np.indices(shape)[0] < shape[0] // 2, "none": np.zeros(shape, bool)}
    true = TrueImage(target, valid, halves)
    found = true.similarities(np.stack(predictions))
    monkeypatch.setattr("txm2sem.metrics.image.AT_ONCE", 2 * target.size)
    in_pairs = true.similarities(np.stack(predictions))
    for one, other, prediction in zip(found, in_pairs, predictions, strict=True):
        for name, half in halves.items():
            alone = true.similarity(prediction)[name]
            assert one[name] == pytest.approx(alone, rel=1e-12, nan_ok=True)
            assert other[name] == pytest.approx(alone, rel=1e-12, nan_ok=True)
            if name != "none":
                counted = half & valid
                assert one[name]["psnr"] == pytest.approx(psnr(prediction, target, counted), rel=1e-12)
                assert one[name]["pearson"] == pytest.approx(pearson(prediction, target, counted), nan_ok=True)
        assert one["all"]["ssim"] == pytest.approx(ssim(prediction, target, valid), nan_ok=True)
        assert one["all"]["ms_ssim"] == pytest.approx(ms_ssim(prediction, target, valid), nan_ok=True)


@pytest.mark.parametrize("shape", [(128, 128), (33, 50), (7, 9)])
def test_psnr_and_ssim_are_those_of_scikit_image(shape: tuple[int, int]) -> None:
    """With which the published numbers were computed."""
    prediction, target = pair(shape)
    assert psnr(prediction, target) == pytest.approx(peak_signal_noise_ratio(target, prediction, data_range=255), 1e-12)
    assert ssim(prediction, target) == pytest.approx(structural_similarity(target, prediction, data_range=255), 1e-12)
