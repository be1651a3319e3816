"""The processes that load training patches: they leave the signals to the main one, which notices when they die."""

from __future__ import annotations

import atexit
import os
import signal
import threading
from collections.abc import Iterator
from multiprocessing import active_children
from multiprocessing.process import BaseProcess
from weakref import WeakSet

from torch import Tensor
from torch.utils.data import DataLoader

from txm2sem.errors import ENDS, UserError
from txm2sem.workers import not_hearing

Batch = dict[str, Tensor]

_PROCESSES: WeakSet[BaseProcess] = WeakSet()
"""Those that load for this one."""


def loaders_of(wanted: int) -> int:
    """Return how many processes load patches, of so many that are wanted: no more than there are cores."""
    return min(wanted, os.cpu_count() or 1)


class LoadingError(UserError):
    """The next patches cannot be loaded; the step before is done."""


class PatchLoader(DataLoader[Batch]):
    """Loads batches, in processes of its own where it has any.

    What stops the program is sent to all of its processes (Ctrl-C, a cluster's time limit): the main one alone ends the
    training then, with their help. One that dies is noticed when its patches are wanted, and not in the middle of a
    step, where nothing could be saved.

    Raises:
        LoadingError: patches cannot be read, or a process that loads them has died.
    """

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        handler, others = signal.getsignal(signal.SIGCHLD), active_children()
        with not_hearing():
            batches = super().__iter__()
        _PROCESSES.update(process for process in active_children() if process not in others)
        if handler is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGCHLD, handler)
        while True:
            try:
                batch = next(batches)
            except StopIteration:
                return
            except (UserError, OSError) as error:
                # Of another process it comes with its traceback.
                message = str(error).rpartition(f"{type(error).__name__}: ")[2].strip()
                raise LoadingError(f"cannot load patches: {message}") from error
            except RuntimeError as error:
                if "DataLoader worker" not in str(error):
                    raise
                raise LoadingError(
                    f"a process that loads patches has died ({str(error).splitlines()[0]}), perhaps since the memory "
                    f"was used up; pass fewer --num_threads than {self.num_workers}"
                ) from error
            yield batch


def ignore_signals(number: int) -> None:
    """Leave the signals that ask the program to end to its main process; called in that of a loader."""
    for end in ENDS:
        signal.signal(end, signal.SIG_IGN)


@atexit.register
def end_loading() -> None:
    """End what still loads at the end of a training, or of the program: it ignores what asks it to end, and to wait
    for it takes seconds a process. Those of the process that this one was forked from are left alone.
    """
    for process in _PROCESSES & set(active_children()):
        process.kill()
        process.join()
