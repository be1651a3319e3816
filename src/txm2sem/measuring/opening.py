"""What is measured: the phases of a volume, how likely they are, and grey values to show them over."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.addresses import Address, Place
from txm2sem.data.classes import CLASSES, IGNORED, LABEL_COLOURS
from txm2sem.data.draws import count_draws
from txm2sem.data.readers import VolumeInput, channel_names, open_channels, open_volume, parse_voxel_size
from txm2sem.data.readers.base import StoredVolume
from txm2sem.data.readers.ome_zarr import ZarrVolume, display_settings, is_zarr, label_images, label_meanings
from txm2sem.data.stacks import find_slices
from txm2sem.data.tiff import colour_table, open_tiff
from txm2sem.errors import UserError
from txm2sem.measuring.made import made_by
from txm2sem.measuring.phases import (
    MOST_PHASES,
    OWN_PHASES,
    Labels,
    Phase3D,
    Thresholds,
    Valid,
    as_labels,
    imaged,
    name_phases,
    otsu_thresholds,
    parse_labels,
    parse_thresholds,
)
from txm2sem.morphology.boxes import Box, Region, with_halo
from txm2sem.morphology.rim import around_in_plane, ends_of, near_rim
from txm2sem.options import MeasureOptions

NOT_IMAGED = "not imaged"
"""What this program calls the value of voxels where nothing was imaged, in files."""

LOOKED_AT = 8
"""Slices that tell labels from grey values before long work."""

SCANNED_VOXELS = 2**24
"""About so many are read together where all of a volume is looked through."""

ALL = slice(None)


class OpenPhases:
    """The phases of a volume, part by part.

    Args:
        options: of the measurement.
        path: a volume of labels, with its image where it is OME-Zarr, or of grey values.
        own: it is what a model of this program has just made: its labels where it has any.

    Attributes:
        options, path: as given.
        draws: of the volume, each of which has phases of its own; 0: it is a single image.
        reader: of the labels, or of the grey values; of draws, of their mean, which says where something was imaged.
        thresholds: between grey values; None: they are labels.
        not_imaged: the value of voxels where nothing was imaged; None: there are none.
        made: by which model, as the volume says.

    Raises:
        UserError: the volume cannot be read, has grey values where labels are expected, or the options do not fit it;
            or the report beside it is damaged.
    """

    def __init__(self, options: MeasureOptions, path: Place, *, own: bool = False) -> None:
        self.options = options
        self.path = path
        images = label_images(path) if _is_folder(path) and not options.dataset else []
        channels = [] if options.dataset else channel_names(path)
        self.draws = count_draws(channels, path)
        method = options.method
        if method == "auto":
            grey = self.draws or (own and not images)
            method = "thresholds" if options.thresholds else "otsu" if grey else "labels"
        self._is_labels = method == "labels"
        if self.draws:
            _check_drawn(options, method, path)
        if self._is_labels and len(images) > 1:
            raise UserError(f"{path} has several label images; say which with --dataset, one of {', '.join(images)}")
        self._of_image = bool(self._is_labels and images)
        self._source = VolumeInput(
            path=path,
            dataset=images[0] if self._of_image else options.dataset,
            axes="" if own else options.axes,
            voxel_size=parse_voxel_size(options.voxel_size),
            roi="" if own else options.roi,
            missing="refuse" if own else options.missing,
            labels=self._is_labels,
        )
        if self.draws:
            self.reader, _, *self._images = open_channels(self._source, channels)
        else:
            self.reader = open_volume(self._source)
            self._images = [self.reader]
        self._meanings = self._said_meanings() if self._is_labels else {}
        self.not_imaged = self._value_not_imaged()
        self.thresholds: Thresholds | None = None
        if self._is_labels:
            self._look()
        elif method == "thresholds":
            self.thresholds = parse_thresholds(options.thresholds, options.blur)
        else:
            self.thresholds = otsu_thresholds(self.reader, self._read_grey, self.images, options.blur)
        self.made = made_by(path)

    @property
    def name(self) -> str:
        """What is measured, for people."""
        return f"{self.path}, {self.draws} draws" if self.draws else self.reader.name

    @property
    def images(self) -> int:
        """How many times there are phases of each voxel: once, or in each draw."""
        return len(self._images)

    @property
    def says(self) -> str:
        """What tells the phases, for people."""
        if self.thresholds is None:
            return "labels"
        blurred = f", smoothed by {self.thresholds.blur:g} voxels" if self.thresholds.blur else ""
        drawn = f", in each of {self.draws} draws" if self.draws else ""
        return self.thresholds.says + blurred + drawn

    @property
    def read_bytes(self) -> int:
        """What reading a voxel takes, besides its label."""
        smoothed = 24 if self.thresholds is not None and self.thresholds.blur else 0
        left_out = 8 if self.options.rim else 0
        return self.reader.dtype.itemsize * (2 if self.draws else 1) + smoothed + left_out

    @property
    def identity(self) -> dict[str, Any]:
        """What tells the phases of which voxels: plain values by name."""
        return {
            "input": f"{self.reader.shape} {self.reader.dtype} with SHA-256 {self.reader.fingerprint()}",
            "phases": self.says,
            "not imaged": str(self.not_imaged),
        }

    def read(self, window: Region, image: int = 0) -> tuple[Labels, Valid]:
        """Return the phase of each voxel of a part (z, y, x), and where something was imaged.

        Args:
            window: the part.
            image: number of the draw.

        Raises:
            UserError: the file cannot be decoded, or has what is no label.
        """
        if self.thresholds is None:
            voxels, valid = self._read(window)
            return as_labels(voxels, valid, self.reader.describe(window[0].start)), valid
        around, core = with_halo(Box((0, 0, 0), window), self.thresholds.halo, self.thresholds.halo, self.reader.shape)
        grey, valid = self._read_grey(around, image)
        return self.thresholds.of(grey, valid)[core], valid[core]

    def scan(self, progress: Callable[[int], Any]) -> tuple[int, ...]:
        """Return the numbers of the phases that there are; labels are all read for that.

        Args:
            progress: is told how many voxels have been read.

        Raises:
            UserError: as `read`, or nothing was imaged, or there are too many labels.
        """
        if self.thresholds is not None:
            return tuple(sorted(self.thresholds.labels))
        counts = np.zeros(256, np.int64)
        for window in self._slices():
            labels, valid = self.read(window)
            counts += np.bincount(labels[valid], minlength=256)
            progress(labels.size)
        found = tuple(np.flatnonzero(counts).tolist())
        if not found:
            raise UserError(
                f"{self.reader.name} has no voxel that was imaged; pass another --roi, or --not_imaged none"
            )
        self._check_count(found)
        known = (label for label in self._meanings if label != self.not_imaged)
        return tuple(sorted({*found, *known}))

    def phases(self, labels: tuple[int, ...]) -> list[Phase3D]:
        """Return the phases with these numbers.

        Raises:
            UserError: `--phases` does not fit them.
        """
        own = self.thresholds is not None and len(self.thresholds.values) < 3
        return name_phases(labels, self.options.phases, OWN_PHASES if own else self._meanings)

    def measured(self, labels: tuple[int, ...]) -> tuple[int, ...]:
        """Return the phases of which more than the fraction is measured.

        Raises:
            UserError: `--measured` names others.
        """
        if self.options.measured:
            return parse_labels(self.options.measured, "--measured", labels)
        return tuple(label for label in labels if label) or labels

    @cached_property
    def probabilities(self) -> Probabilities | None:
        """How likely each phase is; None where the volume does not say it."""
        if not self._of_image:
            return None
        stored = ZarrVolume(self.path, "")
        names, _ = display_settings(self.path)
        if stored.axes != ("c", "z", "y", "x") or tuple(names[1:]) != CLASSES:
            return None
        certain = 1.0 if stored.dtype.kind == "f" else float(np.iinfo(stored.dtype).max)
        return Probabilities(stored, self.reader.offset, certain)

    def calibration_error(self, label: int) -> float:
        """Return the standard error of a phase's expected fraction that comes from what its probabilities are of."""
        return 0.0 if self.probabilities is None else self.made.fraction_errors[label]

    def training_share(self, label: int) -> float | None:
        """Return the share of a phase in the slices that its probabilities were learned from; None: not known."""
        known = self.probabilities is not None and self.made.training_shares
        return self.made.training_shares[label] if known else None

    @cached_property
    def grey(self) -> Callable[[Region], NDArray[Any]] | None:
        """What returns a part (z, y, x) of the first image that phases are of; None where there is none."""
        if self.thresholds is not None:
            return lambda window: self._images[0].read(*window)
        if not self._of_image:
            return None
        if (several := self.probabilities) is not None:
            return several.image
        stored = ZarrVolume(self.path, "")
        if stored.axes == ("z", "y", "x"):
            image = open_volume(dataclasses.replace(self._source, dataset="", labels=False))
            return lambda window: image.read(*window)
        return None

    def _read_grey(self, window: Region, image: int) -> tuple[NDArray[Any], Valid]:
        """Return grey values of a part, and where something was imaged: the same in all draws, dark as one may be."""
        mean, valid = self._read(window)
        return self._images[image].read(*window) if self.draws else mean, valid

    def _read(self, window: Region) -> tuple[NDArray[Any], Valid]:
        """Return a part as it is stored, of draws their mean, and where something was imaged that counts."""
        shape, rim = self.reader.shape, self.options.rim
        z, y, x = (slice(*part.indices(side)[:2]) for part, side in zip(window, shape, strict=True))
        around, core = around_in_plane((z, y, x), rim, shape)
        voxels = self.reader.read(*around)
        valid = imaged(voxels, self.not_imaged)
        return voxels[core], (valid & ~near_rim(valid, rim, ends_of(around, shape)))[core]

    def _slices(self) -> Iterator[Region]:
        """Yield windows of whole slices that are read together."""
        depth, rows, columns = self.reader.shape
        step = max(SCANNED_VOXELS // (rows * columns), 1)
        for first in range(0, depth, step):
            yield slice(first, min(first + step, depth)), ALL, ALL

    def _look(self) -> None:
        """Check on a few slices that voxels are labels."""
        depth = self.reader.shape[0]
        found: set[int] = set()
        for z in np.linspace(0, depth - 1, min(LOOKED_AT, depth)).round().astype(int).tolist():
            labels, valid = self.read((slice(z, z + 1), ALL, ALL))
            found |= set(np.unique(labels[valid]).tolist())
        self._check_count(tuple(found))

    def _check_count(self, found: tuple[int, ...]) -> None:
        if len(found) > MOST_PHASES:
            raise UserError(
                f"{self.reader.name} has {len(found)} different values or more; expected labels, at most "
                f"{MOST_PHASES} phases: if these are grey values, pass --thresholds LOW,HIGH or --method otsu"
            )

    def _said_meanings(self) -> dict[int, tuple[str, tuple[int, int, int]]]:
        """Return names and colours of labels, as far as the file says both."""
        if self._of_image or (_is_folder(self.path) and is_zarr(self.path)):
            said = label_meanings(self.path / self._source.dataset)
            return {value: (name, colour) for value, (name, colour) in said.items() if name and colour}
        if isinstance(self.path, Path) and _has_own_colours(self.path):
            return OWN_PHASES | {IGNORED: (NOT_IMAGED, LABEL_COLOURS[IGNORED])}
        return {}

    def _value_not_imaged(self) -> float | None:
        text = self.options.not_imaged
        if text == "auto":
            if not self._is_labels:
                return 0.0
            return next((float(value) for value, (name, _) in self._meanings.items() if name == NOT_IMAGED), None)
        if text == "none":
            return None
        try:
            value = float(text)
        except ValueError:
            raise UserError(f"--not_imaged {text}: expected a value, such as 0 or 255, none, or auto") from None
        return value


class Probabilities:
    """How likely each phase is in each voxel, from a file that this program has written.

    Args:
        stored: the image and its channels, (c, z, y, x).
        offset: (z, y, x) of the first voxel that is measured.
        certain: what stands for 1.
    """

    def __init__(self, stored: StoredVolume, offset: tuple[int, int, int], certain: float) -> None:
        self._stored = stored
        self._offset = offset
        self._certain = certain

    def read(self, label: int, window: Region) -> NDArray[np.float32]:
        """Return how likely a phase is in a part (z, y, x); 0 where nothing was imaged."""
        return self._channel(1 + label, window).astype(np.float32) / np.float32(self._certain)

    def image(self, window: Region) -> NDArray[Any]:
        """Return a part of the image that was segmented."""
        return self._channel(0, window)

    def _channel(self, number: int, window: Region) -> NDArray[Any]:
        shape = self._stored.shape[1:]
        places = tuple(
            slice(first + start, first + stop)
            for part, first, side in zip(window, self._offset, shape, strict=True)
            for start, stop, _ in [part.indices(side)]
        )
        channel: NDArray[Any] = self._stored.load((slice(number, number + 1), *places))[0]
        return channel


def _check_drawn(options: MeasureOptions, method: str, path: Place) -> None:
    """Check that options are those of a volume of draws.

    Raises:
        UserError: one is not.
    """
    if method == "labels":
        raise UserError(
            f"--method labels: {path} has draws of a SEM, which have grey values; pass --thresholds LOW,HIGH or "
            "--method otsu"
        )
    if options.missing != "refuse":
        raise UserError(
            f"--missing {options.missing}: {path} has draws, of which this program writes every voxel, so one that is "
            "not there was lost; leave the option out"
        )


def _is_folder(path: Place) -> bool:
    return isinstance(path, Address) or path.is_dir()


def _has_own_colours(path: Path) -> bool:
    """Say whether a TIFF file, or the first of a folder, has the colours of labels that this program writes."""
    file = next(iter(find_slices(path).values())) if path.is_dir() else path
    if file.suffix.lower() not in (".tif", ".tiff") or not file.is_file():
        return False
    with open_tiff(file) as content:
        colours = content.pages.first.colormap
    return colours is not None and np.array_equal(colours, colour_table(LABEL_COLOURS))
