"""Volumes in Zeiss files, read with the optional package txrm2tiff."""

from __future__ import annotations

import logging
import math
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.data.files import readable
from txm2sem.data.readers.base import stamp
from txm2sem.data.readers.paged import DecodedVolume
from txm2sem.data.readers.units import nanometres
from txm2sem.errors import UserError, extra


class TxrmVolume(DecodedVolume):
    """A Zeiss `.txm` or `.txrm` file: a reconstructed volume, with its rows in the order in which Zeiss shows them.

    Raises:
        UserError: txrm2tiff is not installed, or the file is damaged, incomplete, a mosaic, or has projections.
    """

    kind = "TXRM"
    axes = ("z", "y", "x")

    def __init__(self, path: Path) -> None:
        try:
            from txrm2tiff import open_txrm
        except ImportError as error:
            raise UserError(
                f"{path} is a Zeiss file, and reading it takes the package txrm2tiff: {extra('txrm')}, or "
                "export the volume as TIFF"
            ) from error
        # It logs what it does not find in a file, with tracebacks, as the program itself would.
        logging.getLogger().addFilter(_is_not_of_the_package)
        with readable(path, "a Zeiss TXRM file"):
            self._stamp = stamp(path)
            file = path.open("rb")  # opened here, because the package takes no paths that end in .txm
            weakref.finalize(self, file.close)
            self._txrm = open_txrm(file, load_images=False, load_reference=False, strict=True)
            info = self._txrm.image_info
            count = int(info["NoOfImages"][0])
            _check_is_volume(path, self._txrm, count)
            shape = (count, int(info["ImageHeight"][0]), int(info["ImageWidth"][0]))
            super().__init__(str(path), shape, np.dtype(self._txrm.image_dtype.value))
            _check_size(path, shape, self.dtype)
            size = nanometres(info.get("PixelSize", [0.0])[0], "µm")
        self.steps = (size, size, size)
        self._lock = threading.Lock()

    def identity(self, pages: range) -> list[str]:
        """Return what the file was when it was opened."""
        return [self._stamp]

    def _decode(self, page: int) -> NDArray[Any]:
        with self._lock:
            image: NDArray[Any] = self._txrm.get_single_image(page + 1)
        return image


def _check_size(path: Path, shape: tuple[int, int, int], dtype: np.dtype[Any]) -> None:
    """Check that the file can hold the voxels that it says it has; they are not compressed."""
    needed, size = math.prod(shape) * dtype.itemsize, path.stat().st_size
    if min(shape) < 1 or needed > size:
        raise UserError(
            f"{path} says that it has {' x '.join(map(str, shape))} (z, y, x) voxels, {needed} bytes, which a file of "
            f"{size} bytes cannot hold; it is damaged: copy or export it again"
        )


def _is_not_of_the_package(record: logging.LogRecord) -> bool:
    return "txrm2tiff" not in record.pathname


def _check_is_volume(path: Path, txrm: Any, count: int) -> None:
    angles = txrm.image_info.get("Angles", [])
    if path.suffix.lower() == ".txrm" and len(set(angles)) > 1:
        raise UserError(
            f"{path} has projections, from {min(angles):g} to {max(angles):g} degrees; expected a reconstructed "
            "volume: pass the .txm file"
        )
    if txrm.image_info.get("MosiacColumns", [0])[0] > 1 or txrm.image_info.get("MosiacRows", [0])[0] > 1:
        raise UserError(f"{path} is a mosaic; expected a reconstructed volume: pass the .txm file")
    last = f"ImageData{-(-count // 100)}/Image{count}"
    if not txrm.has_stream(last):
        raise UserError(f"{path} is incomplete: it lacks the last of its {count} images; copy or export it again")
