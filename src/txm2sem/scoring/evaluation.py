"""Score a model on fixed patches, beside trivial predictions: the TXM itself, a constant, lines and a curve."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor

from txm2sem.data import EvaluationPatches, middle_channel, to_uint8
from txm2sem.metrics import Summary, psnr, ssim

Image = NDArray[np.float32]

Prediction = Callable[[Image], Image]
"""Predicts the SEM from the TXM, both (H, W) in [-1, 1]."""

BLUR_SIGMAS = (1.0, 2.0, 4.0, 8.0)
"""Widths that the blurred fits choose from [pixels]."""

CURVE_PIXELS = 200
"""Pixels, at least, that a point of a curve is the mean of, so that it has little of their noise."""


@dataclass
class PatchScores:
    """PSNR and SSIM of one kind of prediction, patch by patch."""

    psnr: list[float] = field(default_factory=list)
    ssim: list[float] = field(default_factory=list)

    def add(
        self, prediction: NDArray[np.uint8], target: NDArray[np.uint8], valid: NDArray[np.bool_] | None = None
    ) -> None:
        """Score one 8-bit patch (H, W), over the pixels that count (H, W) where they are given."""
        self.psnr.append(psnr(prediction, target, valid))
        self.ssim.append(ssim(prediction, target, valid))

    def means(self) -> dict[str, Summary]:
        """Return means over the patches, by name."""
        return {"PSNR": Summary.of(self.psnr), "SSIM": Summary.of(self.ssim)}


@dataclass(frozen=True)
class LinearFit:
    """The least-squares line from (blurred) TXM to SEM, in the networks' range [-1, 1].

    A constant prediction has slope 0; the raw TXM slope 1 and offset 0.
    """

    slope: float
    offset: float
    sigma: float = 0.0

    def __call__(self, source: Image) -> Image:
        """Predict the SEM from the TXM (H, W), both in [-1, 1]."""
        return self.slope * blur(source, self.sigma) + np.float32(self.offset)


@dataclass(frozen=True)
class CurveFit:
    """The mean SEM of every grey value of the (blurred) TXM, in [-1, 1]: all that grey values tell by themselves.

    Attributes:
        grey: values of the TXM, rising, (K,); values beyond its ends have the SEM of the ends.
        mean: of the SEM there, (K,); straight lines between.
        sigma: blur of the TXM [pixels].
    """

    grey: NDArray[np.float64]
    mean: NDArray[np.float64]
    sigma: float = 0.0

    def __call__(self, source: Image) -> Image:
        """Predict the SEM from the TXM (H, W), both in [-1, 1]."""
        return np.interp(blur(source, self.sigma), self.grey, self.mean).astype(np.float32)


def blur(image: Image, sigma: float) -> Image:
    """Return a Gaussian-blurred image (H, W); sigma in pixels, 0 for none."""
    blurred: Image = gaussian_filter(image, sigma) if sigma > 0 else image
    return blurred


def fit_trivial_predictions(training: Iterable[dict[str, Tensor]]) -> dict[str, Prediction]:
    """Fit the trivial predictions on patches of the training split.

    Args:
        training: patches of the training split, as `EvaluationPatches` gives them. Charged pixels take no part, nor
            do others that do not count where the patches tell it.

    Returns:
        By name, in the order of the report: the mean SEM, the line from TXM to SEM, and the line from the TXM blurred
        by that sigma of `BLUR_SIGMAS` which fits the training patches best.
    """
    moments = {sigma: _Moments() for sigma in (0.0, *BLUR_SIGMAS)}
    curves = {sigma: _CurveSums() for sigma in BLUR_SIGMAS}
    for patch in training:
        source, target = middle_channel(patch["source"]).numpy(), patch["target"][0].numpy()
        valid = patch.get("valid", ~patch["charge"])[0].numpy()
        for sigma, moment in moments.items():
            seen = blur(source, sigma)[valid], target[valid]
            moment.add(*seen)
            if sigma in curves:
                curves[sigma].add(*seen)
    plain = moments[0.0]
    best = min(BLUR_SIGMAS, key=lambda sigma: moments[sigma].residual())
    bent = max(BLUR_SIGMAS, key=lambda sigma: curves[sigma].explained())
    return {
        "constant": LinearFit(0.0, plain.mean_target()),
        "linear fit": LinearFit(*plain.line()),
        f"blurred linear fit (sigma {best:g})": LinearFit(*moments[best].line(), sigma=best),
        f"blurred curve fit (sigma {bent:g})": CurveFit(*curves[bent].points(), sigma=bent),
    }


@dataclass(frozen=True)
class PatchResult:
    """One evaluated patch: 8-bit images (H, W) and boolean masks (H, W).

    Attributes:
        index: number of the patch.
        source: what was translated.
        target: the truth.
        prediction: the model's.
        trivial: the trivial predictions, by name.
        masks: of charged, low and high density regions, by name.
        usable: pixels that are uncharged and imaged.
        psnr, ssim: of the prediction, over the pixels that count.
        truth: the target as the networks have it, (H, W) in [-1, 1].
        draws: what the prediction is the mean of, (D, H, W) in [-1, 1]; none where it is one image.
    """

    index: int
    source: NDArray[np.uint8]
    target: NDArray[np.uint8]
    prediction: NDArray[np.uint8]
    trivial: dict[str, NDArray[np.uint8]]
    masks: dict[str, NDArray[np.bool_]]
    usable: NDArray[np.bool_]
    psnr: float
    ssim: float
    truth: Image
    draws: Image


class Evaluation:
    """Scores of a model and of the trivial predictions on the same patches.

    Args:
        predict: translates a batch (1, C, H, W) in [-1, 1], on its own, so that statistics taken from the batch are
            those of one patch; it is told the patch's number, too. To (1, 1, H, W), or as `DrawingPredictor` does.
        trivial: the trivial predictions fitted on the training split; empty where it is absent.
        source: what the model translates, for the table.
    """

    def __init__(
        self, predict: Callable[[Tensor, int], Tensor], trivial: dict[str, Prediction], source: str = "TXM"
    ) -> None:
        self.predict = predict
        self.predictions: dict[str, Prediction] = {f"raw {source}": LinearFit(1.0, 0.0), **trivial}
        self.model = PatchScores()
        self.trivial = {name: PatchScores() for name in self.predictions}

    def run(self, patches: EvaluationPatches) -> Iterator[PatchResult]:
        """Translate and score every patch, yielding each as it is done."""
        for index in range(len(patches)):
            patch = patches[index]
            source, target = middle_channel(patch["source"]), to_uint8(patch["target"][0])
            valid = patch["valid"][0].numpy() if "valid" in patch else None
            predicted = self.predict(patch["source"][None], index)[0]
            prediction = to_uint8(predicted[0])
            self.model.add(prediction, target, valid)
            trivial = {name: to_uint8(predict(source.numpy())) for name, predict in self.predictions.items()}
            for name, image in trivial.items():
                self.trivial[name].add(image, target, valid)
            masks = {name: patch[name][0].numpy() for name in ("charge", "lowdensity", "highdensity")}
            usable = patch["usable"][0].numpy()
            scores = (self.model.psnr[-1], self.model.ssim[-1])
            yield PatchResult(
                *(index, to_uint8(source), target, prediction, trivial, masks, usable, *scores),
                truth=patch["target"][0].numpy(),
                draws=predicted[2:].numpy(),
            )


class _Moments:
    """Sums from which a least-squares line and its residual follow, without keeping the pixels."""

    def __init__(self) -> None:
        self.count = 0
        self.sums = np.zeros(5)

    def add(self, x: Image, y: Image) -> None:
        x, y = x.astype(np.float64), y.astype(np.float64)
        self.count += x.size
        self.sums += (x.sum(), y.sum(), (x * x).sum(), (x * y).sum(), (y * y).sum())

    def _central(self) -> tuple[float, float, float, float, float]:
        mean_x, mean_y, xx, xy, yy = self.sums / self.count
        return mean_x, mean_y, xx - mean_x**2, xy - mean_x * mean_y, yy - mean_y**2

    def mean_target(self) -> float:
        return self._central()[1]

    def line(self) -> tuple[float, float]:
        mean_x, mean_y, variance, covariance, _ = self._central()
        slope = covariance / variance if variance > 0 else 0.0
        return slope, mean_y - slope * mean_x

    def residual(self) -> float:
        _, _, variance, covariance, target_variance = self._central()
        return target_variance - (covariance**2 / variance if variance > 0 else 0.0)


class _CurveSums:
    """Sums over each 8-bit grey value of the TXM: pixels, and their grey values in TXM and SEM."""

    def __init__(self) -> None:
        self.sums = np.zeros((3, 256))

    def add(self, x: Image, y: Image) -> None:
        level = to_uint8(x)
        self.sums += [np.bincount(level, weights, 256) for weights in (None, x, y)]

    def _groups(self) -> NDArray[np.float64]:
        """Return the sums of neighbouring grey values that have enough pixels together, (3, K)."""
        count = self.sums[0]
        before = count.cumsum() - count
        _, group = np.unique(before[count > 0] // CURVE_PIXELS, return_inverse=True)
        return np.stack([np.bincount(group, row) for row in self.sums[:, count > 0]])

    def points(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        count, grey, mean = self._groups()
        return grey / count, mean / count

    def explained(self) -> float:
        """Return the variance of the group means of the SEM, which is what the curve explains."""
        count, _, total = self._groups()
        mean = total.sum() / count.sum()
        return float((count * (total / count - mean) ** 2).sum() / count.sum())
