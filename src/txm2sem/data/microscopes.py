"""What electron microscopes write of their images: in tags of their own, or in text files beside them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tifffile import TiffFile

from txm2sem.data.readers.units import nanometres

TESCAN_TAG = 50431
"""TESCAN writes here what it knows of an image, as lines of text `PixelSizeX=1e-08` in metres."""

MOST_TEXT = 2**20
"""Bytes of a text file beside an image that are read."""

LEAST_TILT = 1.0
"""A stage that is tilted by less counts as flat [degrees]."""

_METRE = 1e9

_OF_TESCAN = ("PixelSizeX",)
_OF_OTHERS = ("$CM_", "$$SM_", "[SemImageFile]")
"""Words of the texts that TESCAN, and JEOL and Hitachi, write."""


@dataclass(frozen=True)
class Said:
    """What a microscope says of an image as it is stored.

    Attributes:
        pixel_size: (y, x) [nm], as said: where a scan was corrected for a tilt, on the tilted plane; None: not known.
        bar: rows below the picture, a data bar; 0: not known.
        note: what has to be known of the pixel size, for people.
    """

    pixel_size: tuple[float, float] | None = None
    bar: int = 0
    note: str = ""


def said_of(path: Path, shape: tuple[int, ...], file: TiffFile | None = None) -> Said:
    """Return what FEI, Thermo Fisher, Zeiss, TESCAN, JEOL or Hitachi say of an image.

    Args:
        path: of the image; texts beside it are named after it, see `text_beside`.
        shape: (rows, columns) as stored.
        file: the image, where it is a TIFF file.
    """
    _, text = _beside(path)
    for said in (
        _fei(file.fei_metadata, shape) if file is not None else None,
        _zeiss(file.sem_metadata, shape) if file is not None else None,
        _tescan(_tescan_tag(file), shape),
        _tescan(text, shape),
        _jeol(text, shape),
        _hitachi(text, shape),
    ):
        if said is not None and said != Said():
            return said
    return Said()


def text_beside(path: Path) -> Path | None:
    """Return the text that a microscope has written beside an image; None: there is none.

    Of `a.tif`, TESCAN calls it `a-tif.hdr` or `a.hdr`, JEOL and Hitachi `a.txt`.
    """
    return _beside(path)[0]


def _beside(path: Path) -> tuple[Path | None, str]:
    """Return the text beside an image, see `text_beside`: the file, and what it says."""
    for beside, words in (
        (path.with_name(f"{path.stem}-{path.suffix[1:]}.hdr"), _OF_TESCAN),
        (path.with_suffix(".hdr"), _OF_TESCAN),
        (path.with_suffix(".txt"), _OF_OTHERS),
    ):
        text = _text(beside) if beside.is_file() else ""
        if any(word in text for word in words):
            return beside, text
    return None, ""


def _fei(said: Mapping[str, Any] | None, shape: tuple[int, ...]) -> Said | None:
    """Read `PixelHeight` and `PixelWidth` in the section `Scan` (or that of the beam) [m], and angles [radians]."""
    sections = [section for section in (said or {}).values() if isinstance(section, Mapping)]
    size = next(
        (
            _metres(section["PixelHeight"], section["PixelWidth"])
            for section in sections
            if {"PixelHeight", "PixelWidth"} <= section.keys()
        ),
        None,
    )
    corrected = next((section for section in sections if section.get("TiltCorrectionIsOn") not in (None, "")), {})
    stage = next((section[name] for section in sections for name in ("StageTa", "StageT") if name in section), None)
    note = _tilt_note(
        _is_on(corrected.get("TiltCorrectionIsOn")),
        _degrees(corrected.get("TiltCorrectionAngle")),
        _degrees(stage),
    )
    images = (section for section in sections if {"ResolutionX", "ResolutionY"} <= section.keys())
    image = next(images, {})
    return _said(size, note, shape, (image.get("ResolutionY"), image.get("ResolutionX")))


def _zeiss(said: Mapping[str, Any] | None, shape: tuple[int, ...]) -> Said | None:
    """Read the size of the stored image's pixels, which are square; `ap_pixel_size` is that of the display."""
    said = said or {}
    size = _zeiss_length(said.get("ap_image_pixel_size"))
    if size is None and shape[-1] == 1024:  # the columns of the display
        size = _zeiss_length(said.get("ap_pixel_size"))
    corrected = _zeiss_value(said.get("dp_tilt_correction"))
    angle, stage = (_number(_zeiss_value(said.get(name))) for name in ("ap_tilt_angle", "ap_stage_at_t"))
    return _said(None if size is None else (size, size), _tilt_note(_is_on(corrected), angle, stage), shape)


