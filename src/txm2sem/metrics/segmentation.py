"""Agreement of predicted and true classes, all from one confusion matrix: arrays in, numbers out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from txm2sem.metrics.summary import Summary

Counts = NDArray[np.int64]
Shares = NDArray[np.float64]


def confusion_matrix(
    prediction: NDArray[np.integer], target: NDArray[np.integer], classes: int, *, ignored: int | None = None
) -> Counts:
    """Count pixels by true and predicted class.

    Args:
        prediction: class of each pixel, 0 to `classes` - 1, any shape.
        target: true class of each pixel, of the same shape.
        classes: C.
        ignored: pixels with this target are left out, whatever was predicted there.

    Returns:
        (C, C): rows are true classes, columns predicted ones. Matrices of several images add up.

    Raises:
        ValueError: the shapes differ, or a class is not 0 to C - 1.
    """
    if prediction.shape != target.shape:
        raise ValueError(f"expected classes of one shape, found {prediction.shape} and {target.shape}")
    counted = np.ones(target.shape, np.bool_) if ignored is None else target != ignored
    true, predicted = target[counted].astype(np.int64), prediction[counted].astype(np.int64)
    for name, values in (("target", true), ("prediction", predicted)):
        if values.size and not 0 <= values.min() <= values.max() < classes:
            raise ValueError(f"expected classes 0 to {classes - 1}, found {values.min()} to {values.max()} in {name}")
    return np.bincount(classes * true + predicted, minlength=classes**2).reshape(classes, classes)


def dice(confusion: Counts) -> Shares:
    """Return the Dice coefficient 2 |P and T| / (|P| + |T|) of each class, (C,), 0 to 1.

    NaN for a class that is absent: neither true nor predicted anywhere. A class that is only predicted, or only true,
    scores 0. Dice 1945, https://doi.org/10.2307/1932409.
    """
    both = np.diag(confusion)
    return _ratio(2 * both, confusion.sum(axis=0) + confusion.sum(axis=1))


def iou(confusion: Counts) -> Shares:
    """Return the intersection over union |P and T| / |P or T| of each class, (C,), 0 to 1; NaN as in `dice`.

    Jaccard 1912, https://doi.org/10.1111/j.1469-8137.1912.tb05611.x.
    """
    both = np.diag(confusion)
    return _ratio(both, confusion.sum(axis=0) + confusion.sum(axis=1) - both)


def accuracy(confusion: Counts) -> float:
    """Return the share of all pixels whose class is right, 0 to 1; NaN where there are no pixels."""
    return float(_ratio(np.trace(confusion), confusion.sum()))


def mean_present(scores: Shares) -> float:
    """Return the mean over the classes that are present (not NaN); NaN where none is."""
    present = scores[~np.isnan(scores)]
    return float(present.mean()) if present.size else float("nan")


def row_shares(confusion: Counts) -> Shares:
    """Return what became of each true class, (C, C): rows add up to 1; NaN in the row of a class that is never true."""
    return _ratio(confusion, confusion.sum(axis=1, keepdims=True))


def pooled(confusions: Counts, score: Callable[[Counts], float]) -> Summary:
    """Return a score of all images together and its standard error.

    A mean of scores image by image would not do: a class may be absent in many images, and one pixel of it would then
    weigh as much as thousands. The standard error is the jackknife's, which leaves out one image at a time
    (Efron and Stein 1981, eq. 1.4, https://doi.org/10.1214/aos/1176345462); 0 for a single image.

    Args:
        confusions: matrix of each image, (N, C, C).
        score: of one matrix (C, C).
    """
    total = confusions.sum(axis=0)
    images = len(confusions)
    if images == 1:
        return Summary(score(total), 0.0)
    left_out = np.array([score(total - one) for one in confusions])
    return Summary(score(total), float(np.sqrt((images - 1) * np.mean((left_out - left_out.mean()) ** 2))))


def class_summaries(
    confusions: Counts, score: Callable[[Counts], Shares], name: str, classes: Sequence[str]
) -> dict[str, Summary]:
    """Return a score of all images together: its mean over the classes that are present as NAME, then NAME_CLASS.

    Args:
        confusions: matrix of each image, (N, C, C).
        score: of each class, `dice` or `iou`.
        name: of the score.
        classes: name of each class.
    """
    found = {name: pooled(confusions, lambda counts: mean_present(score(counts)))}
    for index, label in enumerate(classes):
        found[f"{name}_{label.replace(' ', '_')}"] = pooled(confusions, partial(_of_class, score, index))
    return found


def _of_class(score: Callable[[Counts], Shares], index: int, confusion: Counts) -> float:
    return float(score(confusion)[index])


def _ratio(numerator: NDArray[np.integer], denominator: NDArray[np.integer]) -> Shares:
    with np.errstate(invalid="ignore"):
        return np.asarray(numerator / denominator, np.float64)
