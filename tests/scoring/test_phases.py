"""Phases by grey value are those of the masks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor

from txm2sem.scoring.phases import Phases, fit_phases, smooth

Bytes = NDArray[np.uint8]


def rock(seed: int = 0, size: int = 64, noise: float = 0.0) -> tuple[Bytes, NDArray[np.int64]]:
    """Return an image with dark low and bright high density, and the classes."""
    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.normal(size=(size, size)), 4)
    low, high = np.quantile(field, (0.2, 0.9))
    classes = np.where(field < low, 1, np.where(field > high, 2, 0))
    grey = np.array([120, 60, 200])[classes] + rng.normal(0, noise, classes.shape)
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8), classes


def patches(
    image: Bytes, classes: NDArray[np.int64], valid: NDArray[np.bool_] | None = None
) -> Iterator[dict[str, Tensor]]:
    usable = np.ones(classes.shape, bool) if valid is None else valid
    arrays = {"lowdensity": classes == 1, "highdensity": classes == 2, "usable": usable}
    tensors = {name: torch.from_numpy(array)[None] for name, array in arrays.items()}
    yield tensors | {"target": torch.from_numpy(image.astype(np.float32) / 127.5 - 1)[None]}


def test_thresholds_repeat_the_masks() -> None:
    image, classes = rock(noise=4)
    phases = fit_phases(patches(image, classes))
    assert phases is not None
    assert phases.order == (1, 0, 2)
    assert phases.sigma == 0
    assert 65 < phases.thresholds[0] < 110
    assert 130 < phases.thresholds[1] < 190
    assert phases.dice == pytest.approx(1, abs=0.01)
    np.testing.assert_array_equal(phases(image, np.ones(image.shape, bool)), classes)
    assert "best repeat the masks on the training SEM (mean Dice 1.000)" in phases.describe("SEM")


def test_the_blur_that_repeats_the_masks_best_is_chosen() -> None:
    image, classes = rock(noise=45)
    phases = fit_phases(patches(image, classes))
    assert phases is not None
    assert phases.sigma in (1, 2)
    assert phases.dice is not None
    assert 0.8 < phases.dice < 1


def test_dense_may_be_dark() -> None:
    image, classes = rock()
    phases = fit_phases(patches(255 - image, classes))
    assert phases is not None
    assert phases.order == (2, 0, 1)
    assert phases.describe("TXM").startswith("high density is up to")


def test_pixels_that_are_not_usable_take_no_part() -> None:
    image, classes = rock()
    valid = np.ones(image.shape, bool)
    valid[:, :20] = False
    other = np.where(valid, image, 255).astype(np.uint8)
    assert fit_phases(patches(other, classes, valid)) == fit_phases(patches(image, classes, valid))
    phases = Phases((1, 0, 2), (90, 160), 2)
    np.testing.assert_array_equal(phases(other, valid)[valid], phases(np.where(valid, image, 0), valid)[valid])
    assert (smooth(np.where(valid, 77, 0).astype(np.uint8), valid, 3)[valid] == 77).all()


def test_without_masks_it_is_otsu() -> None:
    image, classes = rock(noise=4)
    phases = fit_phases(patches(image, np.where(classes == 1, 1, 0)))
    assert phases is not None
    assert (phases.dice, phases.order, phases.sigma) == (None, (1, 0, 2), 1)
    assert 60 < phases.thresholds[0] < 120 < phases.thresholds[1] < 200
    assert "Otsu" in phases.describe("SEM")
    assert fit_phases(patches(np.full_like(image, 9), np.zeros_like(classes))) is None
