"""Work spread over processes of this machine, or over a cluster."""

from txm2sem.workers.job import Job
from txm2sem.workers.processes import not_hearing
from txm2sem.workers.spread import finished_parts

__all__ = ["Job", "finished_parts", "not_hearing"]
