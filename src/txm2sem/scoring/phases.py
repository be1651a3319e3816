"""Phases of the rock by grey value, the same way in predicted and true images."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skimage.filters import threshold_multiotsu
from torch import Tensor

from txm2sem.data import to_uint8
from txm2sem.data.classes import classes_of_masks
from txm2sem.metrics import gaussian_over
from txm2sem.scoring.evaluation import BLUR_SIGMAS
from txm2sem.scoring.thresholds import Classes

SIGMA_WITHOUT_MASKS = 1.0
"""Blur where there are no masks to choose it by: against the noise of single pixels [pixels]."""

_ORDERS = ((1, 0, 2), (2, 0, 1))


@dataclass(frozen=True)
class Phases:
    """Which grey values are which phase.

    Attributes:
        order: the classes from dark to bright; 0 is between the other two.
        thresholds: between them, of the 8-bit grey value; a pixel of just that value belongs to the darker one.
        sigma: the image is blurred before [pixels].
        dice: mean over the classes of the Dice coefficient with the masks that the thresholds were fitted to; None
            where they are those of Otsu.
    """

    order: tuple[int, int, int]
    thresholds: tuple[float, float]
    sigma: float
    dice: float | None = None

    def __call__(self, image: NDArray[np.uint8], valid: NDArray[np.bool_]) -> Classes:
        """Return the class of each pixel of an 8-bit image (H, W); those that are not valid blur into no other one."""
        grey = smooth(image, valid, self.sigma)
        return np.asarray(self.order)[np.digitize(grey, self.thresholds, right=True)]

    def describe(self, what: str) -> str:
        """Say where the thresholds are from, for people; `what` is the image, e.g. SEM."""
        dark, bright = ("low density" if number == 1 else "high density" for number in self.order[::2])
        blurred = f" blurred by {self.sigma:g} pixels" if self.sigma else ""
        source = (
            f"thresholds of three-class Otsu on the training {what}, without masks of both to fit them to"
            if self.dice is None
            else f"thresholds that best repeat the masks on the training {what} (mean Dice {self.dice:.3f})"
        )
        low, high = self.thresholds
        return f"{dark} is up to {low:g}, {bright} above {high:g} of 255 in the image{blurred}: {source}"


def fit_phases(training: Iterable[dict[str, Tensor]]) -> Phases | None:
    """Return the phases by grey value of the target images of the training split.

    With masks of both phases, those thresholds, and that blur of 0 and `BLUR_SIGMAS`, whose classes have the largest
    mean Dice coefficient with them; otherwise three-class Otsu (Liao et al. 2001) after a blur of
    `SIGMA_WITHOUT_MASKS`, dark taken for low density.

    Args:
        training: patches as `EvaluationPatches` gives them; pixels that are not `usable` take no part.

    Returns:
        None where the images have too few grey values.
    """
    sigmas = (0.0, *BLUR_SIGMAS)
    counts = {sigma: np.zeros((3, 256), np.int64) for sigma in sigmas}
    for patch in training:
        image, valid = to_uint8(patch["target"][0]), patch["usable"][0].numpy()
        classes = classes_of_masks(patch["lowdensity"][0].numpy(), patch["highdensity"][0].numpy())[valid]
        for sigma in sigmas:
            grey = smooth(image, valid, sigma)[valid]
            counts[sigma] += np.bincount(256 * classes + grey, minlength=3 * 256).reshape(3, 256)
    if (counts[0.0].sum(axis=1)[1:] > 0).all():
        return max((_best(count, sigma) for sigma, count in counts.items()), key=lambda phases: phases.dice or 0)
    grey_values = counts[SIGMA_WITHOUT_MASKS].sum(axis=0)
    if np.count_nonzero(grey_values) < 3:
        return None
    low, high = threshold_multiotsu(classes=3, hist=(grey_values, np.arange(256))).tolist()
    return Phases(_ORDERS[0], (low, high), SIGMA_WITHOUT_MASKS)


def smooth(image: NDArray[np.uint8], valid: NDArray[np.bool_], sigma: float) -> NDArray[np.uint8]:
    """Return an 8-bit image (H, W) blurred by a Gaussian over its valid pixels; sigma in pixels, 0 for none."""
    return image if sigma == 0 else np.rint(gaussian_over(image, valid, sigma)[0]).astype(np.uint8)


def _best(counts: NDArray[np.int64], sigma: float) -> Phases:
    """Return the thresholds with the largest mean Dice on grey values counted by class, (3, 256)."""
    return max((_best_of_order(counts, order, sigma) for order in _ORDERS), key=lambda phases: phases.dice or 0)


def _best_of_order(counts: NDArray[np.int64], order: tuple[int, int, int], sigma: float) -> Phases:
    # Of pixels up to each grey value: those of the class, and all.
    dark, middle, bright = (np.cumsum(counts[number]) for number in order)
    pixels = dark + middle + bright
    between = middle[None] - middle[:, None], pixels[None] - pixels[:, None]
    dice_dark = 2 * dark / (dark[-1] + pixels)
    dice_middle = 2 * between[0] / np.maximum(middle[-1] + between[1], 1)
    dice_bright = 2 * (bright[-1] - bright) / (bright[-1] + pixels[-1] - pixels)
    dice = (dice_dark[:, None] + dice_middle + dice_bright[None]) / 3
    dice[np.tril_indices(256, -1)] = -1
    low, high = np.unravel_index(int(dice.argmax()), dice.shape)
    return Phases(order, (float(low), float(high)), sigma, float(dice[low, high]))
