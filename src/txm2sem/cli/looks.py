"""A look at what the words name, before what works on it is imported, which takes seconds.

Each look is one that the work itself takes, too, first of all; here it only comes earlier. `check` and `repair` need
none: they import what they need when they have opened their slices. Nor do the images of `translate`.
"""

from __future__ import annotations

from pathlib import Path

from txm2sem.addresses import Place
from txm2sem.options import ExportCommand, ModelCommand, TrainCommand
from txm2sem.runs import RunPaths, check_has_options, check_is_checkpoint, check_is_run, label_of, paths_of

# Every function raises UserError where what it looks at is not there.


def look_at_data(command: TrainCommand) -> None:
    """Look whether there is a split to train on."""
    from txm2sem.data.slices import split_folder

    split_folder(command.run.dataroot, command.sampling.phase)


def look_at_model(command: ModelCommand, epoch: str, load_iter: int) -> None:
    """Look whether the model has been trained that far."""
    check_is_checkpoint(paths_of(command).network(label_of(epoch, load_iter), "G"))


def look_at_exported(command: ExportCommand, name: str) -> None:
    """Look whether a run has what is exported."""
    paths = RunPaths.of(name, command.run.checkpoints_dir, command.run.results_dir)
    check_has_options(paths)
    check_is_checkpoint(paths.network(label_of(command.export.epoch, command.export.load_iter), "G"))


def look_at_runs(runs: list[RunPaths]) -> None:
    """Look whether there is anything of each run."""
    for paths in runs:
        check_is_run(paths)


def look_at_instruments(txm: Path, sem: Path) -> None:
    """Look whether there are slices of the SEM beside a TXM."""
    from txm2sem.data.slices import check_instruments

    check_instruments(txm, sem)


def look_at_volume(place: Place) -> None:
    """Look whether there is anything where a volume of this machine is."""
    from txm2sem.data.files import check_is_volume

    if isinstance(place, Path):
        check_is_volume(place.absolute())
