"""What the networks are trained for: losses, penalties, the pool of earlier predictions, learning rates.

Images are (N, C, H, W) with grey values in [-1, 1]; logits are of any shape, positive for real.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from txm2sem.options import GanMode, LearningRatePolicy

SSIM_WINDOW = 7
"""Side of the windows of the structural similarity [pixels]."""

ROUNDING_POWER = (2 / 255) ** 2 / 12
"""Variance of the error of rounding to 256 grey levels in [-1, 1]."""


def regression_loss(
    prediction: Tensor, target: Tensor, kind: Literal["L1", "L2"], valid: Tensor | None = None
) -> Tensor:
    """Return the mean absolute (L1) or mean squared (L2) difference of two images of one shape, a scalar.

    Args:
        prediction: (N, C, H, W).
        target: (N, C, H, W).
        kind: which difference.
        valid: pixels that the mean is taken over, bool (N, 1, H, W); all where absent. 0 where there is none.
    """
    losses: dict[str, Callable[..., Tensor]] = {"L1": F.l1_loss, "L2": F.mse_loss}
    if valid is None:
        return losses[kind](prediction, target)
    counted = valid.expand_as(target)
    return losses[kind](prediction[counted], target[counted], reduction="sum") / counted.sum().clamp_min(1)


LARGEST_SCALE, SMALLEST_SCALE = 1.0, 1 / 256
"""Bounds of the scale of an error in images in [-1, 1]: half the grey range, and half a grey level of 255."""


def laplace_log_scale(channel: Tensor) -> Tensor:
    """Return log b, with b the scale of an error, that a generator's output channel in (-1, 1) stands for.

    -1 is `SMALLEST_SCALE`, 1 `LARGEST_SCALE`, 0 their geometric mean (8 grey levels of 255), where training starts.
    """
    low, high = math.log(SMALLEST_SCALE), math.log(LARGEST_SCALE)
    return (low + high) / 2 + (high - low) / 2 * channel


def laplace_variance(channel: Tensor) -> Tensor:
    """Return 2 b^2, the variance of an error with the scale that a generator's output channel stands for."""
    return 2 * torch.exp(2 * laplace_log_scale(channel))


