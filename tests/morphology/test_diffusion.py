"""How bodies conduct whose resistance is known, and bounds that all keep."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import label

from morphology.bodies import Mask, blobs, volumes
from txm2sem.morphology import diffusion
from txm2sem.morphology.diffusion import Diffusivity, Spacing, diffusivity

CUBES: Spacing = (1.0, 1.0, 1.0)
axes = st.integers(0, 2)
spacings = st.sampled_from([CUBES, (2.0, 1.0, 1.0), (7.3, 5.0, 6.1), (10.0, 25.0, 14.0)])


def by_definition(phase: Mask, axis: int, spacing: Spacing) -> float:
    """Return the relative diffusivity, from currents between voxels that are written down one by one."""
    labels, _ = label(phase)
    through = np.intersect1d(labels.take(0, axis), labels.take(-1, axis))
    voxels = [tuple(voxel) for voxel in np.argwhere(np.isin(labels, through[through > 0])).tolist()]
    if not voxels:
        return 0.0
    area = [np.prod(spacing) / side for side in spacing]
    balance, supply = np.zeros((len(voxels), len(voxels))), np.zeros(len(voxels))
    flux_of = np.zeros(len(voxels))
    for row, voxel in enumerate(voxels):
        for along, side in enumerate(spacing):
            for step in (-1, 1):
                other = tuple(place + step * (number == along) for number, place in enumerate(voxel))
                if other in voxels:
                    balance[row, row] += area[along] / side
                    balance[row, voxels.index(other)] -= area[along] / side
                elif along == axis and not 0 <= other[axis] < phase.shape[axis]:
                    balance[row, row] += area[along] / (side / 2)
                    supply[row] += (step < 0) * area[along] / (side / 2)
                    flux_of[row] += (step > 0) * area[along] / (side / 2)
    flux = flux_of @ np.linalg.solve(balance, supply)
    length = phase.shape[axis] * spacing[axis]
    return float(flux / (phase.size * np.prod(spacing) / length) * length)


@settings(max_examples=60, deadline=None)
@given(volumes(5), axes, spacings)
def test_diffusivity_is_as_defined(volume: tuple[Mask, Mask], axis: int, spacing: Spacing) -> None:
    phase, _ = volume
    found = diffusivity(phase, axis, spacing)
    assert found.relative == pytest.approx(by_definition(phase, axis, spacing), rel=1e-6)
    assert found.fraction == pytest.approx(phase.mean())
    assert found.percolates == (found.relative > 0)


@given(axes, spacings)
def test_channels_straight_through_have_no_tortuosity(axis: int, spacing: Spacing) -> None:
    section = np.indices((7, 9)).sum(axis=0) % 2 == 0
    phase = np.moveaxis(np.repeat(section[None], 12, axis=0), 0, axis)
    found = diffusivity(phase, axis, spacing)
    assert found.relative == pytest.approx(32 / 63)
    assert found.tortuosity_factor == pytest.approx(1)
    assert found.conducting == found.fraction


def test_what_conducts_everywhere_has_the_diffusivity_of_its_phase() -> None:
    found = diffusivity(np.ones((30, 20, 10), bool), 0, (3.0, 2.0, 1.0))
    assert (found.relative, found.tortuosity_factor) == pytest.approx((1, 1))


@pytest.mark.parametrize("axis", range(3))
def test_layers_conduct_along_but_not_across(axis: int) -> None:
    phase = np.moveaxis(np.arange(16).reshape(-1, 1, 1) % 4 < 3, 0, axis) & np.ones((16, 16, 16), bool)
    for along in range(3):
        found = diffusivity(phase, along, CUBES)
        assert found.relative == pytest.approx(0 if along == axis else 0.75)
        assert found.tortuosity_factor == pytest.approx(np.inf if along == axis else 1)
    assert diffusivity(phase, axis, CUBES) == Diffusivity(0.0, 0.75, 0.0, 0.0, 0, 0.0)


def test_voxels_that_share_edges_only_do_not_conduct() -> None:
    assert not diffusivity(np.indices((6, 6, 6)).sum(axis=0) % 2 == 0, 0, CUBES).percolates


@pytest.mark.parametrize("sides", [(1.0, 1.0), (2.0, 1.0), (1.0, 3.0)])
def test_a_staircase_is_its_steps_in_series(sides: tuple[float, float]) -> None:
    """One voxel up, one aside; a step aside has the resistance of one up times the ratio of the sides squared."""
    size = 8
    phase = np.zeros((size, 1, size - 1), bool)
    phase[np.arange(size - 1), 0, np.arange(size - 1)] = phase[np.arange(1, size), 0, np.arange(size - 1)] = True
    resistance = size + (size - 2) * (sides[1] / sides[0]) ** 2
    found = diffusivity(phase, 0, (sides[0], 1.0, sides[1]))
    assert found.relative == pytest.approx(size / (size - 1) / resistance)
    assert found.tortuosity_factor == pytest.approx(2 / size * (size - 1) * resistance / size)


def test_clusters_that_end_inside_do_not_conduct() -> None:
    phase = np.zeros((10, 5, 10), bool)
    phase[:, 2, 2] = True
    phase[:6, 2, 6:8] = True
    found = diffusivity(phase, 0, CUBES)
    assert (found.fraction, found.conducting, found.relative) == pytest.approx((22 / 500, 0.02, 0.02))
    assert found.tortuosity_factor == pytest.approx(2.2)


@settings(max_examples=40, deadline=None)
@given(volumes(10), axes, spacings, st.integers(0, 2**16))
def test_more_that_conducts_never_conducts_less_nor_more_than_straight_channels(
    volume: tuple[Mask, Mask], axis: int, spacing: Spacing, seed: int
) -> None:
    """Rayleigh's law, and the upper bound of Wiener (1912)."""
    phase, _ = volume
    more = phase | (np.random.default_rng(seed).random(phase.shape) < 0.2)
    less, found = diffusivity(phase, axis, spacing), diffusivity(more, axis, spacing)
    assert less.relative <= found.relative * (1 + 1e-6)
    assert found.relative <= found.fraction * (1 + 1e-6)
    turned = diffusivity(np.rot90(more, axes=(0, 1)), (1, 0, 2)[axis], (spacing[1], spacing[0], spacing[2]))
    assert turned.relative == pytest.approx(found.relative, rel=1e-6)


