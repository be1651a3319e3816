"""A model applied to a volume as a step of other work."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from txm2sem.addresses import Place
from txm2sem.applying.volume.describing import describe
from txm2sem.applying.volume.report import translate_volume
from txm2sem.applying.volume.run import VolumeRun
from txm2sem.options import VolumeCommand


class AppliedVolume:
    """What a model makes of a volume, whole or not at all; the same call goes on after an end.

    Args:
        command: the options.
        source: the volume.
        place: where the result is to be, see `VolumePaths`.

    Raises:
        UserError: as `VolumeRun`.
    """

    def __init__(self, command: VolumeCommand, source: Place, place: Path) -> None:
        self._run = VolumeRun.of(command, source, place)

    @property
    def identity(self) -> Mapping[str, Any]:
        """What the result depends on: plain values by name."""
        return self._run.identity | {"input": f"SHA-256 {self._run.opened.reader.fingerprint()}"}

    @property
    def is_guess(self) -> bool:
        """Whether the phases are told from the TXM, which shows less than there is; not from a SEM."""
        command = self._run.command
        return command.model.model != "segmentation" or command.data.seg_mode != "sem"

    def describe(self) -> list[str]:
        """Return the plan for people, see `describe`."""
        return describe(self._run)

    def apply(self) -> None:
        """Write the result, or what is missing of it, with progress bars.

        Raises:
            UserError: as `translate_volume`.
        """
        with self._run.begin() as stage:
            if stage != "whole":
                translate_volume(self._run)
