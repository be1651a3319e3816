"""A look at a data root before any training: what is in it, what contradicts, and what scores to expect.

`sources` opens every file on its own, `content` and `pairs` measure each slice, `leaks` compares slices with each
other, `scores` does without a model what a model must beat. `judging` and its like turn measures into findings, `run`
is the whole story, and `figures` and `page` show it.
"""

from txm2sem.checking.findings import Finding
from txm2sem.checking.run import CheckReport, check_data_root

__all__ = ["CheckReport", "Finding", "check_data_root"]
