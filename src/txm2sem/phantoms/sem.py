"""The scanning electron microscope on faces milled by an ion beam: sharp, with curtains, noise and charging."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from txm2sem.options import PhantomOptions
from txm2sem.phantoms.fields import FloatVolume, highest, smooth_noise
from txm2sem.phantoms.rock import Material, Rock

GREY = {
    Material.PORE: 12.0,
    Material.ORGANIC: 42.0,
    Material.CLAY: 92.0,
    Material.QUARTZ: 100.0,
    Material.CARBONATE: 108.0,
    Material.HEAVY: 190.0,
    Material.PYRITE: 240.0,
}
"""Grey value of each material, read off real slices; by mean atomic number, as back-scattered electrons have it."""

BLUR = 0.95
"""Standard deviation of the point-spread function within a slice [pixels]."""

NOISE = 33.0
"""Standard deviation of the detector's noise, before the blur [grey values]."""

WHITE = 256.0
"""A grey value and its inverse add up to this, which leaves 0 to what was not imaged."""

CHARGED_GREY = 250.0
"""What charging drives the detector to."""


def render_sem(
    rock: Rock, options: PhantomOptions, field_of_view: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[FloatVolume, NDArray[np.bool_]]:
    """Return the SEM images of a rock, a slice at every z, and where they are charged.

    A slice is a face of its own: blur, noise and most of the curtaining (stripes along y, the direction of the ion
    beam) do not cross to the next.

    Args:
        rock: what is imaged.
        options: `artefacts`, `charging`, `unaligned` and `invert_contrast` count here.
        field_of_view: what the microscope sees (y, x), unless unaligned; where the charged region is counted.
        rng: source of randomness.

    Returns:
        grey values (z, y, x), 1 to 255 where the microscope sees, 0 elsewhere;
        the charged region (z, y, x), False where it does not see.
    """
    charge_rng, curtain_rng, noise_rng = rng.spawn(3)
    volume = np.array([GREY[material] for material in Material], np.float32)[rock.materials]
    volume += 5 * rock.variation
    depth, size, _ = volume.shape
    seen = np.ones_like(field_of_view) if options.unaligned else field_of_view
    charge = _charged(charge_rng, rock, options.charging, field_of_view)
    halo = ndimage.gaussian_filter(charge.astype(np.float32), (0.5, 1.2, 1.2))
    halo *= 1.6
    volume += (CHARGED_GREY - volume) * np.minimum(halo, 1, out=halo)
    volume += 4 * options.artefacts * smooth_noise(curtain_rng, (depth, 1, size), (1.5, 1.0, 1.5))
    for z in range(depth):
        image = volume[z]
        image += NOISE * noise_rng.standard_normal(image.shape, dtype=np.float32)
        ndimage.gaussian_filter(image, BLUR, output=image)
        np.clip(image, 1, 255, out=image)
        if options.invert_contrast:
            np.subtract(WHITE, image, out=image)
        image[~seen] = 0
    return volume, charge & seen


def _charged(rng: np.random.Generator, rock: Rock, share: float, field_of_view: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return ragged regions that follow the surfaces of organic matter and pores, which conduct badly (z, y, x)."""
    shape = (rock.materials.shape[0], *field_of_view.shape)
    low_density = (rock.materials <= Material.ORGANIC).astype(np.float32)
    field = ndimage.gaussian_filter(low_density, (1.5, 1.8, 1.8))
    field *= 1.2 * (1 - field)
    field += 0.25 * smooth_noise(rng, shape, (12.0, 22.0, 22.0))
    field += 0.08 * smooth_noise(rng, shape, (2.0, 2.0, 2.0))
    return highest(field, field_of_view, share)
