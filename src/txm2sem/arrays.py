"""Arrays as Python callers pass them: taken as what they mean, or refused in words."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.errors import UserError

ARRAYS = ("numpy", "zarr", "h5py", "dask", "torch")
"""Libraries whose arrays are taken."""


def plain_array(array: Any, name: str) -> NDArray[Any]:
    """Return an array, whole, as one of NumPy, in the byte order of the machine.

    Args:
        array: of one of the libraries `ARRAYS`.
        name: of it, for errors.

    Raises:
        UserError: it is of another library, a list or a masked array, holds objects, or is not stored in full.
    """
    if isinstance(array, np.ma.MaskedArray):
        raise UserError(
            f"{name} is a masked array; expected grey values, with 0 where nothing was imaged, or truth values: pass "
            "array.filled(0), or array.filled(False)"
        )
    library = type(array).__module__.partition(".")[0]
    if library not in ARRAYS or not hasattr(array, "shape"):
        kind = f"{type(array).__module__}.{type(array).__qualname__}".removeprefix("builtins.")
        raise UserError(
            f"{name} is a {kind}; expected an array of {', '.join(ARRAYS)}: convert it, and see that its axes are in "
            "the right order"
        )
    missing = _chunks_missing(array, library)
    if missing:
        raise UserError(
            f"{name} is not stored in full: {missing} of its chunks are absent, and {library} reads them as 0, which "
            "is not imaged; copy it again, or pass array[...] where that is what they are"
        )
    plain = np.asarray(array.detach().cpu() if library == "torch" else array)
    if plain.dtype.hasobject:
        raise UserError(f"{name} holds Python objects; expected numbers: convert it")
    return plain.astype(plain.dtype.newbyteorder("="), copy=False)


def _chunks_missing(array: Any, library: str) -> int:
    if library == "zarr":
        return int(array.nchunks - array.nchunks_initialized)
    if library == "h5py" and array.chunks:
        chunks = zip(array.shape, array.chunks, strict=True)
        return int(math.prod(-(-side // chunk) for side, chunk in chunks) - array.id.get_num_chunks())
    return 0


def grey_array(
    array: object,
    axes: Sequence[str],
    name: str,
    dtypes: Collection[str] = (),
    shape: tuple[int, ...] | None = None,
) -> NDArray[Any]:
    """Return grey values as `plain_array` does.

    Args:
        array: what was passed.
        axes: names of the axes that it has.
        name: of it, for errors.
        dtypes: names of the types that it may have; any real numbers where there are none.
        shape: that it has; None: any.

    Raises:
        UserError: it is no such array, empty, or has values that are not finite.
    """
    grey = plain_array(array, name)
    fits = grey.ndim == len(axes) and grey.size > 0 and shape in (None, grey.shape)
    if not fits or not (grey.dtype.name in dtypes if dtypes else grey.dtype.kind in "uif"):
        extent = "" if shape is None else f" = {shape}"
        raise UserError(
            f"{name} is {grey.shape} of {grey.dtype}; expected ({', '.join(axes)}){extent}, with at least one value, "
            f"of {', '.join(dtypes) or 'real numbers'}: convert it"
        )
    for part in grey if grey.dtype.kind == "f" else ():  # of large volumes not all at once
        if not np.isfinite(part).all():
            raise UserError(
                f"{name} has values that are not finite; expected grey values: replace them, with 0 where nothing was "
                "imaged"
            )
    return grey


def mask_array(mask: object, shape: tuple[int, ...], name: str = "the mask") -> NDArray[np.bool_]:
    """Return a mask as truth values: numbers mean what is above 0, as in files of masks.

    Args:
        mask: what was passed.
        shape: that it has.
        name: of it, for errors.

    Raises:
        UserError: it is no array of that shape, or has values that are no real numbers.
    """
    if type(mask) is np.ndarray and mask.dtype == np.bool_ and mask.shape == shape:
        return mask  # as nearly always; scores ask so often that it counts
    plain = plain_array(mask, name)
    if plain.shape != shape or plain.dtype.kind not in "buif":
        raise UserError(f"{name} is {plain.shape} of {plain.dtype}; expected {shape} of truth values or numbers")
    if plain.dtype.kind == "b":
        return plain
    if plain.dtype.kind == "f" and np.isnan(plain).any():
        raise UserError(f"{name} has values that are no numbers; expected 0, and above 0 what counts: replace them")
    return plain > 0