def test_random_media_keep_the_bound_of_hashin_and_shtrikman() -> None:
    """For what is alike in all directions: 2 f / (3 - f), of Hashin and Shtrikman (1962)."""
    for seed, fraction in ((1, 0.3), (2, 0.5), (3, 0.8)):
        phase = blobs((32, 32, 32), fraction, seed, 1.5)
        mean = np.mean([diffusivity(phase, axis, CUBES).relative for axis in range(3)])
        bound = 2 * fraction / (3 - fraction)
        assert bound / 4 < mean < bound


@pytest.mark.parametrize("spacing", [CUBES, (3.0, 1.0, 2.0)])
def test_coarser_systems_only_make_it_quicker(spacing: Spacing, monkeypatch: pytest.MonkeyPatch) -> None:
    phase = blobs((20, 24, 22), 0.4, 5, 1.5)
    monkeypatch.setattr(diffusion, "COARSEST", phase.size)
    directly = diffusivity(phase, 2, spacing)
    monkeypatch.setattr(diffusion, "COARSEST", 10)
    found = diffusivity(phase, 2, spacing)
    assert found.relative == pytest.approx(directly.relative, rel=1e-7)
    assert directly.iterations <= 2 < found.iterations <= 60
    assert max(found.residual, directly.residual) <= diffusion.TOLERANCE
    assert found.mismatch < 1e-6


def test_separate_channels_of_any_number_are_solved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diffusion, "COARSEST", 3)
    phase = np.zeros((9, 8, 8), bool)
    phase[:, ::2, ::2] = True
    assert diffusivity(phase, 0, CUBES).tortuosity_factor == pytest.approx(1)


@pytest.mark.parametrize("spacing", [CUBES, (1.0, 1.0, 1.5)])
def test_taufactor_finds_the_same(spacing: Spacing) -> None:
    taufactor = pytest.importorskip("taufactor")
    phase = blobs((40, 36, 32), 0.4, 1, 2)
    solver = taufactor.AnisotropicSolver(phase.astype(np.uint8), spacing, device="cpu")
    solver.solve(verbose=False, conv_crit=1e-3, iter_limit=20000)
    found = diffusivity(phase, 0, spacing)
    assert found.relative == pytest.approx(float(solver.D_rel[0]), rel=2e-3)
    assert found.tortuosity_factor == pytest.approx(float(solver.tau[0]), rel=2e-3)
