"""Trivial segmentations: one class everywhere, and classes by grey value alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray
from skimage.filters import threshold_multiotsu

from txm2sem.data import to_uint8
from txm2sem.data.classes import CLASSES, IGNORED
from txm2sem.metrics import dice, mean_present
from txm2sem.scoring.evaluation import BLUR_SIGMAS, Image, blur

Classes = NDArray[np.int64]


@dataclass(frozen=True)
class GreyThresholds:
    """Classes by grey value.

    Attributes:
        classes: class of the grey values below the first threshold, between the first and the second, and so on.
        thresholds: of the 8-bit grey value, ascending; a pixel of just that value belongs below. None: one class.
        sigma: the image is blurred before [pixels].
    """

    classes: tuple[int, ...]
    thresholds: tuple[float, ...] = ()
    sigma: float = 0.0

    def __call__(self, image: Image) -> Classes:
        """Return the class of each pixel of an image (H, W) in [-1, 1]."""
        grey = to_uint8(blur(image, self.sigma))
        return np.asarray(self.classes)[np.digitize(grey, self.thresholds, right=True)]


def fit_thresholds(training: Iterable[tuple[Image, Classes]]) -> dict[str, GreyThresholds]:
    """Fit the trivial segmentations on patches of the training split.

    Thresholds are those of three-class Otsu (Liao et al. 2001, https://jise.iis.sinica.edu.tw/JISESearch/pages/View/
    PaperView.jsf?keyId=86_1305) on the grey values of all patches together; of the six ways to give the three ranges a
    class, the one with the largest mean Dice on these patches is taken, because in the TXM dense may be dark.

    Args:
        training: images (H, W) in [-1, 1] and their classes (H, W), in which `IGNORED` pixels take no part.

    Returns:
        By name, in the order of the report: the most frequent class, Otsu's thresholds, and those of the image blurred
        by that sigma of `BLUR_SIGMAS` which fits best. Without the thresholds where an image has fewer than three grey
        values.
    """
    sigmas = (0.0, *BLUR_SIGMAS)
    counts = {sigma: np.zeros((len(CLASSES), 256), np.int64) for sigma in sigmas}
    for image, classes in training:
        known = classes != IGNORED
        for sigma, count in counts.items():
            grey = to_uint8(blur(image, sigma))[known].astype(np.int64)
            np.add.at(count, (classes[known], grey), 1)
    majority = int(counts[0.0].sum(axis=1).argmax())
    fits = {f"only {CLASSES[majority]}": GreyThresholds((majority,))}
    if all(np.count_nonzero(count.sum(axis=0)) >= len(CLASSES) for count in counts.values()):
        otsu = {sigma: _otsu(count, sigma) for sigma, count in counts.items()}
        best = max(BLUR_SIGMAS, key=lambda sigma: otsu[sigma][0])
        fits |= {"Otsu thresholds": otsu[0.0][1], f"blurred Otsu thresholds (sigma {best:g})": otsu[best][1]}
    return fits


def _otsu(counts: NDArray[np.int64], sigma: float) -> tuple[float, GreyThresholds]:
    """Return the mean Dice and the thresholds of grey values counted by class, (3, 256)."""
    thresholds = threshold_multiotsu(classes=len(CLASSES), hist=(counts.sum(axis=0), np.arange(256)))
    ranges = np.digitize(np.arange(256), thresholds, right=True)
    by_range = np.stack([counts[:, ranges == number].sum(axis=1) for number in range(len(CLASSES))], axis=1)
    scores = {order: mean_present(dice(by_range[:, np.argsort(order)])) for order in permutations(range(len(CLASSES)))}
    best = max(scores, key=lambda order: scores[order])
    return scores[best], GreyThresholds(best, tuple(map(float, thresholds)), sigma)
