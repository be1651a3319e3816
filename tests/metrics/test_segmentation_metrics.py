"""Confusion matrix, Dice and intersection over union: known answers, and what must hold for any classes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from txm2sem.metrics import accuracy, class_summaries, confusion_matrix, dice, iou, mean_present, pooled, row_shares

IGNORED = 255
Classes = NDArray[np.int64]
images = arrays(np.int64, (5, 7), elements=st.sampled_from([0, 1, 2]))
targets = arrays(np.int64, (5, 7), elements=st.sampled_from([0, 1, 2, IGNORED]))

TARGET = np.array([[0, 0, 0, 1], [1, 1, 2, IGNORED]])
PREDICTION = np.array([[0, 0, 1, 1], [1, 0, 1, 2]])


def test_rows_are_true_and_columns_predicted_classes() -> None:
    confusion = confusion_matrix(PREDICTION, TARGET, 3, ignored=IGNORED)
    assert confusion.tolist() == [[2, 1, 0], [1, 2, 0], [0, 1, 0]]
    assert row_shares(confusion).tolist() == [[2 / 3, 1 / 3, 0], [1 / 3, 2 / 3, 0], [0, 1, 0]]


def test_known_scores() -> None:
    confusion = confusion_matrix(PREDICTION, TARGET, 3, ignored=IGNORED)
    assert dice(confusion).tolist() == pytest.approx([4 / 6, 4 / 7, 0])
    assert iou(confusion).tolist() == pytest.approx([2 / 4, 2 / 5, 0])
    assert accuracy(confusion) == pytest.approx(4 / 7)


def test_an_absent_class_has_no_score_and_one_that_is_only_predicted_scores_zero() -> None:
    target = np.zeros((4, 4), np.int64)
    absent = confusion_matrix(target, target, 3)
    assert dice(absent)[0] == iou(absent)[0] == 1
    assert np.isnan(dice(absent)[1:]).all()
    assert np.isnan(iou(absent)[1:]).all()
    assert np.isnan(row_shares(absent)[1:]).all()
    assert mean_present(dice(absent)) == 1
    predicted = target.copy()
    predicted[0, 0] = 2
    wrong = confusion_matrix(predicted, target, 3)
    assert dice(wrong)[2] == iou(wrong)[2] == 0
    assert np.isnan(dice(wrong)[1])


def test_nothing_counted_gives_no_score() -> None:
    nothing = confusion_matrix(PREDICTION, np.full_like(TARGET, IGNORED), 3, ignored=IGNORED)
    assert nothing.sum() == 0
    assert np.isnan(accuracy(nothing))
    assert np.isnan(mean_present(dice(nothing)))


@given(images, targets)
def test_dice_follows_from_iou(prediction: Classes, target: Classes) -> None:
    confusion = confusion_matrix(prediction, target, 3, ignored=IGNORED)
    overlap = iou(confusion)
    np.testing.assert_allclose(dice(confusion), 2 * overlap / (1 + overlap))
    np.testing.assert_array_equal(iou(confusion.T), overlap)


@given(images, targets)
def test_each_score_is_that_of_sets_of_pixels(prediction: Classes, target: Classes) -> None:
    scores = dice(confusion_matrix(prediction, target, 3, ignored=IGNORED))
    counted = target != IGNORED
    for index, score in enumerate(scores):
        one, other = (prediction == index) & counted, (target == index) & counted
        pixels = one.sum() + other.sum()
        assert np.isnan(score) if pixels == 0 else score == pytest.approx(2 * (one & other).sum() / pixels)


@given(images, images, targets)
def test_what_is_predicted_in_ignored_pixels_does_not_matter(
    prediction: Classes, other: Classes, target: Classes
) -> None:
    changed = np.where(target == IGNORED, other, prediction)
    one, two = (confusion_matrix(image, target, 3, ignored=IGNORED) for image in (prediction, changed))
    assert np.array_equal(one, two)
    assert one.sum() == (target != IGNORED).sum()


@given(images, images)
def test_matrices_of_parts_add_up_to_that_of_the_whole(prediction: Classes, target: Classes) -> None:
    parts = [confusion_matrix(prediction[rows], target[rows], 3) for rows in (slice(0, 2), slice(2, None))]
    assert np.array_equal(sum(parts), confusion_matrix(prediction, target, 3))


def test_classes_out_of_range_and_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="0 to 2, found 0 to 255"):
        confusion_matrix(PREDICTION, TARGET, 3)
    with pytest.raises(ValueError, match="one shape"):
        confusion_matrix(PREDICTION, TARGET[:1], 3)


def test_pooled_scores_count_pixels_not_images() -> None:
    # The class of the second image's one pixel is missed; a mean over images would be 0.5.
    confusions = np.array([[[99, 0], [0, 1]], [[99, 1], [0, 0]]])
    summary = pooled(confusions, accuracy)
    assert summary.mean == pytest.approx(199 / 200)
    assert class_summaries(confusions, dice, "Dice", ("one", "an other"))["Dice_an_other"].mean == pytest.approx(2 / 3)


def test_the_standard_error_of_a_mean_is_the_known_one() -> None:
    # Of images with equally many pixels the accuracy is a mean, of which the jackknife gives the textbook's error.
    right = np.array([10, 7, 9, 4])
    confusions = np.array([[[count, 10 - count], [0, 0]] for count in right])
    summary = pooled(confusions, accuracy)
    assert summary.mean == pytest.approx(right.mean() / 10)
    assert summary.standard_error == pytest.approx(right.std(ddof=1) / 10 / np.sqrt(len(right)))
    assert pooled(confusions[:1], accuracy).standard_error == 0
