"""Translate TXM images with a trained generator."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from functools import partial
from typing import Self

import torch
from torch import Tensor, nn

from txm2sem.checkpoints import load_generator
from txm2sem.devices import move_images, move_network
from txm2sem.errors import UserError
from txm2sem.model.network import apply_generator, continued, generator_input, padded_shape
from txm2sem.networks import Chain
from txm2sem.noise import noise, strengths
from txm2sem.options import GeneratorOptions
from txm2sem.runs import RunPaths

MADE_UP = (
    "noise and the finest detail of --netG textured_unet are made up: as in the SEM of the training, but not what "
    "is in this place. Do not measure single pores or grains of a few pixels in it"
)
"""What the user must know of a generator that draws from noise."""

ONE_DRAW = (
    "this is one of many images that fit the TXM, drawn by --netG sampled_unet: what the TXM does not tell is made up; "
    "pass --draws to see how far draws agree"
)
"""What the user must know of a single image of a generator that draws samples."""


Place = tuple[int, int, int]
"""Slice, row and column of the first pixel of an image [pixels]."""


class Predictor:
    """Translates batches of TXM images to FIB-SEM images.

    Args:
        generator: the network.
        options: the model; super-resolution models see the TXM downsampled.
        frozen: use the normalisation statistics gathered in training, and no dropout. Otherwise the original code's
            behaviour: statistics of the batch itself, and dropout on (drawn from torch's global generator). The
            network's stored statistics stay as they are either way.
        device: where to compute.
        dtype: `torch.bfloat16` for mixed precision.
        notes: what the user must know of how it computes.

    Attributes:
        chain: the networks that an image goes through.
        predicted: numbers that it returns for each pixel.
        draw: number of the draw that a generator of samples makes.
        place: of what it translates: where its noise is taken from.
        emphasis: of coarse noise, see `noise.strengths`.
    """

    draw: int = 0
    place: Place = (0, 0, 0)
    emphasis: float = 0.0

    def __init__(
        self,
        generator: nn.Module,
        options: GeneratorOptions,
        *,
        frozen: bool = True,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        notes: Sequence[str] = (),
    ) -> None:
        self.generator = move_network(generator, torch.device(device))
        self.options = options
        self.predicts_scale = options.predicts_scale
        self.chain = Chain((options,))
        self.predicted = 1 if self.predicts_scale else options.output_nc
        self.frozen = frozen
        self.device = torch.device(device)
        self.dtype = dtype
        self.notes = list(notes)

    @classmethod
    def load(
        cls,
        paths: RunPaths,
        label: str,
        options: GeneratorOptions,
        *,
        frozen: bool = True,
        bounded: bool = True,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> Predictor:
        """Return a predictor with the generator of a run; `bounded` as in `build_generator`.

        Raises:
            UserError: the checkpoint is missing, damaged, or of another architecture.
        """
        generator = load_generator(paths.network(label, "G"), options, bounded=bounded)
        notes = (MADE_UP,) if options.draws_grain else (ONE_DRAW,) if options.draws_noise else ()
        return cls(generator, options, frozen=frozen, device=device, dtype=dtype, notes=notes)

    def take_over(self, other: Predictor) -> None:
        """Begin as another predictor, with all that it has; for those that make something else of what it computes."""
        vars(self).update(vars(other))

    def to(self, device: torch.device) -> Predictor:
        """Compute on another device from now on; return the predictor itself."""
        if device != self.device:
            self.generator, self.device = move_network(self.generator, device), device
        return self

    def at(self, place: Place) -> Self:
        """Return a predictor of what begins at this place; where nothing is drawn from noise, all are the same."""
        return self._with(place=place) if self.options.draws_noise else self

    def drawing(self, number: int) -> Self:
        """Return a predictor of another draw."""
        return self._with(draw=number)

    def emphasising(self, emphasis: float) -> Self:
        """Return a predictor whose coarse noise is stronger, see `noise.strengths`."""
        return self._with(emphasis=emphasis)

    def _with(self, **attributes: object) -> Self:
        other = copy(self)
        vars(other).update(attributes)
        return other

    @torch.inference_mode()
    def __call__(self, source: Tensor) -> Tensor:
        """Translate a batch.

        Args:
            source: TXM at full resolution, (N, C, H, W) float32 in [-1, 1]; C is 1, or 2 K + 1 where the model sees K
                neighbouring slices on each side (`--context_slices`), the slice to translate in the middle.

        Returns:
            Predicted SEM, (N, 1, H, W) float32 in [-1, 1], on the CPU.
        """
        output = self.output(source)
        return output[:, :1] if self.predicts_scale else output

    @torch.inference_mode()
    def output(self, source: Tensor) -> Tensor:
        """Translate a batch as `__call__`, and return all that the generator makes, (N, output_nc, H, W).

        That is the prediction and, where the model was trained with `--regression_loss laplace`, a channel for the
        scale of its error, see `laplace_log_scale`.
        """
        with frozen_statistics(self.generator) if self.frozen else batch_statistics(self.generator):
            return self._compute(source)

    @torch.inference_mode()
    def with_dropout(self, source: Tensor) -> Tensor:
        """Return what `output` does, with frozen statistics, but with dropout.

        Dropout is drawn from torch's global generator.
        """
        with frozen_statistics(self.generator), dropout(self.generator):
            return self._compute(source)

    def _compute(self, source: Tensor) -> Tensor:
        mixed = self.dtype != torch.float32
        with torch.autocast(self.device.type, dtype=self.dtype if mixed else torch.bfloat16, enabled=mixed):
            generator = (
                partial(self.generator, noise=self.noise(source)) if self.options.draws_noise else self.generator
            )
            output = apply_generator(generator, source, self.options, self.device)
        output = output.float().cpu()
        # Both are NaN where one value is; to look at each takes ten times as long.
        if not all(map(math.isfinite, output.aminmax())):
            raise UserError(
                "the model's prediction has values that are not finite: its weights have diverged, or the images are "
                "far from those of its training; choose another checkpoint, or pass --precision fp32"
            )
        return output

    def noise(self, source: Tensor) -> Tensor:
        """Return the noise of the draw for a batch (N, C, H, W), the same for all of it: (N, channels, H, W)."""
        (z, row, column), (height, width) = self.place, source.shape[-2:]
        place = (z, slice(row, row + height), slice(column, column + width))
        drawn = torch.from_numpy(noise(self.draw, *place) * strengths(self.emphasis))
        return move_images(drawn.expand(len(source), *drawn.shape).contiguous(), self.device)

    def generator_input(self, source: Tensor) -> Tensor:
        """Return what the generator sees of a source (N, C, H, W): the same, downsampled for super-resolution."""
        return generator_input(source, self.options, self.device)

    def any_size(self, source: Tensor) -> Tensor:
        """Translate a batch of images of any size, as `__call__`.

        Images are continued by reflection, see `padded`.
        """
        height, width = source.shape[-2:]
        return self(self.padded(source))[..., :height, :width]

    def padded(self, source: Tensor) -> Tensor:
        """Continue images (N, C, H, W) by reflection, to the right and downwards, to a size that the network takes."""
        height, width = source.shape[-2:]
        return torch.from_numpy(continued(source.numpy(), padded_shape((height, width), self.chain)))


@contextmanager
def frozen_statistics(network: nn.Module) -> Iterator[None]:
    """Put a network in evaluation mode, and back."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)


@contextmanager
def dropout(network: nn.Module) -> Iterator[None]:
    """Switch the dropout of a network on, and nothing else, and back."""
    layers = dropout_layers(network)
    training = [layer.training for layer in layers]
    for layer in layers:
        layer.train()
    try:
        yield
    finally:
        for layer, mode in zip(layers, training, strict=True):
            layer.train(mode)


def dropout_layers(network: nn.Module) -> list[nn.Module]:
    """Return the layers of a network that are dropout."""
    return [module for module in network.modules() if isinstance(module, (nn.Dropout, nn.Dropout2d))]


@contextmanager
def batch_statistics(network: nn.Module) -> Iterator[None]:
    """Put a network in training mode, without letting it gather statistics, and back."""
    training = network.training
    layers = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    gathered = [(layer.running_mean, layer.running_var, layer.num_batches_tracked) for layer in layers]
    network.train()
    for layer in layers:
        layer.running_mean = layer.running_var = layer.num_batches_tracked = None
    try:
        yield
    finally:
        for layer, (mean, variance, count) in zip(layers, gathered, strict=True):
            layer.running_mean, layer.running_var, layer.num_batches_tracked = mean, variance, count
        network.train(training)
