"""Try what bad inputs and sudden ends do to the program: seeded mutations, and kills at every kind of moment.

    python benchmarks/faults [--inputs 40] [--kills 12] [--seed 0] [--only NAME ...] [--json FILE] [--folder FOLDER]

Inputs: what a command reads is damaged, or an option gets an odd value, and the command is run under a limit of memory
and time. It ends badly where it ends in a traceback, by a signal, or not at all. Kills: a command is killed (SIGKILL)
the moment before it opens, renames, removes or makes the n-th file of its own, with n drawn, or after a time that is
drawn; the same command is then run to its end, and what it has made is compared, byte by byte, with what an
uninterrupted one makes. It ends badly where it does not end with status 0, or makes something else.

Prints a table; every fault stands below it with what makes it again. Exit status 1 where there is any. About an hour on
two cores; `--inputs` and `--kills` are for each of the rows. Linux or macOS, as processes are forked.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

from inputs import TARGETS, try_input
from kills import COMMANDS, try_kill
from scene import Scene, Verdict


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=40, help="damaged inputs of each kind")
    parser.add_argument("--kills", type=int, default=12, help="kills of each command")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=[], help="rows whose names begin so")
    parser.add_argument("--json", type=Path, help="file for the numbers of the table and the faults")
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder by default")
    arguments = parser.parse_args()
    counts: dict[str, Counter[str]] = {}
    faults: list[Verdict] = []
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        scene = Scene(Path(name))
        rows = [(target, arguments.inputs, try_input) for target in TARGETS]
        rows += [(command, arguments.kills, try_kill) for command in COMMANDS]
        for row, tries, attempt in rows:
            if arguments.only and not row.startswith(tuple(arguments.only)):
                continue
            counts[row] = Counter()
            for number in range(tries):
                verdict = attempt(scene, row, arguments.seed * 100_000 + number)
                counts[row][verdict.outcome] += 1
                if not verdict.well:
                    faults.append(verdict)
            print(f"{row:<28}{tries:>6} tried  {_words(counts[row])}", flush=True)
    for fault in faults:
        print(f"\n{fault.row} seed {fault.seed}: {fault.outcome}\n  {fault.what}\n  {fault.said[-600:]}")
    print(f"\n{sum(map(Counter.total, counts.values()))} tried, {len(faults)} ended badly")
    if arguments.json:
        table = {row: dict(count) for row, count in counts.items()}
        content = {"seed": arguments.seed, "rows": table, "faults": [vars(fault) for fault in faults]}
        arguments.json.write_text(json.dumps(content, indent=2) + "\n")
    return 1 if faults else 0


def _words(count: Counter[str]) -> str:
    return ", ".join(f"{number} {outcome}" for outcome, number in sorted(count.items()))


if __name__ == "__main__":
    sys.exit(main())
