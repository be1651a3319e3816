"""Fractions and their errors, by fields whose error is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from txm2sem.morphology.fractions import CELL, cells_of, count_cells, representative, sampling_error


def test_cells_hold_every_voxel_once() -> None:
    values = np.arange(40 * 17 * 16).reshape(40, 17, 16)
    counts = count_cells(values)
    assert counts.shape == cells_of(values.shape) == (3, 2, 1)
    assert counts[0, 0, 0] == values[:16, :16, :16].sum()
    assert counts[2, 1, 0] == values[32:, 16:, :].sum()


def test_independent_voxels_have_the_error_of_a_share() -> None:
    """sqrt(f (1 - f) / n); the largest of four estimates, each from 64 blocks or more, lies about there or above it."""
    mask = np.random.default_rng(0).random((128, 128, 128)) < 0.2
    found = sampling_error(count_cells(mask), count_cells(np.ones_like(mask)))
    exact = np.sqrt(0.2 * 0.8 / mask.size)
    assert 0.95 * exact < found.standard_error < 1.6 * exact


def test_intervals_hold_the_truth_nearly_as_often_as_they_say_in_a_correlated_medium() -> None:
    """Gaussian fields above their quantile at 0.2, alike over some 25 voxels.

    In a volume only four times as long, 90 % intervals hold 75 to 80 %. Cells of 16 voxels, taken
    for independent, would have intervals that hold 62 %.
    """
    held = 0
    for seed in range(40):
        noise = np.random.default_rng(seed).standard_normal((64, 64, 96), np.float32)
        deviation = (2 * np.sqrt(np.pi) * 5) ** -1.5  # of a field smoothed by 5 voxels
        mask = gaussian_filter(noise, 5, mode="wrap") / deviation > 0.8416
        error = sampling_error(count_cells(mask), count_cells(np.ones_like(mask)))
        held += abs(mask.mean() - 0.2) <= error.margin(0.9)
    assert 28 <= held <= 39


def test_what_was_not_imaged_takes_no_part() -> None:
    mask = np.zeros((64, 64, 64), bool)
    mask[:, :, :32] = np.random.default_rng(1).random((64, 64, 32)) < 0.3
    valid = np.zeros_like(mask)
    valid[:, :, :32] = True
    one = sampling_error(count_cells(mask), count_cells(valid))
    other = sampling_error(count_cells(mask[:, :, :32]), count_cells(valid[:, :, :32]))
    assert one.standard_error == pytest.approx(other.standard_error)
    assert one.blocks == other.blocks


def test_too_few_blocks_have_no_interval() -> None:
    mask = np.zeros((CELL, CELL, 7 * CELL), bool)
    found = sampling_error(count_cells(mask), count_cells(~mask))
    assert np.isnan(found.margin(0.9))


def test_a_representative_part_has_the_fractions_of_the_whole() -> None:
    mask = np.zeros((64, 64, 64), bool)
    mask[:, :, 32:] = True  # half of all; no part of 32 has that but those across the border
    region = representative([count_cells(mask)], count_cells(np.ones_like(mask)), 32, mask.shape)
    assert mask[region].mean() == 0.5
    assert mask[region].shape == (32, 32, 32)


def test_a_part_is_taken_where_all_was_imaged() -> None:
    valid = np.zeros((32, 96, 96), bool)
    valid[:, 32:64, 48:80] = True
    region = representative([count_cells(valid)], count_cells(valid), 32, valid.shape)
    assert region == (slice(0, 32), slice(32, 64), slice(48, 80))
