"""Align the slices of two instruments, one pair after the other, and write what a training begins with."""

from __future__ import annotations

import math
import shlex
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem import __version__
from txm2sem.aligning.copying import copy_image
from txm2sem.aligning.covering import covered_box
from txm2sem.aligning.document import (
    NAME,
    Alignment,
    SliceAlignment,
    described,
    itk_transform,
    read_alignment,
    read_field,
    read_slice,
    write_alignment,
    write_field,
    write_slice,
)
from txm2sem.aligning.inputs import (
    Size,
    SlicePair,
    is_data_root,
    is_folder_of_slices,
    mean_side,
    open_data_root,
    open_instruments,
)
from txm2sem.aligning.page import PAGE, write_page
from txm2sem.aligning.pictures import LAYERS, pictures_of
from txm2sem.aligning.placing import Placed, Placing
from txm2sem.aligning.verdict import verdict_on
from txm2sem.data.bars import DataBar
from txm2sem.data.coverage import check_coverage
from txm2sem.data.images import Kept, PixelSize, write_image
from txm2sem.data.neighbours import HEADER
from txm2sem.data.pixels import to_dtype
from txm2sem.data.readers.base import stamp
from txm2sem.data.readers.voxel_size import square_side
from txm2sem.data.slices import SPLIT_FOLDERS, AlignedSlices
from txm2sem.drafts import Draft
from txm2sem.errors import UserError
from txm2sem.figures.saving import save_figure
from txm2sem.files import make_folder, write_text
from txm2sem.options import AlignCommand, DataOptions, Phase, to_mapping
from txm2sem.quantities import format_seconds, with_pixels
from txm2sem.registration.geometry import Geometry
from txm2sem.registration.pair import PairAlignment
from txm2sem.registration.planes import Plane
from txm2sem.verdicts import Verdict

SECONDS = {False: 4e-6, True: 3e-5}
"""What a pixel of a slice of the TXM takes, in pairs and in a volume [s]."""

FOUND, FIELD = "found.json", "field.npz"
"""Files of a slice that is done: what was found of it, which is written last, and its smooth displacement."""

SHARE_HELD_OUT = 6
"""One of so many slices is validated on, and one tested on."""

Show = Callable[[float, str], None]


@dataclass(frozen=True)
class AlignReport:
    """What an alignment has come to.

    Attributes:
        alignment: what was found.
        lines: the same, for people.
        verdict: what it comes to.
        trains: every split has slices.
    """

    alignment: Alignment
    lines: list[str]
    verdict: Verdict
    trains: bool


