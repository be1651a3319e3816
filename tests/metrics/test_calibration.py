"""Calibration of standard deviations: known relations to the error are found, and what carries none is seen."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from txm2sem.metrics import Reliability, SpreadCounts, VarianceCalibration

PIXELS = 200_000


def counted(raw: NDArray[np.float64], true: NDArray[np.float64], seed: int = 0) -> SpreadCounts:
    """Return counts of pixels with normal errors of the standard deviation `true` where `raw` is said [grey levels]."""
    errors = np.abs(np.random.default_rng(seed).normal(0, true))
    counts = SpreadCounts()
    for half in (slice(0, None, 2), slice(1, None, 2)):
        counts.add(raw[half].astype(np.float32), np.rint(errors[half]).clip(0, 255).astype(np.int64))
    return counts


def raw_spreads() -> NDArray[np.float64]:
    return np.random.default_rng(1).uniform(1, 10, PIXELS)


@pytest.mark.parametrize(("offset", "slope"), [(100.0, 4.0), (0.0, 9.0), (225.0, 0.0)])
def test_offset_and_slope_of_the_variance_are_found(offset: float, slope: float) -> None:
    raw = raw_spreads()
    fitted = VarianceCalibration.fit(counted(raw, np.sqrt(offset + slope * raw**2)))
    assert fitted.offset == pytest.approx(offset, rel=0.05, abs=3)
    assert fitted.slope == pytest.approx(slope, rel=0.05, abs=0.1)
    np.testing.assert_allclose(fitted(np.array([3], np.float32)), np.sqrt(offset + 9 * slope), rtol=0.03)


def test_a_spread_that_falls_where_errors_grow_counts_for_nothing() -> None:
    raw = raw_spreads()
    fitted = VarianceCalibration.fit(counted(raw, 22 - 2 * raw))
    assert fitted.slope == 0
    assert fitted.offset == pytest.approx(np.mean((22 - 2 * raw) ** 2), rel=0.02)


def test_without_spread_or_error_there_is_a_constant() -> None:
    none = np.zeros(1000)
    assert VarianceCalibration.fit(counted(none, none + 5)).offset == pytest.approx(25, rel=0.2)
    assert VarianceCalibration.fit(counted(none + 3, none)) == VarianceCalibration(0, 0)
    assert Reliability.of(counted(none + 3, none), VarianceCalibration(0, 0)).sparsification.area == 0


def test_the_curve_and_the_intervals_are_those_of_a_normal_distribution_once_calibrated() -> None:
    raw = raw_spreads()
    counts = counted(raw, np.sqrt(30 + 4 * raw**2))
    found = Reliability.of(counts, VarianceCalibration(30, 4))
    assert found.pixels == PIXELS
    np.testing.assert_allclose(found.curve.calibrated, found.curve.rms_error, rtol=0.04)
    assert sum(found.curve.share) == pytest.approx(1)
    assert found.coverage["calibrated"]["68"] == pytest.approx(0.683, abs=0.02)
    assert found.coverage["calibrated"]["95"] == pytest.approx(0.95, abs=0.01)
    # Of errors of twice and more that size, the raw intervals hold less.
    assert found.coverage["raw"]["68"] < 0.4
    assert found.curve.raw[0] < found.curve.calibrated[0] / 2
    assert found.mean_spread == pytest.approx(found.rms_error, rel=0.02)


def test_what_is_left_out_first_decides_the_sparsification() -> None:
    rng = np.random.default_rng(0)
    errors = rng.integers(0, 100, PIXELS)
    areas = {}
    for name, spread in (("its own", errors + 1.0), ("noise", rng.uniform(1, 100, PIXELS)), ("one", errors * 0 + 9.0)):
        counts = SpreadCounts()
        counts.add(spread.astype(np.float32), errors)
        found = Reliability.of(counts, VarianceCalibration(0, 1)).sparsification
        lower_half = np.mean(np.arange(50) ** 2) / np.mean(np.arange(100) ** 2)
        assert found.best[10] == pytest.approx(np.sqrt(lower_half), 0.02)
        areas[name] = found.area / found.area_of_constant
    assert areas["its own"] < 0.02
    assert areas["noise"] == pytest.approx(1, abs=0.02)
    assert areas["one"] == pytest.approx(1, abs=1e-6)
