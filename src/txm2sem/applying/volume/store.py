"""What a translation has done so far: it can be killed at any moment and goes on with the missing blocks."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import Tensor

from txm2sem import checkpoints, objects
from txm2sem.addresses import Place
from txm2sem.applying.volume.measures import VolumeMeasures
from txm2sem.applying.volume.passes import Block, Pass
from txm2sem.data.writers import VoxelArray, create_image, create_labels, create_scratch, open_array, stored_files
from txm2sem.drafts import GrowingOutput
from txm2sem.errors import UserError
from txm2sem.files import LOCK, interpreting, read_json, sync_folder, sync_tree, write_text
from txm2sem.progress import progress_bar
from txm2sem.runs import VolumePaths

AT_ONCE = 2**20
"""Bytes of a file that are read together."""


class VolumeStore:
    """The folder of a translation that is under way: a `GrowingOutput`.

    A block is done when its file in `blocks/` says so, and says it of this run and of the voxels that are there. It is
    written when they are on the disk, with a checksum of each file that they are in: what is lost, cut off or damaged
    is work to do again. Of object storage, the server's word counts: its name of the content that an object has. What
    is measured in a block is in its file, too, and the fingerprint of what it was read from: a slice that could not be
    read may be replaced, but those that blocks were made of must stay as they were.

    Args:
        paths: where it is.
        draft: the folder as an output that grows.
        passes: how the volume is worked through; the last one is what is written.
        labels: whether labels are written, too.

    Attributes:
        draft, labels: as given.
        passes: as given, by axis.
        statistics: names the normalisation statistics that were estimated on the volume; "" where there are none.
    """

    def __init__(
        self, paths: VolumePaths[Any], draft: GrowingOutput[Any], passes: Sequence[Pass], *, labels: bool = False
    ) -> None:
        self.paths = paths
        self.draft = draft
        self.passes = {item.axis: item for item in passes}
        self.labels = labels
        self.statistics = ""
        self._done: dict[str, set[int]] = {axis: set() for axis in self.passes}
        self._arrays: dict[tuple[Place, int | None], VoxelArray] = {}

    @classmethod
    def create(
        cls, paths: VolumePaths[Any], draft: GrowingOutput[Any], passes: Sequence[Pass], *, labels: bool = False
    ) -> VolumeStore:
        """Return the store of a translation that is to be begun."""
        return cls(paths, draft, passes, labels=labels)

    @classmethod
    def reopen(
        cls,
        paths: VolumePaths[Any],
        draft: GrowingOutput[Any],
        passes_of: Callable[[Any], Sequence[Pass]],
        *,
        labels: bool = False,
    ) -> VolumeStore:
        """Return that of a translation that was begun.

        Args:
            paths, draft, labels: see the class.
            passes_of: makes passes of what `Pass.to_plain` has made of them.

        Raises:
            UserError: its plan is damaged.
        """
        with interpreting(draft.state, "the plan of a volume", draft.remedy):
            return cls(paths, draft, passes_of(draft.plan), labels=labels)

    def make_arrays(self, dtype: Any, channels: int = 0, predicted: int = 1) -> None:
        """Make what is missing of the arrays that blocks are written to; voxels that are there stay.

        Args:
            dtype: of the result.
            channels: of the result; 0 where it has no axis for them.
            predicted: numbers that are predicted of each voxel.

        Raises:
            UserError: the disk is full or not writable.
        """
        *others, last = self.passes.values()
        create_image(self.paths.image, (*([channels] if channels else []), *last.shape), dtype, last.depth)
        if self.labels:
            create_labels(self.paths.image, self.paths.labels.name, last.shape, last.depth)
        for item in others:
            # Chunks that neither the writing pass nor the reading one has to read or write in part.
            z, y, x = (
                last.depth if axis == last.axis else item.depth if axis == item.axis else length
                for axis, length in zip("zyx", item.shape, strict=True)
            )
            create_scratch(self.paths.along(item.axis), (predicted, *item.shape), (1, z, y, x))

    def arrays(self) -> dict[str, VoxelArray]:
        """Return where each pass writes to, by its axis."""
        return {axis: open_array(*self._places(axis)[0]) for axis in self.passes}

    def label_array(self) -> VoxelArray | None:
        """Return where labels are written to; None where they are not."""
        return open_array(self.paths.labels, 0) if self.labels else None

    def keep_statistics(self, statistics: Mapping[str, Tensor]) -> None:
        """Write the normalisation statistics that blocks are translated with.

        Raises:
            UserError: the disk is full or not writable.
        """
        self.statistics = _name_of(statistics)
        checkpoints.save({"name": self.statistics, "values": dict(statistics)}, self.paths.statistics)

    def kept_statistics(self) -> Mapping[str, Tensor] | None:
        """Return what `keep_statistics` has written; None where that is not there, or damaged."""
        with suppress(UserError), interpreting(self.paths.statistics, "statistics", ""):
            content = self._loaded(self.paths.statistics)
            if content["name"] == _name_of(content["values"]):
                self.statistics = content["name"]
                values: Mapping[str, Tensor] = content["values"]
                return values
        return None

    def check(self, fingerprint: Callable[[Block], str]) -> None:
        """Find out which blocks are done, with a progress bar: all that was written is read.

        Args:
            fingerprint: returns that of what a block is read from.

        Raises:
            UserError: a block is done, and was read from something else.
        """
        what_is_in = self._contents()
        begun = [block for item in self.passes.values() for block in item.blocks if what_is_in(self._file(block))]
        for block in progress_bar(begun, desc="checking", unit="block"):
            said = self._said(block)
            if said is None or said["shards"] != self._checksums(block, what_is_in):
                continue
            if said["input"] != fingerprint(block):
                raise UserError(
                    f"{self.paths.work} holds a part of another output: the input of {block} is not the one that "
                    f"it was translated from; name another output, or remove {self.paths.work}"
                )
            self.add(block)

    def clear(self) -> None:
        """Remove all files but those of blocks that are done: what was cut off, and what is made of all blocks."""
        kept = {self.draft.folder / LOCK, self.draft.state, self.paths.statistics}
        for axis, indices in self._done.items():
            for block in map(self.passes[axis].block, indices):
                kept |= {self._file(block), *self._shards(block)}
        removed = [path for path in self._files() if path.name != "zarr.json" and path not in kept]
        if self.paths.is_remote:
            objects.remove(path for path in removed if not path.name.startswith(LOCK))
            return
        for path in removed:
            with suppress(OSError):
                path.unlink()

    def missing(self, axis: str) -> Iterator[Block]:
        """Yield the blocks of a pass that are not done."""
        done = self._done[axis]
        return (block for block in self.passes[axis].blocks if block.index not in done)

    def done(self) -> Iterator[Block]:
        """Yield the blocks that are done."""
        return (self.passes[axis].block(index) for axis, done in self._done.items() for index in sorted(done))

    def record(self, block: Block, measures: VolumeMeasures, fingerprint: str) -> None:
        """Bring the voxels of a block to the disk, and then say that it is done.

        Raises:
            UserError: the disk is full or not writable.
            OSError: the same, or the voxels are not there.
        """
        shards = self._shards(block)
        if not self.paths.is_remote:
            for shard in shards:
                sync_tree(shard)
            for folder in {folder for shard in shards for folder in shard.parents if self.paths.work in folder.parents}:
                sync_folder(folder)
        content = {
            **self._own(block),
            "input": fingerprint,
            "shards": self._checksums(block, _content_of),
            "measures": measures.to_plain(),
        }
        write_text(self._file(block), json.dumps({"sha256": _sha256(content), "block": content}) + "\n")

    def add(self, block: Block) -> None:
        """Count a block as done, of which `record` has said so here or in another process."""
        self._done[block.axis].add(block.index)

    def measures(self) -> VolumeMeasures:
        """Return what was measured in all blocks that are done.

        Raises:
            UserError: what says so has been damaged since.
        """
        total = VolumeMeasures()
        for block in self.done():
            with interpreting(self._file(block), "a block", "run the same command again: it does the block again"):
                total += VolumeMeasures.from_plain((self._said(block) or {})["measures"])
        return total

    def _places(self, axis: str) -> list[tuple[Place, int | None]]:
        """Return the images or arrays that a pass writes to, and which level of an image."""
        if axis != list(self.passes)[-1]:
            return [(self.paths.along(axis), None)]
        return [(self.paths.image, 0), *([(self.paths.labels, 0)] if self.labels else [])]

    def _file(self, block: Block) -> Any:
        return self.paths.block(block.axis, block.index)

    def _files(self) -> Iterator[Any]:
        """Yield all files of what is done so far."""
        if self.paths.is_remote:
            yield from (*objects.listing(self.paths.work), *objects.listing(self.paths.image))
            return
        for folder, _, names in os.walk(self.paths.work):
            yield from (Path(folder, name) for name in names)

    def _shards(self, block: Block) -> list[Any]:
        files = []
        for place in self._places(block.axis):
            if place not in self._arrays:
                self._arrays[place] = open_array(*place)
            files += stored_files(*place, block.window(), self._arrays[place])
        return files

    def _contents(self) -> Callable[[Any], str | None]:
        """Return what says what is in a file, see `_content_of`; of object storage a few requests tell it of all."""
        if not self.paths.is_remote:
            return _content_of
        found = objects.listing(self.paths.work) | objects.listing(self.paths.image)
        return {path: str(stamp) for path, stamp in found.items()}.get

    def _checksums(self, block: Block, what_is_in: Callable[[Any], str | None]) -> dict[str, str] | None:
        """Return what is in the files of a block's voxels, by their place; None where one is not there."""
        contents = {shard: what_is_in(shard) for shard in self._shards(block)}
        if not all(contents.values()):
            return None
        remote = self.paths.is_remote
        return {
            str(shard if remote else shard.relative_to(self.paths.work)): str(contents[shard]) for shard in contents
        }

    def _loaded(self, file: Place) -> Any:
        """Return the tensors in a file, which may be in object storage."""
        if isinstance(file, Path):
            return checkpoints.load(file)
        with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            copy = Path(folder, file.name)
            copy.write_bytes(objects.read(file) or b"")
            return checkpoints.load(copy)

    def _own(self, block: Block) -> dict[str, Any]:
        """Return what only the file of this very block says, and only in this run."""
        return {"run": self.draft.run, "planes": [block.start, block.stop], "statistics": self.statistics}

    def _said(self, block: Block) -> dict[str, Any] | None:
        """Return what the file of a block says; None where it is not there, damaged, or of another run."""
        path, own = self._file(block), self._own(block)
        with suppress(UserError), interpreting(path, "a block", ""):
            document = read_json(path, "")
            content: dict[str, Any] = document["block"]
            if document["sha256"] == _sha256(content) and own.items() <= content.items():
                return content
        return None


def _content_of(file: Place) -> str | None:
    """Return what tells the content of a file from others; None where there is none."""
    if not isinstance(file, Path):
        found = objects.stamp(file)
        return None if found is None else str(found)
    checksum = 0
    try:
        with file.open("rb") as opened:
            while part := opened.read(AT_ONCE):
                checksum = zlib.crc32(part, checksum)
            return f"{opened.tell()} bytes, CRC32 {checksum:08x}"
    except OSError:
        return None


def _sha256(content: Any) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _name_of(statistics: Mapping[str, Tensor]) -> str:
    """Return a name that other statistics have not."""
    return _sha256({name: values.tolist() for name, values in statistics.items()})
