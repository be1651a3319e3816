"""Single grey images, TIFF or PNG, of any name and size: read with the size of their pixels, written as TIFF."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tifffile import RESUNIT, TiffFile, imwrite

from txm2sem.data.readers.base import readable
from txm2sem.data.readers.tiff_steps import voxel_steps
from txm2sem.data.stacks import SliceCache, TiffSlices, check_finite
from txm2sem.errors import UserError, listed
from txm2sem.files import write_whole

TIFF = (".tif", ".tiff")
PNG = (".png",)

_PNG_DTYPES = {"L": np.uint8, "I;16": np.uint16, "I": np.uint16}
"""Types of the pixels of a grey PNG, by Pillow's mode; its releases differ in that of 16 bits."""

_NANOMETRES_PER_CENTIMETRE = 1e7

_LATEST = SliceCache(0)
"""Of a folder of images no more than one need be in memory."""


@dataclass(frozen=True)
class PixelSize:
    """How large pixels are, as TIFF files say it.

    Attributes:
        resolution: pixels per unit of length along x and y.
        unit: of length; `NONE` where only their ratio is known.
    """

    resolution: tuple[float, float] = (1.0, 1.0)
    unit: RESUNIT = RESUNIT.NONE


@dataclass(frozen=True)
class GreyImage:
    """An image of which only the header has been read.

    Attributes:
        path: its file.
        shape: (rows, columns).
        dtype: of its pixels.
        pixel_size: as the file says.
        load: reads the pixels, with 0 as black.
    """

    path: Path
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    pixel_size: PixelSize
    load: Callable[[], NDArray[Any]]

    def read(self) -> NDArray[Any]:
        """Return the pixels, (rows, columns).

        Raises:
            UserError: the file is damaged, or a pixel is not finite.
        """
        image = self.load()
        check_finite(image, self.path)
        return image


def find_images(place: Path) -> list[Path]:
    """Return an image file, or the images of a folder in the order of their names; hidden files are passed over.

    Raises:
        UserError: there is nothing there, the folder has no images or cannot be read, or two of them differ in the
            suffix only.
    """
    if not place.exists():
        raise UserError(f"there is no {place}; expected a grey image (TIFF, PNG) or a folder of such images")
    if not place.is_dir():
        return [place]
    try:
        files = sorted(path for path in place.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise UserError(f"cannot read the folder {place} ({error.strerror}); permit reading it") from error
    images = [path for path in files if path.suffix.lower() in (*TIFF, *PNG) and path.is_file()]
    if not images:
        found = listed([path.name for path in files], 3) or "nothing"
        raise UserError(f"{place} has no images: expected TIFF or PNG files, found {found}. {_volume_hint(place)}")
    twice = [stem for stem, count in Counter(path.stem for path in images).items() if count > 1]
    if twice:
        raise UserError(
            f"{place} has two images called {twice[0]}, which differ in the suffix only; rename one of them"
        )
    return images


def open_image(path: Path) -> GreyImage:
    """Read the header of a grey image, TIFF or PNG of 8 or 16 bits, or TIFF of float.

    Raises:
        UserError: the file is damaged, no image of these kinds, or not a single grey one.
    """
    suffix = path.suffix.lower()
    if suffix in TIFF:
        return _open_tiff(path)
    if suffix in PNG:
        return _open_png(path)
    raise UserError(
        f"{path} is of no known format; expected a grey image that ends in {', '.join((*TIFF, *PNG))}, or a folder of "
        f"such images: convert it. {_volume_hint(path)}"
    )


def write_image(path: Path, image: NDArray[np.uint8], pixel_size: PixelSize) -> None:
    """Write an image (rows, columns) as TIFF, compressed without loss.

    Raises:
        UserError: the disk is full or the folder not writable.
    """

    def write(buffer: BytesIO) -> None:
        imwrite(
            buffer,
            image,
            photometric="minisblack",
            resolution=pixel_size.resolution,
            resolutionunit=pixel_size.unit,
            compression="zlib",
        )

    write_whole(path, write)


def _open_tiff(path: Path) -> GreyImage:
    with readable(path, "a TIFF image"), TiffFile(path) as file:
        slices = max(len(file.pages), math.prod(file.series[0].shape) // math.prod(file.series[0].keyframe.shape))
        if slices > 1:
            raise UserError(f"{path} has {slices} pages; expected one 2-D image in a file. {_volume_hint(path)}")
        pixel_size = _tiff_pixel_size(file)
    header = TiffSlices({0: path}, cache=_LATEST)
    return GreyImage(path, header.shape, header.dtype, pixel_size, lambda: header.read(0, slice(None), slice(None)))


def _tiff_pixel_size(file: TiffFile) -> PixelSize:
    # ImageJ and OME write the unit elsewhere, and none into the tag.
    y, x = voxel_steps(file, "yx")
    if y is not None and x is not None:
        return PixelSize((_NANOMETRES_PER_CENTIMETRE / x, _NANOMETRES_PER_CENTIMETRE / y), RESUNIT.CENTIMETER)
    page: Any = file.pages.first
    return PixelSize(page.resolution, RESUNIT(page.resolutionunit))


def _open_png(path: Path) -> GreyImage:
    with readable(path, "a PNG image"), Image.open(path) as file:
        if file.mode not in _PNG_DTYPES:
            raise UserError(
                f"{path} is not a grey image: expected one channel of 8 or 16 bits, found {file.mode}; convert it to "
                "8- or 16-bit grey"
            )
        dtype = np.dtype(_PNG_DTYPES[file.mode])
        pixel_size = PixelSize(file.info["dpi"], RESUNIT.INCH) if "dpi" in file.info else PixelSize()
        columns, rows = file.size

    def load() -> NDArray[Any]:
        with readable(path, "a PNG image"), Image.open(path) as file:
            return np.asarray(file).astype(dtype)

    return GreyImage(path, (rows, columns), dtype, pixel_size, load)


def _volume_hint(path: Path) -> str:
    return (
        f"A whole volume is translated by `txm2sem volume {path} OUTPUT.ome.zarr --name MODEL`, with a model of yours; "
        "or save its slices as files in a folder, and pass that"
    )
