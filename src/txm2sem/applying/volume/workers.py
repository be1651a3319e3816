"""Spread the blocks of a volume over processes on this machine.

A block is read, translated and written by one of them; only its name travels, through a pipe: no port is opened that
others could reach. A process that dies costs its block, which another one gets.
"""

from __future__ import annotations

import dataclasses
import logging
import multiprocessing
import os
import signal
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from txm2sem.applying.volume.passes import Block
from txm2sem.applying.volume.run import VolumeRun
from txm2sem.data.readers import VolumeInput
from txm2sem.devices import keep_freed_memory
from txm2sem.errors import UserError
from txm2sem.options import VolumeCommand

RETRIES = 2
"""How often a block is tried again that has failed, or whose process has died."""

DEATH = (
    "the processes that translated {block} have died, each of them; they may need more memory: pass fewer --workers or "
    "a smaller --memory. The same command goes on with the missing blocks"
)


@dataclass(frozen=True)
class Job:
    """What another process needs to take part in a translation.

    Attributes:
        command, source, output: those of the run.
        run: names it, so that a process that outlives it does not write into the next one.
        room: memory for what is not a tile, see `VolumeRun.room`.
    """

    command: VolumeCommand
    source: VolumeInput
    output: Path
    run: str
    room: tuple[tuple[str, float], ...]

    @classmethod
    def of(cls, run: VolumeRun) -> Job:
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
        run.store.check_run(self.run)
        work = run.attach(dict(self.room))
        return lambda block: run.keep(work, block, work.translate(block, work.read(block), lambda voxels: None))


def translate_in_workers(run: VolumeRun, progress: Callable[[int], Any]) -> None:
    """Translate the missing blocks of a run in `--workers` processes.

    Args:
        run: begun.
        progress: is told how many voxels have been done.

    Raises:
        UserError: a block cannot be read, translated or written, or its processes keep dying.
    """
    with closing(_Workers(Job.of(run), run.command.volume.workers)) as workers:
        for item in run.passes:
            for block in workers.translate(run.store.missing(item.axis)):
                run.store.add(block)
                progress(item.voxels(block))


class _Workers:
    """Processes that translate blocks, started where there is work for them.

    Args:
        job: theirs.
        count: how many there are at most.
    """

    def __init__(self, job: Job, count: int) -> None:
        self._job = job
        self._count = count
        self._processes: dict[Connection, BaseProcess] = {}

    def translate(self, blocks: Iterator[Block]) -> Iterator[Block]:
        """Yield blocks as they are done.

        Raises:
            Exception: what has happened to a block again and again.
        """
        failures: Counter[Block] = Counter()
        again: list[Block] = []
        busy: dict[Connection, Block] = {}
        while True:
            while len(busy) < self._count and (block := again.pop() if again else next(blocks, None)) is not None:
                connection = next((idle for idle in self._processes if idle not in busy), None) or self._start()
                with suppress(OSError):  # it has died meanwhile, which is seen below
                    connection.send(block)
                busy[connection] = block
            if not busy:
                return
            for answering in wait(list(busy)):
                assert isinstance(answering, Connection)
                block = busy.pop(answering)
                failure = self._answer(answering, block)
                if failure is None:
                    yield block
                    continue
                failures[block] += 1
                if failures[block] > RETRIES:
                    raise failure
                again.append(block)

    def close(self) -> None:
        """End all processes; what one was about to write is not written, or is whole."""
        for process in self._processes.values():
            process.kill()
        for connection, process in self._processes.items():
            process.join()
            connection.close()
        self._processes.clear()

    def _start(self) -> Connection:
        context = multiprocessing.get_context("spawn")
        connection, other = context.Pipe()
        threads = max(torch.get_num_threads() // self._count, 1)
        process = context.Process(target=_serve, args=(other, self._job, threads), daemon=True)
        with _without_ctrl_c():
            process.start()
        other.close()  # so that the end of the process is the end of the pipe
        self._processes[connection] = process
        return connection

    def _answer(self, connection: Connection, block: Block) -> Exception | None:
        """Return what a process says of its block: nothing, or what has gone wrong."""
        try:
            answer: Exception | None = connection.recv()
        except (EOFError, OSError):
            self._processes.pop(connection).join()
            connection.close()
            return UserError(DEATH.format(block=block))
        return answer


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Start processes that do not hear Ctrl-C, which the terminal tells all of them: this one ends them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: Connection, job: Job, threads: int) -> None:
    """Translate the blocks that the main process names, until it ends, however that is."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    logging.getLogger().addHandler(logging.NullHandler())
    translate: Callable[[Block], None] | None = None
    with suppress(EOFError, OSError):
        while True:
            block = connection.recv()
            answer: Exception | None = None
            try:
                translate = translate or job.open(threads)
                translate(block)
            except (UserError, MemoryError) as error:
                answer = error
            except Exception:  # a fault of the program: others may not survive being sent
                answer = RuntimeError(traceback.format_exc())
            connection.send(answer)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
