"""`txm2sem volume INPUT OUTPUT`: translate a whole TXM volume."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from txm2sem.cli.parsing import UsageError, parse
from txm2sem.options import VolumeCommand

if TYPE_CHECKING:
    from txm2sem.applying.volume import VolumeRun


def main(words: Sequence[str], program: str) -> int:
    """Print the plan, translate, say what was measured and where it is, and return the exit status."""
    places, command = parse(VolumeCommand(), words, program)
    example = f"as in: {program} scan predicted.ome.zarr --name MODEL --voxel_size 32"
    if len(places) > 2:
        raise UsageError(
            f"expected the input and the output, found {len(places)} names; put a pattern in quotes, "
            f"as in: {program} 'scan/*.tif' predicted.ome.zarr --name MODEL --voxel_size 32"
        )
    if len(places) < 2:
        raise UsageError(f"expected the TXM volume and a file to write, {example}")
    if not command.run.name:
        raise UsageError(f"--name is missing: expected the name of a trained model, {example}")

    from txm2sem.applying.volume import VolumeRun
    from txm2sem.applying.volume.report import translate_volume
    from txm2sem.devices import keep_freed_memory

    keep_freed_memory()
    run = VolumeRun.of(command, places[0], places[1])
    if command.volume.dry_run:
        run.check()
        _print_plan(run)
        return 0
    try:
        with run.begin() as stage:
            if stage == "whole":
                print(f"volume:     {run.paths.output} is whole already")
                return 0
            _print_plan(run)
            report = translate_volume(run)
    except KeyboardInterrupt as stop:
        stop.add_note("the same command goes on with what is missing")
        raise
    for line in report.lines:
        print(line)
    print(f"volume:     {report.output}")
    print(f"picture:    {report.picture}")
    return 0


def _print_plan(run: VolumeRun) -> None:
    from txm2sem.applying.volume import describe
    from txm2sem.details import device_line, generator_lines

    if run.stage == "begun":
        print(f"going on with {run.paths.work}")
    if run.command.run.verbose:
        print(*generator_lines(run.command.model), device_line(run.command.run), sep="\n")
    for line in describe(run):
        print(line, flush=True)
