"""Patches to learn image repair from: a SEM with charged regions painted in, and what was there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from txm2sem.data.datasets import EvaluationPatches, TrainingPatches
from txm2sem.data.sampling import MAX_TRIES, PatchLocation, check_patch_fits, draw_training_location
from txm2sem.data.slices import AlignedSlices
from txm2sem.errors import UserError
from txm2sem.options import DataOptions, SamplingOptions

MIN_INTACT = 0.25
"""A painted patch is used if at least this share of its pixels stays uncharged ..."""

MAX_INTACT = 0.75
"""... and at most this."""

EVALUATION_CHARGE_SEED = 999
"""The charge painted on fixed patch `i` is drawn from numpy's generator seeded with [999, i]."""

TXM_CHANNEL = 0
"""Where the network's input has the TXM."""

SEM_CHANNEL = 1
"""Where it has the painted SEM."""

MASK_CHANNEL = 2
"""Where it has the mask: 1 charged, -1 not."""

WHITE = 1.0
"""What charged pixels are painted, in the networks' range."""


def draw_charge(
    slices: AlignedSlices, location: PatchLocation, rng: np.random.Generator, *, max_tries: int = MAX_TRIES
) -> NDArray[np.bool_]:
    """Draw a charge mask for a patch: the shape of real charge from another place, where the SEM shows something.

    The place is drawn uniformly in row, column and slice of the same split, until between `MIN_INTACT` and
    `MAX_INTACT` of the patch stay uncharged.

    Args:
        slices: the slices; their charge masks give the shapes.
        location: the patch. Pixels that are 0 in its SEM stay uncharged.
        rng: of the places.
        max_tries: places tried before the search is given up.

    Returns:
        Mask (H, W), True where charge is to be painted.

    Raises:
        UserError: the split has no charge masks, or none that fits was found in `max_tries` places.
    """
    size = location.size
    check_patch_fits(slices, size)
    if slices.charge is None:
        raise UserError(
            f"{slices.folder} has no charge masks, from which image repair takes the shapes of charged regions; add "
            "the folder, or name it with --charge_dir"
        )
    imaged = slices.image("sem", *location.to_slices()) != 0
    rows, columns = (side - size + 1 for side in slices.shape)
    most_charged = 0.0
    for _ in range(max_tries):
        row, column, index = rng.integers((rows, columns, len(slices))).tolist()
        place = PatchLocation(index, row, column, size)
        charge: NDArray[np.bool_] = slices.mask("charge", *place.to_slices()) & imaged
        charged = np.count_nonzero(charge) / size**2
        if MIN_INTACT <= 1 - charged <= MAX_INTACT:
            return charge
        most_charged = max(most_charged, charged)
    raise UserError(
        f"no charge mask in {slices.charge.folder} fits a patch of {size} x {size} pixels after {max_tries} tries: "
        f"expected one that covers between {1 - MAX_INTACT:.0%} and {1 - MIN_INTACT:.0%} of it, found at most "
        f"{most_charged:.1%} or only larger ones; pass a smaller --patch_size, or check the masks (above 0 is charged)"
    )


def repair_source(txm: Tensor | None, sem: Tensor, charge: Tensor) -> Tensor:
    """Return what the network sees of charged images: TXM, SEM with the charge painted white, charge mask.

    Args:
        txm: (..., 1, H, W) in [-1, 1]; None gives a channel of zeros (`--sem_only`).
        sem: (..., 1, H, W) in [-1, 1]; what it shows where it is charged has no influence.
        charge: bool (..., 1, H, W), True where charged.

    Returns:
        float32 (..., 3, H, W); the mask is 1 where charged and -1 elsewhere.
    """
    painted = torch.where(charge, WHITE, sem)
    seen = torch.zeros_like(sem) if txm is None else txm
    return torch.cat([seen, painted, charge.float() * 2 - 1], dim=-3)


def charge_of(source: Tensor) -> Tensor:
    """Return the charge mask, bool (..., 1, H, W), of a network's input (..., 3, H, W)."""
    return source[..., MASK_CHANNEL : MASK_CHANNEL + 1, :, :] > 0


def composite(generated: Tensor, source: Tensor) -> Tensor:
    """Return the repaired SEM: the generated image where it is charged, the unchanged SEM everywhere else.

    Args:
        generated: (..., 1, H, W) in [-1, 1].
        source: the network's input, (..., 3, H, W), see `repair_source`.

    Returns:
        (..., 1, H, W); outside the mask bit for bit the SEM of the input.
    """
    return torch.where(charge_of(source), generated, source[..., SEM_CHANNEL : SEM_CHANNEL + 1, :, :])


class RepairTrainingPatches(TrainingPatches):
    """Random patches with random charge. An item's key is (epoch, index), as `EpochSampler` gives it.

    Places are chosen by the rules of `TrainingPatches`, charge by `draw_charge`, both from the seed and the key.

    Items are `source`, float32 (3, H, W), see `repair_source`, and `target`, the SEM without painted charge, float32
    (1, H, W), both in [-1, 1]; with `--ignore_charged` also `valid`, as in `TrainingPatches`.

    Raises:
        UserError: as `TrainingPatches`, and where there are no charge masks that fit.
    """

    def __init__(
        self, slices: AlignedSlices, options: DataOptions, seed: int, sampling: SamplingOptions = SamplingOptions()
    ) -> None:
        super().__init__(slices, options, seed, sampling)
        # Masks that do not fit show here, before training and not in a loader process.
        rng = np.random.default_rng(seed)
        draw_charge(slices, draw_training_location(slices, options.patch_size, rng), rng)

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Tensor]:
        rng = self.generator(key)
        location = self.locate(key, rng)
        charge = torch.from_numpy(draw_charge(self.slices, location, rng))[None]
        patch = self.read(location)
        patch["source"] = repair_source(None if self.options.sem_only else patch["source"], patch["target"], charge)
        return self.orient(patch, rng)


class RepairEvaluationPatches(EvaluationPatches):
    """The fixed patches of a split, see `EvaluationPatches`, each with a fixed charge painted on.

    The charge of patch `i` depends on the slices, its place and `i`, see `EVALUATION_CHARGE_SEED`.

    Items are `source`, `target` and `valid` as in `RepairTrainingPatches`, never flipped; `txm`, float32 (1, H, W) in
    [-1, 1], also where the network does not see it; `painted`, bool (1, H, W), the painted charge; and masks and
    `index` as in `EvaluationPatches` (`charge` is the real one, which the target shows).

    Raises:
        UserError: as `EvaluationPatches`, and where there are no charge masks that fit.
    """

    def __init__(
        self,
        slices: AlignedSlices,
        options: DataOptions,
        locations: Sequence[PatchLocation] | None = None,
        *,
        with_masks: bool = True,
    ) -> None:
        super().__init__(slices, options, locations, with_masks=with_masks)
        self.painted = [
            draw_charge(slices, location, np.random.default_rng([EVALUATION_CHARGE_SEED, index]))
            for index, location in enumerate(self.locations)
        ]

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        patch = self.read(index)
        txm, painted = patch["source"], torch.from_numpy(self.painted[index])[None]
        source = repair_source(None if self.options.sem_only else txm, patch["target"], painted)
        return patch | {"source": source, "txm": txm, "painted": painted, "index": torch.tensor(index)}
