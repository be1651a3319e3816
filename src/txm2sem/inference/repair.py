"""Repair the charged regions of a folder of SEM slices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, label
from tifffile import COMPRESSION, PHOTOMETRIC, TiffFile, imwrite
from torch import Tensor

from txm2sem.checkpoints import label_of
from txm2sem.config import DataOptions, RepairCommand, RepairOptions, run_name
from txm2sem.data import TiffStack, check_channels, repair_source
from txm2sem.data.grey import check_grey_values, resolve_stack_range
from txm2sem.data.transforms import adjust_contrast
from txm2sem.devices import device_of, dtype_of
from txm2sem.errors import UserError
from txm2sem.inference.predictor import Predictor
from txm2sem.networks import check_patch_size
from txm2sem.runs import RunPaths, write_whole


@dataclass(frozen=True)
class RepairedSlice:
    """One repaired slice.

    Attributes:
        name: its file name.
        before: the SEM as it was, (rows, columns), in the file's dtype.
        after: the same with the charge repaired.
        mask: (rows, columns), True where it was repaired.
    """

    name: str
    before: NDArray[Any]
    after: NDArray[Any]
    mask: NDArray[np.bool_]


class FolderRepair:
    """Repairs the slices of a folder, one after the other, and writes them into another under the same names.

    A slice is repaired in tiles of the model's patch size with half overlap; where tiles overlap inside the charge,
    they are blended smoothly. Pixels outside the charge keep their bits, as do those of 0, where nothing was imaged.
    Normalisation statistics and dropout are frozen, so a slice is repaired in the same way every time.

    Args:
        command: model, masks and how they are found.
        folder: the SEM slices.
        out: where to write; new, or empty.

    Attributes:
        sem: the slices.
        saturation: grey value from which pixels count as saturated; None where masks are given.

    Raises:
        UserError: model, slices and masks do not fit each other, or `out` is not empty; nothing is written.
    """

    def __init__(self, command: RepairCommand, folder: Path, out: Path) -> None:
        options, data = command.repair, command.data
        if data.dataset_mode != "image_repair":
            raise UserError(
                f"the model {run_name(command)} is a --model {command.model.model} for --dataset_mode "
                f"{data.dataset_mode} and repairs nothing; name one that was trained with --model repair"
            )
        check_channels(command.model, data)
        check_patch_size(command.model, data.patch_size)
        check_empty(out)
        self.command = command
        self.out = out
        self.sem = TiffStack(folder)
        self.txm = self._open_txm(options)
        self.charge = None if options.charge is None else aligned(TiffStack(options.charge, mask=True), self.sem)
        if data.patch_size > min(self.sem.shape):
            raise UserError(
                f"{self.sem.paths[0]} is {self.sem.shape[0]} x {self.sem.shape[1]} pixels; expected at least the "
                f"--patch_size {data.patch_size} that the model repairs at once: join slices or pad them with 0"
            )
        self.sem_range = resolve_stack_range(data, self.sem, "sem")
        check_grey_values(shown_values(self.sem, self.charge), self.sem_range, "sem", self.sem.paths[0])
        if self.txm is not None:
            self.txm_range = resolve_stack_range(data, self.txm, "txm")
            check_grey_values(shown_values(self.txm), self.txm_range, "txm", self.txm.paths[0])
        paths = RunPaths.of(run_name(command), command.run.checkpoints_dir, command.run.results_dir)
        self.predictor = Predictor.load(
            paths,
            label_of(options.epoch, options.load_iter),
            command.model,
            device=device_of(command.run.gpu_ids),
            dtype=dtype_of(command.run.precision),
        )
        self.saturation = None if self.charge is not None else saturation_of(self.sem, options.saturation)

    def __len__(self) -> int:
        return len(self.sem)

    def run(self) -> Iterator[RepairedSlice]:
        """Repair and write every slice, yielding each as it is done.

        Masks that were found here are written, too, as `OUT/charge/NAME`: to look at, to correct, and to pass as
        `--charge`.

        Raises:
            UserError: a file cannot be read or written.
        """
        for index, path in enumerate(self.sem.paths):
            sem, mask = self._sem(index), self._mask(index)
            repaired = RepairedSlice(path.name, sem, self._repair(index, sem, mask), mask)
            write_like(path, self.out / path.name, repaired.after)
            if self.saturation is not None:
                write_mask(self.out / "charge" / path.name, mask)
            yield repaired

    def _sem(self, index: int) -> NDArray[Any]:
        return self.sem.read(index, *map(slice, self.sem.shape))

    def _mask(self, index: int) -> NDArray[np.bool_]:
        sem = self._sem(index)
        if self.charge is not None:
            given = self.charge.read(self.charge.numbers.index(self.sem.numbers[index]), *map(slice, sem.shape))
            mask: NDArray[np.bool_] = (given > 0) & (sem != 0)
            return mask
        assert self.saturation is not None
        options = self.command.repair
        return find_charge(sem, self.saturation, min_area=options.min_area, dilation=options.dilation)

    def _repair(self, index: int, sem: NDArray[Any], mask: NDArray[np.bool_]) -> NDArray[Any]:
        repaired = sem.copy()
        if not mask.any():
            return repaired
        txm = None
        if self.txm is not None:
            place = self.txm.numbers.index(self.sem.numbers[index])
            txm = self.txm_range.normalise(self.txm.read(place, *map(slice, sem.shape)))
        filled = fill(
            self.predictor,
            txm,
            self.sem_range.normalise(sem),
            mask,
            options=self.command.data,
            tiles_at_once=self.command.repair.tiles,
        )
        repaired[mask] = to_dtype(self.sem_range.denormalise(filled[mask]), sem.dtype)
        return repaired

    def _open_txm(self, options: RepairOptions) -> TiffStack | None:
        name = self.command.run.name
        if self.command.data.sem_only:
            if options.txm is not None:
                raise UserError(
                    f"--txm {options.txm}: the model {name} was trained with --sem_only and sees no TXM; leave it out"
                )
            return None
        if options.txm is None:
            raise UserError(
                f"the model {name} repairs with the help of the TXM: pass the folder of the aligned TXM slices as "
                "--txm, or name a model that was trained with --sem_only"
            )
        return aligned(TiffStack(options.txm), self.sem)


def fill(
    predictor: Predictor,
    txm: NDArray[np.float32] | None,
    sem: NDArray[np.float32],
    mask: NDArray[np.bool_],
    options: DataOptions,
    tiles_at_once: int = 1,
) -> NDArray[np.float32]:
    """Predict what a charged SEM shows inside its mask, tile by tile.

    Args:
        predictor: a repair model.
        txm: (H, W) in [-1, 1]; None where the model was trained without.
        sem: (H, W) in [-1, 1].
        mask: (H, W), True where it is charged.
        options: the side of a tile, `patch_size`, is at most H and W; the contrast of each tile's TXM is adjusted by
            `gamma` and `hist_eq`, as that of each patch in training.
        tiles_at_once: tiles that are predicted together.

    Returns:
        (H, W) in [-1, 1]: inside the mask the mean of the tiles, weighted with squared sines that peak in their
        middles; zero where no tile was needed.
    """
    size = options.patch_size
    sums, weights = np.zeros(sem.shape), np.zeros(sem.shape)
    window = tile_weights(size)
    tiles = [
        (slice(row, row + size), slice(column, column + size))
        for row in tile_starts(sem.shape[0], size)
        for column in tile_starts(sem.shape[1], size)
        if mask[row : row + size, column : column + size].any()
    ]

    def source(tile: tuple[slice, slice]) -> Tensor:
        seen = None
        if txm is not None:
            seen = adjust_contrast(torch.from_numpy(txm[tile])[None], options.gamma, options.hist_eq)
        return repair_source(seen, torch.from_numpy(sem[tile])[None], torch.from_numpy(mask[tile])[None])

    for first in range(0, len(tiles), tiles_at_once):
        batch = tiles[first : first + tiles_at_once]
        predictions = predictor(torch.stack([source(tile) for tile in batch]))
        for tile, prediction in zip(batch, predictions[:, 0].numpy(), strict=True):
            sums[tile] += window * prediction
            weights[tile] += window
    filled: NDArray[np.float32] = np.divide(sums, weights, out=sums, where=weights > 0).astype(np.float32)
    return filled


def tile_starts(length: int, size: int) -> list[int]:
    """Return the first pixels of tiles that cover a side with at least half overlap, the last one ending with it."""
    return sorted({*range(0, length - size, max(size // 2, 1)), length - size})


def tile_weights(size: int) -> NDArray[np.float64]:
    """Return a tile's weights (size, size): squared sines, above 0; they add up to about 1 at half overlap."""
    side = np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2
    return np.outer(side, side)


