"""Measure predicted images beside true ones, image by image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.metrics import (
    GRID_FREQUENCIES,
    REFERENCE_THRESHOLD,
    RESOLUTION_THRESHOLD,
    PixelPairs,
    Transformed,
    TrueImage,
    chord_lengths,
    deviation_db,
    euler_density,
    finest_period,
    mean_chord_length,
    phase_fraction,
    power_spectrum,
    quads,
    specific_perimeter,
)
from txm2sem.scoring.names import PHASES, ROCK, TRUTH
from txm2sem.scoring.perceptual import PerceptualDistance
from txm2sem.scoring.phases import Phases

Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Values = NDArray[np.float64]

RESOLUTIONS = {"resolution_half_px": REFERENCE_THRESHOLD, "resolution_seventh_px": RESOLUTION_THRESHOLD}


@dataclass(frozen=True)
class Measured:
    """One image, predicted or true, measured.

    Attributes:
        values: numbers by name.
        curves: by name, each of one length for all images.
    """

    values: dict[str, float] = field(default_factory=dict)
    curves: dict[str, Values] = field(default_factory=dict)


def measure(
    predictions: Mapping[str, Bytes],
    target: Bytes,
    valid: Mask,
    regions: Mapping[str, Mask],
    phases: Phases | None,
    perceptual: PerceptualDistance | None,
) -> dict[str, Measured]:
    """Measure the predictions of one image beside its truth.

    Args:
        predictions: 8-bit images (H, W) by name.
        target: the truth, (H, W).
        valid: pixels that count, (H, W).
        regions: parts that are scored apart, by name, (H, W).
        phases: how phases of the rock are told; None: they are not measured.
        perceptual: the distance in features; None: it is left out.

    Returns:
        By the names of the predictions, and `TRUTH`.
    """
    images = {TRUTH: target, **predictions}
    measured = {name: Measured() for name in images}
    transformed = {name: Transformed.of(_centred(image, valid)) for name, image in images.items()}
    pairs = None if phases is None else PixelPairs(valid, longest_lag(valid.shape))
    for name, image in images.items():
        _add_spectra(measured[name], transformed[name])
        if phases is not None and pairs is not None:
            _add_phases(measured[name], phases(image, valid), valid, pairs)
    truth = measured[TRUTH]
    distances = None if perceptual is None else perceptual(np.stack(list(predictions.values())), target, valid)
    similarities = TrueImage(target, valid, regions).similarities(np.stack(list(predictions.values())))
    for number, name in enumerate(predictions):
        found = measured[name]
        for region, scores in similarities[number].items():
            found.values.update({f"{score}_{region}": value for score, value in scores.items()})
        if distances is not None:
            found.values["perceptual"] = float(distances[number])
        correlation = transformed[name].correlation(transformed[TRUTH])
        found.curves["frc"] = correlation.values
        resolved = resolutions(correlation.frequencies, correlation.values)
        found.values.update({name: float(value) for name, value in resolved.items()})
        deviations = spectrum_values(found.curves["power"], truth.curves["power"])
        found.values.update({name: float(value) for name, value in deviations.items()})
        for phase in PHASES if phases is not None else ():
            difference = found.curves[f"s2_{phase}"] - truth.curves[f"s2_{phase}"]
            found.values[f"s2_error_{phase}"] = _mean(np.abs(difference))
    return measured


def frequencies_of(shape: tuple[int, ...]) -> Values:
    """Return the spatial frequencies of the curves of images of a shape, (K,) [cycles per pixel]."""
    return power_spectrum(np.zeros(shape)).frequencies


def longest_lag(shape: tuple[int, ...]) -> int:
    """Return the largest distance of the two-point correlation: a quarter of an image's shorter side [pixels]."""
    return min(shape) // 4


def resolutions(frequencies: Values, correlations: Values) -> dict[str, Values]:
    """Return the resolutions at both thresholds of Fourier ring correlations (..., K): (...) [pixels]."""
    return {name: finest_period(frequencies, correlations, threshold) for name, threshold in RESOLUTIONS.items()}


def spectrum_values(power: Values, truth: Values) -> dict[str, Values]:
    """Return the mean absolute and the largest deviation (with its sign) of power spectra (..., K), (...) [dB].

    Not numbers where nothing is predicted at some frequency, as by a constant.
    """
    deviation = deviation_db(power, truth)
    size = np.abs(deviation)
    largest = np.take_along_axis(deviation, size.argmax(axis=-1, keepdims=True), axis=-1)[..., 0]
    known = np.isfinite(deviation).all(axis=-1)
    return {
        "spectrum_mean_db": np.where(known, size.mean(axis=-1), np.nan),
        "spectrum_largest_db": np.where(known, largest, np.nan),
    }


def _add_spectra(measured: Measured, image: Transformed) -> None:
    measured.curves["power"] = image.power.values
    for factor, powers in image.grid_power().items():
        measured.curves[f"grid_{factor}"] = powers.ravel()


def _add_phases(measured: Measured, classes: NDArray[np.int64], valid: Mask, pairs: PixelPairs) -> None:
    longest = longest_lag(valid.shape)
    phases = np.stack([classes == number for number in PHASES.values()])
    for phase, inside, correlation in zip(PHASES, phases, pairs.correlation(phases), strict=True):
        counts = quads(inside, valid)
        values = (
            phase_fraction(inside, valid),
            mean_chord_length(inside, valid, 1),
            mean_chord_length(inside, valid, 0),
            specific_perimeter(counts),
            euler_density(counts),
        )
        measured.values.update({f"{name}_{phase}": value for name, value in zip(ROCK, values, strict=True)})
        measured.curves[f"s2_{phase}"] = correlation
        chords = np.concatenate([chord_lengths(inside, valid, axis) for axis in (0, 1)])
        measured.curves[f"chords_{phase}"] = np.bincount(np.minimum(chords, longest), minlength=longest + 1).astype(
            np.float64
        )


def _centred(image: NDArray[Any], valid: Mask) -> Values:
    """Return an image (H, W) less the mean of the pixels that count, 0 in the others: there is nothing to see in them.

    A constant is 0 all over, without the remains of rounding that would pass for structure.
    """
    if not valid.any():
        return np.zeros(image.shape)
    return np.where(valid, image - image[valid].mean(), 0.0)


def grid_db(powers: Values) -> Values:
    """Return how far frequencies of a grid stand out, (frequencies,) [dB], of `grid_power`'s numbers in one row."""
    pairs = powers.reshape(-1, 2)
    return deviation_db(pairs[:, 0], pairs[:, 1])


def grid_names(factor: int) -> list[str]:
    """Return the frequencies of a grid, along columns and rows, as keys: `0,0.5`."""
    return [f"{vertical:g},{horizontal:g}" for vertical, horizontal in GRID_FREQUENCIES[factor]]


def _mean(values: Values) -> float:
    return float(np.nanmean(values)) if not np.isnan(values).all() else float("nan")
