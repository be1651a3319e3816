"""The perceptual distance with the installed weights."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.data import camera

from txm2sem.errors import UserError
from txm2sem.networks.efficientnet import STAGES, EfficientNetLite0, _convolve
from txm2sem.scoring.perceptual import PACKAGE, PerceptualDistance


@pytest.fixture(scope="module")
def distance() -> PerceptualDistance:
    if not PerceptualDistance.is_installed():
        pytest.skip("needs the extra perceptual")
    return PerceptualDistance()


@pytest.fixture(scope="module")
def photograph() -> NDArray[np.uint8]:
    image: NDArray[np.uint8] = camera()[100:260, 150:310]
    return image


def test_equal_images_are_at_no_distance_and_damage_adds_to_it(
    distance: PerceptualDistance, photograph: NDArray[np.uint8]
) -> None:
    noise = np.random.default_rng(0).normal(0, 1, photograph.shape)
    grey = photograph.astype(float)
    damaged = [grey, grey + 5 * noise, grey + 20 * noise, gaussian_filter(grey, 1), gaussian_filter(grey, 3)]
    predictions = np.stack([np.clip(np.rint(image), 0, 255).astype(np.uint8) for image in damaged])
    found = distance(predictions, photograph, np.ones(photograph.shape, bool))
    assert found[0] == pytest.approx(0, abs=1e-6)
    assert found[0] < found[1] < found[2] < 4
    assert found[0] < found[3] < found[4] < 4


def test_a_shift_of_a_pixel_is_less_than_a_blur_of_equal_error(
    distance: PerceptualDistance, photograph: NDArray[np.uint8]
) -> None:
    """That is what such a distance is for."""
    shifted = np.roll(photograph, 1, axis=1)
    error = np.mean((shifted.astype(float) - photograph) ** 2)
    sigmas = np.linspace(0.3, 6, 40)
    blurred = [gaussian_filter(photograph.astype(float), sigma) for sigma in sigmas]
    errors = [np.mean((image - photograph) ** 2) for image in blurred]
    like = np.rint(blurred[int(np.argmin(np.abs(np.array(errors) - error)))]).astype(np.uint8)
    found = distance(np.stack([shifted, like]), photograph, np.ones(photograph.shape, bool))
    assert found[0] < 0.6 * found[1]


def test_pixels_that_do_not_count_are_not_seen(distance: PerceptualDistance, photograph: NDArray[np.uint8]) -> None:
    valid = np.ones(photograph.shape, bool)
    valid[:50, :60] = False
    flat = np.full_like(photograph, 90)
    one, other = distance(np.stack([flat, np.where(valid, flat, 255)]), photograph, valid)
    assert one == pytest.approx(other)
    assert one > 0.1
    assert np.isnan(distance(flat[None], photograph, np.zeros_like(valid)))


def test_features_have_the_resolutions_of_the_stages() -> None:
    features = EfficientNetLite0().eval()(torch.zeros(2, 3, 64, 96))
    assert [tuple(stage.shape) for stage in features] == [
        (2, channels, 64 // step, 96 // step) for (*_, channels), step in zip(STAGES, (2, 4, 8, 16, 16), strict=True)
    ]


@pytest.mark.parametrize("shape", [(64, 96), (63, 96), (50, 41)])
def test_folding_and_padding_by_the_kernel_change_no_feature(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    network = EfficientNetLite0().eval()
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(layer.weight, 0.5, 2)
            torch.nn.init.normal_(layer.bias)
            layer.running_mean.normal_(0, 0.1)  # type: ignore[union-attr]
            layer.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    images = torch.randn(2, 3, *shape)
    with torch.no_grad():
        # As TensorFlow pads: half of what is missing before, the rest behind.
        missing = [max((-(-side // 2) - 1) * 2 + 3 - side, 0) for side in shape]
        (top, left), (bottom, right) = [side // 2 for side in missing], [-(-side // 2) for side in missing]
        padded = torch.nn.functional.pad(images, (left, right, top, bottom))
        stem = torch.nn.functional.conv2d(padded, network._conv_stem.weight, stride=2)
        torch.testing.assert_close(_convolve(network._conv_stem, images), stem)
        expected = network(images)
        network.fold()
        torch.testing.assert_close(network(images), expected, rtol=1e-4, atol=1e-4)


def test_images_are_looked_at_together_or_one_by_one(
    distance: PerceptualDistance, photograph: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    predictions = np.stack([np.roll(photograph, shift, axis=0) for shift in range(5)])
    valid = np.ones(photograph.shape, bool)
    together = distance(predictions, photograph, valid)
    for at_once in (1, 2 * photograph.size):
        monkeypatch.setattr("txm2sem.scoring.perceptual.AT_ONCE", at_once)
        np.testing.assert_allclose(distance(predictions, photograph, valid), together, atol=2e-6)


def test_without_the_weights_a_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("txm2sem.scoring.perceptual.find_spec", lambda name: None)
    assert not PerceptualDistance.is_installed()
    with pytest.raises(UserError, match="install the extra perceptual"):
        PerceptualDistance()


def test_nothing_imports_the_package_or_torchvision() -> None:
    """The package has weights and a path; torchvision does not go with every build of torch."""
    source = Path(__file__).resolve().parents[2] / "src"
    assert not any("torchvision" in path.read_text() for path in source.rglob("*.py"))
    assert PACKAGE not in sys.modules
