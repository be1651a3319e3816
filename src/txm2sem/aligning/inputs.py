"""What is to be aligned: the slices of both instruments, which belong together, and how large their pixels are."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.aligning.landmarks import MarkedPoints, read_landmarks
from txm2sem.data.bars import MOST_LOOKED_AT, DataBar, find_bar, without_bar
from txm2sem.data.images import GreyImage, open_image
from txm2sem.data.readers import VolumeInput, VolumeReader, open_volume, parse_voxel_size
from txm2sem.data.readers.ome_zarr import is_zarr
from txm2sem.data.slices import MASK_NAMES, SPLIT_FOLDERS, MaskName, check_instruments, has_split, split_folder
from txm2sem.data.stacks import TiffSlices, find_slices
from txm2sem.errors import UserError, listed
from txm2sem.options import AlignOptions, Phase
from txm2sem.registration.given import MIN_SIDE

OF_INSTRUMENTS = (*MASK_NAMES, "landmarks", "dataset", "axes", "val", "test")
OF_VOLUMES = ("tilt", "spacing")
"""Options that do something with the files of two instruments alone, and with a volume alone."""

WITH_SCALE = ("similarity", "affine", "smooth")
"""Values of `--transform` that have a scale."""

FEWEST_SLICES = 8
"""Slices of a volume in which others are looked for, at least."""

Size = tuple[float, float]
"""Of a pixel (y, x) [nm]."""


def mean_side(size: Size) -> float:
    """Return the side of the square that is as large as a pixel [nm]."""
    return math.sqrt(size[0] * size[1])


@dataclass(frozen=True)
class SemSlice:
    """A slice of the SEM.

    Attributes:
        key: names it: its number as three digits or more, after its split where it is in one, such as `train/004`.
        number: the last digits of its file's name.
        split: it belongs to already; None: to none.
        image: its file.
        masks: files of the masks there are.
        pixel_size: (y, x) [nm]; None: not known.
        bar: data bar that slices of its folder have in common; None: it may have one of its own.
        keep_bar: the rows of a data bar count, too.
    """

    key: str
    number: int
    split: Phase | None
    image: GreyImage
    masks: Mapping[MaskName, Path]
    pixel_size: Size | None
    bar: DataBar | None
    keep_bar: bool

    def read(self) -> tuple[NDArray[Any], NDArray[np.bool_], DataBar | None]:
        """Return grey values (rows, columns), which of them show rock and are not charged, and the data bar.

        Raises:
            UserError: a file is damaged, or a mask is not of the slice's size.
        """
        image = self.image.read()
        bar = None if self.keep_bar else self.bar or find_bar(image, self.image.bar)
        image = without_bar(image, bar)
        valid: NDArray[np.bool_] = image != 0
        return image, valid & ~self.mask("charge") if "charge" in self.masks else valid, bar

    def mask(self, name: MaskName) -> NDArray[np.bool_]:
        """Return a mask (rows, columns), True where its file is above 0.

        Raises:
            UserError: the file is damaged, or not of the slice's size.
        """
        file = TiffSlices({self.number: self.masks[name]}, mask=True)
        if file.shape != self.image.shape:
            raise UserError(
                f"{self.masks[name]} is {file.shape[0]} x {file.shape[1]} pixels, but {self.image.path}, whose mask it "
                f"is, {self.image.shape[0]} x {self.image.shape[1]}; make them one size"
            )
        return file.read(0, *map(slice, file.shape)) > 0


@dataclass(frozen=True)
class TxmSlice:
    """A slice of the TXM.

    Attributes:
        name: of its file, or of its place in one, for people.
        path: its own file; None: it is a part of `whole`.
        whole: the file or folder that it is in.
        z: its place in the TXM, from 0.
        shape: (rows, columns).
        pixel_size: (y, x) [nm]; None: not known.
        read: reads the grey values (rows, columns).
    """

    name: str
    path: Path | None
    whole: Path
    z: int
    shape: tuple[int, int]
    pixel_size: Size | None
    read: Callable[[], NDArray[Any]]


@dataclass(frozen=True)
class SlicePair:
    """Slices of both instruments that show the same place.

    Attributes:
        txm: the slice of the TXM; None: it is to be found in a volume.
        sem: the slice of the SEM.
        landmarks: points that were marked in both; None: there are none.
    """

    txm: TxmSlice | None
    sem: SemSlice
    landmarks: MarkedPoints | None = None


@dataclass(frozen=True)
class Inputs:
    """All that is to be aligned.

    Attributes:
        pairs: in the order of z.
        volume: in which all slices of the SEM are to be found; None: each has its own slice of the TXM.
        dataroot: the data root that is refined; None: a new one is made.
        notes: what the user should know before.
    """

    pairs: tuple[SlicePair, ...]
    volume: VolumeReader | None
    dataroot: Path | None
    notes: tuple[str, ...]

    @property
    def files(self) -> list[Path]:
        """All files that are read, but for a volume."""
        found: list[Path] = []
        for pair in self.pairs:
            found += [pair.txm.path or pair.txm.whole] if pair.txm is not None else []
            found += [pair.sem.image.path, *pair.sem.masks.values()]
            found += [pair.landmarks.path] if pair.landmarks is not None else []
        return list(dict.fromkeys(found))

    @property
    def txm_pixel_size(self) -> Size | None:
        """Size of a pixel of the TXM (y, x) [nm]; None: not known."""
        if self.volume is not None:
            return self.volume.voxel_size and self.volume.voxel_size[1:]
        first = self.pairs[0].txm
        return None if first is None else first.pixel_size

    @property
    def txm_shape(self) -> tuple[int, ...]:
        """Shape of the volume (z, y, x), or of the first slice of the TXM."""
        first = self.pairs[0].txm
        return self.volume.shape if self.volume is not None else first.shape if first is not None else ()


def open_instruments(txm: Path, sem: Path, options: AlignOptions) -> Inputs:
    """Open the TXM and the slices of the SEM: one for one by their numbers, or all in a volume.

    Raises:
        UserError: something is missing or damaged, or numbers differ where each SEM slice has its own of the TXM.
    """
    check_instruments(txm, sem)
    places: dict[MaskName, Path] = {name: place for name in MASK_NAMES if (place := getattr(options, name)) is not None}
    slices = _sem_slices(sem, places, options, None)
    files = find_slices(txm) if is_folder_of_slices(txm) else None
    if files is not None and _are_pairs(len(files), len(slices), options):
        _check_same(txm, list(files), sem, [one.number for one in slices])
        return _in_pairs([_txm_file(path, z, options) for z, path in enumerate(files.values())], slices, options)
    asked = parse_voxel_size(options.txm_voxel_size, "txm_voxel_size")
    volume = open_volume(VolumeInput(txm, dataset=options.dataset, axes=options.axes, voxel_size=asked))
    if not _are_pairs(volume.shape[0], len(slices), options):
        return _in_volume(volume, slices, options)
    if volume.shape[0] != len(slices):
        raise UserError(
            f"{txm} has {volume.shape[0]} slices and {sem} {len(slices)}; expected one for each: leave out the others, "
            "or pass --txm_is volume"
        )
    return _in_pairs(_txm_parts(volume), slices, options)


def is_folder_of_slices(txm: Path) -> bool:
    """Say whether a place is a folder of files, not one that is a volume in the format of Zarr."""
    return txm.is_dir() and not is_zarr(txm)


def _are_pairs(ours: int, theirs: int, options: AlignOptions) -> bool:
    return options.txm_is == "pairs" or (options.txm_is == "auto" and ours == theirs)


def _refuse(options: AlignOptions, names: Sequence[str], where: str) -> None:
    """Check that options that do nothing are not given.

    Raises:
        UserError: one is.
    """
    for name in names:
        if getattr(options, name) != getattr(AlignOptions(), name):
            raise UserError(f"--{name} does nothing with {where}; leave it out")


def _in_pairs(matching: list[TxmSlice], slices: list[SemSlice], options: AlignOptions) -> Inputs:
    _refuse(options, OF_VOLUMES, "a slice of the TXM for each of the SEM")
    marked = read_landmarks(options.landmarks, [one.number for one in slices]) if options.landmarks else {}
    pairs = tuple(
        SlicePair(ours, theirs, marked.get(theirs.number)) for ours, theirs in zip(matching, slices, strict=True)
    )
    for ours, pair in zip(matching, pairs, strict=True):
        if pair.landmarks is not None:
            pair.landmarks.check(pair.sem.image.shape, ours.shape)
    notes = _notes([ours.pixel_size for ours in matching], slices, options, scaled=options.transform in WITH_SCALE)
    return Inputs(pairs, None, None, notes)


def _in_volume(volume: VolumeReader, slices: list[SemSlice], options: AlignOptions) -> Inputs:
    _refuse(options, ("landmarks",), "a volume, as points in two slices do not tell the height")
    size = volume.voxel_size and volume.voxel_size[1:]
    smallest = min(volume.shape[1:])
    if volume.shape[0] < FEWEST_SLICES:
        raise UserError(
            f"{volume.name} has {volume.shape[0]} slices and the SEM {len(slices)}; expected as many, or a volume of "
            f"{FEWEST_SLICES} slices at least to find them in"
        )
    if smallest < MIN_SIDE:
        raise UserError(
            f"{volume.name} has slices of {volume.shape[1]} x {volume.shape[2]} voxels; expected {MIN_SIDE} at least"
        )
    pairs = tuple(SlicePair(None, one) for one in slices)
    said = [volume.note] if volume.note and options.txm_voxel_size else []
    return Inputs(pairs, volume, None, (*_notes([size], slices, options, scaled=True), *said))


def open_data_root(dataroot: Path, options: AlignOptions) -> Inputs:
    """Open the pairs of a data root that exists.

    Raises:
        UserError: something is missing or damaged; or an option is given that does nothing there.
    """
    _refuse(options, ("txm_is", *OF_INSTRUMENTS, *OF_VOLUMES), "a data root, whose slices are paired, masked and split")
    pairs: list[SlicePair] = []
    for phase in SPLIT_FOLDERS:
        if not has_split(dataroot, phase):
            continue
        folder = split_folder(dataroot, phase)
        masks = {name: folder / name for name in MASK_NAMES if (folder / name).is_dir()}
        slices = _sem_slices(folder / "sem", masks, options, phase)
        files = find_slices(folder / "txm")
        _check_same(folder / "txm", list(files), folder / "sem", [one.number for one in slices])
        matching = [_txm_file(path, number, options) for number, path in files.items()]
        pairs += [SlicePair(ours, theirs) for ours, theirs in zip(matching, slices, strict=True)]
    return Inputs(tuple(pairs), None, dataroot, ())


def is_data_root(place: Path) -> bool:
    """Say whether a folder has a split with slices of both instruments."""
    return any(
        (place / name / kind).is_dir() for names in SPLIT_FOLDERS.values() for name in names for kind in ("txm", "sem")
    )


def _sem_slices(
    folder: Path, masks: Mapping[MaskName, Path], options: AlignOptions, split: Phase | None
) -> list[SemSlice]:
    files = find_slices(folder)
    of_masks = {name: find_slices(place) for name, place in masks.items()}
    for name, place in masks.items():
        _check_same(place, list(of_masks[name]), folder, list(files))
    asked = (options.sem_pixel_size, options.sem_pixel_size) if options.sem_pixel_size else None
    images = {number: open_image(path) for number, path in files.items()}
    common = None if options.keep_bar else common_bar(list(images.values()))
    slices = []
    for number, image in images.items():
        slices.append(
            SemSlice(
                key=f"{split}/{number:03d}" if split else f"{number:03d}",
                number=number,
                split=split,
                image=image,
                masks={name: found[number] for name, found in of_masks.items()},
                pixel_size=asked or image.pixel_size.of_microscope,
                bar=common if image.shape == next(iter(images.values())).shape else None,
                keep_bar=options.keep_bar,
            )
        )
    return slices


def common_bar(images: list[GreyImage]) -> DataBar | None:
    """Return the data bar that half or more have of some images of a folder; those of the first one's size count.

    In some of them text is hard to tell from what is above it.
    """
    alike = [image for image in images if image.shape == images[0].shape]
    looked_at = alike[:: max(len(alike) // MOST_LOOKED_AT, 1)]
    found = Counter(find_bar(image.read(), image.bar) for image in looked_at)
    bar, count = found.most_common(1)[0]
    if bar is None and len(found) > 1:
        bar, count = found.most_common(2)[1]
    return bar if bar is not None and 2 * count >= len(looked_at) else None


def _txm_file(path: Path, z: int, options: AlignOptions) -> TxmSlice:
    image = open_image(path)
    asked = parse_voxel_size(options.txm_voxel_size, "txm_voxel_size")
    return TxmSlice(
        path.name, path, path.parent, z, image.shape, asked[1:] if asked else image.pixel_size.of_microscope, image.read
    )


def _txm_parts(volume: VolumeReader) -> list[TxmSlice]:
    whole = slice(None), slice(None)

    def read(z: int) -> NDArray[Any]:
        image: NDArray[Any] = volume.read(slice(z, z + 1), *whole)[0]
        return image

    size = volume.voxel_size[1:] if volume.voxel_size else None
    return [
        TxmSlice(f"slice {z}", None, Path(volume.name), z, volume.shape[1:], size, partial(read, z))
        for z in range(volume.shape[0])
    ]


def _check_same(one: Path, numbers: list[int], other: Path, others: list[int]) -> None:
    """Check that two folders have the same slices.

    Raises:
        UserError: they have not; which are missing is said.
    """
    for folder, missing in ((other, set(numbers) - set(others)), (one, set(others) - set(numbers))):
        if missing:
            raise UserError(
                f"{one} has {len(numbers)} slices and {other} {len(others)}; expected the same numbers, but {folder} "
                f"has no {listed(sorted(missing))}: add what is missing, or remove the others"
            )


def _notes(ours: list[Size | None], slices: list[SemSlice], options: AlignOptions, *, scaled: bool) -> tuple[str, ...]:
    """Return what is to be known of pixel sizes: those that are not known, and what microscopes say of theirs.

    Args:
        ours, slices: of the TXM and of the SEM.
        options: those that were given.
        scaled: the search finds a scale, too.
    """
    so = "scales from 0.78 to 1.28 are tried" if scaled else "those of TXM and SEM count as equally large"
    unknown = [
        f"the size of the {name}'s pixels is not known: {so}; pass --{option} where it is"
        for name, option, sizes in (
            ("TXM", "txm_voxel_size", ours),
            ("SEM", "sem_pixel_size", [one.pixel_size for one in slices]),
        )
        if None in sizes
    ]
    said = [one.image.pixel_size.note for one in slices if one.image.pixel_size.note and not options.sem_pixel_size]
    return (*unknown[:1], *said[:1])
