"""How fine the TXM is beside the SEM, and by what it can be downsampled without loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from txm2sem.checking.findings import Finding
from txm2sem.checking.pairs import PairMeasures
from txm2sem.metrics import Spectrum, noise_floor_frequency, resolution
from txm2sem.quantities import displacement_text

FACTORS = (4, 2, 1)
"""Values of `--downsample_factor` that models take, the largest first."""

MOST_LOST = 0.01
"""Share of what the TXM predicts of the SEM that may be lost by downsampling."""

MIN_COHERENCE = 1 / 7
"""Correlation below which TXM and SEM are taken to have nothing in common at a frequency, as in `resolution`."""

FINER = 0.5
"""TXM and SEM may agree down to so many times the period at which the TXM meets its noise: many tiles together tell
a little beyond it."""


@dataclass(frozen=True)
class Resolution:
    """Spectra of all slices together and what follows from them.

    Attributes:
        txm_power, sem_power: power spectra.
        coherence: Fourier ring correlation of TXM and SEM, positive also where bright and dark are exchanged.
        coherent_period: finest period at which TXM and SEM still agree [pixels]; infinite where they nowhere do.
        floor_period: period at which the TXM's spectrum meets its noise floor [pixels].
        lost: by factor, share of the SEM's variance that the TXM predicts (linearly, frequency by frequency) which lies
            at frequencies that downsampling loses, 0 to 1.
        factor: the largest factor that loses nothing of the TXM.
    """

    txm_power: Spectrum
    sem_power: Spectrum
    coherence: Spectrum
    coherent_period: float
    floor_period: float
    lost: dict[int, float]
    factor: int


def measure_resolution(pairs: Sequence[PairMeasures]) -> Resolution | None:
    """Put the spectra of all slices together; None where no slice has any.

    A factor k keeps periods of 2 k pixels and more. The largest one is taken that loses at most `MOST_LOST` of what the
    TXM tells of the SEM, and no period at which the TXM's spectrum stands out of its noise (a tenth finer is let pass:
    spectra have no sharp end).
    """
    whole = [pair for pair in pairs if pair.spectral_tiles]
    if not whole:
        return None
    weights = np.array([pair.spectral_tiles for pair in whole], np.float64)
    txm = _mean([pair.txm_power for pair in whole], weights)
    sem = _mean([pair.sem_power for pair in whole], weights)
    signs = np.array([-1.0 if pair.correlation < 0 else 1.0 for pair in whole])
    coherence = _mean([pair.coherence for pair in whole], weights, signs)
    floor = noise_floor_frequency(txm)
    common = np.where(coherence.values >= MIN_COHERENCE, coherence.values, 0) ** 2
    predicted: NDArray[np.float64] = common * sem.values * sem.frequencies
    total = float(predicted.sum())
    lost = {
        factor: float(predicted[sem.frequencies > 1 / (2 * factor)].sum()) / total if total else 0.0
        for factor in FACTORS
    }
    factor = next(
        factor for factor in FACTORS if factor == 1 or (lost[factor] <= MOST_LOST and 1 / (2 * factor) >= 0.9 * floor)
    )
    return Resolution(txm, sem, coherence, resolution(coherence), 1 / floor, lost, factor)


def judge_resolution(measured: Resolution | None, pixel_size: float | None) -> list[Finding]:
    """Return what the spectra mean for the choice of options; pixels have a side [nm], or it is not known."""
    if measured is None:
        return [
            Finding(
                "note",
                "resolution",
                "",
                "no part of the slices is whole enough to measure the TXM's resolution",
                "For --model srcnn and srgan choose --downsample_factor by what the microscope resolves: 4 if it is 8 "
                "pixels or more, 2 if 4.",
            )
        ]
    agree = (
        f"TXM and SEM agree down to periods of {displacement_text(measured.coherent_period, pixel_size)}"
        if np.isfinite(measured.coherent_period)
        else "TXM and SEM agree at no period"
    )
    kept = f"{2 * measured.factor} pixels" if pixel_size is None else displacement_text(2 * measured.factor, pixel_size)
    noise = f"the TXM's spectrum meets its noise at {displacement_text(measured.floor_period, pixel_size)}"
    if measured.coherent_period < FINER * measured.floor_period:
        return [
            Finding(
                "warning",
                "resolution",
                "",
                f"{agree}, but {noise}; expected no agreement that is so much finer",
                "Something that is no rock is in both: a background or a rim that is not 0, a bar, or one image was "
                "made from the other. Write 0 there; until then do not believe correlations and scores.",
            )
        ]
    return [
        Finding(
            "note",
            "resolution",
            "",
            f"{agree}; {noise}",
            f"For --model srcnn and srgan: --downsample_factor {measured.factor} loses nothing of the TXM, it keeps "
            f"periods of {kept} and more. Other models take the TXM as it is.",
        )
    ]


def _mean(
    spectra: Sequence[Spectrum | None], weights: NDArray[np.float64], signs: NDArray[np.float64] | float = 1.0
) -> Spectrum:
    known = [spectrum for spectrum in spectra if spectrum is not None]
    values = np.stack([spectrum.values for spectrum in known]) * np.reshape(signs, (-1, 1))
    return Spectrum(known[0].frequencies, np.average(values, axis=0, weights=weights))
