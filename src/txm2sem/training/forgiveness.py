"""Training that forgives what is left of misalignment: by how much each SEM slice is displaced is learned, too."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from txm2sem.data import AlignedSlices

SPACING = 64
"""Distance of the nodes of the finest grid, at most [pixels]."""

SPEED = 20.0
"""Pixels by which a parameter displaces. Adam moves a parameter by its learning rate a step, whatever it does."""


class Displacements(nn.Module):
    """Where the TXM of each training slice shows what its SEM shows: a smooth displacement of each slice.

    The prediction is deformed by it before it is compared with the SEM, as in RegGAN (Kong et al. 2021, arXiv
    2110.06465). There a network finds the displacement of each pair of patches. But a slice is displaced in one way,
    wherever patches of it are taken and however they are turned, so that is what is learned, together with the
    generator. It is a sum of grids that are interpolated linearly, from one shift of the slice to nodes that are
    `SPACING` apart: what neighbours have in common is found first, and no other term has to ask for smoothness.

    A displacement that all slices have in common the generator could learn as well. Patches in all orientations leave
    it none that would fit them.

    Args:
        names: of the slices, in their order.
        shape: rows and columns of a slice [pixels].
        largest: displacement along rows, and along columns, that is not exceeded [pixels].
    """

    def __init__(self, names: Sequence[str], shape: tuple[int, int], largest: float) -> None:
        super().__init__()
        self.names, self.shape, self.largest = list(names), shape, largest
        cells = [[max(1, math.ceil(side / SPACING)) for side in shape]]
        while max(cells[0]) > 1:
            cells.insert(0, [-(-count // 2) for count in cells[0]])
        sizes = [(1, 1), *((rows + 1, columns + 1) for rows, columns in cells)]
        self.grids = nn.ParameterList(torch.zeros(len(self.names), 2, *size) for size in sizes)

    @classmethod
    def of(cls, slices: AlignedSlices, largest: float) -> Displacements | None:
        """Return those of training slices; None where nothing is to be forgiven."""
        return cls([path.name for path in slices.sem.paths], slices.shape, largest) if largest > 0 else None

    def nodes(self, slices: Tensor) -> Tensor:
        """Return the displacements (N, 2, R, C) along rows and columns at the nodes of some slices (N,) [pixels]."""
        grids = [grid[slices] for grid in self.grids]
        finest = grids[-1].shape[-2:]
        parts = [F.interpolate(grid, finest, mode="bilinear", align_corners=True) for grid in grids]
        return self.largest * torch.tanh(SPEED / self.largest * torch.stack(parts).sum(0))

    def forward(self, place: Tensor) -> Tensor:
        """Return the displacements (N, 2, H, W) along rows and columns of patches, however these are turned or scaled.

        Args:
            place: of each pixel of the patches, its slice, row and column there, (N, 3, H, W).
        """
        height, width = place.shape[-2:]
        last = place.new_tensor([side - 1 for side in reversed(self.shape)])
        where = 2 * place[:, [2, 1]].movedim(1, -1) / last - 1
        nodes = self.nodes(place[:, 0, 0, 0].round().long())
        moved = F.grid_sample(nodes, where, mode="bilinear", padding_mode="border", align_corners=True)
        down = (place[:, 1:, -1, 0] - place[:, 1:, 0, 0]) / (height - 1)
        right = (place[:, 1:, 0, -1] - place[:, 1:, 0, 0]) / (width - 1)
        to_patch = torch.linalg.inv(torch.stack([down, right], dim=2))
        within: Tensor = (to_patch[..., None, None] * moved[:, None]).sum(2)
        return within

    @torch.no_grad()
    def known(self, place: Tensor) -> Tensor:
        """Return where a deformed patch shows something, bool (N, 1, H, W); `place` is as in `forward`."""
        row, column = _reached(self(place))
        height, width = place.shape[-2:]
        return ((row >= 0) & (row <= height - 1) & (column >= 0) & (column <= width - 1))[:, None]

    @torch.no_grad()
    def summary(self) -> dict[str, dict[str, float]]:
        """Return the mean displacement of each slice, by its name, and the mean length of it [pixels]."""
        nodes = self.nodes(torch.arange(len(self.names), device=self.grids[0].device))
        rows, columns = nodes.mean((2, 3)).unbind(1)
        values = zip(rows.tolist(), columns.tolist(), nodes.norm(dim=1).mean((1, 2)).tolist(), strict=True)
        return {
            name: dict(zip(("row", "column", "length"), found, strict=True))
            for name, found in zip(self.names, values, strict=True)
        }


def deformed(image: Tensor, displacement: Tensor) -> Tensor:
    """Return what an image shows at x + displacement(x), by linear interpolation; beyond its edges, their pixels.

    It can be differentiated twice, which torch's own sampling cannot.

    Args:
        image: (N, C, H, W).
        displacement: along rows and columns, (N, 2, H, W) [pixels].
    """
    height, width = image.shape[-2:]
    reached = _reached(displacement)
    row, column = (place.clamp(0, side - 1) for place, side in zip(reached, (height, width), strict=True))
    top, left = (place.detach().floor().clamp(max=side - 2) for place, side in ((row, height), (column, width)))
    down, right = (row - top)[:, None], (column - left)[:, None]
    first = (top * width + left).long().flatten(1)[:, None].expand(-1, image.shape[1], -1)
    pixels = image.flatten(2)

    def between(step: int) -> Tensor:
        one, other = (pixels.gather(2, first + step + n).reshape(image.shape) for n in (0, 1))
        return one + right * (other - one)

    upper, lower = between(0), between(width)
    return upper + down * (lower - upper)


def _reached(displacement: Tensor) -> tuple[Tensor, Tensor]:
    """Return rows and columns that pixels are displaced to, (N, H, W) each."""
    height, width = displacement.shape[-2:]
    rows, columns = (torch.arange(side, device=displacement.device) for side in (height, width))
    return displacement[:, 0] + rows[:, None], displacement[:, 1] + columns