class AlignRun:
    """The alignment of all slices, into a new folder.

    While it is being made every slice that is done has a folder of its own, so that the same call goes on with those
    that are missing.

    Args:
        command: the options.
        places: TXM and SEM; or a data root.
        output: the new data root.

    Attributes:
        inputs: what is aligned.
        draft: the output while it grows.
        stage: what there is of it.

    Raises:
        UserError: the inputs do not fit each other, the output is there, or what there is of it is of another making.
    """

    def __init__(self, command: AlignCommand, places: Sequence[Path], output: Path) -> None:
        self.command, self.options, self.output = command, command.align, output
        self.places = tuple(places)
        if len(self.places) == 1:
            if not is_data_root(self.places[0]):
                raise UserError(
                    f"{self.places[0]} has no folder such as train/txm; expected a data root to refine, or two places: "
                    "those of the TXM and of the SEM"
                )
            self.inputs = open_data_root(self.places[0], self.options)
        else:
            self.inputs = open_instruments(self.places[0], self.places[1], self.options)
        self.placing = Placing(self.inputs, self.options)
        self.draft = Draft(output, "align")
        self.stage = self.draft.look(self.identity)

    @property
    def identity(self) -> dict[str, Any]:
        """What the result depends on: plain values by name."""
        # Files of figures can be of another kind when it goes on.
        options = {name: str(value) for name, value in to_mapping(self.command).items() if name != "figures"}
        volume = "" if self.inputs.volume is None else self.inputs.volume.fingerprint()
        files = [stamp(path) for path in self.inputs.files]
        return {"files": files, "volume": volume, "version": __version__, **options}

    @property
    def lines(self) -> list[str]:
        """What is aligned and how, for people."""
        pairs, volume = self.inputs.pairs, self.inputs.volume
        done = len(pairs) - len(self.missing)
        shapes = " x ".join(map(str, self.inputs.txm_shape)), " x ".join(map(str, pairs[0].sem.image.shape))
        sizes = _in_words(self.inputs.txm_pixel_size), _in_words(pairs[0].sem.pixel_size)
        what = "pairs" if volume is None else "slices of the SEM, to be found in the volume"
        each = SECONDS[volume is not None] * math.prod(self.inputs.txm_shape[-2:])
        return [
            f"slices:  {len(pairs)} {what}{f', {done} of them are done' if done else ''}",
            f"time:    about {format_seconds(each * len(self.missing))} on one slow core",
            f"sizes:   TXM {shapes[0]}{sizes[0]}, SEM {shapes[1]}{sizes[1]}",
            *(f"note:    {note}" for note in self.inputs.notes),
        ]

    @property
    def page(self) -> Path:
        """Where the page about it is."""
        return self.output / PAGE

    @property
    def next_command(self) -> str:
        """The command that looks at what was written, and leaves out what no SEM covers, where that is much."""
        options = DataOptions()
        try:
            notes = check_coverage(AlignedSlices.open(self.output, "train", options), options)
        except UserError:  # which that command finds, too
            notes = []
        return shlex.join(["txm2sem", "check", str(self.output), *(["--ignore_charged"] if notes else [])])

    @property
    def missing(self) -> list[SlicePair]:
        """The pairs that are not aligned yet."""
        return [] if self.stage == "whole" else [pair for pair in self.inputs.pairs if not self._done(pair).exists()]

    def align(self, show: Show) -> AlignReport:
        """Align what is missing, and write the data root.

        Args:
            show: is told the share of the work that is done, and what comes next.

        Raises:
            UserError: a file cannot be read or written, or another process makes this; what was done stays, and the
                same call goes on there.
        """
        with self.draft.begin(self.identity) as stage:
            if stage == "whole":
                return _reported(read_alignment(self.output / NAME))
            missing = self.missing
            for index, pair in enumerate(missing):
                show(index / len(missing), pair.sem.key)
                self._align(pair, None, FOUND)
            slices, geometry = self._look_again(show)
            slices = self._in_splits(slices)
            txm, sem = (str(place) for place in (*self.places, "")[:2])
            size = self.inputs.txm_pixel_size
            outliers = {} if geometry is None else {number: geometry.away[number] for number in geometry.outliers}
            away = {
                pair.sem.key: outliers[pair.sem.number] for pair in self.inputs.pairs if pair.sem.number in outliers
            }
            covered = () if self.inputs.volume is None else covered_box(slices, self.inputs.volume.shape)
            alignment = Alignment(txm, sem, self.options.transform, size or (), away, slices, covered)
            self._gather(alignment)
            self.draft.finish(self._result)
            return _reported(alignment)

    @property
    def _result(self) -> Path:
        return self.draft.folder / "images"

    def _folder(self, pair: SlicePair) -> Path:
        return self.draft.folder / "slices" / pair.sem.key

    def _done(self, pair: SlicePair) -> Path:
        """Return the file that is written last of a pair."""
        return self._folder(pair) / FOUND

    def _look_again(self, show: Show) -> tuple[dict[str, SliceAlignment], Geometry | None]:
        """Return all slices; those in a volume after a look at what they have in common.

        Those that were not found are looked for where the others let expect them; then the planes of all are drawn
        towards what they have in common.
        """
        slices = {pair.sem.key: read_slice(self._done(pair)) for pair in self.inputs.pairs}
        geometry = self.placing.geometry(slices)
        if geometry is None:
            return slices, None
        lost = [pair for pair in self.inputs.pairs if not slices[pair.sem.key].confident]
        for index, pair in enumerate(lost):
            show(index / len(lost), f"{pair.sem.key} again")
            slices[pair.sem.key] = self._once(pair, "again.json", partial(self._align, pair, geometry))
        geometry = self.placing.geometry(slices) or geometry
        planes = self.placing.together(slices, geometry)
        common = [pair for pair in self.inputs.pairs if pair.sem.number in planes]
        for index, pair in enumerate(common):
            show(index / len(common), f"{pair.sem.key} together with the others")
            settle = partial(self._settle, pair, slices[pair.sem.key], planes[pair.sem.number])
            slices[pair.sem.key] = self._once(pair, "together.json", settle)
        show(1.0, "")
        return slices, geometry

    def _once(self, pair: SlicePair, name: str, make: Callable[[str], None]) -> SliceAlignment:
        """Return what a step has found of a slice, which writes it where it has not been done."""
        if not (self._folder(pair) / name).exists():
            make(name)
        return read_slice(self._folder(pair) / name)

    def _align(self, pair: SlicePair, geometry: Geometry | None, name: str) -> None:
        """Align a slice, anywhere or where a geometry lets expect it, and write what belongs to it."""
        sem, valid, bar = pair.sem.read()
        try:
            if geometry is None:
                placed = self.placing.place(pair, sem, valid, bar)
            else:
                placed = self.placing.place_again(pair, sem, valid, geometry)
        except UserError as error:
            raise UserError(f"{pair.sem.image.path} on {self._txm_of(pair)}: {error}") from error
        self._write(pair, placed, sem, bar, name)

    def _settle(self, pair: SlicePair, found: SliceAlignment, plane: Plane, name: str) -> None:
        """Write a slice of a volume on another plane than the one that it alone has led to; the SEM stays as it is."""
        sem, _, bar = pair.sem.read()
        folder = self._folder(pair)
        placed = self.placing.on(plane, found, read_field(folder / FIELD) if found.field else None)
        self._write_txm(folder, pair, placed)
        self._describe(pair, placed, sem, bar, name)

    def _write(self, pair: SlicePair, placed: Placed, sem: NDArray[Any], bar: DataBar | None, name: str) -> None:
        """Write what belongs to a slice, what was found of it last."""
        found, folder = placed.pair, self._folder(pair)
        make_folder(folder)
        if _is_written(pair, found, sem.shape):
            self._write_txm(folder, pair, placed)
            self._write_sem(folder, pair, found, sem)
        if found.field is not None:
            write_field(folder / FIELD, found.field)
        write_text(folder / "to_sem.tfm", itk_transform(found.to_txm, found.field, found.shape))
        self._describe(pair, placed, sem, bar, name)

    def _describe(self, pair: SlicePair, placed: Placed, sem: NDArray[Any], bar: DataBar | None, name: str) -> None:
        """Write pictures of a slice, and what was found of it."""
        found, folder = placed.pair, self._folder(pair)
        size = self._size_of(pair)
        began = pair.txm is not None and found.improved
        before = replace(found, to_txm=found.start, field=None) if began else None
        pictures = pictures_of(placed.txm, sem, before, found, size and mean_side(size))
        for layer, picture in pictures.items():
            (folder / f"{layer}.jpg").write_bytes(picture)
        document = described(
            found,
            placed.plane,
            self.placing.depth,
            halves_apart=placed.apart,
            sem=str(pair.sem.image.path),
            txm=str(self._txm_of(pair)),
            shape=sem.shape,
            bar=str(bar or ""),
            field=f"alignment/{pair.sem.key}.npz" if found.field is not None else "",
            landmarks=_distances(pair, found),
            # Blocks are known when all are done.
            split=(pair.sem.split or "train") if _is_written(pair, found, sem.shape) else "",
        )
        write_slice(folder / name, document)

    def _txm_of(self, pair: SlicePair) -> Path:
        return self.places[0] if pair.txm is None else pair.txm.path or pair.txm.whole

    def _size_of(self, pair: SlicePair) -> Size | None:
        return self.inputs.txm_pixel_size if pair.txm is None else pair.txm.pixel_size

    def _write_txm(self, folder: Path, pair: SlicePair, placed: Placed) -> None:
        """Write what the TXM shows of a slice; a file of its own is copied, with the size of its pixels."""
        if pair.txm is None or pair.txm.path is None:
            write_image(folder / "txm.tif", placed.txm, Kept(PixelSize.of(self._size_of(pair))))
        else:
            copy_image(pair.txm.path, folder / "txm.tif", pair.txm.pixel_size)

    def _write_sem(self, folder: Path, pair: SlicePair, found: PairAlignment, sem: NDArray[Any]) -> None:
        """Write a slice of the SEM and its masks on the grid of the TXM; what is of that grid already is copied."""
        kept = Kept(PixelSize.of(self._size_of(pair)))
        if pair.txm is not None and _is_as_it_was(found, sem.shape):
            copy_image(pair.sem.image.path, folder / "sem.tif", pair.sem.pixel_size or self._size_of(pair))
            for mask, path in pair.sem.masks.items():
                shutil.copyfile(path, folder / f"{mask}.tif")
            return
        write_image(folder / "sem.tif", on_txm(found, sem), kept)
        for mask in pair.sem.masks:
            marked = found.resample(pair.sem.mask(mask).astype(np.float32), order=0) > 0.5
            write_image(folder / f"{mask}.tif", np.where(marked, np.uint8(255), np.uint8(0)), kept)

    def _in_splits(self, slices: dict[str, SliceAlignment]) -> dict[str, SliceAlignment]:
        """Return them with the split of each that has images: what it had, or blocks along z."""
        if self.inputs.dataroot is not None:
            return slices
        written = sorted((key for key, found in slices.items() if found.split), key=lambda key: slices[key].middle[0])
        splits = dict(zip(written, blocks(len(written), self.options.val, self.options.test), strict=True))
        return {key: replace(found, split=splits.get(key, "")) for key, found in slices.items()}

    def _gather(self, alignment: Alignment) -> None:
        """Move what was written of each slice to where it belongs; what was moved before stays."""
        make_folder(self._result / "alignment")
        for pair in self.inputs.pairs:
            key = pair.sem.key
            split, folder = alignment.slices[key].split, self._folder(pair)
            name = f"{pair.sem.number:03d}.tif"
            moves = {folder / FIELD: f"alignment/{key}.npz", folder / "to_sem.tfm": f"alignment/{key}.tfm"}
            if split:
                moves |= {folder / f"{kind}.tif": f"{split}/{kind}/{name}" for kind in ("txm", "sem", *pair.sem.masks)}
            for source, place in moves.items():
                target = self._result / place
                if source.exists():
                    make_folder(target.parent)
                    source.replace(target)
        pictures = {
            pair.sem.key: {layer: path for layer in LAYERS if (path := self._folder(pair) / f"{layer}.jpg").exists()}
            for pair in self.inputs.pairs
        }
        planes = self.placing.planes(alignment.slices)
        write_page(self._result / PAGE, self.output.name, alignment, pictures, planes)
        if planes is not None:
            save_figure(planes, self._result / "alignment" / "planes.png", self.command.figure.figures)
        if self.inputs.dataroot is not None:
            _keep_volume(self.inputs.dataroot, self._result)
        elif self.inputs.volume is not None:
            self._refer_to_volume(alignment)
        write_alignment(self._result / NAME, alignment)

    def _refer_to_volume(self, alignment: Alignment) -> None:
        """Say where slices lie in the volume, and link it where it is a folder of slices, as data roots have them."""
        written = [pair for pair in self.inputs.pairs if alignment.slices[pair.sem.key].split]
        heights = [round(alignment.slices[pair.sem.key].middle[0]) for pair in written]
        rows = [f"{pair.sem.number},{height}" for pair, height in zip(written, heights, strict=True)]
        write_text(self._result / "slice_positions.csv", "\n".join([",".join(HEADER), *rows]) + "\n")
        stack = self._result / "test" / "txm_full_stack"
        if is_folder_of_slices(self.places[0]) and stack.parent.is_dir() and not stack.is_symlink():
            stack.symlink_to(self.places[0].resolve(), target_is_directory=True)


