"""`txm2sem translate INPUT OUTPUT`: predict the SEM of TXM images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from txm2sem.cli.parsing import UsageError, parse
from txm2sem.options import TranslateCommand


def main(words: Sequence[str], program: str) -> int:
    """Translate, say how and where the result is, and return the exit status."""
    places, command = parse(TranslateCommand(), words, program)
    if len(places) > 2:
        raise UsageError(
            f"expected the input and the output, found {len(places)} names; pass the folder of the images, as in: "
            f"{program} scan predicted"
        )
    if len(places) < 2:
        raise UsageError(
            f"expected a TXM image and a file to write, as in: {program} txm.tif predicted.tif; or a folder of images "
            f"and a new folder, as in: {program} scan predicted"
        )

    from txm2sem.applying.images import ImageRun
    from txm2sem.applying.images.report import translate_images
    from txm2sem.details import device_line, generator_lines
    from txm2sem.devices import keep_freed_memory

    keep_freed_memory()
    run = ImageRun(command, *map(Path, places))
    if command.run.verbose:
        print(*generator_lines(command.model), device_line(command.run), sep="\n")
    for line in run.lines:
        print(line, flush=True)
    try:
        translate_images(run)
    except KeyboardInterrupt as stop:
        stop.add_note("the same command goes on with the images that are missing")
        raise
    print(f"output:  {run.paths.output}{', which was whole already' if run.stage == 'whole' else ''}")
    print(f"picture: {run.paths.picture}")
    return 0
