"""The model that is applied before anything is measured: with which options."""

from __future__ import annotations

from txm2sem.errors import UserError
from txm2sem.options import MeasureCommand, VolumeCommand
from txm2sem.resolving import resolve

HANDED_ON = ("dataset", "axes", "voxel_size", "roi", "missing", "memory", "workers", "scheduler")
"""Options that are those of both."""

OF_MODEL = ("name", "checkpoints_dir", "epoch", "gpu_ids", "seg_source")


def volume_command(command: MeasureCommand) -> VolumeCommand:
    """Return how the model that `--name` names is applied: labels with probabilities, or the predicted SEM.

    Raises:
        UserError: as `resolve`, or labels are to be told in another way.
    """
    asked = command.measure
    given = {name: getattr(asked, name) for name in (*HANDED_ON, *OF_MODEL)}
    given = {name: value for name, value in given.items() if value not in ("", 0)}
    if asked.seg_mode != "auto":
        given["seg_mode"] = asked.seg_mode
    found = resolve(VolumeCommand(), given)
    if found.model.model != "segmentation":
        if asked.method == "labels":
            raise UserError(
                f"--method labels: {asked.name} predicts the SEM, which has grey values; leave the option out, or name "
                "a model that segments"
            )
        return found
    if asked.thresholds or asked.method not in ("auto", "labels"):
        raise UserError(
            f"{asked.name} tells the phases itself; leave out --thresholds and --method, or name a model that predicts "
            "the SEM"
        )
    return resolve(VolumeCommand(), {**given, "probabilities": True})
