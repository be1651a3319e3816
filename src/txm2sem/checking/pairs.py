"""How the TXM and the SEM of one slice fit each other: place, contrast, sharpness, spectra."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.checking.alignment import AlignmentMeasure, measure_alignment
from txm2sem.checking.sources import SlicePixels
from txm2sem.metrics import Agreement, Displacement, Spectrum, compare_spectra, correlations, edges, gaussian_over

TXM_SMOOTHING, SEM_SMOOTHING = 1.5, 2.5
"""Standard deviations by which TXM and SEM are smoothed before their edges are compared: the SEM, which is sharper,
more [pixels]."""

TILE_SIDES = (128, 96, 64, 48, 32)
"""Sides that tiles may have [pixels]; the first one that fits twice into a slice is taken."""

MOST_TILES = 256
"""Tiles of a slice that are compared at most, in rows and columns."""

TILES_AT_ONCE = 16
"""Tiles that are compared at a time: one by one, calls would take longer than what they compute; all at once, memory.
"""

FILLING = 8.0
"""Standard deviation of the Gaussian that fills charged and empty pixels with what is around them [pixels]."""

LARGEST_SHIFT = 16
"""Displacements are searched up to this, or an eighth of a tile if that is less [pixels]."""

MIN_VALID = 0.5
"""Share of a tile that must be valid for its displacement ..."""

MIN_WHOLE = 0.9
"""... and for its spectra, where the rest is filled in."""


MIN_CONFIDENT = 4
"""Tiles with a clear displacement that tell how a slice is distorted, at least."""


@dataclass(frozen=True)
class TileShift:
    """Displacement of the TXM against the SEM in one tile with the centre (row, column) [pixels]."""

    row: float
    column: float
    shift: Displacement


@dataclass(frozen=True)
class PairMeasures:
    """What was measured on a pair.

    Attributes:
        tiles: displacement in each tile; down and right are positive where the TXM lies further down and right.
        whole: displacement of the slice, from all tiles together; None where no tile is valid enough.
        correlation: of TXM and SEM, smoothed, mean over tiles, within [-1, 1]; not a number where there are no tiles.
        correlation_error: its standard error; infinite for less than two tiles.
        txm_power, sem_power: power spectrum, mean over the tiles that are whole; None where none is.
        coherence: Fourier ring correlation of the two, mean over these tiles.
        spectral_tiles: number of these tiles.
        charge_contrast: by how much charged regions are brighter than the rest, in standard deviations of the rest, in
            TXM and SEM; None without charge.
        phase_contrast: the same of high density over low density.
        alignment: what tiles that took no part in fitting say; None where it was not looked at.
    """

    tiles: tuple[TileShift, ...]
    whole: Displacement | None
    correlation: float
    correlation_error: float
    txm_power: Spectrum | None
    sem_power: Spectrum | None
    coherence: Spectrum | None
    spectral_tiles: int
    charge_contrast: tuple[float, float] | None
    phase_contrast: tuple[float, float] | None
    alignment: AlignmentMeasure | None = None

    @property
    def confirmed(self) -> bool:
        """Whether anything tells that both images show the same place: their edges, or tiles that were held out."""
        return (self.whole is not None and self.whole.confident) or (
            self.alignment is not None and not self.alignment.reason
        )

    @property
    def off(self) -> float:
        """How far the images lie beside each other, by what is clear of them [pixels]; 0 where nothing is."""
        whole = self.whole.length if self.whole is not None and self.whole.confident else 0.0
        tiles = self.median_length() or 0.0
        return max(whole, tiles if whole else 0.0, self.alignment.away if self.alignment is not None else 0.0)

    @property
    def confident(self) -> list[TileShift]:
        """The tiles whose displacement can be trusted."""
        return [tile for tile in self.tiles if tile.shift.confident]

    def median_length(self) -> float | None:
        """Return the median length of these displacements [pixels]; None where there are too few."""
        lengths = [tile.shift.length for tile in self.confident]
        return float(np.median(lengths)) if len(lengths) >= MIN_CONFIDENT else None

    def sharpness(self) -> tuple[float, float] | None:
        """Return the mean frequency of the power of TXM and SEM [cycles per pixel]; None where there are no spectra."""
        if self.txm_power is None or self.sem_power is None:
            return None
        return _mean_frequency(self.txm_power), _mean_frequency(self.sem_power)


def tile_side(shape: tuple[int, ...]) -> int:
    """Return the side of tiles in slices of a shape [pixels]."""
    return next((side for side in TILE_SIDES if 2 * side <= min(shape)), max(min(shape) // 2, 8))


def measure_pair(pixels: SlicePixels, side: int, *, align: bool = False) -> PairMeasures:
    """Measure a pair of which both images are there; charged and empty pixels take no part.

    Args:
        pixels: of a slice with TXM and SEM.
        side: of the tiles, see `tile_side`.
        align: whether to look at its alignment, which takes seconds.
    """
    txm, sem = pixels.images["txm"], pixels.images["sem"]
    valid = pixels.valid()
    ours, theirs = edges(txm, valid, TXM_SMOOTHING), edges(sem, valid, SEM_SMOOTHING)
    counts = ours.counts & theirs.counts
    windows = [window for window in tile_windows(txm.shape, side) if counts[window].mean() >= MIN_VALID]
    largest = min(LARGEST_SHIFT, max(side // 8, 4))
    tiles: list[TileShift] = []
    total: Agreement | None = None
    found: list[float] = []
    for first in range(0, len(windows), TILES_AT_ONCE):
        some = windows[first : first + TILES_AT_ONCE]
        one, other = ours.parts(some), theirs.parts(some)
        found += correlations(one.smoothed, other.smoothed, one.counts & other.counts).tolist()
        agreements = Agreement.of(one, other, largest)
        for index, window in enumerate(some):
            agreement = agreements[index]
            total = agreement if total is None else total + agreement
            row, column = (part.start + side / 2 - 0.5 for part in window)
            tiles.append(TileShift(row, column, agreement.displacement()))
    whole = [window for window in windows if valid[window].mean() >= MIN_WHOLE]
    filled = (_filled(txm, valid), _filled(sem, valid)) if whole else (txm, sem)
    spectra = [compare_spectra(filled[0][window], filled[1][window]) for window in whole]
    defined = [value for value in found if np.isfinite(value)]
    return PairMeasures(
        tiles=tuple(tiles),
        whole=total.displacement() if total is not None else None,
        correlation=float(np.mean(defined)) if defined else float("nan"),
        correlation_error=float(np.std(defined, ddof=1) / np.sqrt(len(defined))) if len(defined) > 1 else float("inf"),
        txm_power=_mean_spectrum([txm_power for txm_power, _, _ in spectra]),
        sem_power=_mean_spectrum([sem_power for _, sem_power, _ in spectra]),
        coherence=_mean_spectrum([coherence for _, _, coherence in spectra]),
        spectral_tiles=len(spectra),
        charge_contrast=_charge_contrast(pixels),
        phase_contrast=_phase_contrast(pixels, valid),
        alignment=measure_alignment(pixels) if align else None,
    )


def tile_windows(shape: tuple[int, ...], side: int) -> Iterator[tuple[slice, slice]]:
    """Yield tiles evenly spread over a slice: half overlapping where they are few, with gaps where they are many."""
    most = int(np.sqrt(MOST_TILES))
    starts = []
    for length in shape:
        room = max(length - side, 0)
        count = min(2 * room // side + 1, most)
        starts.append(np.linspace(0, room, count).round().astype(int).tolist())
    for row in starts[0]:
        for column in starts[1]:
            yield slice(row, row + side), slice(column, column + side)


def _filled(image: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return an image with what is around them in place of charged and empty pixels, which would be all sharp edges."""
    grey = image.astype(np.float32)
    return grey if valid.all() else np.where(valid, grey, gaussian_over(image, valid, FILLING)[0])


