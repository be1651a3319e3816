from .describing import describe as describe
from .measures import VolumeMeasures as VolumeMeasures
from .run import VolumeRun as VolumeRun
