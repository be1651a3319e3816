"""Translate, or segment, images that are in memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.applying.images.contrast import contrast_match, thinned
from txm2sem.applying.volume.plan import Demand, base_memory
from txm2sem.data import to_uint8
from txm2sem.data.classes import likeliest
from txm2sem.data.grey import HALF_RANGE
from txm2sem.errors import UserError
from txm2sem.memory import memory_limit
from txm2sem.model.draws import with_draws
from txm2sem.model.network import padded_shape
from txm2sem.model.segmenter import load_applied
from txm2sem.model.statistics import depend_on_tile
from txm2sem.options import TranslateCommand, run_name
from txm2sem.runs import label_of
from txm2sem.tiling import Tiling
from txm2sem.txm_noise import TxmNoise, middle_of


@dataclass(frozen=True)
class Translated:
    """What a model makes of an image.

    Attributes:
        pixels: predicted SEM, 0 to 255 from black to white; of a segmentation the class of each pixel, see `likeliest`.
        channels: (channels, rows, columns) float32. Of a segmentation the probabilities of the classes, 0 where nothing
            was imaged; with `--draws` their standard deviation, and the draws, in steps of `pixels`; else none.
    """

    pixels: NDArray[np.uint8]
    channels: NDArray[np.float32]


class ImageTranslator:
    """Translates images of one kind, of any size, with a trained model, or segments them.

    Args:
        command: the options.
        samples: some of the images, (rows, columns) each: their contrast is measured, or their grey values are checked.
        where: they are, for errors.

    Attributes:
        match: how the images' contrast is brought to that of the training; None where their grey values are as then.
        model: the model.
        model_name: for people.
        concerns: what there is to mind of these images.

    Raises:
        UserError: model, options and images do not fit each other.
    """

    def __init__(self, command: TranslateCommand, samples: Iterable[NDArray[Any]], where: str) -> None:
        name = run_name(command)
        if command.data.context_slices:
            raise UserError(
                f"the model {name} was trained with --context_slices {command.data.context_slices} and sees the "
                "slices above and below, which single images do not have; translate the volume with txm2sem volume, or "
                "name another model"
            )
        model = load_applied(command, label_of(command.translate.epoch, command.translate.load_iter))
        model = with_draws(model, command.drawn.draws)
        if depend_on_tile(model.predictor.generator):
            raise UserError(
                f"the model {name} was trained with --norm {command.model.norm}: each image, and each tile, would be "
                "normalised with statistics of its own; translate the slices with txm2sem volume, which estimates "
                "them once"
            )
        self.command = command
        self.model = model
        self.model_name = f"{name}, which comes with txm2sem" if model.is_shipped else model.name
        looked_at = [(thinned(sample), middle_of(sample)) for sample in samples]
        measured = [rows for rows, _ in looked_at]
        trained = model.source_range(measured[0].dtype, where)
        self.match = contrast_match(command, model, measured, where)
        seen = (middle if self.match is None else self.match.of(middle) for _, middle in looked_at)
        noise = TxmNoise.of(model.paths, seen, trained) if model.source == "txm" else None
        self.concerns = [] if noise is None else noise.concerns
        self._planes = model.planes(trained)
        self._base_memory = cache(partial(base_memory, self._planes))

    def __call__(self, txm: NDArray[Any], position: int = 0) -> Translated:
        """Return what the model makes of an image (rows, columns), of the same size.

        Args:
            txm: the image.
            position: among images that are slices of one place, in their order, which what is drawn depends on.

        Raises:
            UserError: the image does not fit into memory.
        """
        rows, columns = txm.shape
        plane = self._planes.network_input(txm if self.match is None else self.match.of(txm))
        predicted = self._planes.translate(plane[None], self._tiling((rows, columns), txm.dtype), (position, 0, 0))
        if not self.model.segments:
            spread, draws = predicted[1:2] * HALF_RANGE, (predicted[2:] + 1) * HALF_RANGE
            return Translated(to_uint8(predicted[0]), np.concatenate([spread, draws]))
        imaged = txm != 0
        return Translated(likeliest(predicted[1:], imaged), np.where(imaged, predicted[1:], np.float32(0)))

    def _tiling(self, shape: tuple[int, int], dtype: np.dtype[Any]) -> Tiling:
        """Return tiles that fit into memory, as those of the one slice of a volume; most often the image is one."""
        demand = Demand(
            shape=(1, *shape),
            networks=self.model.predictor.chain,
            context=0,
            halo=0,  # nothing lies around a whole image
            input_bytes=dtype.itemsize,
            output_bytes=1,
            predicted=self.model.predictor.predicted,
            half_precision=self.command.run.precision == "bf16",
            advice="pass a larger --memory, or crop the image",
        )
        memory = memory_limit(self.command.translate.memory)
        if demand.fits_whole(memory, self._base_memory(plans=False)):
            return Tiling(padded_shape(shape, demand.networks), (1, 1), demand.halo, demand.networks.multiple)
        demand = replace(demand, halo=demand.networks.receptive_field)
        return demand.plan("z", memory, self._base_memory())[0].tiling