def saturation_of(stack: TiffStack, text: str) -> float:
    """Return the grey value from which pixels count as saturated: the number given, or the largest one in the slices.

    Raises:
        UserError: the text is neither a number nor `auto`.
    """
    if text == "auto":
        return max(float(stack.read(index, *map(slice, stack.shape)).max()) for index in range(len(stack)))
    try:
        return float(text)
    except ValueError:
        raise UserError(f"--saturation {text}: expected a grey value such as 255, or auto") from None


def find_charge(sem: NDArray[Any], saturation: float, *, min_area: int, dilation: int) -> NDArray[np.bool_]:
    """Find charged regions: saturated, large enough, and a margin around them.

    Bright grains that saturate are found, too, where they are large enough.

    Args:
        sem: (H, W), any dtype; pixels of 0 are never charged.
        saturation: grey value from which a pixel counts.
        min_area: smallest number of connected pixels (sides and corners).
        dilation: how far the mask reaches beyond them [pixels].
    """
    regions, count = label(sem >= saturation, np.ones((3, 3)))
    areas = np.bincount(regions.ravel(), minlength=count + 1)
    large = areas >= min_area
    large[0] = False
    charge: NDArray[np.bool_] = large[regions]
    if charge.any() and dilation > 0:
        charge = distance_transform_edt(~charge) <= dilation
    charge &= sem != 0
    return charge


