"""`txm2sem train`: train a model."""

from __future__ import annotations

from collections.abc import Sequence

from txm2sem.cli.parsing import parse
from txm2sem.options import TrainCommand


def main(words: Sequence[str], program: str) -> int:
    """Train, say where everything is, and return the exit status."""
    _, command = parse(TrainCommand(), words, program)

    from tqdm import tqdm

    from txm2sem.commands import next_test
    from txm2sem.devices import keep_freed_memory
    from txm2sem.training.fit import fit

    keep_freed_memory()
    paths = fit(command, tqdm.write)
    print(f"models: {paths.checkpoints}")
    print(f"next:   {next_test(paths)}")
    return 0
