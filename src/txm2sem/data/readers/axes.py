"""Which axes of a stored array are z, y and x."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from txm2sem.errors import UserError

_WORDS = {
    "z": ("z", "depth", "plane", "planes", "slice", "slices", "section", "sections", "layer", "layers"),
    "y": ("y", "row", "rows", "height"),
    "x": ("x", "column", "columns", "col", "cols", "width"),
    "c": ("c", "channel", "channels"),
    "t": ("t", "time", "times"),
}
_NAMES = {word: name for name, words in _WORDS.items() for word in words}

_NOTHING = re.compile(r"(phony_)?dim_?[0-9]+|[.?]?|none")
"""What stands where an axis has no name: `.` in NeXus, `?` in vigra, `dim_0` in xarray, `phony_dim_0` in h5netcdf."""


def labelled_axes(said: Mapping[str, Sequence[object]], shape: tuple[int, ...]) -> tuple[str, ...] | None:
    """Return the names of the axes of an array from all that its file says of them, whatever the format.

    Words such as `depth`, `row` and `COLUMN` become z, y and x. An axis of which nobody says anything is the one of
    these three that the others leave over.

    Args:
        said: labels of the axes, by who says them.
        shape: of the array.

    Returns:
        None where nobody names an axis. An axis that is named in several ways, or not at all, has a name that says so,
        which is not z, y or x.
    """
    by_axis: list[dict[str, list[str]]] = [{} for _ in shape]
    for source, labels in said.items():
        names = [_plain(label) for label in labels]
        if any(names) and len(names) != len(shape):
            return tuple(f"? (of {len(names)} by {source})" for _ in shape)
        for axis, name in zip(by_axis, names, strict=False):
            if name:
                axis.setdefault(name, []).append(source)
    if not any(by_axis):
        return None
    found = [
        next(iter(names), "")
        if len(names) < 2
        else " or ".join(f"{name} (by {' and '.join(sources)})" for name, sources in names.items())
        for names in by_axis
    ]
    missing = {"z", "y", "x"} - set(found)
    if found.count("") == len(missing) == 1:
        found[found.index("")] = missing.pop()
    return tuple(name or "?" for name in found)


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
            f"is {extent(shape)}), such as zyx or xyz; leave out axes of length 1"
        )
    if names is not None and not wanted:
        lengths = dict(zip(names, shape, strict=True))
        others = [length for name, length in lengths.items() if name not in ("z", "y", "x")]
        if len(lengths) < len(shape) or len(lengths) - len(others) < 3 or any(length > 1 for length in others):
            raise UserError(
                f"{where} has the axes {', '.join(names)} of {extent(shape)}; expected z, y and x, with length 1 "
                "along any other axis: save one volume, or say what its axes longer than 1 are, e.g. --axes zyx"
            )
        return names.index("z"), names.index("y"), names.index("x")
    kept = three_axes(shape, names)
    if kept is None:
        raise UserError(
            f"{where} has an array of {extent(shape)}; expected three axes, z, y and x, with length 1 along any other "
            "axis: save it as one volume"
        )
    letters = (wanted or "zyx").lower()
    return kept[letters.index("z")], kept[letters.index("y")], kept[letters.index("x")]


def three_axes(shape: tuple[int, ...], names: Sequence[str] | None = None) -> tuple[int, int, int] | None:
    """Return which axes remain when those of length 1 are left out until three are left.

    Those that are named otherwise than z, y and x are left out first, then the first ones.

    None: there are fewer than three axes, or more than three are longer than 1.
    """
    kept = list(range(len(shape)))
    named = [] if names is None else [axis for axis in kept if names[axis] not in ("z", "y", "x")]
    for axis in (*named, *range(len(shape))):
        if axis in kept and shape[axis] == 1 and len(kept) > 3:
            kept.remove(axis)
    return (kept[0], kept[1], kept[2]) if len(kept) == 3 else None


def extent(shape: Sequence[int]) -> str:
    """Return the lengths of axes for a message: `7 x 11 x 18`."""
    return " x ".join(map(str, shape))


def _plain(label: object) -> str:
    """Return z, y, x, c or t for a label that means it; another label in lower case; "" where it says nothing."""
    text = "" if label is None else str(label).strip().lower().removeprefix("voxel_")
    if _NOTHING.fullmatch(text):
        return ""
    return _NAMES.get(text, text[:40])
