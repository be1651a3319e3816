"""Several predictions of one image, and how much they differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from txm2sem.errors import UserError
from txm2sem.files import checksum
from txm2sem.model.predictor import Predictor, dropout_layers
from txm2sem.objectives import laplace_variance
from txm2sem.options import SpreadName, TrustOptions
from txm2sem.runs import RunPaths

FEWEST = 2
"""Predictions that a variance can be taken from."""


class Sampler:
    """Predicts with the variance of each pixel.

    Args:
        predictor: the model, with frozen statistics; its prediction is the one that is returned.
        method: `dropout`, `checkpoints` or `scale`.
        samples: predictions that the variance is taken from.
        others: with `checkpoints` the models besides.
    """

    def __init__(
        self, predictor: Predictor, method: SpreadName, samples: int, others: Sequence[Predictor] = ()
    ) -> None:
        self.predictor = predictor
        self.method = method
        self.samples = samples
        self.others = others

    @property
    def passes(self) -> int:
        """How often an image goes through a network."""
        return self.samples + (self.method == "dropout")

    def __call__(self, source: Tensor, entropy: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Predict a batch of images of any size.

        Args:
            source: TXM, (N, C, H, W) in [-1, 1], see `Predictor`.
            entropy: what everything random is drawn from; for the same numbers the result is the same.

        Returns:
            The prediction as the predictor alone gives it, in [-1, 1], and the raw variance in the same units: of the
            predictions about their mean, divided by one less than there are; plus, where the model predicts the scale
            of its error, the mean of the variances that it predicts (Kendall & Gal 2017, arXiv 1703.04977, eq. 9). Both
            (N, 1, H, W) float32.
        """
        height, width = source.shape[-2:]
        padded = self.predictor.padded(source)
        output = self.predictor.output(padded)
        prediction = output[:, :1]
        mean, squares, predicted = (torch.zeros_like(prediction) for _ in range(3))
        for number, sample in enumerate(self._samples(padded, output, entropy), 1):
            # Welford 1962 (Technometrics 4, 419): without the difference of large sums.
            step = sample[:, :1] - mean
            mean += step / number
            squares += step * (sample[:, :1] - mean)
            if self.predictor.predicts_scale:
                predicted += laplace_variance(sample[:, 1:])
        variance = squares / max(self.samples - 1, 1) + predicted / self.samples
        return prediction[..., :height, :width], variance[..., :height, :width]

    def _samples(self, padded: Tensor, output: Tensor, entropy: Sequence[int]) -> Iterator[Tensor]:
        if self.method != "dropout":
            yield output
            for other in self.others:
                yield other.output(padded)
            return
        for number in range(self.samples):
            with drawn_from([*entropy, number]):
                yield self.predictor.with_dropout(padded)


@contextmanager
def drawn_from(entropy: Sequence[int]) -> Iterator[None]:
    """Draw what torch draws from these numbers, and then go on as if nothing had been drawn."""
    with torch.random.fork_rng():
        torch.manual_seed(int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> 1))
        yield


def choose_method(options: TrustOptions, predictor: Predictor) -> SpreadName:
    """Return what a standard deviation is to be taken from.

    Raises:
        UserError: the model does not have it, or too few predictions are asked for.
    """
    has_dropout = bool(dropout_layers(predictor.generator))
    method = options.uncertainty_from
    if method == "auto":
        method = "scale" if predictor.predicts_scale else "dropout" if has_dropout else "checkpoints"
    if method == "scale" and not predictor.predicts_scale:
        raise UserError(
            "--uncertainty_from scale: this model does not predict the scale of its error; train one with "
            "--regression_loss laplace (feedforward, srcnn), or pass --uncertainty_from dropout or checkpoints"
        )
    if method == "dropout" and not has_dropout:
        raise UserError(
            "--uncertainty_from dropout: this model has no dropout (it was trained with --no_dropout, as feedforward "
            "and srcnn models are by default); pass --uncertainty_from checkpoints, or train a model with dropout"
        )
    if method != "scale" and options.uncertainty < FEWEST:
        raise UserError(
            f"--uncertainty {options.uncertainty}: expected {FEWEST} or more predictions to take a standard deviation "
            f"from ({method}), such as --uncertainty 8"
        )
    return method


def ensemble_labels(paths: RunPaths, label: str, count: int) -> list[str]:
    """Return the labels of the `count` latest checkpoints that differ: the given one, then those of epochs before it.

    Raises:
        UserError: fewer are kept.
    """
    epochs = sorted((int(path.name.split("_")[0]) for path in paths.checkpoints.glob("[0-9]*_net_G.pth")), reverse=True)
    known: dict[str, str] = {}
    for name in (label, *(str(epoch) for epoch in epochs if not label.isdigit() or epoch < int(label))):
        # The latest checkpoint mostly is the last epoch's, too.
        known.setdefault(checksum(paths.network(name, "G")), name)
    labels = list(known.values())
    if len(labels) < count:
        raise UserError(
            f"--uncertainty {count} with checkpoints: expected {count} different ones up to {label} in "
            f"{paths.checkpoints}, found {len(labels)} ({', '.join(labels)}); pass --uncertainty {len(labels)}, or "
            "train with a smaller --save_epoch_freq, which keeps more"
            if len(labels) >= FEWEST
            else f"--uncertainty {count} with checkpoints: {paths.checkpoints} keeps none but {label}; train with a "
            "smaller --save_epoch_freq, such as 1, or with dropout"
        )
    return labels[:count]