def laplace_loss(output: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """Return the mean of |t - m| / b + log 2 b, a scalar: the error t - m has a Laplace distribution of scale b.

    Kendall & Gal 2017 (arXiv 1703.04977), section 3.1, with the Laplace distribution that belongs to L1. At least
    float32 is used, under mixed precision too.

    Args:
        output: m and the channel of b, see `laplace_log_scale`, (N, 2, H, W).
        target: t, (N, 1, H, W).
        valid: pixels that the mean is taken over, bool (N, 1, H, W); all where absent. 0 where there is none.
    """
    image, channel = output.to(torch.promote_types(output.dtype, torch.float32)).chunk(2, dim=1)
    log_scale = laplace_log_scale(channel)
    terms = (target - image).abs() * torch.exp(-log_scale) + log_scale + math.log(2)
    return terms.mean() if valid is None else (terms * valid).sum() / valid.sum().clamp_min(1)


def ssim_loss(prediction: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """Return 1 - the mean structural similarity of two images of one shape, a scalar in [0, 2].

    As `metrics.ssim` scores it (Wang et al. 2004, https://doi.org/10.1109/TIP.2003.819861: uniform windows of 7 x 7
    pixels inside the image, sample covariance), without its rounding to 8 bits. A mean difference alone is smallest for
    a blurred prediction; this term asks for the contrast of the target, too. At least float32 is used, since variances
    are differences of like numbers.

    Args:
        prediction: (N, C, H, W), H and W at least 7.
        target: (N, C, H, W).
        valid: pixels that count, bool (N, 1, H, W); then the mean is over the windows that lie in them whole, and 0
            where there is none.
    """
    side, samples = SSIM_WINDOW, SSIM_WINDOW**2
    # The luminance is counted from black, and grey values reach over 2 from there.
    c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2
    x, y = (image.to(torch.promote_types(image.dtype, torch.float32)) + 1 for image in (prediction, target))
    with torch.autocast(x.device.type, enabled=False):
        mean_x, mean_y, xx, yy, xy = (F.avg_pool2d(image, side, 1) for image in (x, y, x * x, y * y, x * y))
    unbiased = samples / (samples - 1)
    variances = unbiased * (xx - mean_x**2 + yy - mean_y**2)
    covariance = unbiased * (xy - mean_x * mean_y)
    similarity = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    similarity = similarity / ((mean_x**2 + mean_y**2 + c1) * (variances + c2))
    if valid is None:
        return 1 - similarity.mean()
    windows = (F.max_pool2d((~valid).float(), side, 1) == 0).expand_as(similarity)
    return torch.where(windows, 1 - similarity, 0).sum() / windows.sum().clamp_min(1)


def spectrum_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the mean over frequencies of log10(P_prediction / P_target)^2, a scalar; 0.01 is 1 dB.

    P is the radially averaged power spectrum, see `metrics.power_spectrum`, mean over the images, as the scorecard has
    it. No pixel is compared with another: what is asked for is grain as strong and as fine as the target's, wherever in
    the images it lies. The noise of rounding to 8 bits is added to both, so that frequencies without power have a
    logarithm. At least float32 is used.

    Args:
        prediction: (N, C, H, W), H and W at least 8.
        target: (N, C, H, W).
    """
    ratio = _radial_power(prediction) / _radial_power(target)
    return torch.log10(ratio).square().mean()


CRPS_SCALES = (1, 2, 4, 8, 16)
"""Sides of the squares whose mean grey values are compared, each size by itself [pixels]."""

CRPS_LEVELS = (-0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75)
"""Grey values: of what is brighter, area and boundary are compared in squares, too."""

CRPS_SOFTNESS = 0.06
"""Grey values around a level that belong in part to what is brighter than it, so that there is a slope to follow."""

CRPS_PHASE_SCALES = (4, 16)
"""Sides of the squares in which area and boundary are compared [pixels]."""

CRPS_AREA, CRPS_BOUNDARY = 1.5, 5.0
"""Weights of area and boundary, with which both vary about as much as grey values do."""


def crps_loss(one: Tensor, other: Tensor, target: Tensor) -> Tensor:
    """Return the continuous ranked probability score of two draws, mean over what is compared, a scalar.

    With x, x' draws and y the target it is (|x - y| + |x' - y|) / 2 - |x - x'| / 2: an unbiased estimate of the score
    of the distribution that is drawn from (Gneiting & Raftery 2007, https://doi.org/10.1198/016214506000001437,
    eq. 21), whose mean is smallest where that is the distribution of the target, given what the generator sees. Single
    pixels say nothing of how pixels go together. So x is in turn the mean grey value of squares of `CRPS_SCALES`, as
    small as a pixel and as large as a grain, and what squares of `CRPS_PHASE_SCALES` have of the phases of a rock,
    wherever thresholds will be put: area and length of boundary of what is brighter than each of `CRPS_LEVELS`, the
    first two of the Minkowski functionals (Mecke 2000, https://doi.org/10.1007/3-540-45043-2_6).

    Args:
        one: (N, C, H, W), H and W at least the largest scale.
        other: from the same source with other noise, (N, C, H, W).
        target: (N, C, H, W).
    """
    terms = [
        ((x - y).abs() + (other_x - y).abs() - (x - other_x).abs()).mean() / 2
        for x, other_x, y in zip(*(_compared(image) for image in (one, other, target)), strict=True)
    ]
    return torch.stack(terms).mean()


def _compared(image: Tensor) -> Iterator[Tensor]:
    """Yield what draws and target are compared by, of an image (N, C, H, W)."""
    for scale in CRPS_SCALES:
        yield F.avg_pool2d(image, scale)
    brighter = torch.cat([torch.sigmoid((image - level) / CRPS_SOFTNESS) for level in CRPS_LEVELS], dim=1)
    boundary = F.pad(brighter.diff(dim=-2).abs(), (0, 0, 0, 1)) + F.pad(brighter.diff(dim=-1).abs(), (0, 1))
    for scale in CRPS_PHASE_SCALES:
        yield CRPS_AREA * F.avg_pool2d(brighter, scale)
        yield CRPS_BOUNDARY * F.avg_pool2d(boundary, scale)


def _radial_power(images: Tensor) -> Tensor:
    """Return the power of images (N, C, H, W) and of their rounding by frequency, mean over images and rings, (K,)."""
    images = images.to(torch.promote_types(images.dtype, torch.float32))
    rows, columns = images.shape[-2:]
    window = torch.outer(_hann(rows, images), _hann(columns, images))
    mean = (images * window).sum((-2, -1), keepdim=True) / window.sum()
    transformed = torch.fft.rfft2((images - mean) * window)
    power = (transformed.real**2 + transformed.imag**2).flatten(0, 1) / window.square().sum()

    rings = min(rows, columns) // 2
    vertical, horizontal = (
        torch.fft.fftfreq(rows, dtype=torch.float64),
        torch.fft.rfftfreq(columns, dtype=torch.float64),
    )
    frequency = torch.hypot(vertical[:, None], horizontal[None])
    ring = torch.round(frequency * 2 * rings).long()
    # In half a transform, all but the first and (of an even side) last column stand for their mirror image, too.
    weight = torch.full_like(frequency, 2)
    weight[:, 0] = 1
    if columns % 2 == 0:
        weight[:, -1] = 1
    members = F.one_hot(ring.clamp(max=rings + 1).flatten())[:, 1 : rings + 1] * weight.flatten()[:, None]
    averaging = (members / members.sum(0)).to(power)
    averaged: Tensor = power.flatten(1).mean(0) @ averaging
    return averaged + ROUNDING_POWER


def _hann(side: int, like: Tensor) -> Tensor:
    """Return a Hann window without the zeros at its ends, (side,)."""
    return torch.hann_window(side + 2, periodic=False, dtype=like.dtype, device=like.device)[1:-1]


def segmentation_loss(logits: Tensor, target: Tensor, weights: Tensor, *, ignored: int) -> Tensor:
    """Return the weighted cross entropy, mean over the pixels that count of -w_t log softmax(logits)_t, a scalar.

    It is divided by the number of pixels, not by the sum of their weights, so that a patch without the rare classes
    does not weigh as much as one with them. 0 where no pixel counts.

    Args:
        logits: (N, C, H, W).
        target: t, class of each pixel, int64 (N, H, W).
        weights: w, of the classes, (C,).
        ignored: pixels with this target do not count.
    """
    terms = F.cross_entropy(logits.float(), target, weights, ignore_index=ignored, reduction="sum")
    return terms / (target != ignored).sum().clamp_min(1)


def gan_loss(logits: Tensor, is_real: bool, mode: GanMode) -> Tensor:
    """Return how far the discriminator is from judging that its input is real, or not real; a scalar.

    With D the logits and t = 1 for real, 0 for fake:

    - "vanilla": -mean(t log s(D) + (1 - t) log(1 - s(D))), s the logistic function; Goodfellow et al. 2014
      (arXiv 1406.2661), eq. 1. The generator minimises it with `is_real` (the non-saturating form, section 3).
    - "lsgan": mean((D - t)^2); Mao et al. 2017 (arXiv 1611.04076), eq. 9, without the factor 1/2.
    - "wgangp": -mean(D) for real, mean(D) for fake; Arjovsky et al. 2017 (arXiv 1701.07875), eq. 2 and
      Gulrajani et al. 2017 (arXiv 1704.00028), eq. 3, whose last term is `gradient_penalty`.
    """
    if mode == "wgangp":
        return -logits.mean() if is_real else logits.mean()
    losses: dict[GanMode, Callable[[Tensor, Tensor], Tensor]] = {
        "vanilla": F.binary_cross_entropy_with_logits,
        "lsgan": F.mse_loss,
    }
    return losses[mode](logits, torch.full_like(logits, float(is_real)))


def mix_samples(real: Tensor, fake: Tensor) -> Tensor:
    """Return a real + (1 - a) fake, with one a per sample, uniform in [0, 1), from torch's global generator.

    Gulrajani et al. 2017 (arXiv 1704.00028), algorithm 1: where the gradient penalty is evaluated.

    Args:
        real: (N, C, H, W).
        fake: (N, C, H, W).
    """
    share = torch.rand(len(real), 1, 1, 1, device=real.device, dtype=real.dtype)
    return share * real + (1 - share) * fake


def gradient_penalty(
    discriminator: Callable[[Tensor], Tensor], samples: Tensor, weight: float = 10.0, constant: float = 1.0
) -> Tensor:
    """Return weight * mean over samples of (|d sum(D(x)) / dx|_2 - constant)^2, a scalar.

    Gulrajani et al. 2017 (arXiv 1704.00028), eq. 3; it holds the discriminator to a Lipschitz constant of
    `constant`. It can be differentiated with respect to the discriminator's weights.

    Args:
        discriminator: D, from (N, C, H, W) to logits.
        samples: x, (N, C, H, W); nothing is propagated beyond them.
        weight: lambda.
        constant: the gradient norm that costs nothing.
    """
    samples = samples.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(samples).sum(), samples, create_graph=True)
    # The 1e-16 is the original code's.
    norms: Tensor = torch.linalg.vector_norm(gradient.flatten(1) + 1e-16, dim=1)
    return weight * ((norms - constant) ** 2).mean()


def jacobian_penalty(
    output: Tensor, source: Tensor, projections: int = 1, generator: torch.Generator | None = None
) -> Tensor:
    """Return an unbiased estimate of sum_b |J_b|_F^2 / (2 B), a scalar; J_b is the Jacobian d output / d source.

    Hoffman et al. 2019 (arXiv 1908.02729), algorithm 1: with n random unit vectors v per sample,

        R = 1/2 C / (n B) sum_b sum_v |v J_b|^2,

    where B is the number of samples and C the number of output values of each. It is a sum over pixels, not a
    mean. It can be differentiated with respect to the network's weights. At least float32 is used, under
    mixed precision too: a sum of so many squares has no digits to spare.

    Args:
        output: the network's output for `source`, (B, ...).
        source: the network's input, (B, ...), which must have `requires_grad` when the network sees it.
        projections: n; more reduce the estimate's variance, each costs one backward pass.
        generator: source of the randomness, on the output's device; torch's global one if absent.

    Raises:
        ValueError: `source` does not require a gradient.
    """
    if not source.requires_grad:
        raise ValueError(
            "jacobian_penalty: expected a source with requires_grad, found one without; "
            "call source.requires_grad_() before the network sees it"
        )
    output = output.flatten(1)
    output = output.to(torch.promote_types(output.dtype, torch.float32))
    samples, values = output.shape
    total = output.new_zeros(())
    for _ in range(projections):
        direction = F.normalize(
            torch.randn(output.shape, generator=generator, device=output.device, dtype=output.dtype)
        )
        (product,) = torch.autograd.grad(output, source, grad_outputs=direction, create_graph=True)
        total = total + product.to(output.dtype).square().sum()
    return 0.5 * values / (projections * samples) * total


class ImagePool:
    """A buffer of earlier predictions, so that the discriminator does not forget them.

    Shrivastava et al. 2017 (arXiv 1612.07828), section 2.3. Randomness is from torch's global CPU generator.

    Args:
        size: how many images the pool holds; 0 turns it off.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._images: list[Tensor] = []

    def query(self, images: Tensor) -> Tensor:
        """Return images for the discriminator in place of `images`, which may be stored; no gradient passes.

        Until the pool is full, images are stored and returned. Afterwards each is returned with probability 1/2;
        else it takes the place of a random stored one, which is returned. Stored images of another size are forgotten.

        Args:
            images: (N, C, H, W).

        Returns:
            (N, C, H, W).
        """
        images = images.detach()
        if self.size == 0:
            return images
        self._images = [stored for stored in self._images if stored.shape == images.shape[1:]]
        # Each image is copied by itself: a view would keep its whole batch in memory.
        return torch.stack([self._exchange(image.clone()) for image in images])

    def _exchange(self, image: Tensor) -> Tensor:
        if len(self._images) < self.size:
            self._images.append(image)
            return image
        if torch.rand(()) < 0.5:
            return image
        index = int(torch.randint(len(self._images), ()))
        stored, self._images[index] = self._images[index], image
        return stored.to(image)

    def state_dict(self) -> dict[str, Any]:
        """Return the stored images, for a checkpoint."""
        return {"images": list(self._images)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with the stored images of `state_dict`."""
        self._images = [image.clone() for image in state["images"][: self.size]]


def learning_rate_factor(
    policy: LearningRatePolicy, epoch: float, *, niter: int, niter_decay: int, lr_decay_iters: int
) -> float:
    """Return what the initial learning rate is multiplied by in an epoch, within [0, 1].

    The epoch may have a fraction: then the factor is that of a schedule that is followed all the time, not only at the
    epochs' beginnings. `niter + niter_decay + 1` is the end of the last epoch.

    - "linear": 1 for `niter` epochs, then falls for `niter_decay` epochs in equal steps that would next reach 0. In
      between it falls evenly, and is 0 at the end of the last epoch.
    - "step": a tenth after every `lr_decay_iters` epochs.
    - "cosine": (1 + cos(pi (epoch - 1) / niter)) / 2; Loshchilov & Hutter 2017 (arXiv 1608.03983), eq. 5, without
      restarts: it rises again after `niter` epochs.

    Args:
        policy: the policy.
        epoch: number of the epoch, from 1; 1.5 is the middle of the first.
        niter: see above [epochs].
        niter_decay: see above [epochs].
        lr_decay_iters: see above [epochs].

    Raises:
        ValueError: the policy depends on more than the epoch ("plateau").
    """
    match policy:
        case "linear":
            return max(0.0, 1 - max(0, epoch - niter) / (niter_decay + 1))
        case "step":
            return float(0.1 ** ((epoch - 1) // lr_decay_iters))
        case "cosine":
            return (1 + math.cos(math.pi * (epoch - 1) / niter)) / 2
    raise ValueError(
        f"learning_rate_factor: expected linear, step or cosine, found {policy}, which depends on more than the epoch"
    )
