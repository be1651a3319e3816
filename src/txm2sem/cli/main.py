"""The program `txm2sem`: finds the command, runs it, and turns errors into messages and exit statuses.

Exit status: 0 done, 1 something the user can put right, 2 the command line is not understood, 3 a check has found
problems in the data; 128 and the number of the signal that ended it: 130 by Ctrl-C, 143 by SIGTERM, 129 by a terminal
or pipe that was closed.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from txm2sem import __version__
from txm2sem.cli.console import console
from txm2sem.errors import ENDS, Interrupted, UserError, nearest, printable

COMMANDS = {
    "translate": "predict the SEM of your own TXM images, with the model that comes along or a trained one",
    "align": "lay SEM slices upon the TXM of the same rock, and get slices to train on",
    "check": "look at your slices before any training, and know what to trust",
    "train": "train a model on aligned TXM and FIB-SEM slices",
    "test": "predict and score a split with a trained model",
    "report": "write a page about a run: images, scores, curves, how to do it again",
    "compare": "write a page about several runs, side by side",
    "sweep": "train and test many models by a plan, with one table of what was found",
    "volume": "translate a whole TXM volume of any size and format with a trained model",
    "measure": "measure the phases of a volume: fractions, sizes, surfaces, connectivity, diffusion",
    "repair": "fill charged regions of your own SEM slices, by kriging or with a trained model",
    "export": "write a trained model as one file: for colleagues (BioImage.IO), or for other programs (ONNX)",
    "load": "take a model that somebody else has exported among your own",
    "phantom": "write a synthetic shale data set to try things with",
    "config": "write a file of options for a command, with their help, to be passed as --config FILE",
}
"""Commands with their one-line help; each is the function of the same name in `txm2sem.cli.commands`."""


def main(words: Sequence[str] | None = None) -> int:
    """Run the program with `words` (the process's arguments by default) and return its exit status."""
    words = sys.argv[1:] if words is None else words
    name, rest = (words[0], words[1:]) if words else ("", [])
    return run_command(name, rest, f"txm2sem {name}".strip())


def run_command(name: str, words: Sequence[str], program: str) -> int:
    """Run one command and return its exit status."""
    # Before NumPy is imported: its products here are small, and threads that wait for them, spinning, take many times
    # longer than the products, most of all in a `check`, which works on several slices at once.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        with ends_as_interrupts() as asked, console():
            return _status_of(name, words, program, asked)
    except KeyboardInterrupt as stop:  # the last lines met a closed console
        return _status_of_stop(stop)


def _status_of(name: str, words: Sequence[str], program: str, asked: Sequence[int]) -> int:
    try:
        return _run(name, words, program)
    except KeyboardInterrupt as stop:
        return _stopped(name, words, program, stop)
    except Exception as error:
        # What was under way, such as an import, may have made something else of the interrupt.
        if asked and not isinstance(error, UserError):
            interrupt = Interrupted(asked[0])
            for note in getattr(error, "__notes__", ()):
                interrupt.add_note(note)
            return _stopped(name, words, program, interrupt)
        return _failed(program, error)


def _run(name: str, words: Sequence[str], program: str) -> int:
    from txm2sem.cli.parsing import UsageError

    if name in ("", "-h", "--help"):
        print(usage())
        return 0 if name else 2
    if name == "--version":
        print(f"txm2sem {__version__}")
        return 0
    if name not in COMMANDS:
        raise UsageError(f"there is no command {name}{nearest(name, list(COMMANDS))}\n\n{usage()}")
    from txm2sem.cli import commands

    status: int = getattr(commands, name)(words, program)
    return status


def _failed(program: str, error: Exception) -> int:
    """Say what went wrong, and return the exit status; a fault of the program's own goes on its way."""
    from txm2sem.cli.parsing import UsageError

    message = str(error) if isinstance(error, UserError) else words_of(error)
    if message is None:
        raise error
    _complain(program, f"error: {message}")
    return 2 if isinstance(error, UsageError) else 1


def _stopped(name: str, words: Sequence[str], program: str, stop: KeyboardInterrupt) -> int:
    """Say what there is to go on with, and return the exit status."""
    if not {"-h", "--help"} & {name, *words}:  # who has read enough of the help closes it
        _complain(program, "; ".join(["interrupted", *getattr(stop, "__notes__", ())]))
    return _status_of_stop(stop)


def usage() -> str:
    """Return the help of the program as a whole."""
    commands = "\n".join(f"  {name:<10}{text}" for name, text in COMMANDS.items())
    return (
        "usage: txm2sem COMMAND [OPTIONS]\n\n"
        "Predict FIB-SEM images from transmission X-ray microscopy (TXM), learned from a few aligned slices.\n\n"
        f"commands:\n{commands}\n\n"
        "txm2sem COMMAND --help lists a command's options; txm2sem --version prints the version."
    )


def words_of(error: BaseException) -> str | None:
    """Return in words what stopped the program that no part of it has foreseen; None where it is a fault of its own."""
    if isinstance(error, OSError):
        where = " -> ".join(str(name) for name in (error.filename, error.filename2) if name is not None)
        return f"{error.strerror or error}{f': {where}' if where else ''}; what was finished before is whole"
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error) or "out of memory" in str(error):
        return (
            "the memory is used up; close other programs, or ask for less: smaller --patch_size, --batch_size, --ngf, "
            "--memory or --roi, as the command has them"
        )
    if isinstance(error, RecursionError):
        return "something is nested too deeply to be read; check the files and options that were passed"
    if isinstance(error, UnicodeError):
        return f"a name or a text file is not UTF-8 ({error}); rename or convert it"
    return None


@contextmanager
def ends_as_interrupts() -> Iterator[Sequence[int]]:
    """Let the signals that ask a program to end do what Ctrl-C does, so that nothing is left half done.

    One that is ignored when the program starts (`nohup`) stays ignored.

    Yields:
        the numbers of those that have come, which grow.
    """
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # only there signals can be handled
        yield asked
        return

    def stop(number: int, frame: Any) -> None:
        asked.append(number)
        raise Interrupted(number)

    before = {number: signal.getsignal(number) for number in ENDS}
    before = {number: handler for number, handler in before.items() if handler not in (None, signal.SIG_IGN)}
    for number in before:
        signal.signal(number, stop)
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _complain(program: str, message: str) -> None:
    print(printable(f"{program}: {message}"), file=sys.stderr)


def _status_of_stop(stop: KeyboardInterrupt) -> int:
    return 128 + (stop.signal if isinstance(stop, Interrupted) else signal.SIGINT)


def train_script() -> int:
    """Run the train command as `train.py`."""
    return run_command("train", sys.argv[1:], "train.py")


def test_script() -> int:
    """Run the test command as `test.py`."""
    return run_command("test", sys.argv[1:], "test.py")
