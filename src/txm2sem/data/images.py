"""Single grey images, TIFF or PNG, of any name and size; and how an image is written, with what is kept of another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from pathlib import Path
from struct import calcsize
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from tifffile import COMPRESSION, RESUNIT, TiffFile, TiffPage, imwrite
from tifffile import TIFF as FORMAT

from txm2sem.data.files import check_is_file, readable
from txm2sem.data.microscopes import TESCAN_TAG, Said, said_of
from txm2sem.data.pixels import Pixels, check_finite
from txm2sem.data.png import open_png
from txm2sem.data.readers import PLAIN_SUFFIXES, VolumeInput, open_volume
from txm2sem.data.readers.tiff_steps import resolution, voxel_steps
from txm2sem.data.readers.voxel_size import LARGEST_PIXEL, is_plausible, square_side
from txm2sem.data.stacks import SliceCache, TiffSlices
from txm2sem.data.tiff import NO_DATA_TAG, colour_table, open_tiff, page_pixels, single_page
from txm2sem.errors import UserError, listed
from txm2sem.files import write_whole

TIFF = (".tif", ".tiff")
PNG = (".png",)

_NANOMETRES_PER_CENTIMETRE = 1e7

_LARGEST_RATIONAL = 2**32 - 1

StoredTag = tuple[int, int, int, bytes, bool]
"""Code, type, number of values, their bytes, and True, as tifffile takes them."""

_DESCRIPTION = 270

_OF_MICROSCOPES = (34118, 34680, 34682, TESCAN_TAG)
"""Tags of Zeiss, FEI and Thermo Fisher, and TESCAN."""

_KEPT_TAGS = (
    *(_DESCRIPTION, 271, 272, 285, 305, 306, 315, 316, 33432, 700),
    *_OF_MICROSCOPES,
    *(50838, 50839),
)
"""Tags that say of an image what its pixels do not: in words (ImageDescription, where ImageJ and OME have the size of
pixels, maker, software, date and so on), as microscopes do, as ImageJ does."""

_LATEST = SliceCache(0)
"""Of a folder of images no more than one need be in memory."""


@dataclass(frozen=True)
class PixelSize:
    """How large pixels are, as TIFF files say it.

    Attributes:
        resolution: pixels per unit of length along x and y.
        unit: of length; `NONE` where only their ratio is known.
        note: what has to be known of what the file says, for people.
    """

    resolution: tuple[float, float] = (1.0, 1.0)
    unit: RESUNIT = RESUNIT.NONE
    note: str = ""

    @property
    def nanometres(self) -> tuple[float, float] | None:
        """Size of a pixel (y, x) [nm]; None where the unit of length is not known, or no pixel is so large."""
        unit = {RESUNIT.INCH: 2.54e7, RESUNIT.CENTIMETER: _NANOMETRES_PER_CENTIMETRE}.get(self.unit)
        if unit is None:
            return None
        y, x = (unit / number for number in reversed(self.resolution))
        return (y, x) if is_plausible(y) and is_plausible(x) else None

    @property
    def of_microscope(self) -> tuple[float, float] | None:
        """Size of a pixel (y, x) [nm]; None where it is not known, or larger than those of a TXM or SEM can be."""
        size = self.nanometres
        return size if size is not None and max(size) <= LARGEST_PIXEL else None

    @property
    def side(self) -> float | None:
        """Side of a square pixel of a microscope [nm]; None: not known, or it is not square."""
        return square_side(self.of_microscope)

    @classmethod
    def of(cls, size: tuple[float, float] | None) -> PixelSize:
        """Return what a file says of pixels of a size (y, x) [nm], where that is known."""
        if size is None:
            return cls()
        y, x = (_NANOMETRES_PER_CENTIMETRE / side for side in size)
        return cls((x, y), RESUNIT.CENTIMETER)


@dataclass(frozen=True)
class Kept:
    """What a written image has of another one, besides its pixels.

    Attributes:
        pixel_size: of both.
        white_is_zero: 0 is white in the file.
        compressed: without loss.
        tags: of the other file, as they are stored there.
        byteorder: of the other file, `<` or `>`.
    """

    pixel_size: PixelSize = PixelSize()
    white_is_zero: bool = False
    compressed: bool = True
    tags: tuple[StoredTag, ...] = ()
    byteorder: Literal["<", ">"] = "<"


@dataclass(frozen=True)
class GreyImage:
    """An image of which only the header has been read.

    Attributes:
        path: its file.
        name: what a file that is made of it is called, without a suffix.
        shape: (rows, columns).
        dtype: of its pixels.
        pixel_size: as the file says.
        bar: rows of the data bar below the picture, as the file says; 0: it says nothing of one.
        load: reads the pixels, upright, with 0 as black and where nothing was imaged.
    """

    path: Path
    name: str
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    pixel_size: PixelSize
    bar: int
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
        UserError: there is nothing there, the folder has no images or cannot be read, two of them differ in the suffix
            only, or what has the name of an image is no file: a link to nowhere, a folder, a pipe.
    """
    if not place.is_dir():
        if not place.exists() and not place.is_symlink():
            raise UserError(f"there is no {place}; expected a grey image (TIFF, PNG) or a folder of such images")
        check_is_file(place)
        return [place]
    try:
        files = sorted(path for path in place.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise UserError(f"cannot read the folder {place} ({error.strerror}); permit reading it") from error
    images = [path for path in files if path.suffix.lower() in (*TIFF, *PNG)]
    for path in images:
        check_is_file(path)
    if not images:
        found = listed([path.name for path in files], 3) or "nothing"
        raise UserError(f"{place} has no images: expected TIFF or PNG files, found {found}. {_volume_hint(place)}")
    twice = [stem for stem, count in Counter(path.stem for path in images).items() if count > 1]
    if twice:
        raise UserError(
            f"{place} has two images called {twice[0]}, which differ in the suffix only; rename one of them"
        )
    return images


def open_images(place: Path) -> list[GreyImage]:
    """Read the headers of an image file, of the images of a folder, or of a volume in one file, slice by slice.

    Raises:
        UserError: as `find_images` and `open_image`, or as `open_volume`.
    """
    return slices_of(place) if is_volume_file(place) else [open_image(path) for path in find_images(place)]


def is_volume_file(place: Path) -> bool:
    """Say whether a file is a volume, of a format that has no images."""
    return place.is_file() and place.suffix.lower() in PLAIN_SUFFIXES


def slices_of(path: Path) -> list[GreyImage]:
    """Return the slices of a volume as images that are called by their numbers.

    Raises:
        UserError: as `open_volume`.
    """
    volume = open_volume(VolumeInput(path))
    size = PixelSize.of(None if volume.voxel_size is None else volume.voxel_size[1:])
    note = volume.note and f"{path}: {volume.note}"
    digits = max(3, len(str(volume.shape[0] - 1)))

    def read(z: int) -> NDArray[Any]:
        plane: NDArray[Any] = volume.read(slice(z, z + 1), slice(None), slice(None))[0]
        return plane

    return [
        GreyImage(
            path, f"{z:0{digits}d}", volume.shape[1:], volume.dtype, replace(size, note=note), 0, partial(read, z)
        )
        for z in range(volume.shape[0])
    ]


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


def kept_of(path: Path) -> Kept:
    """Return what a changed copy of a TIFF image has of it: all that is said of it, and how it is stored.

    Raises:
        UserError: the file is damaged, or not a single grey image.
    """
    with readable(path, "a TIFF image"), open_tiff(path) as file:
        page = file.pages.first
        pixels = page_pixels(path, page)
        # What is said in words of a turned image may be its shape and sizes along x and y.
        codes = [code for code in _KEPT_TAGS if not (pixels.turned and code == _DESCRIPTION)]
        no_data = () if pixels.no_data is None else ((NO_DATA_TAG, 2, 2, b"0\0", True),)
        return Kept(
            pixel_size=(
                _said_size(path, file, said_of(path, pixels.stored_shape, file), turned=True)
                if pixels.turned
                else _tag_size(page)
            ),
            white_is_zero=pixels.inverted_bits != 0,
            compressed=page.compression != COMPRESSION.NONE,
            tags=(*_stored_tags(file, codes), *no_data),
            byteorder=file.byteorder,
        )


def kept_by_prediction(image: GreyImage) -> Kept:
    """Return what an image that is predicted from another has of it: the size of pixels, and what its microscope says.

    What is said in words is of the other image's grey values, too.

    Raises:
        UserError: the file is damaged.
    """
    if image.path.suffix.lower() not in TIFF:
        return Kept(image.pixel_size)
    with readable(image.path, "a TIFF image"), open_tiff(image.path) as file:
        if page_pixels(image.path, file.pages.first).orientation != 1:
            return Kept(image.pixel_size)
        return Kept(image.pixel_size, tags=tuple(_stored_tags(file, _OF_MICROSCOPES)), byteorder=file.byteorder)


def write_image(
    path: Path, image: NDArray[Any], kept: Kept, colours: Mapping[int, tuple[int, int, int]] | None = None
) -> None:
    """Write an image (rows, columns), 0 as black, as TIFF, with what is kept of another.

    Args:
        path: the file.
        image: its pixels.
        kept: of another one.
        colours: of labels, by their value: (red, green, blue), 0 to 255; None: it has grey values.

    Raises:
        UserError: the disk is full or the folder not writable.
    """

    grey = "miniswhite" if kept.white_is_zero else "minisblack"

    def write(buffer: BytesIO) -> None:
        imwrite(
            buffer,
            np.invert(image) if kept.white_is_zero else image,
            photometric=grey if colours is None else "palette",
            colormap=None if colours is None else colour_table(colours),
            resolution=kept.pixel_size.resolution,
            resolutionunit=kept.pixel_size.unit,
            compression="zlib" if kept.compressed else None,
            extratags=kept.tags,
            byteorder=kept.byteorder,
            metadata=None,
            software=False,
        )

    write_whole(path, write)


def write_channels(path: Path, channels: NDArray[np.float32], names: Sequence[str], pixel_size: PixelSize) -> None:
    """Write the channels of an image (channels, rows, columns) as OME-TIFF, by their names.

    Raises:
        UserError: the disk is full or the folder not writable.
    """

    metadata: dict[str, Any] = {"axes": "CYX", "Channel": {"Name": list(names)}}
    if pixel_size.nanometres is not None:
        for axis, size in zip("YX", pixel_size.nanometres, strict=True):
            metadata |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": "nm"}

    def write(buffer: BytesIO) -> None:
        imwrite(
            buffer,
            channels,
            photometric="minisblack",
            resolution=pixel_size.resolution,
            resolutionunit=pixel_size.unit,
            compression="zlib",
            metadata=metadata,
            ome=True,
        )

    write_whole(path, write)


def _open_tiff(path: Path) -> GreyImage:
    with readable(path, "a TIFF image"), open_tiff(path) as file:
        page = single_page(path, file, f"one 2-D image in a file. {_volume_hint(path)}")
        pixels = page_pixels(path, page)
        said = said_of(path, pixels.stored_shape, file)
        pixel_size = _said_size(path, file, said, turned=pixels.turned)
        bar = _upright_bar(said, pixels)
    header = TiffSlices({0: path}, cache=_LATEST)
    return GreyImage(
        path, path.stem, header.shape, header.dtype, pixel_size, bar, lambda: header.read(0, slice(None), slice(None))
    )


def _open_png(path: Path) -> GreyImage:
    with readable(path, "a PNG image"):
        png = open_png(path)
    said = said_of(path, png.pixels.stored_shape)
    if said.pixel_size or said.note:
        pixel_size = _of_microscope(path, said, turned=png.pixels.turned)
    elif png.density is not None:
        x, y, in_metres = png.density
        per_unit = (x / 100, y / 100, RESUNIT.CENTIMETER) if in_metres else (x, y, RESUNIT.NONE)
        pixel_size = _pixel_size(*per_unit, turned=png.pixels.turned)
    else:
        pixel_size = PixelSize()

    def load() -> NDArray[Any]:
        with readable(path, "a PNG image"):
            return png.read()

    bar = _upright_bar(said, png.pixels)
    return GreyImage(path, path.stem, png.pixels.shape, png.pixels.dtype, pixel_size, bar, load)


def said_bar(path: Path) -> int:
    """Return how many rows the data bar of a TIFF image has that its microscope speaks of; 0: of none.

    Raises:
        UserError: the file is damaged, or not a single grey image.
    """
    with readable(path, "a TIFF image"), open_tiff(path) as file:
        pixels = page_pixels(path, file.pages.first)
        return _upright_bar(said_of(path, pixels.stored_shape, file), pixels)


def _upright_bar(said: Said, pixels: Pixels) -> int:
    """Return how many rows are the data bar; of a turned image it is not known where they are."""
    return said.bar if pixels.orientation == 1 else 0


def _said_size(path: Path, file: TiffFile, said: Said, *, turned: bool) -> PixelSize:
    """Return the size of upright pixels that a file says: ImageJ, OME and microscopes write it elsewhere than TIFF."""
    _, y, x = voxel_steps(file)
    if y is not None and x is not None:
        return _of_microscope(path, Said((y, x)), turned=turned)
    if said.pixel_size or said.note:
        return _of_microscope(path, said, turned=turned)
    return _tag_size(file.pages.first, turned=turned)


def _of_microscope(path: Path, said: Said, *, turned: bool) -> PixelSize:
    note = said.note and f"{path}: {said.note}"
    if said.pixel_size is None:
        return PixelSize(note=note)
    y, x = said.pixel_size
    if not (is_plausible(y) and is_plausible(x)):
        return PixelSize(note=f"{path} says that its pixels are {y:g} x {x:g} nm, which cannot be; that is left out")
    per_centimetre = (_NANOMETRES_PER_CENTIMETRE / x, _NANOMETRES_PER_CENTIMETRE / y)
    return replace(_pixel_size(*per_centimetre, RESUNIT.CENTIMETER, turned=turned), note=note)


def _tag_size(page: TiffPage, *, turned: bool = False) -> PixelSize:
    unit = page.tags.valueof(296, RESUNIT.INCH)  # the default of TIFF
    return _pixel_size(*resolution(page), RESUNIT(unit) if unit in set(RESUNIT) else RESUNIT.NONE, turned=turned)


def _pixel_size(x: float | None, y: float | None, unit: RESUNIT, *, turned: bool) -> PixelSize:
    """Return how many stored pixels there are per unit along x and y, of the upright image, if TIFF can say it."""
    if x is None or y is None or not all(1 / _LARGEST_RATIONAL <= number <= _LARGEST_RATIONAL for number in (x, y)):
        return PixelSize()
    return PixelSize((y, x) if turned else (x, y), unit)


def _stored_tags(file: TiffFile, codes: Collection[int]) -> Iterator[StoredTag]:
    """Yield tags of the first page as they are stored."""
    for tag in file.pages.first.tags.values():
        if tag.code in codes:
            file.filehandle.seek(tag.valueoffset)
            content = file.filehandle.read(tag.count * calcsize(FORMAT.DATA_FORMATS[tag.dtype]))
            yield (tag.code, int(tag.dtype), tag.count, content, True)


def _volume_hint(path: Path) -> str:
    return (
        f"A whole volume is translated by `txm2sem volume {path} OUTPUT.ome.zarr --name MODEL`, with a model of yours; "
        "or save its slices as files in a folder, and pass that"
    )
