"""Translate images that are in memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.applying.images.contrast import contrast_match, thinned
from txm2sem.applying.volume.plan import Demand, base_memory, memory_limit
from txm2sem.checkpoints import label_of
from txm2sem.data import check_translates_txm, to_uint8
from txm2sem.errors import UserError
from txm2sem.model.model import Model
from txm2sem.model.statistics import depend_on_tile
from txm2sem.networks import receptive_field
from txm2sem.options import TranslateCommand, run_name
from txm2sem.tiling import Tiling


class ImageTranslator:
    """Translates TXM images of one kind, of any size, with a trained model.

    Args:
        command: the options.
        samples: some of the images, (rows, columns) each: their contrast is measured, or their grey values are checked.
        where: they are, for errors.

    Attributes:
        match: how the images' contrast is brought to that of the training; None where their grey values are as then.
        is_shipped: whether the model is one that comes with the program.
        model_name: for people.
        model_checksum: SHA-256 of the checkpoint.
        notes: what the user must know of the model.

    Raises:
        UserError: model, options and images do not fit each other.
    """

    def __init__(self, command: TranslateCommand, samples: Iterable[NDArray[Any]], where: str) -> None:
        name = run_name(command)
        check_translates_txm(command.model, command.data)
        if command.data.context_slices:
            raise UserError(
                f"the model {name} was trained with --context_slices {command.data.context_slices} and sees the "
                "slices above and below, which single images do not have; translate the volume with txm2sem volume, or "
                "name another model"
            )
        model = Model.load(command, label_of(command.translate.epoch, command.translate.load_iter))
        if depend_on_tile(model.predictor.generator):
            raise UserError(
                f"the model {name} was trained with --norm {command.model.norm}: each image, and each tile, would be "
                "normalised with statistics of its own; translate the slices with txm2sem volume, which estimates "
                "them once"
            )
        self.command = command
        self.is_shipped = model.is_shipped
        self.model_name = f"{name}, which comes with txm2sem" if self.is_shipped else model.name
        self.model_checksum = model.checksum
        measured = [thinned(sample) for sample in samples]
        trained = model.txm_range(measured[0].dtype, where)
        self.match = contrast_match(command, model, measured, where)
        self._planes = model.planes(trained)
        self.notes = model.notes
        self._halo = receptive_field(command.model)
        self._base_memory = base_memory(self._planes, command.model, 1)

    def __call__(self, txm: NDArray[Any]) -> NDArray[np.uint8]:
        """Return the predicted SEM of a TXM image (rows, columns), of the same size.

        0 to 255 are black to white of the SEM that the model was trained on.

        Raises:
            UserError: the image does not fit into memory.
        """
        rows, columns = txm.shape
        plane = self._planes.network_input(txm if self.match is None else self.match.of(txm))
        return to_uint8(self._planes.translate(plane[None], self._tiling((rows, columns), txm.dtype)))

    def _tiling(self, shape: tuple[int, int], dtype: np.dtype[Any]) -> Tiling:
        """Return tiles that fit into memory, as those of the one slice of a volume."""
        demand = Demand(
            shape=(1, *shape),
            model=self.command.model,
            context=0,
            halo=self._halo,
            input_bytes=dtype.itemsize,
            output_bytes=1,
            half_precision=self.command.run.precision == "bf16",
            advice="pass a larger --memory, or crop the image",
        )
        return demand.plan("z", memory_limit(self.command.translate.memory), self._base_memory)[0].tiling