def to_dtype(grey: NDArray[np.float32], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return grey values in a file's dtype: rounded and clipped for integers."""
    if dtype.kind == "f":
        return grey.astype(dtype)
    limits = np.iinfo(dtype)
    return np.clip(np.rint(grey.astype(np.float64)), limits.min, limits.max).astype(dtype)


def aligned(stack: TiffStack, sem: TiffStack) -> TiffStack:
    """Return a stack after a check that it has every slice of the SEM, by its number, in the same size.

    Raises:
        UserError: it has not.
    """
    missing = sorted(set(sem.numbers) - set(stack.numbers))
    if missing:
        raise UserError(
            f"{stack.folder} has no slice {', '.join(map(str, missing[:10]))}, but {sem.folder} has; expected every "
            "slice of the SEM, by the last number of its name: add or remove slices"
        )
    if stack.shape != sem.shape:
        raise UserError(
            f"{stack.paths[0]} is {stack.shape[0]} x {stack.shape[1]} pixels, but {sem.paths[0]} is {sem.shape[0]} x "
            f"{sem.shape[1]}; expected one size: register and crop them first"
        )
    return stack


def check_empty(out: Path) -> None:
    """Check that a folder is not there yet, or has nothing in it.

    Raises:
        UserError: it has, or it is a file.
    """
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file; expected a folder to write the repaired slices into: choose another name")
    if out.is_dir() and (there := sorted(path.name for path in out.iterdir())):
        raise UserError(
            f"the folder {out} is not empty (it holds {there[0]}); repaired slices go into a new folder: choose "
            "another name, or empty it"
        )


def shown_values(stack: TiffStack, charge: TiffStack | None = None) -> NDArray[Any]:
    """Return the grey values of the first slice's pixels that are uncharged and not 0."""
    image = stack.read(0, *map(slice, stack.shape))
    shown = image != 0
    if charge is not None:
        shown &= charge.read(charge.numbers.index(stack.numbers[0]), *map(slice, stack.shape)) == 0
    values: NDArray[Any] = image[shown]
    return values


def write_like(original: Path, path: Path, image: NDArray[Any]) -> None:
    """Write a slice (rows, columns) as TIFF with the pixel size and the meaning of 0 that another file has.

    It is compressed, without loss, where the other file is.

    Raises:
        UserError: the disk is full or the folder not writable.
    """
    with TiffFile(original) as file:
        page: Any = file.pages.first
        inverted = page.photometric == PHOTOMETRIC.MINISWHITE
        kept = {
            "photometric": PHOTOMETRIC(page.photometric),
            "resolution": page.resolution,
            "resolutionunit": page.resolutionunit,
            "compression": None if page.compression == COMPRESSION.NONE else COMPRESSION.ADOBE_DEFLATE,
        }
    write_whole(path, lambda buffer: imwrite(buffer, np.invert(image) if inverted else image, **kept))


def write_mask(path: Path, mask: NDArray[np.bool_]) -> None:
    """Write a mask (rows, columns) as 8-bit TIFF, 0 and 255.

    Raises:
        UserError: the disk is full or the folder not writable.
    """

    def write(buffer: BytesIO) -> None:
        imwrite(buffer, mask.astype(np.uint8) * 255, photometric="minisblack", compression="zlib")

    write_whole(path, write)
