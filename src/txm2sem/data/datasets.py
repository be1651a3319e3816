"""Patches as the networks see them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from txm2sem.data.grey import GreyRange, resolve_ranges
from txm2sem.data.sampling import PatchLocation, draw_training_location, evaluation_locations
from txm2sem.data.slices import MASK_NAMES, AlignedSlices
from txm2sem.data.transforms import preprocess, random_contrast, random_horizontal_flip, random_quarter_turns
from txm2sem.data.txm_input import TxmInput
from txm2sem.options import DataOptions, SamplingOptions


class TrainingPatches(Dataset[dict[str, Tensor]]):
    """Random patches. An item's key is (epoch, index), as `EpochSampler` gives it.

    Everything random about a patch is drawn from the seed and its key, so it depends neither on the number of loader
    processes nor on where a run was resumed.

    Items are `source`, the TXM at full resolution, and `target`, the SEM (the other way round with `--direction BtoA`):
    float32 (1, H, W), [-1, 1]; with `--ignore_charged` also `valid`, bool (1, H, W), see `AlignedSlices.valid`. With
    `--context_slices` K the source has neighbouring slices too, (2 K + 1, H, W), see `AlignedSlices.txm_channels`. With
    `--forgive` there is `place`, too: position of the slice, row and column of each pixel, float32 (3, H, W).

    Args:
        slices: the training split.
        options: what a patch is; ranges that are `auto` are measured on `slices`.
        seed: of everything random, 0 or above.
        sampling: how places are chosen.

    Raises:
        UserError: a grey range is wrong, or the slices have no usable patches of that size.
    """

    def __init__(
        self, slices: AlignedSlices, options: DataOptions, seed: int, sampling: SamplingOptions = SamplingOptions()
    ) -> None:
        self.slices = slices
        self.options = resolve_ranges(options, slices)
        self.seed = seed
        self.sampling = sampling
        self._pairs = _Pairs(slices, self.options)
        # Slices without usable patches show here, before training and not in a loader process.
        draw_training_location(slices, options.patch_size, np.random.default_rng(seed))
        self._fixed = evaluation_locations(slices, options.patch_size, sampling.num_train) if sampling.eval_mode else []

    def __len__(self) -> int:
        return self.sampling.num_train

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Tensor]:
        rng = self.generator(key)
        patch = self.read(self.locate(key, rng))
        if not self.sampling.aligned:
            patch |= {name: image for name, image in self.read(self.locate(key, rng)).items() if name != "source"}
        patch = self.orient(patch, rng)
        if self.sampling.vary_contrast:
            patch["source"] = random_contrast(patch["source"], self.sampling.vary_contrast, rng)
        return preprocess(patch, self.options, rng)

    def generator(self, key: tuple[int, int]) -> np.random.Generator:
        """Return the generator that everything random about an item is drawn from."""
        epoch, index = key
        return np.random.default_rng([self.seed, 0 if self.sampling.serial_batches else epoch, index])

    def locate(self, key: tuple[int, int], rng: np.random.Generator) -> PatchLocation:
        """Return where the patch of an item lies."""
        if self._fixed:
            return self._fixed[key[1] % len(self._fixed)]
        return draw_training_location(self.slices, self.options.patch_size, rng)

    def orient(self, patch: dict[str, Tensor], rng: np.random.Generator) -> dict[str, Tensor]:
        """Return the images of a patch mirrored and turned at random, all alike, as far as the options want it."""
        images = tuple(patch.values())
        if not self.sampling.no_flip:
            images = random_horizontal_flip(images, rng)
        if self.sampling.all_orientations:
            images = random_quarter_turns(images, rng)
        return dict(zip(patch, images, strict=True))

    def read(self, location: PatchLocation) -> dict[str, Tensor]:
        """Return the images of a patch, neither flipped nor preprocessed."""
        window = location.to_slices()
        source, target = self._pairs.read(*window)
        return {"source": source, "target": target} | self._pairs.validity(*window) | self.place(location)

    def place(self, location: PatchLocation) -> dict[str, Tensor]:
        """Return where the pixels of a patch lie, where displacements of them are learned."""
        if not self.sampling.forgive:
            return {}
        index, rows, columns = location.to_slices()
        return {"place": torch.from_numpy(np.mgrid[index : index + 1, rows, columns][:, 0].astype(np.float32))}


class EvaluationPatches(Dataset[dict[str, Tensor]]):
    """The fixed patches of a split, see `evaluation_locations`.

    Items are `source`, `target` and `valid` as in `TrainingPatches`, never flipped; `index`, the number of the patch,
    int64 (); and, with masks, `charge`, `lowdensity` and `highdensity`, bool (1, H, W), False where there is no mask,
    and `usable`, bool (1, H, W), see `AlignedSlices.valid`, whether or not losses and scores count other pixels too.

    Args:
        slices: the split.
        options: what a patch is, and number of patches; ranges that are `auto` are measured on `slices`, so to
            evaluate a trained model pass those it was trained with.
        locations: other places to evaluate.
        with_masks: read the masks, too.

    Attributes:
        locations: where each patch is.

    Raises:
        UserError: a grey range is wrong, or the slices have too few usable patches of that size.
    """

    def __init__(
        self,
        slices: AlignedSlices,
        options: DataOptions,
        locations: Sequence[PatchLocation] | None = None,
        *,
        with_masks: bool = True,
    ) -> None:
        self.slices = slices
        self.options = resolve_ranges(options, slices)
        self.with_masks = with_masks
        if locations is None:
            locations = evaluation_locations(slices, options.patch_size, options.num_test)
        self.locations = locations
        self._pairs = _Pairs(slices, self.options)

    def __len__(self) -> int:
        return len(self.locations)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return preprocess(self.read(index), self.options, None) | {"index": torch.tensor(index)}

    def read(self, index: int) -> dict[str, Tensor]:
        """Return the images and masks of a patch, not preprocessed."""
        window = self.window(index)
        source, target = self._pairs.read(*window)
        patch = {"source": source, "target": target}
        if self.with_masks:
            for name in MASK_NAMES:
                patch[name] = torch.from_numpy(self.slices.mask(name, *window))[None]
            patch["usable"] = torch.from_numpy(self.slices.valid(*window))[None]
        return patch | self._pairs.validity(*window)

    def window(self, index: int) -> tuple[int, slice, slice]:
        """Return where a patch is: (slice index, rows, columns)."""
        return self.locations[index].to_slices()

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        return (self[index] for index in range(len(self)))


class WholeSlices(EvaluationPatches):
    """Every slice of a split as a whole; items are those of `EvaluationPatches`, of the slices' size."""

    def __init__(self, slices: AlignedSlices, options: DataOptions) -> None:
        super().__init__(slices, options, locations=[])

    def __len__(self) -> int:
        return len(self.slices)

    def window(self, index: int) -> tuple[int, slice, slice]:
        """Return where a slice is: (slice index, rows, columns)."""
        rows, columns = self.slices.shape
        return index, slice(0, rows), slice(0, columns)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return self.read(index) | {"index": torch.tensor(index)}


