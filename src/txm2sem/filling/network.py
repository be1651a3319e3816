"""Fill charged regions with a trained network."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from txm2sem.arrays import grey_array, mask_array
from txm2sem.data import GreyRange, TiffStack, check_repairs, repair_source
from txm2sem.data.grey import check_grey_values, resolve_stack_range
from txm2sem.data.txm_input import TxmInput
from txm2sem.errors import UserError
from txm2sem.filling.tiles import blend_tiles
from txm2sem.model.model import Model
from txm2sem.model.predictor import Predictor
from txm2sem.networks import check_patch_size
from txm2sem.options import ContrastOptions, RepairCommand, run_name
from txm2sem.runs import label_of
from txm2sem.tiling import Window


class NetworkFilling:
    """Fills slices with a model trained with `--model repair`, in tiles of its patch size.

    Normalisation statistics and dropout are frozen, so a slice is filled in the same way every time.

    Args:
        command: the model, and how it is used.
        sem: the slices, of which grey ranges are checked, or measured where the options leave them open.
        txm: the aligned TXM slices.
        charge: masks of the charged regions, where they are given.

    Raises:
        UserError: model and slices do not fit each other.
    """

    def __init__(self, command: RepairCommand, sem: TiffStack, txm: TiffStack | None, charge: TiffStack | None) -> None:
        data, name = command.data, run_name(command)
        check_repairs(command.model, name)
        if data.sem_only and txm is not None:
            raise UserError(
                f"--txm {command.repair.txm}: the model {name} was trained with --sem_only and sees no TXM; leave it "
                "out"
            )
        if not data.sem_only and txm is None:
            raise UserError(
                f"the model {name} repairs with the help of the TXM: pass the folder of the aligned TXM slices as "
                "--txm, or name a model that was trained with --sem_only"
            )
        check_patch_size(command.model, data.patch_size)
        if data.patch_size > min(sem.shape):
            raise UserError(
                f"{sem.paths[0]} is {sem.shape[0]} x {sem.shape[1]} pixels; expected at least the --patch_size "
                f"{data.patch_size} that the model repairs at once: join slices or pad them with 0"
            )
        self.command = command
        self.sem_range = resolve_stack_range(data, sem, "sem")
        check_grey_values(_shown_values(sem, charge), self.sem_range, "sem", sem.paths[0])
        if txm is not None:
            self.txm_range = resolve_stack_range(data, txm, "txm")
            check_grey_values(_shown_values(txm), self.txm_range, "txm", txm.paths[0])
        self.model = Model.load(command, label_of(command.repair.epoch, command.repair.load_iter))
        self.model_checksum = self.model.checksum

    def __call__(
        self, sem: NDArray[Any], mask: NDArray[np.bool_], txm: NDArray[Any] | None, index: int
    ) -> NDArray[np.float32]:
        """Return the grey values of a slice inside its mask; see `Filling`."""
        filled = fill(
            self.model.predictor,
            None if txm is None else self.txm_range.normalise(txm),
            self.sem_range.normalise(sem),
            mask,
            options=self.command.data,
            tiles_at_once=self.command.repair.tiles,
        )
        return self.sem_range.denormalise(filled)


def fill(
    predictor: Predictor,
    txm: NDArray[np.float32] | None,
    sem: NDArray[np.float32],
    mask: NDArray[np.bool_],
    options: ContrastOptions,
    tiles_at_once: int = 1,
) -> NDArray[np.float32]:
    """Predict what a charged SEM shows inside its mask, tile by tile.

    Args:
        predictor: a repair model.
        txm: (H, W) in [-1, 1]; None where the model was trained without.
        sem: (H, W) in [-1, 1].
        mask: (H, W), True, or above 0, where it is charged.
        options: the side of a tile, `patch_size`, is at most H and W; the contrast of each tile's TXM is adjusted by
            `gamma` and `hist_eq`, as that of each patch in training.
        tiles_at_once: tiles that are predicted together.

    Returns:
        (H, W) in [-1, 1], see `blend_tiles`.

    Raises:
        UserError: the arrays are not such ones.
    """

    sem = grey_array(sem, ("rows", "columns"), "sem")
    mask = mask_array(mask, sem.shape)
    txm = None if txm is None else grey_array(txm, ("rows", "columns"), "txm", shape=sem.shape)

    see = TxmInput.of(options, GreyRange(-1, 1))

    def source(tile: Window) -> Tensor:
        seen = None
        if txm is not None:
            seen = see.contrasted(torch.from_numpy(txm[tile])[None])
        return repair_source(seen, torch.from_numpy(sem[tile])[None], torch.from_numpy(mask[tile])[None])

    def predict(tiles: list[Window]) -> list[NDArray[np.float32]]:
        return [image[0].numpy() for image in predictor(torch.stack([source(tile) for tile in tiles]))]

    return blend_tiles(mask, (options.patch_size, options.patch_size), predict, tiles_at_once)


def _shown_values(stack: TiffStack, charge: TiffStack | None = None) -> NDArray[Any]:
    """Return the grey values of the first slice's pixels that are uncharged and not 0."""
    image = stack.read(0, *map(slice, stack.shape))
    shown = image != 0
    if charge is not None:
        shown &= charge.read(charge.numbers.index(stack.numbers[0]), *map(slice, stack.shape)) == 0
    values: NDArray[Any] = image[shown]
    return values