def _reported(alignment: Alignment) -> AlignReport:
    """Return what was found, for people, too."""
    slices = alignment.slices
    confident = [found for found in slices.values() if found.confident]
    moved = sum(found.improved for found in confident)
    lines = [
        f"{len(confident)} of {len(slices)} slices are confirmed by tiles that took no part in fitting, {moved} of "
        "them after they were moved"
    ]
    if confident:
        gains = [(found.held_out.before, found.held_out.after) for found in confident]
        before, after = np.mean(gains, axis=0)
        lines.append(f"correlation of these tiles: {before:.2f} before, {after:.2f} after (mean of these slices)")
    size = square_side(alignment.txm_pixel_size or None)
    for key, found in slices.items():
        if found.landmarks:
            off = (float(np.median(found.landmarks)), max(found.landmarks))
            middle, most = (with_pixels(length, size) for length in off)
            lines.append(f"{key}: {len(found.landmarks)} landmarks are {middle} off (median), at most {most}")
    if alignment.covered:
        lines.append(f"covered: --roi {alignment.roi} (what lies beyond it in the TXM, no confirmed slice has shown)")
    trains = {found.split for found in slices.values()} >= set(SPLIT_FOLDERS)
    return AlignReport(alignment, lines, verdict_on(alignment), trains)


