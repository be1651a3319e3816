"""Calibration of class probabilities, what is counted of them, and the standard error of fields that are alike."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from txm2sem.metrics import ClassCalibration, ProbabilityCounts, share_errors

SCALES = st.tuples(*[st.floats(0.4, 2.5)] * 3)
BIASES = st.tuples(*[st.floats(-1, 1)] * 3)


def drawn(scales: tuple[float, ...], biases: tuple[float, ...]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return logits of pixels, and classes that are drawn with the calibrated probabilities of these."""
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=2, size=(10_000, 3)).astype(np.float32)
    likely = calibrated(ClassCalibration(scales, biases), logits)
    return logits, (rng.random((len(logits), 1)) > likely.cumsum(axis=1)).sum(axis=1).clip(max=2)


def calibrated(calibration: ClassCalibration, logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the probabilities of logits, both (N, C)."""
    pixels = torch.from_numpy(logits.astype(np.float64)).T[None, :, :, None]
    found: NDArray[np.float64] = calibration(pixels)[0, :, :, 0].numpy().T
    return found


@settings(max_examples=8)
@given(SCALES, BIASES)
def test_a_known_calibration_is_found_again(scales: tuple[float, ...], biases: tuple[float, ...]) -> None:
    logits, classes = drawn(scales, biases)
    found = ClassCalibration.fit(logits, classes)
    shares = np.bincount(classes, minlength=3) / len(classes)
    assert calibrated(found, logits).mean(axis=0) == pytest.approx(shares, abs=1e-4)
    assert found.scales == pytest.approx(scales, rel=0.2, abs=0.08)
    assert np.array(found.biases) == pytest.approx(np.array(biases) - np.mean(biases), abs=0.2)
    assert np.mean(found.biases) == pytest.approx(0, abs=1e-9)


def test_logits_that_tell_all_classes_have_a_calibration_of_finite_numbers() -> None:
    classes = np.arange(300) % 3
    found = ClassCalibration.fit(10 * np.eye(3, dtype=np.float32)[classes], classes)
    assert np.isfinite([*found.scales, *found.biases]).all()
    assert calibrated(found, np.eye(3, dtype=np.float32)).argmax(axis=1).tolist() == [0, 1, 2]


def test_without_a_calibration_probabilities_are_those_of_the_logits() -> None:
    logits = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(ClassCalibration.none(3)(logits), logits.softmax(dim=1))


def test_what_probabilities_say_is_counted_beside_the_truth() -> None:
    counts = ProbabilityCounts(3)
    # Eight pixels are said to be of class 0 with 3/4, of which four are; two are said to be of class 2 for certain.
    unsure = np.tile(np.array([[0.75], [0.25], [0]], np.float32), 8)
    counts.add(unsure, np.array([0, 0, 0, 0, 1, 1, 1, 1]))
    counts.add(np.array([[0, 0], [0, 0], [1, 1]], np.float32), np.array([2, 2]))
    found = counts.reliability()
    assert found.pixels == 10
    assert found.calibration_error == pytest.approx(0.8 * 0.25)
    assert found.class_calibration_errors == pytest.approx([0.8 * 0.25, 0.8 * 0.25, 0])
    assert found.bits_per_pixel == pytest.approx((4 * np.log2(4 / 3) + 4 * 2) / 10)
    assert found.expected_shares == pytest.approx([0.6, 0.2, 0.2])
    assert found.true_shares == pytest.approx([0.4, 0.4, 0.2])
    curve = found.curves[0]
    assert (curve.predicted, curve.true, curve.share) == ([0, 0.75], [0, 0.5], [0.2, 0.8])


def test_a_class_that_was_held_for_impossible_costs_a_finite_number_of_bits() -> None:
    counts = ProbabilityCounts(3)
    counts.add(np.array([[1], [0], [0]], np.float32), np.array([1]))
    assert counts.reliability().bits_per_pixel == 30


def test_errors_of_independent_pixels_are_those_of_their_number() -> None:
    excess = np.random.default_rng(0).normal(scale=0.3, size=(4, 1, 64, 64))
    (found,) = share_errors(excess, np.ones((4, 64, 64), np.bool_), range(4))
    # The largest of several estimates, the roughest of which has sixteen blocks.
    assert 0.3 / 128 < found < 2 * 0.3 / 128


def test_errors_of_what_is_alike_are_those_of_the_number_of_patches() -> None:
    of_patches = np.random.default_rng(0).normal(scale=0.3, size=25)
    excess = np.broadcast_to(of_patches[:, None, None, None], (25, 1, 16, 16))
    (found,) = share_errors(excess, np.ones((25, 16, 16), np.bool_), [0] * 25)
    assert found == pytest.approx(of_patches.std(ddof=1) / 5)
    (found,) = share_errors(excess, np.ones((25, 16, 16), np.bool_), [index // 2 for index in range(25)])
    assert found > of_patches.std(ddof=1) / 5 * 0.8


def test_pixels_that_are_not_known_take_no_part_in_errors() -> None:
    rng = np.random.default_rng(0)
    excess, known = rng.normal(size=(9, 2, 16, 16)), rng.random((9, 16, 16)) < 0.7
    other = np.where(known[:, None], excess, 100)
    assert share_errors(excess, known, [0] * 9) == share_errors(other, known, [0] * 9)


def test_nothing_is_known_of_errors_of_too_few_blocks() -> None:
    assert share_errors(np.zeros((1, 3, 2, 2)), np.ones((1, 2, 2), np.bool_), [0]) == [1, 1, 1]
