"""Images of results, read and put into a page, small enough for all of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from txm2sem.data.classes import CLASSES, IGNORED
from txm2sem.errors import UserError
from txm2sem.pages import jpeg, png

LOSSLESS_PIXELS = 6_000_000
"""A page with more pixels than this has JPEGs, which take a third of the room."""

MOST_PIXELS = 24_000_000
"""Images are averaged over squares until a page has no more pixels than this."""

LARGEST_IMAGE = 2**26
"""Pixels of an image that are read at most: a header may promise more than there is memory."""

Pixels = NDArray[np.uint8]


def encoding_of(patches: Sequence[Mapping[str, Pixels]]) -> tuple[Callable[[Pixels], str], str]:
    """Return how images are put into the page, small enough for all of them, and the words that say so."""
    pixels = sum(image.shape[0] * image.shape[1] for images in patches for image in images.values())
    if pixels <= LOSSLESS_PIXELS:
        return png, "Every pixel is as the test has left it."
    factor = math.ceil(math.sqrt(pixels / MOST_PIXELS))

    def encode(image: Pixels) -> str:
        small = reduced(image, factor) if image.ndim == 2 else image[::factor, ::factor]
        return jpeg(small) if image.ndim == 2 else png(np.ascontiguousarray(small))

    thinned = f", means of {factor} × {factor} pixels" if factor > 1 else ""
    return encode, f"Images are JPEGs here{thinned}; the test's own are in the results."


def reduced(image: NDArray[Any], factor: int) -> NDArray[Any]:
    """Return the means of factor × factor pixels of an image (H, W), whole squares only, in its type."""
    if factor == 1:
        return image
    height, width = (side // factor for side in image.shape)
    squares = image[: height * factor, : width * factor].reshape(height, factor, width, factor)
    means = squares.mean(axis=(1, 3))
    small: NDArray[Any] = (np.rint(means) if image.dtype.kind == "u" else means).astype(image.dtype)
    return small


def read_image(path: Path) -> Pixels:
    """Return an image of the results: grey (H, W), or classes in their colours (H, W, 3).

    Raises:
        UserError: it cannot be read, or is something else.
    """
    return _read(path, {"L": "L", "1": "L", "P": "RGB"})


def read_classes(path: Path) -> NDArray[np.int64]:
    """Return the classes (H, W) of an image of the results.

    Raises:
        UserError: it cannot be read, or is something else.
    """
    classes = _read(path, {"L": "L", "P": "P"}).astype(np.int64)
    if not np.isin(classes, [*range(len(CLASSES)), IGNORED]).all():
        raise UserError(f"{path} has other values than those of the classes; test again")
    return classes


def read_figure(path: Path) -> Pixels:
    """Return a figure of the results, (H, W, 3).

    Raises:
        UserError: it cannot be read, or is something else.
    """
    return _read(path, dict.fromkeys(("RGBA", "RGB", "L"), "RGB"))


def check_same_shape(images: Mapping[Path, NDArray[Any]]) -> None:
    """Check that images of one place have one shape (H, W).

    Raises:
        UserError: they have not.
    """
    (first, one), *others = images.items()
    for path, other in others:
        if other.shape[:2] != one.shape[:2]:
            shapes = " and ".join(" x ".join(map(str, image.shape[:2])) for image in (one, other))
            raise UserError(f"{first} and {path} have {shapes} pixels, expected the same; test again")


def _read(path: Path, modes: Mapping[str, str]) -> Pixels:
    """Return an image as Pillow calls it: its `modes`, and what each is converted to."""
    try:
        with Image.open(path, formats=["PNG"]) as image:
            if image.mode not in modes or image.width * image.height > LARGEST_IMAGE:
                raise ValueError(f"it is of {image.width} x {image.height} pixels {image.mode}")
            return np.asarray(image.convert(modes[image.mode]))
    except Exception as error:  # a damaged file makes Pillow raise nearly anything
        raise UserError(f"{path} cannot be read as an image of a test ({error}); test again") from error
