"""Pages about runs that are done: `report_run` about one, `compare_runs` about several, side by side.

They show what the folders of a run hold, and compute nothing that a test computes.
"""

from txm2sem.reporting.compare_page import compare_runs
from txm2sem.reporting.run_page import report_run

__all__ = ["compare_runs", "report_run"]
