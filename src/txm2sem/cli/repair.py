"""`txm2sem repair SEM_FOLDER OUT_FOLDER`: fill the charged regions of SEM slices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from txm2sem.cli.parsing import UsageError, given_options, parse_model_command, take_places
from txm2sem.errors import UserError
from txm2sem.options import RepairCommand

OF_KRIGING = frozenset({"txm", "charge", "saturation", "min_area", "dilation", "texture", "seed"})
"""Options of a repair by kriging."""


def main(words: Sequence[str], program: str) -> int:
    """Repair, say what was repaired and where it is, and return the exit status."""
    places, options = take_places(words)
    command = parse_model_command(RepairCommand(), options, f"{program} SEM_FOLDER OUT_FOLDER")
    if len(places) != 2:
        raise UsageError(
            f"expected the folder of the SEM slices and a folder to write, as in: {program} images/test/sem repaired "
            "--txm images/test/txm"
        )
    check_method(command, given_options(options))

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


def check_method(command: RepairCommand, given: Sequence[str]) -> None:
    """Check that what the user asks for belongs to the method: to kriging, or to the model that is named.

    Raises:
        UserError: an option does nothing.
    """
    if command.run.name:
        if command.repair.texture:
            raise UserError("--texture belongs to kriging; leave it out, or leave out --name")
        return
    drawn = OF_KRIGING if command.repair.texture else OF_KRIGING - {"seed"}
    idle = [name for name in given if name not in drawn]
    if idle:
        raise UserError(
            f"--{idle[0]} does nothing in a repair by kriging; leave it out, or name a trained model with --name"
        )
