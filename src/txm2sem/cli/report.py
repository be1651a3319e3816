"""`txm2sem report RUN`: write a page about a run."""

from __future__ import annotations

from collections.abc import Sequence

from txm2sem.cli.parsing import UsageError, parse
from txm2sem.options import ReportCommand


def main(words: Sequence[str], program: str) -> int:
    """Write the page, say where it is, and return the exit status."""
    names, command = parse(ReportCommand(), words, program)
    if len(names) != 1:
        raise UsageError(f"expected the name of a run, as in: {program} srgan_imgreg")

    from txm2sem.reporting import report_run
    from txm2sem.runs import RunPaths

    paths = RunPaths.of(names[0], command.run.checkpoints_dir, command.run.results_dir)
    try:
        written = report_run(paths, command.report.volume, command.report.output, command.report.txm)
    except KeyboardInterrupt as stop:
        stop.add_note("no page was written, and an earlier one is untouched")
        raise
    for problem in written.problems:
        print(f"note:    not shown: {problem}")
    if written.earlier is not None:
        print(f"earlier: {written.earlier}")
    print(f"report:  {written.path}")
    return 0
