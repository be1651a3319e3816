"""`txm2sem train`: train a model."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from txm2sem.cli.parsing import parse_model_command
from txm2sem.config import RunOptions, TrainCommand

INTERRUPTED = 130


def main(words: Sequence[str], program: str) -> int:
    """Train, say where everything is, and return the exit status."""
    command = parse_model_command(TrainCommand(), words, program)

    from tqdm import tqdm

    from txm2sem.devices import keep_freed_memory
    from txm2sem.training.callbacks import TrainingInterrupted
    from txm2sem.training.fit import fit

    keep_freed_memory()
    try:
        paths = fit(command, tqdm.write)
    except TrainingInterrupted:
        print("interrupted; the same command with --continue_train goes on from here", file=sys.stderr)
        return INTERRUPTED
    except SystemExit:
        # Lightning's answer to the second Ctrl-C.
        print("interrupted at once; --continue_train goes on from the latest checkpoint", file=sys.stderr)
        return INTERRUPTED
    print(f"models: {paths.checkpoints}")
    places = {"checkpoints_dir": command.run.checkpoints_dir, "results_dir": command.run.results_dir}
    defaults = RunOptions()
    moved = [f" --{name} {place}" for name, place in places.items() if place != getattr(defaults, name)]
    print(f"next:   txm2sem test --name {paths.name}{''.join(moved)}")
    return 0