def on_txm(found: PairAlignment, sem: NDArray[Any]) -> NDArray[Any]:
    """Return a SEM image on the grid of the TXM, in its type; 0 where it shows nothing, or not all that is needed."""
    valid = sem != 0
    grey = found.resample(sem, order=3)
    whole = np.abs(found.resample(valid.astype(np.float32), order=3) - 1) < 1e-3
    levels = to_dtype(grey, sem.dtype)
    if sem.dtype.kind != "f":
        levels = np.maximum(levels, 1)  # 0 is not imaged
    return np.where(whole, levels, np.zeros((), sem.dtype))


def blocks(count: int, val: int, test: int) -> list[Phase]:
    """Return the split of each of so many slices in z order: first those to train on, then to validate, then to test.

    Neighbours along z are alike, so splits are blocks: at each border only one slice has a neighbour in another split.
    Where slices are few, the first is trained on.

    Args:
        count: slices.
        val: of them to validate on; -1: a sixth, at least one.
        test: of them to test on; -1: a sixth, at least one.
    """
    share = max(1, round(count / SHARE_HELD_OUT))
    held = [share if asked < 0 else asked for asked in (val, test)]
    train = max(count - sum(held), 1)
    splits: list[Phase] = [*["train"] * train, *["val"] * held[0], *["test"] * held[1]]  # type: ignore[list-item]
    return splits[:count]


