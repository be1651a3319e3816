"""`txm2sem repair SEM_FOLDER OUT_FOLDER`: fill the charged regions of SEM slices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from txm2sem.cli.parsing import UsageError, parse
from txm2sem.options import RepairCommand


def main(words: Sequence[str], program: str) -> int:
    """Repair, say what was repaired and where it is, and return the exit status."""
    places, command = parse(RepairCommand(), words, program)
    if len(places) != 2:
        raise UsageError(
            f"expected the folder of the SEM slices and a folder to write, as in: {program} images/test/sem repaired "
            "--txm images/test/txm"
        )

    from txm2sem.devices import keep_freed_memory
    from txm2sem.repairing.slices import repair_slices

    keep_freed_memory()
    folder, out = map(Path, places)
    try:
        report = repair_slices(command, folder, out)
    except KeyboardInterrupt as stop:
        stop.add_note("the same command goes on with the slices that are missing")
        raise
    for line in report.lines:
        print(line)
    print(f"slices:  {out}")
    print(f"picture: {report.picture}")
    return 0