def _mean_spectrum(spectra: list[Spectrum]) -> Spectrum | None:
    if not spectra:
        return None
    return Spectrum(spectra[0].frequencies, np.mean([spectrum.values for spectrum in spectra], axis=0))


def _mean_frequency(power: Spectrum) -> float:
    # A ring of higher frequency has more of the transform's values.
    weight = power.values * power.frequencies
    return float(np.sum(weight * power.frequencies) / np.sum(weight)) if weight.any() else 0.0


def _charge_contrast(pixels: SlicePixels) -> tuple[float, float] | None:
    charge = pixels.masks.get("charge")
    if charge is None:
        return None
    imaged = (pixels.images["txm"] != 0) & (pixels.images["sem"] != 0)
    return _contrasts(pixels, charge & imaged, ~charge & imaged)


def _phase_contrast(pixels: SlicePixels, valid: NDArray[np.bool_]) -> tuple[float, float] | None:
    low, high = pixels.masks.get("lowdensity"), pixels.masks.get("highdensity")
    if low is None or high is None:
        return None
    return _contrasts(pixels, high & ~low & valid, low & ~high & valid)


def _contrasts(pixels: SlicePixels, one: NDArray[np.bool_], other: NDArray[np.bool_]) -> tuple[float, float] | None:
    if min(np.count_nonzero(one), np.count_nonzero(other)) < 50:
        return None

    def contrast(image: NDArray[Any]) -> float:
        rest = image[other].astype(np.float64)
        return float((image[one].mean(dtype=np.float64) - rest.mean()) / max(float(rest.std()), 1e-9))

    return contrast(pixels.images["txm"]), contrast(pixels.images["sem"])
