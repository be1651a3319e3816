"""How a phase conducts: effective diffusivity and tortuosity factor along an axis.

Laplace's equation is solved on the voxels of the phase: finite volumes with fluxes through the faces that two of them
share, none into other phases or out of the volume's sides. Concentrations of 1 and 0 are held at the two ends of the
volume, half a voxel beyond the first and last voxels' centres, as TauFactor does (Cooper et al. 2016,
https://doi.org/10.1016/j.softx.2016.09.009). Only clusters that reach from end to end take part.

By conjugate gradients. Where a phase is tortuous, a voxel learns of the ends in thousands of steps, so they are
preconditioned by a V-cycle of smoothed aggregation (Vaněk, Mandel and Brezina 1996,
https://doi.org/10.1007/BF02238511): voxels that hang together within 3 x 3 x 3 are one unknown of a coarser system, and
so on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import LinearOperator, cg, splu

Mask = NDArray[np.bool_]
Values = NDArray[np.float64]
Spacing = tuple[float, float, float]

TOLERANCE = 1e-8
"""Norm of the residual, relative to that of the right-hand side, at which a solution is good."""

STEP = 3
"""Unknowns of a coarser system are this much larger along each axis."""

COARSEST = 3000
"""A system of no more unknowns is solved directly."""


@dataclass(frozen=True)
class Diffusivity:
    """How a phase conducts along an axis.

    Attributes:
        relative: effective diffusivity of the volume, relative to that in the phase, 0 to 1: flux per area of the
            volume, by the mean gradient; 0 where the phase does not reach from end to end.
        fraction: of the volume that is of the phase.
        conducting: of the volume that is of clusters from end to end.
        residual: that is left, relative to the right-hand side.
        iterations: of conjugate gradients.
        mismatch: by how much the fluxes at both ends differ, relative to the larger.
    """

    relative: float
    fraction: float
    conducting: float
    residual: float
    iterations: int
    mismatch: float

    @property
    def percolates(self) -> bool:
        """Whether the phase reaches from end to end."""
        return self.conducting > 0

    @property
    def tortuosity_factor(self) -> float:
        """Fraction by relative diffusivity: 1 for straight channels, infinite where the phase does not reach from end
        to end (Cooper et al. 2016, equation 1)."""
        return self.fraction / self.relative if self.percolates else float("inf")


def diffusivity(phase: Mask, axis: int, spacing: Spacing) -> Diffusivity:
    """Return how a phase conducts along an axis.

    Memory grows with the voxels of the phase, by some 600 bytes each.

    Args:
        phase: (z, y, x). What is not known conducts no more than other phases: leave it out of the volume.
        axis: 0 for z, 1 for y, 2 for x.
        spacing: sides of a voxel along (z, y, x), in any unit.
    """
    order = [axis, *(other for other in range(3) if other != axis)]
    phase = phase.transpose(order)
    fraction = float(phase.mean())
    labels = cc3d.connected_components(phase, connectivity=6, binary_image=True)
    through = np.intersect1d(labels[0], labels[-1])
    conducting = np.isin(labels, through[through > 0])
    if not conducting.any():
        return Diffusivity(0.0, fraction, 0.0, 0.0, 0, 0.0)
    sides = np.array(spacing, np.float64)[order]
    system, entry, exit_ = _system(conducting, (sides[0] / sides) ** 2)
    supply = np.zeros(system.shape[0])
    supply[entry] = 2
    cycle = _Cycle.of(system, np.argwhere(conducting).astype(np.int32))
    iterations = 0

    def count(_: Values) -> None:
        nonlocal iterations
        iterations += 1

    preconditioner = LinearOperator(system.shape, matvec=cycle, dtype=np.float64)
    solution, _ = cg(system, supply, rtol=TOLERANCE, M=preconditioner, callback=count)
    fluxes = 2 * (1 - solution[entry]).sum(), 2 * solution[exit_].sum()
    return Diffusivity(
        relative=float(np.mean(fluxes) * len(phase) / phase[0].size),
        fraction=fraction,
        conducting=float(conducting.mean()),
        residual=float(np.linalg.norm(system @ solution - supply) / np.linalg.norm(supply)),
        iterations=iterations,
        mismatch=float(abs(fluxes[0] - fluxes[1]) / max(fluxes)),
    )


def _system(conducting: Mask, conductances: Values) -> tuple[Any, NDArray[np.int32], NDArray[np.int32]]:
    """Return the balance of each voxel, (N, N), and which voxels are at the first and at the last end.

    Args:
        conducting: (z, y, x); concentrations are held along the first axis.
        conductances: between neighbours along each axis.
    """
    count = int(np.count_nonzero(conducting))
    number = np.full(conducting.shape, -1, np.int32)
    number[conducting] = np.arange(count, dtype=np.int32)
    entry, exit_ = (end[end >= 0] for end in (number[0], number[-1]))
    # At the ends, concentrations are held half as far away as the next voxel is.
    balance = np.zeros(count)
    balance[entry] += 2 * conductances[0]
    balance[exit_] += 2 * conductances[0]
    rows, columns, values = [], [], []
    for axis, conductance in enumerate(conductances):
        ahead = number.swapaxes(0, axis)
        pairs = (ahead[:-1] >= 0) & (ahead[1:] >= 0)
        first, second = ahead[:-1][pairs], ahead[1:][pairs]
        rows += [first, second]
        columns += [second, first]
        values.append(np.full(2 * len(first), -conductance))
        balance += conductance * (np.bincount(first, minlength=count) + np.bincount(second, minlength=count))
    diagonal = np.arange(count, dtype=np.int32)
    entries = (
        np.concatenate([*values, balance]),
        (np.concatenate([*rows, diagonal]), np.concatenate([*columns, diagonal])),
    )
    return coo_array(entries, shape=(count, count)).tocsr(), entry, exit_


@dataclass(frozen=True)
class _Cycle:
    """An approximate solution of a system: the error is smoothed, what is left is corrected by a coarser system's, and
    it is smoothed again, so that the whole is symmetric.

    Attributes:
        system: (N, N).
        smoothing: what residuals are multiplied by, (N,): damped so that any error becomes smaller.
        coarse: from the coarser system's unknowns, (N, M).
        correct: solves the coarser system.
    """

    system: Any
    smoothing: Values
    coarse: Any
    correct: Callable[[Values], Values]

    @classmethod
    def of(cls, system: Any, places: NDArray[np.int32]) -> Callable[[Values], Values]:
        """Return what solves a system approximately, or directly where it is small.

        Args:
            system: (N, N), symmetric and positive definite.
            places: of the unknowns, (N, 3).
        """
        count = system.shape[0]
        entries = system.tocoo()
        if count <= COARSEST or entries.nnz == count:
            solve: Callable[[Values], Values] = splu(system.tocsc()).solve
            return solve
        cells = places // STEP
        cell = np.ravel_multi_index(tuple(cells.T), tuple(cells.max(axis=0) + 1))
        within = cell[entries.row] == cell[entries.col]
        graph = coo_array((entries.data[within], (entries.row[within], entries.col[within])), shape=system.shape)
        merged, unknown = connected_components(graph, directed=False)
        constant = csr_array((np.ones(count), unknown, np.arange(count + 1)), shape=(count, merged))
        # Rows' sums bound the eigenvalues of the system with a unit diagonal (Gershgorin).
        diagonal = system.diagonal()
        smoothing = 4 / 3 / float((abs(system).sum(axis=1) / diagonal).max()) / diagonal
        coarse = csr_array(constant - (system @ constant).multiply(smoothing[:, None]))
        coarser_places = np.zeros((merged, 3), np.int32)
        coarser_places[unknown] = cells
        return cls(system, smoothing, coarse, cls.of(csr_array(coarse.T @ (system @ coarse)), coarser_places))

    def __call__(self, supply: Values) -> Values:
        solution = self.smoothing * supply
        solution = solution + self.coarse @ self.correct(self.coarse.T @ (supply - self.system @ solution))
        smoothed: Values = solution + self.smoothing * (supply - self.system @ solution)
        return smoothed
