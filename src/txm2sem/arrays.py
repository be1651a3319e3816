"""Arrays as Python callers pass them: taken as what they mean, or refused in words."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.errors import UserError


def plain_array(array: object, name: str) -> NDArray[Any]:
    """Return an array of NumPy, in the byte order of the machine; what is masked (`numpy.ma`) is 0: not imaged.

    Arrays of other libraries, and lists, are refused: some have axes in another order, or read what is not stored as 0.

    Args:
        array: what was passed.
        name: of it, for errors.

    Raises:
        UserError: it is no array of NumPy.
    """
    if not isinstance(array, np.ndarray):
        kind = f"{type(array).__module__}.{type(array).__qualname__}".removeprefix("builtins.")
        raise UserError(
            f"{name} is a {kind}; expected a NumPy array, such as np.asarray makes of it: convert it, and see that its "
            "axes are in the right order"
        )
    plain = array.filled(0) if isinstance(array, np.ma.MaskedArray) and array.dtype.kind in "buif" else array
    return np.asarray(plain, plain.dtype.newbyteorder("="))


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
        UserError: it is no array of NumPy of that shape, has values that are no real numbers, or is masked itself.
    """
    if isinstance(mask, np.ma.MaskedArray) and mask.mask.any():
        raise UserError(f"{name} is masked itself in places; expected to know of each whether it counts: fill it")
    plain = plain_array(mask, name)
    if plain.shape != shape or plain.dtype.kind not in "buif":
        raise UserError(f"{name} is {plain.shape} of {plain.dtype}; expected {shape} of truth values or numbers")
    if plain.dtype.kind == "b":
        return plain
    if plain.dtype.kind == "f" and np.isnan(plain).any():
        raise UserError(f"{name} has values that are no numbers; expected 0, and above 0 what counts: replace them")
    return plain > 0
