"""The script that gives the runs of a sweep to Slurm, each as a job of an array."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

GRACE = 120
"""Seconds before a job's time limit at which it is told to end, so that a training saves itself."""


def array_script(name: str, runs: Sequence[str], words: Sequence[str], jobs: int, folder: Path, printed: Path) -> str:
    """Return a script for `sbatch`.

    Args:
        name: of the sweep.
        runs: names of the runs, at least one.
        words: behind the name of the program, but for the one that says which run.
        jobs: that run at a time at most; 0: as many as the cluster has room for.
        folder: that the jobs work in.
        printed: folder for what they print, one file a job.
    """
    at_a_time = f"%{jobs}" if jobs else ""
    call = shlex.join([sys.executable, "-m", "txm2sem", *words])
    names = "\n".join(f"  {shlex.quote(run)}" for run in runs)
    return f"""#!/bin/bash
# Trains and tests the runs of a sweep, each in a job; the last of them writes the table. Partition, time, memory and
# GPUs as your cluster calls them stand before the name of this file:
#   sbatch --partition=gpu --gres=gpu:1 --cpus-per-task=8 --time=12:00:00 sweep.sbatch
# What a time limit cuts off goes on with the same line.
#SBATCH --job-name={_quoted(name)}
#SBATCH --array=0-{len(runs) - 1}{at_a_time}
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --chdir={_quoted(folder)}
#SBATCH --output={_quoted(printed / "%A_%a.out")}
#SBATCH --signal=TERM@{GRACE}

runs=(
{names}
)
exec srun --ntasks=1 {call} --only="${{runs[$SLURM_ARRAY_TASK_ID]}}"
"""


def _quoted(value: object) -> str:
    """Return a value as `sbatch` reads it from a comment of a script."""
    text = str(value)
    return f'"{text}"' if any(character.isspace() for character in text) else text
