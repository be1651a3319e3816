"""What a translation has done so far, on disk: it can be killed at any moment and goes on with the missing blocks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from txm2sem import __version__
from txm2sem.data.writers import VoxelArray, create_image, create_scratch, open_array
from txm2sem.errors import UserError
from txm2sem.files import make_folder, write_text
from txm2sem.inference.volume.measures import Measures
from txm2sem.inference.volume.passes import Block, Pass
from txm2sem.runs import VolumePaths


class VolumeStore:
    """The folder of a translation that is under way.

    A block is done when its file in `blocks/` is there, which is written after its voxels. What is measured in a block
    is in that file. So is the fingerprint of what it was read from: a slice that could not be read may be replaced,
    but those that blocks were made of must stay as they were.

    Args:
        paths: where it is.
        passes: how the volume is worked through.
        begun: when it was begun; no other translation into this folder has the same.
    """

    def __init__(self, paths: VolumePaths, passes: Sequence[Pass], begun: str) -> None:
        self.paths = paths
        self.begun = begun
        self.passes = {item.axis: item for item in passes}

    @classmethod
    def create(
        cls, paths: VolumePaths, passes: Sequence[Pass], identity: dict[str, Any], dtype: Any, channels: int = 0
    ) -> VolumeStore:
        """Make the folder of a new translation.

        Args:
            paths: where.
            passes: how the volume is to be worked through; the last one is written as `dtype`.
            identity: what makes the result what it is: plain values by name.
            dtype: of the result.
            channels: of the result; 0 where it has no axis for them.

        Raises:
            UserError: it cannot be made.
        """
        make_folder(paths.work)
        # What an interruption before the state was written has left.
        for leftover in (paths.image, *(paths.along(item.axis) for item in passes[:-1])):
            shutil.rmtree(leftover, ignore_errors=True)
        try:
            last = passes[-1]
            create_image(paths.image, (*([channels] if channels else []), *last.shape), dtype, last.depth)
            for item in passes[:-1]:
                # Chunks that neither the writing pass nor the reading one has to read or write in part.
                z, y, x = (
                    last.depth if axis == last.axis else item.depth if axis == item.axis else length
                    for axis, length in zip("zyx", item.shape, strict=True)
                )
                create_scratch(paths.along(item.axis), item.shape, (z, y, x))
        except OSError as error:
            raise UserError(
                f"cannot write in {paths.work}: {error.strerror}; make room or permit writing there"
            ) from error
        begun = datetime.now().astimezone().isoformat()
        state = {
            "begun": begun,
            "version": __version__,
            "identity": identity,
            "passes": [item.to_plain() for item in passes],
        }
        write_text(paths.state, json.dumps(state, indent=2) + "\n")
        return cls(paths, passes, begun)

    @classmethod
    def reopen(cls, paths: VolumePaths, identity: dict[str, Any]) -> VolumeStore | None:
        """Return what an earlier call has left, with its plan; None where there is nothing.

        Raises:
            UserError: it belongs to another input, model or options.
        """
        if not paths.state.exists():
            return None
        state = json.loads(paths.state.read_text(encoding="utf-8"))
        found = state["identity"]
        for name in {**identity, **found}:
            if found.get(name) != identity.get(name):
                raise UserError(
                    f"{paths.work} holds a part of another translation: its {name} is {found.get(name)}, but here it "
                    f"is {identity.get(name)}; run the command that it was begun with, name another output, or remove "
                    f"{paths.work}"
                )
        return cls(paths, [Pass.from_plain(values) for values in state["passes"]], state["begun"])

    def arrays(self) -> dict[str, VoxelArray]:
        """Return where each pass writes to, by its axis."""
        last = list(self.passes)[-1]
        return {
            axis: open_array(self.paths.image, 0) if axis == last else open_array(self.paths.along(axis))
            for axis in self.passes
        }

    def missing(self, axis: str) -> list[Block]:
        """Return the blocks of a pass that are not done."""
        return [block for block in self.passes[axis].blocks if not self.paths.block(axis, block.index).exists()]

    def done(self) -> Iterator[tuple[Block, dict[str, Any]]]:
        """Yield the blocks that are done, and what their files say."""
        for item in self.passes.values():
            for block in item.blocks:
                path = self.paths.block(block.axis, block.index)
                if path.exists():
                    yield block, json.loads(path.read_text(encoding="utf-8"))

    def record(self, block: Block, measures: Measures, fingerprint: str) -> None:
        """Say that a block is done: its voxels are written."""
        content = {"input": fingerprint, "measures": measures.to_plain()}
        write_text(self.paths.block(block.axis, block.index), json.dumps(content) + "\n")

    def measures(self) -> Measures:
        """Return what was measured in all blocks that are done."""
        measures = [Measures.from_plain(content["measures"]) for _, content in self.done()]
        return sum(measures, Measures())

    def remove(self) -> None:
        """Remove the folder, after its result has been moved out of it."""
        shutil.rmtree(self.paths.work)
