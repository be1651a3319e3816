"""`txm2sem check DATA`: look at a data root before any training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from txm2sem.cli.parsing import UsageError, parse
from txm2sem.options import CheckCommand

PROBLEMS = 3
"""Exit status where something makes training or its scores senseless; warnings leave it 0."""


def main(words: Sequence[str], program: str) -> int:
    """Check the data root, say what was found and where the report is, and return the exit status."""
    places, command = parse(CheckCommand(), words, program)
    if len(places) != 1:
        raise UsageError(f"expected the folder that has train, val and test, as in: {program} images")

    from tqdm import tqdm

    from txm2sem.checking import check_data_root
    from txm2sem.devices import keep_freed_memory

    keep_freed_memory()
    with tqdm(total=1.0, bar_format="{desc:<24} {bar} {elapsed}<{remaining}", disable=None) as bar:

        def show(done: float, task: str) -> None:
            bar.set_description_str(task)
            bar.update(done - bar.n)

        report = check_data_root(Path(places[0]), command.data, command.check.output, show)
    for finding in report.findings:
        print(finding)
    print(report.verdict)
    if report.earlier is not None:
        print(f"earlier:  {report.earlier}")
    print(f"report:   {report.paths.page}")
    return PROBLEMS if report.problems else 0
