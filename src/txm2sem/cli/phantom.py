"""`txm2sem phantom FOLDER`: write a synthetic shale data set."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from txm2sem.cli.parsing import UsageError, parse
from txm2sem.options import PhantomCommand, option_words


def main(words: Sequence[str], program: str) -> int:
    """Write the data set, say what it is, and return the exit status."""
    places, command = parse(PhantomCommand(), words, program)
    if len(places) != 1:
        raise UsageError(f"expected a folder to write, as in: {program} images --size 256")

    from tqdm import tqdm

    from txm2sem.phantoms import write_phantom

    folder = Path(places[0])
    with tqdm(total=1.0, bar_format="{desc:<24} {bar} {elapsed}<{remaining}", disable=None) as bar:

        def show(done: float, task: str) -> None:
            bar.set_description_str(task)
            bar.update(done - bar.n)

        try:
            facts = write_phantom(folder, command.phantom, show)
        except KeyboardInterrupt as stop:
            stop.add_note("nothing was written; the same command begins anew")
            raise
    print(f"{folder}: {facts['shape']} pixels (z, y, x), porosity {facts['porosity']:.3f}; all facts in phantom.json")
    print(f"next: {shlex.join(['txm2sem', 'train', '--recipe', 'translate', *option_words('dataroot', folder)])}")
    return 0