def _tescan(text: str, shape: tuple[int, ...]) -> Said | None:
    lines = dict(_lines(text, "="))
    strip, angle = _number(lines.get("ImageStripSize")), _number(lines.get("TiltCorrection"))
    size = _metres(lines.get("PixelSizeY"), lines.get("PixelSizeX"))
    rows = None if not strip else shape[0] - strip
    return _said(size, _tilt_note(bool(angle) or None, angle, None), shape, (rows, shape[-1]))


def _tescan_tag(file: TiffFile | None) -> str:
    content = None if file is None else file.pages.first.tags.valueof(TESCAN_TAG)
    return content.decode("latin-1") if isinstance(content, bytes) else ""


def _jeol(text: str, shape: tuple[int, ...]) -> Said | None:
    """Read how many pixels the scale bar has, and how long it is; and how large the picture is without the data bar."""
    lines = dict(_lines(text, None))
    pixels = _number(lines.get("$$SM_MICRON_BAR"))
    length = re.fullmatch(r"([0-9.]+)\s*(\D+)", lines.get("$$SM_MICRON_MARKER", ""))
    size = nanometres(_number(length[1]), length[2]) if length else None
    side = size / pixels if size and pixels else None
    columns, rows = (*lines.get("$CM_FULL_SIZE", "").split(), "", "")[:2]
    return _said(None if side is None else (side, side), "", shape, (rows, columns))


def _hitachi(text: str, shape: tuple[int, ...]) -> Said | None:
    """Read `PixelSize` [nm], and how large the picture is without the data bar."""
    if "[SemImageFile]" not in text:
        return None
    lines = dict(_lines(text, "="))
    side = nanometres(_number(lines.get("PixelSize")), "nm")
    columns, _, rows = lines.get("DataSize", "").partition("x")
    return _said(None if side is None else (side, side), "", shape, (rows, columns))


def _said(
    size: tuple[float, float] | None,
    note: str,
    shape: tuple[int, ...],
    picture: tuple[object, object] = (None, None),
) -> Said:
    """Return what is said, of an image of (rows, columns) in which the picture has (rows, columns) of its own.

    An image with other columns than the picture was made larger or smaller since, or cropped: it is not known which.
    """
    rows, columns = map(_number, picture)
    if columns is not None and columns != shape[-1]:
        note = f"its microscope speaks of {columns:g} columns, and it has {shape[-1]}: its pixel size is not taken"
        return Said(note=note)
    bar = int(shape[0] - rows) if rows and 0 < rows < shape[0] else 0
    return Said(size, bar, note) if size is not None and all(side > 0 for side in size) else Said(bar=bar)


def _tilt_note(corrected: bool | None, angle: float | None, stage: float | None) -> str:
    """Say what a tilt does to pixels [degrees]; "" where the microscope speaks of none."""
    if corrected:
        by = f" of {abs(angle):g} degrees" if angle else ""
        return f"its microscope has corrected the scan for a tilt{by}: the height of pixels is that on the tilted plane"
    if corrected is not None and stage is not None and abs(stage) >= LEAST_TILT:
        return (
            f"its stage was tilted by {abs(stage):.3g} degrees and the scan not corrected for that: on a plane that "
            "does not face the beam, pixels are higher than said"
        )
    return ""


def _lines(text: str, between: str | None) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        parts = line.strip().split(between, 1)
        if len(parts) == 2:
            yield parts[0].strip(), parts[1].strip()


def _text(path: Path) -> str:
    """Return the first part of a text, which Hitachi writes in UTF-16, too; "" where it cannot be read."""
    with suppress(OSError), path.open("rb") as file:
        content = file.read(MOST_TEXT)
        encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "latin-1"
        return content.decode(encoding, "replace")
    return ""


def _zeiss_value(entry: object) -> object:
    return entry[1] if isinstance(entry, tuple) and len(entry) > 1 else None


def _zeiss_length(entry: object) -> float | None:
    return nanometres(_number(entry[1]), str(entry[2])) if isinstance(entry, tuple) and len(entry) == 3 else None


def _is_on(value: object) -> bool | None:
    return None if value is None else str(value).lower() in ("yes", "on", "true", "1")


def _degrees(radians: object) -> float | None:
    number = _number(radians)
    return None if number is None else round(math.degrees(number), 2)


def _metres(y: object, x: object) -> tuple[float, float] | None:
    height, width = _number(y), _number(x)
    return None if height is None or width is None else (height * _METRE, width * _METRE)


def _number(value: object) -> float | None:
    with suppress(ValueError):
        number = float(str(value))
        return number if math.isfinite(number) else None
    return None
