"""A translation as a work for several processes: they open it anew, and do the blocks that they are told."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import torch

from txm2sem.addresses import Place
from txm2sem.applying.volume.passes import Block
from txm2sem.applying.volume.run import VolumeRun
from txm2sem.data.readers import VolumeInput
from txm2sem.memory import keep_freed_memory
from txm2sem.options import VolumeCommand


@dataclass(frozen=True)
class VolumeJob:
    """What another process needs to take part in a translation.

    Attributes:
        command, source, output: those of the run.
        run: names it, so that a process that outlives it does not write into the next one.
        room: memory for what is not a tile, see `VolumeRun.room`.
    """

    command: VolumeCommand
    source: VolumeInput
    output: Place
    run: str
    room: tuple[tuple[str, float], ...]

    @classmethod
    def of(cls, run: VolumeRun) -> VolumeJob:
        """Return that of a run which has begun."""
        # Workers of a cluster have other current folders.
        places = dataclasses.replace(run.command.run, checkpoints_dir=run.command.run.checkpoints_dir.absolute())
        command = dataclasses.replace(run.command, run=places)
        return cls(command, run.source, run.paths.output, run.store.draft.run, tuple(run.room.items()))

    def open(self, threads: int) -> Callable[[Block], None]:
        """Open volume and model; return what translates a block, from reading it to saying that it is done.

        Args:
            threads: to compute with.

        Raises:
            UserError: as `VolumeRun`; so does what is returned where a block cannot be read, translated or written.
        """
        keep_freed_memory()
        torch.set_num_threads(threads)
        run = VolumeRun(self.command, self.source, self.output)
        run.store.draft.check_run(self.run)
        work = run.attach(dict(self.room))
        return lambda block: run.keep(work, block, work.translate(block, work.read(block), lambda voxels: None))
