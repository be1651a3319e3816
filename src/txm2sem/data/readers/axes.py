"""Which axes of a stored array are z, y and x."""

from __future__ import annotations

from collections.abc import Sequence

from txm2sem.errors import UserError


def find_axes(shape: tuple[int, ...], names: Sequence[str] | None, wanted: str, where: str) -> tuple[int, int, int]:
    """Return the positions of z, y and x among the axes of an array; all others have length 1.

    Args:
        shape: of the stored array.
        names: of its axes; None: they are z, y, x, once axes of length 1 are left out.
        wanted: what the user says of its axes, such as `xyz`, once axes of length 1 are left out; "": what `names` say.
        where: the file, for the errors.

    Raises:
        UserError: the wanted axes are not z, y and x, or the array's are not, or another one is longer than 1.
    """
    if wanted and sorted(wanted.lower()) != ["x", "y", "z"]:
        raise UserError(
            f"--axes {wanted}: expected the letters z, y and x, each once, in the order of the array in {where} (which "
            f"is {_extent(shape)}), such as zyx or xyz; leave out axes of length 1"
        )
    if names is not None and not wanted:
        lengths = dict(zip(names, shape, strict=True))
        others = [length for name, length in lengths.items() if name not in ("z", "y", "x")]
        if len(lengths) < len(shape) or len(lengths) - len(others) < 3 or any(length > 1 for length in others):
            raise UserError(
                f"{where} has the axes {', '.join(names)} of {_extent(shape)}; expected z, y and x, with length 1 "
                "along any other axis: save one volume, or say what its axes longer than 1 are, e.g. --axes zyx"
            )
        return names.index("z"), names.index("y"), names.index("x")
    kept = three_axes(shape)
    if kept is None:
        raise UserError(
            f"{where} has an array of {_extent(shape)}; expected three axes, z, y and x, with length 1 along any other "
            "axis: save it as one volume"
        )
    letters = (wanted or "zyx").lower()
    return kept[letters.index("z")], kept[letters.index("y")], kept[letters.index("x")]


def three_axes(shape: tuple[int, ...]) -> tuple[int, int, int] | None:
    """Return which axes remain when those of length 1 are left out, the first ones first, until three are left.

    None: there are fewer than three axes, or more than three are longer than 1.
    """
    kept = list(range(len(shape)))
    for axis, length in enumerate(shape):
        if length == 1 and len(kept) > 3:
            kept.remove(axis)
    return (kept[0], kept[1], kept[2]) if len(kept) == 3 else None


def _extent(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
