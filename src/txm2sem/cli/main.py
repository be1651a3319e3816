"""The program `txm2sem`: finds the command, runs it, and turns errors into messages and exit statuses.

Exit status: 0 done, 1 something the user can put right, 2 the command line is not understood, 3 a check has found
problems in the data, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from txm2sem import __version__
from txm2sem.errors import UserError

COMMANDS = {
    "translate": "predict the SEM of your own TXM images, with the model that comes along or a trained one",
    "check": "look at your slices before any training, and know what to trust",
    "train": "train a model on aligned TXM and FIB-SEM slices",
    "test": "predict and score a split with a trained model",
    "report": "write a page about a run: images, scores, curves, how to do it again",
    "compare": "write a page about several runs, side by side",
    "volume": "translate a whole TXM volume of any size and format with a trained model",
    "repair": "fill charged regions of your own SEM slices, by kriging or with a trained model",
    "phantom": "write a synthetic shale data set to try things with",
}
"""Commands with their one-line help; each is the module of the same name in `txm2sem.cli`."""

INTERRUPTED = 130


def main(words: Sequence[str] | None = None) -> int:
    """Run the program with `words` (the process's arguments by default) and return its exit status."""
    words = sys.argv[1:] if words is None else words
    if not words or words[0] in ("-h", "--help"):
        print(usage())
        return 0 if words else 2
    if words[0] == "--version":
        print(f"txm2sem {__version__}")
        return 0
    return run_command(words[0], words[1:], f"txm2sem {words[0]}")


def run_command(name: str, words: Sequence[str], program: str) -> int:
    """Run one command and return its exit status."""
    from txm2sem.cli.parsing import UsageError, nearest

    try:
        if name not in COMMANDS:
            raise UsageError(f"there is no command {name}{nearest(name, list(COMMANDS))}\n\n{usage()}")
        status: int = import_module(f"txm2sem.cli.{name}").main(words, program)
        return status
    except UserError as error:
        print(f"{program}: error: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except KeyboardInterrupt:
        print(f"{program}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # What reads the output (head, less) has enough; Python must not complain once more while it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def usage() -> str:
    """Return the help of the program as a whole."""
    commands = "\n".join(f"  {name:<10}{text}" for name, text in COMMANDS.items())
    return (
        "usage: txm2sem COMMAND [OPTIONS]\n\n"
        "Predict FIB-SEM images from transmission X-ray microscopy (TXM), learned from a few aligned slices.\n\n"
        f"commands:\n{commands}\n\n"
        "txm2sem COMMAND --help lists a command's options; txm2sem --version prints the version."
    )


def train_script() -> int:
    """Run the train command as `train.py`."""
    return run_command("train", sys.argv[1:], "train.py")


def test_script() -> int:
    """Run the test command as `test.py`."""
    return run_command("test", sys.argv[1:], "test.py")