class EpochSampler(Sampler[tuple[int, int]]):
    """The keys (epoch, index) of one epoch's training patches, for one of several processes that train together.

    Process `rank` takes every `world_size`-th index. All processes take the same number, so that none waits for
    another at the end; where `length` does not divide by `world_size`, the last index runs a little past it, to
    patches that are as good as any.

    Args:
        epoch: number of the epoch.
        length: patches of the epoch, over all processes.
        start: patches of the epoch that are done, over all processes.
        rank: which process this is, from 0.
        world_size: how many there are.
    """

    def __init__(self, epoch: int, length: int, *, start: int = 0, rank: int = 0, world_size: int = 1) -> None:
        self.epoch = epoch
        self.rank = rank
        patches = -(-max(length - start, 0) // world_size)
        self._indices = range(start + rank, start + rank + patches * world_size, world_size)

    def __len__(self) -> int:
        return len(self._indices)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return ((self.epoch, index) for index in self._indices)


class _Pairs:
    """Reads patches of source and target as float32 tensors (C, H, W) in [-1, 1]."""

    def __init__(self, slices: AlignedSlices, options: DataOptions) -> None:
        self.slices = slices
        self.options = options
        self.txm_input = TxmInput.of(options, GreyRange.parse(options.txm_range))
        self.sem_range = GreyRange.parse(options.sem_range)

    def read(self, index: int, rows: slice, columns: slice) -> tuple[Tensor, Tensor]:
        window, options = (index, rows, columns), self.options
        shift = (options.y_misalign, options.x_misalign)
        sem = self.sem_range.normalise(self.slices.image("sem", *window))
        pair = self.txm_input(self.slices.txm_channels(*window, shift)), torch.from_numpy(sem)[None]
        return pair if options.direction == "AtoB" else (pair[1], pair[0])

    def validity(self, index: int, rows: slice, columns: slice) -> dict[str, Tensor]:
        """Return the pixels that losses and scores count, where that is asked for."""
        if not self.options.ignore_charged:
            return {}
        return {"valid": torch.from_numpy(self.slices.valid(index, rows, columns))[None]}
