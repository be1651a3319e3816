"""`txm2sem repair SEM_FOLDER OUT_FOLDER`: fill the charged regions of SEM slices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from txm2sem.cli.parsing import UsageError, parse_model_command, take_places
from txm2sem.config import RepairCommand


def main(words: Sequence[str], program: str) -> int:
    """Repair, say what was repaired and where it is, and return the exit status."""
    places, options = take_places(words)
    command = parse_model_command(RepairCommand(), options, f"{program} SEM_FOLDER OUT_FOLDER")
    if len(places) != 2:
        raise UsageError(
            f"expected the folder of the SEM slices and a folder to write, as in: {program} images/test/sem repaired "
            "--name MODEL --txm images/test/txm"
        )

    from txm2sem.devices import keep_freed_memory
    from txm2sem.report.repaired_slices import repair_slices

    keep_freed_memory()
    folder, out = map(Path, places)
    report = repair_slices(command, folder, out)
    for line in report.lines:
        print(line)
    print(f"slices:  {out}")
    print(f"picture: {report.picture}")
    return 0
