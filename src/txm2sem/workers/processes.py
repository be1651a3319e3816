"""Spread parts of a work over processes on this machine.

A part is read, done and written by one of them; only its name travels, through a pipe: no port is opened that
others could reach. A process that dies costs its part, which another one gets.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic

from txm2sem.errors import ENDS, UserError
from txm2sem.workers.job import DEATH, RETRIES, Job, Part


def finished_in_processes(job: Job[Part], parts: Iterator[Part], count: int) -> Iterator[Part]:
    """Yield the parts of a work as they are done by so many processes.

    Raises:
        UserError: a part cannot be done, or its processes keep dying.
    """
    with closing(_Workers(job, count)) as workers:
        yield from workers.finish(parts)


class _Workers(Generic[Part]):
    """Processes that do parts, started where there is work for them.

    Args:
        job: theirs.
        count: how many there are at most.
    """

    def __init__(self, job: Job[Part], count: int) -> None:
        self._job = job
        self._count = count
        self._processes: dict[Connection, BaseProcess] = {}

    def finish(self, parts: Iterator[Part]) -> Iterator[Part]:
        """Yield parts as they are done.

        Raises:
            Exception: what has happened to a part again and again.
        """
        failures: Counter[Part] = Counter()
        again: list[Part] = []
        busy: dict[Connection, Part] = {}
        while True:
            while len(busy) < self._count and (part := again.pop() if again else next(parts, None)) is not None:
                connection = next((idle for idle in self._processes if idle not in busy), None) or self._start()
                with suppress(OSError):  # it has died meanwhile, which is seen below
                    connection.send(part)
                busy[connection] = part
            if not busy:
                return
            for answering in wait(list(busy)):
                assert isinstance(answering, Connection)
                part = busy.pop(answering)
                failure = self._answer(answering, part)
                if failure is None:
                    yield part
                    continue
                failures[part] += 1
                if failures[part] > RETRIES:
                    raise failure
                again.append(part)

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
        import torch  # which says how many threads there are to share

        threads = max(torch.get_num_threads() // self._count, 1)
        process = context.Process(target=_serve, args=(other, self._job, threads), daemon=True)
        with not_hearing():
            process.start()
        other.close()  # so that the end of the process is the end of the pipe
        self._processes[connection] = process
        return connection

    def _answer(self, connection: Connection, part: Part) -> Exception | None:
        """Return what a process says of its part: nothing, or what has gone wrong."""
        try:
            answer: Exception | None = connection.recv()
        except (EOFError, OSError):
            self._processes.pop(connection).join()
            connection.close()
            return UserError(DEATH.format(part=part))
        return answer


@contextmanager
def not_hearing() -> Iterator[None]:
    """Start processes that do not hear what asks the program to end, and is told to all of them: this one ends them.

    Ctrl-C goes to all that a terminal shows, a cluster's time limit to all of a job.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: Connection, job: Job[Any], threads: int) -> None:
    """Do the parts that the main process names, until it ends, however that is."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    logging.getLogger().addHandler(logging.NullHandler())
    work: Callable[[Any], None] | None = None
    with suppress(EOFError, OSError):
        while True:
            part = connection.recv()
            answer: Exception | None = None
            try:
                work = work or job.open(threads)
                work(part)
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
