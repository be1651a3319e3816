"""The transmission X-ray microscope: blurred, of low contrast and noisy, with the artefacts of tomography."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from txm2sem.options import PhantomOptions
from txm2sem.phantoms.fields import FloatVolume, smooth_noise
from txm2sem.phantoms.rock import Material, Rock

ATTENUATION = {
    Material.PORE: 0.0,
    Material.ORGANIC: 11.0,
    Material.CLAY: 115.0,
    Material.QUARTZ: 97.0,
    Material.CARBONATE: 204.0,
    Material.HEAVY: 533.0,
    Material.PYRITE: 966.0,
}
"""Linear attenuation coefficient of each material at 8 keV [1/cm].

Mass attenuation (Hubbell and Seltzer, NIST Standard Reference Database 126) times density, for air, kerogen, illite
with a tenth of micropores, SiO2, CaCO3, TiO2 and FeS2."""

MATRIX = ATTENUATION[Material.CLAY]
"""What a contrast of 0 makes of all materials [1/cm]."""

VARIATION = 0.06
"""Standard deviation of the density within a material, as a share of it."""

BLACK_LEVEL, CONTRAST = 78.0, 0.40
"""Grey value of no attenuation, and grey values per 1/cm: the window the reconstruction is shown in."""

SAMPLE_DIAMETER = 30e-4
"""What the X-rays cross [cm]."""

RECONSTRUCTION_BLUR = 0.55
"""Standard deviation of the Gaussian by which the reconstruction smooths the photon noise [pixels]."""

MISSING_ANGLE, MISSING_WIDTH = 63.0, 10.0
"""Middle and half width of the directions from which no projection was taken [degrees]."""


def attenuations(contrast: float) -> dict[Material, float]:
    """Return the attenuation of each material [1/cm], whose differences to that of the matrix are multiplied."""
    return {material: MATRIX + contrast * (value - MATRIX) for material, value in ATTENUATION.items()}


def render_txm(
    rock: Rock, options: PhantomOptions, field_of_view: NDArray[np.bool_], rng: np.random.Generator
) -> FloatVolume:
    """Return the TXM's reconstruction of a rock, see `reconstruct`.

    Args:
        rock: what is imaged.
        options: `contrast`, `blur`, `photons` and `artefacts` count here.
        field_of_view: what the microscope sees (y, x).
        rng: source of randomness.
    """
    known = attenuations(options.contrast)
    volume = np.array([known[material] for material in Material], np.float32)[rock.materials]
    volume *= 1 + np.float32(VARIATION * options.contrast) * rock.variation
    return reconstruct(volume, options, field_of_view, rng)


def reconstruct(
    volume: FloatVolume, options: PhantomOptions, field_of_view: NDArray[np.bool_], rng: np.random.Generator
) -> FloatVolume:
    """Return the TXM's reconstruction of attenuation.

    Attenuation is blurred in 3D by a Gaussian point-spread function. Each voxel then gets the noise of photons
    counted behind a sample of its attenuation (Beer-Lambert and Poisson), and each slice the artefacts of its own
    reconstruction: the streaks of a missing wedge of directions, the rings of uneven detector pixels, and, over
    many slices, the uneven brightness of local tomography. As in real tomography, noise and streaks of adjacent
    slices are independent while the rock is continuous.

    Args:
        volume: linear attenuation coefficients (z, y, x) [1/cm]; the reconstruction takes its place.
        options: `blur`, `photons` and `artefacts` count here.
        field_of_view: what the microscope sees (y, x).
        rng: source of randomness.

    Returns:
        grey values (z, y, x): 0 outside the field of view, inside at least 1; most lie within 255, the white of
        8 bits, pyrite beyond.
    """
    shading_rng, photon_rng, ring_rng = rng.spawn(3)
    ndimage.gaussian_filter(volume, options.blur, output=volume, mode="nearest", truncate=3.5)
    depth, *sides = volume.shape
    shading = smooth_noise(shading_rng, volume.shape, (40.0, 70.0, 70.0))
    shading *= 50 * options.artefacts
    ring_profiles = smooth_noise(ring_rng, (depth, 1, max(sides)), (2.0, 1.0, 1.2))[:, 0]
    ring_profiles *= 6 * options.artefacts
    radii = np.arange(max(sides))
    y, x = (np.arange(side) - (side - 1) / 2 for side in sides)
    radius = np.hypot(y[:, None], x)
    response = _reconstruction_response((sides[0], sides[1]), options.artefacts)
    for z in range(depth):
        image = volume[z]
        transmitted = photon_rng.poisson(options.photons * np.exp(-SAMPLE_DIAMETER * np.maximum(image, 0)))
        measured = -np.log(np.maximum(transmitted, 0.5) / options.photons) / SAMPLE_DIAMETER
        image[:] = fft.irfft2(fft.rfft2(measured.astype(np.float32)) * response, s=image.shape)
        image += shading[z] + np.interp(radius, radii, ring_profiles[z])
        image *= CONTRAST
        image += BLACK_LEVEL
        np.maximum(image, 1, out=image)
        image[~field_of_view] = 0
    return volume


def _reconstruction_response(shape: tuple[int, int], artefacts: float) -> NDArray[np.float32]:
    """Return by what the reconstruction of a slice multiplies each of its frequencies (those of `rfft2`).

    Directions in the missing wedge are weakened, those at its edges exaggerated: streaks, longest beside pyrite.
    """
    y, x = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])
    frequency = np.hypot(y, x)
    # Opposite directions are one and the same: angles are compared modulo 180 degrees.
    angle = (np.degrees(np.arctan2(y, x)) - MISSING_ANGLE + 90) % 180 - 90
    missing = np.exp(-0.5 * (angle / MISSING_WIDTH) ** 2)
    edges = np.exp(-0.5 * ((np.abs(angle) - 2.2 * MISSING_WIDTH) / (0.3 * MISSING_WIDTH)) ** 2)
    edges *= frequency / (frequency + 0.05)
    response = (1 - np.minimum(0.8 * artefacts, 1) * missing) * (1 + 1.5 * artefacts * edges)
    response[0, 0] = 1
    return np.asarray(response * np.exp(-2 * (np.pi * RECONSTRUCTION_BLUR * frequency) ** 2), np.float32)
