"""Patches as the networks see them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from txm2sem.config import DataOptions, ModelOptions
from txm2sem.data.grey import GreyRange, resolve_ranges
from txm2sem.data.sampling import PatchLocation, draw_training_location, evaluation_locations
from txm2sem.data.slices import MASK_NAMES, AlignedSlices
from txm2sem.data.transforms import random_horizontal_flip
from txm2sem.errors import UserError


class TrainingPatches(Dataset[dict[str, Tensor]]):
    """Random patches. An item's key is (epoch, index), as `EpochSampler` gives it.

    Everything random about a patch is drawn from the seed and its key, so it depends neither on the number of loader
    processes nor on where a run was resumed.

    Items are `source`, the TXM at full resolution, and `target`, the SEM: float32 (1, H, W), [-1, 1].

    Args:
        slices: the training split.
        options: patch size, flip and grey ranges; ranges that are `auto` are measured on `slices`.
        seed: of everything random, 0 or above.

    Raises:
        UserError: a grey range is wrong, or the slices have no usable patches of that size.
    """

    def __init__(self, slices: AlignedSlices, options: DataOptions, seed: int) -> None:
        self.slices = slices
        self.options = resolve_ranges(options, slices)
        self.seed = seed
        self._pairs = _Pairs(slices, self.options)
        # Slices without usable patches show here, before training and not in a loader process.
        draw_training_location(slices, options.patch_size, np.random.default_rng(seed))

    def __len__(self) -> int:
        return self.options.num_train

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Tensor]:
        rng = np.random.default_rng([self.seed, *key])
        location = draw_training_location(self.slices, self.options.patch_size, rng)
        pair = self._pairs.read(location)
        source, target = pair if self.options.no_flip else random_horizontal_flip(pair, rng)
        return {"source": source, "target": target}


class EvaluationPatches(Dataset[dict[str, Tensor]]):
    """The fixed patches of a split, see `evaluation_locations`.

    Items are `source` and `target` as in `TrainingPatches`, never flipped; the masks `charge`, `lowdensity` and
    `highdensity`, bool (1, H, W), False where there is no mask; and `index`, the number of the patch, int64 ().

    Args:
        slices: the split.
        options: patch size, number of patches and grey ranges; ranges that are `auto` are measured on `slices`, so to
            evaluate a trained model pass those it was trained with.

    Attributes:
        locations: where each patch is.

    Raises:
        UserError: a grey range is wrong, or the slices have too few usable patches of that size.
    """

    def __init__(self, slices: AlignedSlices, options: DataOptions) -> None:
        self.slices = slices
        self.options = resolve_ranges(options, slices)
        self.locations = evaluation_locations(slices, options.patch_size, options.num_test)
        self._pairs = _Pairs(slices, self.options)

    def __len__(self) -> int:
        return len(self.locations)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        location = self.locations[index]
        source, target = self._pairs.read(location)
        masks = {name: self.slices.mask(name, *location.to_slices())[None] for name in MASK_NAMES}
        return {
            "source": source,
            "target": target,
            **{name: torch.from_numpy(mask) for name, mask in masks.items()},
            "index": torch.tensor(index),
        }

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        return (self[index] for index in range(len(self)))


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
    """Reads (TXM, SEM) patches as float32 tensors (1, H, W) in [-1, 1]."""

    def __init__(self, slices: AlignedSlices, options: DataOptions) -> None:
        self.slices = slices
        self.txm_range = GreyRange.parse(options.txm_range)
        self.sem_range = GreyRange.parse(options.sem_range)

    def read(self, location: PatchLocation) -> tuple[Tensor, Tensor]:
        window = location.to_slices()
        txm = self.txm_range.normalise(self.slices.image("txm", *window))
        sem = self.sem_range.normalise(self.slices.image("sem", *window))
        return torch.from_numpy(txm)[None], torch.from_numpy(sem)[None]


@dataclass(frozen=True)
class DatasetMode:
    """What a `--dataset_mode` gives to train and to evaluate with.

    Args:
        source_channels: channels of what the network sees.
        target_channels: channels of what it is to make.
        training: makes the training patches from slices, options and seed.
        evaluation: makes the fixed patches from slices and options.
    """

    source_channels: int
    target_channels: int
    training: type[TrainingPatches]
    evaluation: type[EvaluationPatches]


DATASET_MODES: dict[str, DatasetMode] = {"txm2sem": DatasetMode(1, 1, TrainingPatches, EvaluationPatches)}
"""The data set of each `--dataset_mode`."""


def check_channels(model: ModelOptions, options: DataOptions) -> None:
    """Check that a model takes and makes as many channels as the data set has.

    Raises:
        UserError: it does not.
    """
    mode = DATASET_MODES[options.dataset_mode]
    for name, expected in (("input_nc", mode.source_channels), ("output_nc", mode.target_channels)):
        found = getattr(model, name)
        if found != expected:
            raise UserError(
                f"--{name} {found}: expected {expected}, the channels of --dataset_mode {options.dataset_mode}; leave "
                "the option out"
            )
