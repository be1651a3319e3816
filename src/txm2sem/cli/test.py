"""`txm2sem test`: predict and score a split with a trained model."""

from __future__ import annotations

from collections.abc import Sequence

from txm2sem.cli.parsing import parse
from txm2sem.options import TestCommand


def main(words: Sequence[str], program: str) -> int:
    """Test, print the table of scores and where the pictures are, and return the exit status."""
    _, command = parse(TestCommand(), words, program)

    from txm2sem.details import test_details
    from txm2sem.devices import keep_freed_memory
    from txm2sem.testing import test_model

    keep_freed_memory()
    if command.run.verbose:
        for line in test_details(command):
            print(line)
    try:
        report = test_model(command)
    except KeyboardInterrupt as stop:
        stop.add_note("the same command tests anew; earlier results are kept")
        raise
    if report.earlier:
        print(f"the earlier results are kept as {report.earlier}")
    for line in report.lines:
        print(line)
    print(f"images:   {report.paths.results}")
    for picture in report.pictures:
        print(f"{picture.stem}: {picture}")
    return 0
