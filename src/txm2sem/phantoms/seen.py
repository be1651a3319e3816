"""A slice of a real SEM as the phantom's TXM sees it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from txm2sem.options import PhantomOptions
from txm2sem.phantoms.sem import GREY
from txm2sem.phantoms.txm import attenuations, reconstruct


def see_slice(
    sem: NDArray[Any], charge: NDArray[np.bool_], options: PhantomOptions, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return what the phantom's TXM makes of a slice of a SEM.

    A grey value of the SEM is the attenuation of the material that has it in the phantom's SEM, and linear between
    materials. What the SEM does not show, where it is charged or 0, is taken for what is nearest. Otherwise it is the
    TXM of `render_txm`, but that nothing is known above and below, so that it is blurred within the slice alone.

    Args:
        sem: grey values (rows, columns), 0 to 255 as in the phantom's SEM; 0 where nothing was imaged.
        charge: where the SEM is charged (rows, columns); not everywhere that it is above 0.
        options: `contrast`, `blur`, `photons` and `artefacts` count here.
        rng: source of randomness.

    Returns:
        grey values (rows, columns) as in `reconstruct`: 0 where the SEM is 0 from there to the edge of the slice. Zeros
        within what was imaged are pores that were too dark for the SEM, of which the TXM must not tell more than of
        others.
    """
    unknown = (sem == 0) | charge
    nearest = ndimage.distance_transform_edt(unknown, return_distances=False, return_indices=True)
    known = attenuations(options.contrast)
    greys, values = zip(*((grey, known[material]) for material, grey in GREY.items()), strict=True)
    attenuation = np.interp(sem[tuple(nearest)], greys, values).astype(np.float32)
    field_of_view = np.asarray(ndimage.binary_fill_holes(sem != 0), np.bool_)
    return np.asarray(reconstruct(attenuation[None], options, field_of_view, rng)[0], np.float32)