def _distances(pair: SlicePair, found: PairAlignment) -> tuple[float, ...]:
    """Return how far landmarks of the SEM lie from those of the TXM [pixels of the TXM]."""
    if pair.landmarks is None:
        return ()
    away = np.linalg.norm(found.map(pair.landmarks.sem) - pair.landmarks.txm, axis=1)
    return tuple(away.tolist())


def _is_written(pair: SlicePair, found: PairAlignment, shape: tuple[int, ...]) -> bool:
    """Return whether images of a slice of a shape are written: it is confirmed, or stays as it was."""
    return found.confident or (pair.txm is not None and _is_as_it_was(found, shape))


def _is_as_it_was(found: PairAlignment, shape: tuple[int, ...]) -> bool:
    """Say whether a SEM lies pixel by pixel upon its TXM, without being moved."""
    return found.shape == shape and found.field is None and np.allclose(found.to_txm, np.eye(3), rtol=0, atol=1e-9)


def _keep_volume(dataroot: Path, result: Path) -> None:
    """Let the new data root have the whole volume of the old one: its stacks are linked, not copied."""
    for table in dataroot.glob("slice_positions*.csv"):
        shutil.copyfile(table, result / table.name)
    for stack in dataroot.glob("*/*_full_stack*"):
        target = result / stack.relative_to(dataroot)
        if stack.is_dir() and target.parent.is_dir() and not target.is_symlink():
            target.symlink_to(stack.resolve(), target_is_directory=True)


def _in_words(size: Size | None) -> str:
    if size is None:
        return ""
    y, x = size
    return f" of {x:g} nm" if y == x else f" of {y:g} x {x:g} nm"
