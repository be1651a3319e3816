"""`txm2sem compare RUN RUN ...`: write a page about several runs, side by side."""

from __future__ import annotations

from collections.abc import Sequence

from txm2sem.cli.parsing import UsageError, parse
from txm2sem.options import CompareCommand


def main(words: Sequence[str], program: str) -> int:
    """Write the page, say where it is, and return the exit status."""
    names, command = parse(CompareCommand(), words, program)
    if len(names) < 2:
        raise UsageError(f"expected the names of two runs or more, as in: {program} srgan_no_reg srgan_imgreg")

    from txm2sem.reporting import compare_runs
    from txm2sem.runs import RunPaths

    runs = [RunPaths.of(name, command.run.checkpoints_dir, command.run.results_dir) for name in names]
    try:
        written = compare_runs(runs, command.compare.output)
    except KeyboardInterrupt as stop:
        stop.add_note("no page was written, and an earlier one is untouched")
        raise
    for problem in written.problems:
        print(f"note:    not shown: {problem}")
    if written.earlier is not None:
        print(f"earlier: {written.earlier}")
    print(f"page:    {written.path}")
    return 0
