"""Translate whole volumes, block by block."""

from txm2sem.applying.volume.describe import describe
from txm2sem.applying.volume.measures import VolumeMeasures
from txm2sem.applying.volume.run import VolumeRun

__all__ = ["VolumeMeasures", "VolumeRun", "describe"]
