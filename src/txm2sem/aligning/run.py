"""Align the slices of two instruments, one pair after the other, and write what a training begins with."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem import __version__
from txm2sem.aligning.document import (
    NAME,
    Alignment,
    SliceAlignment,
    described,
    itk_transform,
    read_alignment,
    read_slice,
    write_alignment,
    write_field,
    write_slice,
)
from txm2sem.aligning.inputs import Size, SlicePair, is_data_root, open_data_root, open_pairs
from txm2sem.aligning.page import PAGE, write_page
from txm2sem.aligning.pictures import LAYERS, pictures_of
from txm2sem.data.images import Kept, PixelSize, write_image
from txm2sem.data.pixels import to_dtype
from txm2sem.data.readers.base import stamp
from txm2sem.data.slices import SPLIT_FOLDERS
from txm2sem.drafts import Draft
from txm2sem.errors import UserError
from txm2sem.files import make_folder, write_text
from txm2sem.options import AlignCommand, Phase, to_mapping
from txm2sem.registration.given import SCALES
from txm2sem.registration.pair import PairAlignment, align_pair
from txm2sem.registration.transforms import Matrix, scale_of

KNOWN_WITHIN = 1.05
"""Sizes of pixels that both instruments say fit each other within this factor."""

NEAR_ANGLE = 3.0
"""Turns that are tried around what landmarks say [degrees]."""

SHARE_HELD_OUT = 6
"""One of so many slices is validated on, and one tested on."""

Show = Callable[[float, str], None]


@dataclass(frozen=True)
class AlignReport:
    """What an alignment has come to.

    Attributes:
        alignment: what was found.
        lines: the same, for people.
        trains: every split has slices.
    """

    alignment: Alignment
    lines: list[str]
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
            self.inputs = open_pairs(self.places[0], self.places[1], self.options)
        self.draft = Draft(output, "align")
        self.stage = self.draft.look(self.identity)

    @property
    def identity(self) -> dict[str, Any]:
        """What the result depends on: plain values by name."""
        options = {name: str(value) for name, value in to_mapping(self.command).items()}
        return {"files": [stamp(path) for path in self.inputs.files], "version": __version__, **options}

    @property
    def lines(self) -> list[str]:
        """What is aligned and how, for people."""
        pairs = self.inputs.pairs
        first = pairs[0]
        done = len(pairs) - len(self.missing)
        sizes = ", ".join(
            f"{name} {shape[0]} x {shape[1]} pixels{_in_words(size)}"
            for name, shape, size in (
                ("TXM", first.txm.shape, first.txm.pixel_size),
                ("SEM", first.sem.image.shape, first.sem.pixel_size),
            )
        )
        return [
            f"pairs:   {len(pairs)}{f', {done} of them are done' if done else ''}; the first: {sizes}",
            *(f"note:    {note}" for note in self.inputs.notes),
        ]

    @property
    def page(self) -> Path:
        """Where the page about it is."""
        return self.output / PAGE

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
                self._align(pair)
            show(1.0, "")
            slices = self._in_splits({pair.sem.key: read_slice(self._done(pair)) for pair in self.inputs.pairs})
            txm, sem = (str(place) for place in (*self.places, "")[:2])
            size = self.inputs.pairs[0].txm.pixel_size
            alignment = Alignment(txm, sem, self.options.transform, size or (), slices)
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
        return self._folder(pair) / "found.json"

    def _align(self, pair: SlicePair) -> None:
        txm = pair.txm.read()
        sem, valid, bar = pair.sem.read()
        try:
            found = self._registered(pair, txm, sem, valid)
        except UserError as error:
            raise UserError(f"{pair.sem.image.path} on {pair.txm.path or pair.txm.whole}: {error}") from error
        folder = self._folder(pair)
        make_folder(folder)
        written = found.confident or _is_as_it_was(found, sem.shape)
        if written:
            self._write_images(folder, pair, found, txm, sem)
        if found.field is not None:
            write_field(folder / "field.npz", found.field)
        size = _mean(pair.txm.pixel_size) if pair.txm.pixel_size else None
        pictures = pictures_of(txm, sem, replace(found, to_txm=found.start, field=None), found, size)
        for layer, picture in pictures.items():
            (folder / f"{layer}.jpg").write_bytes(picture)
        write_text(folder / "to_sem.tfm", itk_transform(found.to_txm, found.field, found.shape))
        document = described(
            found,
            pair.txm.z,
            sem=str(pair.sem.image.path),
            txm=str(pair.txm.path or pair.txm.whole),
            shape=sem.shape,
            bar=str(bar or ""),
            field=f"alignment/{pair.sem.key}.npz" if found.field is not None else "",
            landmarks=_distances(pair, found),
            split=(pair.sem.split or "train") if written else "",  # blocks are known when all are done
        )
        write_slice(self._done(pair), document)

    def _registered(
        self, pair: SlicePair, txm: NDArray[Any], sem: NDArray[Any], valid: NDArray[np.bool_]
    ) -> PairAlignment:
        """Return the best alignment; where the scale is not known, of the scales at which both could lie."""
        best: PairAlignment | None = None
        start = None if pair.landmarks is None else pair.landmarks.start()
        for scale in self._scales(pair, start):
            found = align_pair(
                txm,
                sem,
                sem_valid=valid,
                scale=scale,
                transform=self.options.transform,
                search_angle=self.options.search_angle if start is None else min(self.options.search_angle, NEAR_ANGLE),
                mirror=self.options.mirror if start is None else "no",
                quarter_turns=self.options.quarter_turns and start is None,
                start=start,
            )
            if found.confident:
                return found
            best = best or found
        assert best is not None
        return best

    def _scales(self, pair: SlicePair, start: Matrix | None) -> list[float | tuple[float, float] | None]:
        """Return the scales to try, one after the other: pixels of the TXM in one of the SEM."""
        fixed = self.options.transform in ("none", "shift", "rigid")
        if start is not None:
            marked = scale_of(start)
            return [None if fixed else (marked / KNOWN_WITHIN, marked * KNOWN_WITHIN)]
        if self.inputs.dataroot is not None:  # it has one grid
            return [1.0]
        ours, theirs = pair.txm.pixel_size, pair.sem.pixel_size
        if ours is not None and theirs is not None:
            said = _mean(theirs) / _mean(ours)
            return [said if fixed else (said / KNOWN_WITHIN, said * KNOWN_WITHIN)]
        if fixed:
            return [None]
        fills = min(a / b for a, b in zip(pair.txm.shape, pair.sem.image.shape, strict=True))
        centres = [1.0] if SCALES[0] < fills < SCALES[1] else [1.0, fills]
        return [(SCALES[0] * centre, SCALES[1] * centre) for centre in centres]

    def _write_images(
        self, folder: Path, pair: SlicePair, found: PairAlignment, txm: NDArray[Any], sem: NDArray[Any]
    ) -> None:
        """Write both slices and the masks on the grid of the TXM; what is of that grid already is copied."""
        kept = Kept(PixelSize.of(pair.txm.pixel_size))
        if pair.txm.path is None:
            write_image(folder / "txm.tif", txm, kept)
        else:
            shutil.copyfile(pair.txm.path, folder / "txm.tif")
        if _is_as_it_was(found, sem.shape):
            shutil.copyfile(pair.sem.image.path, folder / "sem.tif")
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
        written = [key for key, found in slices.items() if found.split]
        splits = dict(zip(written, blocks(len(written), self.options.val, self.options.test), strict=True))
        return {key: replace(found, split=splits.get(key, "")) for key, found in slices.items()}

    def _gather(self, alignment: Alignment) -> None:
        """Move what was written of each slice to where it belongs; what was moved before stays."""
        make_folder(self._result / "alignment")
        for pair in self.inputs.pairs:
            key = pair.sem.key
            split, folder = alignment.slices[key].split, self._folder(pair)
            name = f"{pair.sem.number:03d}.tif"
            moves = {folder / "field.npz": f"alignment/{key}.npz", folder / "to_sem.tfm": f"alignment/{key}.tfm"}
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
        write_page(self._result / PAGE, self.output.name, alignment, pictures)
        if self.inputs.dataroot is not None:
            _keep_volume(self.inputs.dataroot, self._result)
        write_alignment(self._result / NAME, alignment)


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
    for key, found in slices.items():
        if found.landmarks:
            lines.append(
                f"{key}: {len(found.landmarks)} landmarks are {np.median(found.landmarks):.1f} pixels off (median), at "
                f"most {max(found.landmarks):.1f}"
            )
    for key, found in slices.items():
        if not found.confident:
            lines.append(f"{key}: not confirmed, and {'left as it was' if found.split else 'left out'}: {found.reason}")
    return AlignReport(alignment, lines, {found.split for found in slices.values()} >= set(SPLIT_FOLDERS))


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


def _mean(size: Size) -> float:
    return math.sqrt(size[0] * size[1])


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
